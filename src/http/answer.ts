/** An answer before it is written: what the faces of the file store give. */
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

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
    await pipeline(Readable.from(stream, { objectMode: false }), response);
    return;
  }
  if (status !== 204 && status !== 304)
    headers['content-length'] ??= body === undefined ? 0 : Buffer.byteLength(body);
  response.writeHead(status, headers);
  response.end(body);
}
