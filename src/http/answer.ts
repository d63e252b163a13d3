/** An answer before it is written: what the faces of the file store give. */
import type { ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { sentOf } from '../base/piece-pool.ts';

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** In place of `body`; its length is in the headers. */
  readonly stream?: AsyncIterable<Uint8Array>;
}

/** Rejects when it breaks off after the head has gone out. */
export async function writeAnswer(response: ServerResponse, answer: Answer): Promise<void> {
  const headers: Record<string, string | number> = { ...answer.headers };
  const { status, body, stream } = answer;
  if (stream !== undefined) {
    response.writeHead(status, headers);
    await sendPieces(response, stream);
    return;
  }
  if (status !== 204 && status !== 304)
    headers['content-length'] ??= body === undefined ? 0 : Buffer.byteLength(body);
  response.writeHead(status, headers);
  response.end(body);
}

/**
 * The body of an answer whose head is out, to its end, at the pace of the client; each piece is given back (`piece-pool.ts`) once it is sent. Rejects when it
 * breaks off on either side: then the client sees a connection that breaks off, and no more pieces are asked for.
 */
export async function sendPieces(
  response: ServerResponse,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  try {
    for await (const piece of pieces) {
      if (response.destroyed) break;
      if (piece.length === 0 || response.write(piece, sentOf(piece))) continue;
      await drainedOrGone(response);
    }
  } catch (error) {
    response.destroy();
    throw error;
  }
  if (!response.destroyed) response.end();
  await finished(response);
}

/** The same pieces, with the first one there: rejects where not even that can be had, before a head has gone out. To be read to an end, or left. */
export async function begun(pieces: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const reading = pieces[Symbol.asyncIterator]();
  const first = await reading.next();
  return (async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (let next = first; next.done !== true; next = await reading.next()) yield next.value;
    } finally {
      await reading.return?.();
    }
  })();
}

/** Leaves nothing behind: a large body waits here for each of its pieces. */
async function drainedOrGone(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('drain', resolve).once('close', resolve);
  await promise;
  response.off('drain', resolve).off('close', resolve);
}
