/**
 * The sending side of a two-way stream with one message to say. It stays open until the signal: to etcd the end of it is
 * the end of the client, and some versions then reset the stream before they have answered.
 */
export async function* sayOnce<T>(
  message: T,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  yield message;
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
