/** The fulfilled values in order. Where `Promise.all` throws at once, this waits for all of them first: nothing runs on when what they belong to is undone. */
export async function settleAll<T>(work: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}
