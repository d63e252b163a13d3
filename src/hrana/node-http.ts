/** Joins node:http to `answerHttp`: bodies within their limits and times, answers no faster than the client reads. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../base/time.ts';
import { formatBytes } from '../base/units.ts';
import { type ClientPresence, HttpClient } from './client-presence.ts';
import type { Encoded } from './encodings.ts';
import { HranaError } from './errors.ts';
import type { HranaAnswer, HranaRequest, Write } from './http-endpoints.ts';
import { ANSWER_PIECE_BYTES, type HranaLimits } from './limits.ts';

/** What is left of a body that is too large is read and dropped for so long, so that the client reads the answer. */
const REFUSED_BODY_LINGER_MS = 3_000;

export interface NodeExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Below the database, see `HranaRequest`. */
  readonly path: string;
}

export interface ServeOptions {
  readonly clock: Clock;
  readonly limits: HranaLimits;
  readonly answer: (request: HranaRequest) => Promise<HranaAnswer>;
}

/** Never rejects. Resolves when the answer is out or the client has left. */
export async function serveNode(exchange: NodeExchange, options: ServeOptions): Promise<void> {
  const { request, response, path } = exchange;
  const client = new HttpClient();
  response.once('close', () => {
    if (!response.writableFinished) client.leave();
  });
  // A broken connection is told by "close".
  response.on('error', () => undefined);
  const answer = await options.answer({
    method: request.method ?? '',
    path,
    authorization: request.headers.authorization,
    client,
    readBody: (bytesMax) => readBody(request, bytesMax, options),
  });
  if (client.hasLeft) return;
  await send(exchange, answer, client, options);
  dropRest(request, options.clock);
}

async function send(
  { request, response }: NodeExchange,
  { status, type, body, headers }: HranaAnswer,
  client: ClientPresence,
  { clock, limits }: ServeOptions,
): Promise<void> {
  const head = {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  };
  if (typeof body !== 'function') {
    response.writeHead(status, { ...head, 'content-length': Buffer.byteLength(body) });
    if (body.length <= ANSWER_PIECE_BYTES) {
      response.end(request.method === 'HEAD' ? undefined : body);
      return;
    }
  } else response.writeHead(status, head);
  const write: Write = async (piece) => {
    requireClient(client);
    if (response.write(piece)) return;
    const drained = Promise.withResolvers<void>();
    using _stall = clock.after(limits.answerStallMs, () => response.destroy());
    response.once('drain', drained.resolve).once('close', drained.resolve);
    await drained.promise;
    response.off('drain', drained.resolve).off('close', drained.resolve);
    requireClient(client);
  };
  try {
    await (typeof body === 'function' ? body(write) : writeWhole(body, write));
  } catch (error) {
    // There is nobody to answer any more.
    if (!client.hasLeft) throw error;
  } finally {
    response.end();
  }
}

function requireClient({ hasLeft }: ClientPresence): void {
  if (hasLeft) throw new Error('The client left');
}

/** In pieces, so that a client which takes none of it is noticed. */
async function writeWhole(body: Encoded, write: Write): Promise<void> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  for (let at = 0; at < bytes.length; at += ANSWER_PIECE_BYTES) {
    await write(bytes.subarray(at, at + ANSWER_PIECE_BYTES));
  }
}

/** Listeners, not iteration: leaving an iteration early would destroy the socket that the answer needs. */
function readBody(
  request: IncomingMessage,
  bytesMax: number,
  { clock, limits }: ServeOptions,
): Promise<Uint8Array> {
  const stated = Number(request.headers['content-length'] ?? 0);
  if (stated > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = clock.after(limits.bodyTimeoutMs, () => {
      const words = `The body did not arrive within ${limits.bodyTimeoutMs} ms`;
      finish(new HranaError('HRANA_BODY_TIMEOUT', words, { status: 408 }));
    });
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bytesMax) finish(tooLarge(bytesMax));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish(undefined);
    const onClose = (): void =>
      finish(new HranaError('HRANA_CLIENT_LEFT', 'The client left in the middle of its request'));
    const finish = (error: Error | undefined): void => {
      timer[Symbol.dispose]();
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      if (error !== undefined) reject(error);
      else
        resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    };
    request.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

export function tooLarge(bytesMax: number): HranaError {
  return new HranaError(
    'HRANA_BODY_TOO_LARGE',
    `The body has more than ${formatBytes(bytesMax)}: send fewer statements at a time`,
    { status: 413 },
  );
}

function dropRest(request: IncomingMessage, clock: Clock): void {
  if (request.complete) return;
  request.resume();
  const { socket } = request;
  const timer = clock.after(REFUSED_BODY_LINGER_MS, () => {
    if (!request.complete) socket.destroy();
  });
  socket.once('close', () => timer[Symbol.dispose]());
}
