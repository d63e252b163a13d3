/** A request as the face sees it, whoever has read it from its socket, and the way of its answer. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Answer, writeAnswer } from '../http/answer.ts';
import { S3Error } from './errors.ts';

export interface Incoming {
  readonly method: string;
  /** As it was sent. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly socket: Socket;
  /** Asks for the body only when somebody reads it: a client that waits for 100 sends none to a request that is refused. */
  readonly body: AsyncIterable<Uint8Array>;
  /** All of it has come. */
  isComplete(): boolean;
  /** Rejects when it breaks off after the head has gone out. */
  write(answer: Answer): Promise<void>;
  /** The client went away, or was cut. */
  isGone(): boolean;
  /** The client sees a connection that breaks off. */
  cut(): void;
}

/** A body up to this is taken as a whole: a stream costs more than the copy. */
const WHOLE_BYTES_MAX = 256 * 1024;

/** One that node:http has read. */
export function nodeIncoming(request: IncomingMessage, response: ServerResponse): Incoming {
  return {
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    headers: request.headers,
    socket: request.socket,
    body: bodyOf(request, response),
    isComplete: () => request.complete,
    write: (answer) => writeAnswer(response, answer),
    isGone: () => response.destroyed,
    cut: () => void response.destroy(),
  };
}

async function* bodyOf(
  request: IncomingMessage,
  response: ServerResponse,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue();
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  if (length <= WHOLE_BYTES_MAX) {
    if (length > 0) yield await whole(request);
    return;
  }
  for await (const piece of request) yield piece as Uint8Array;
}

function whole(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const [first = Buffer.alloc(0)] = pieces;
      resolve(pieces.length <= 1 ? first : Buffer.concat(pieces));
    });
    request.on('error', reject);
    request.on('close', () => {
      if (!request.complete) reject(new S3Error('IncompleteBody'));
    });
  });
}
