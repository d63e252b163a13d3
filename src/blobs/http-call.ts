/** Requests to one storage node over HTTP/1.1, on connections that are kept. */
import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as send,
  type RequestOptions,
} from 'node:http';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { messageOf, systemCode } from '../base/errors.ts';
import { BodyDoor } from './body-door.ts';
import { isSmall, SMALL_BODY_BYTES, wholeOf } from './small-body.ts';
import { type BlobCall, type BlobRequest, type BlobResponse, broken } from './wire.ts';

export interface HttpBlobCallOptions {
  /** A connection more: over TLS, its handshake is done. */
  readonly connect: () => Promise<Socket>;
  /** At most so many questions for bodies at once, so many bodies to send, and so many others; the rest waits. Default 128. */
  readonly connections?: number;
  /** A connection on which nothing moves for so long is given up. Default 60 s. */
  readonly idleMs?: number;
}

const STALE_CODES: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE']);
const CONNECTIONS = 128;
const IDLE_MS = 60_000;

/** Dispose of it to close its connections. */
export interface HttpBlobCall extends Disposable {
  readonly call: BlobCall;
}

export function httpBlobCall(options: HttpBlobCallOptions): HttpBlobCall {
  const { connect, connections = CONNECTIONS, idleMs = IDLE_MS } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' });
  // node:http asks a request for it only where there is no agent.
  const createConnection: RequestOptions['createConnection'] = (_options, done) => {
    connect().then(
      (socket) => {
        // It was paused, and node:http takes it as it is.
        socket.resume();
        done(null, socket);
      },
      (error: unknown) => done(error as Error, undefined as unknown as Socket),
    );
    return undefined;
  };
  Object.assign(agent, { createConnection });
  const gets = new BodyDoor({ connect, connections, idleMs });
  // Apart: a put may take as long as its client, and what it sends may have to be got first.
  const puts = new BodyDoor({ connect, connections, idleMs });
  return {
    call: async (request) => {
      if (request.method === 'GET') return await gets.ask(request);
      if (isLongPut(request)) return await puts.ask(request);
      return await callOnce(request, { agent, timeout: idleMs });
    },
    [Symbol.dispose]: () => {
      agent.destroy();
      gets[Symbol.dispose]();
      puts[Symbol.dispose]();
    },
  };
}

function isLongPut({ method, headers }: BlobRequest): boolean {
  return method === 'PUT' && Number(headers['content-length']) >= SMALL_BODY_BYTES;
}

async function callOnce(request: BlobRequest, options: RequestOptions): Promise<BlobResponse> {
  const { body, headers } = request;
  const short = Number(headers['content-length']) < SMALL_BODY_BYTES;
  if (body !== undefined && !short) return await askAndSend(request, body, options);
  const bytes = body === undefined ? undefined : await collect(body);
  try {
    return await sendWhole(request, bytes, options);
  } catch (error) {
    // A kept connection that the other side closed at that moment: it has not seen the request. An append is not
    // repeated all the same, for whoever appends has to know.
    if (!(error instanceof StaleConnection) || request.method === 'POST') throw unwrap(error);
  }
  return await sendWhole(request, bytes, options).catch((error: unknown) => {
    throw unwrap(error);
  });
}

/** Reset before anything of an answer came, on a connection that had been used before. */
class StaleConnection extends Error {}

function unwrap(error: unknown): unknown {
  return error instanceof StaleConnection ? broken(messageOf(error.cause), error.cause) : error;
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function sendWhole(
  { method, path, headers }: BlobRequest,
  bytes: Buffer | undefined,
  options: RequestOptions,
): Promise<BlobResponse> {
  const outgoing = send({ ...options, method, path, headers });
  const answered = answerOf(outgoing);
  outgoing.end(bytes);
  return responseOf(await answered);
}

/** The body is not touched before the node has agreed to take it. */
async function askAndSend(
  { method, path, headers }: BlobRequest,
  body: AsyncIterable<Uint8Array>,
  options: RequestOptions,
): Promise<BlobResponse> {
  const outgoing = send({
    ...options,
    method,
    path,
    headers: { ...headers, expect: '100-continue' },
  });
  const answered = answerOf(outgoing).catch((error: unknown) => {
    throw unwrap(error);
  });
  // Whoever sends the body hears of a failure by `answered`.
  answered.catch(() => undefined);
  outgoing.flushHeaders();
  await sendBody(outgoing, body, answered);
  return responseOf(await answered);
}

function responseOf(message: IncomingMessage): BlobResponse {
  return {
    status: message.statusCode ?? 0,
    headers: message.headers as Readonly<Record<string, string | undefined>>,
    body: bytesOf(message),
  };
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let answered = false;
    outgoing.once('response', (message) => {
      answered = true;
      resolve(message);
    });
    outgoing.on('error', (error) => {
      const stale = outgoing.reusedSocket && STALE_CODES.has(systemCode(error));
      reject(stale ? new StaleConnection('', { cause: error }) : broken(messageOf(error), error));
    });
    outgoing.once('close', () => {
      if (!answered) reject(broken('the connection ended'));
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('nothing came for too long')));
  });
}

/** Resolves when it has been sent, or need not be because there is an answer already. */
async function sendBody(
  outgoing: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  answered: Promise<IncomingMessage>,
): Promise<void> {
  let answer = false;
  const noteAnswer = answered.then(
    () => {
      answer = true;
    },
    () => {
      answer = true;
    },
  );
  await Promise.race([once(outgoing, 'continue').catch(() => undefined), noteAnswer]);
  if (answer) {
    outgoing.destroy();
    return;
  }
  try {
    for await (const piece of body) {
      if (answer) break;
      if (outgoing.write(piece)) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      outgoing.once('drain', resolve);
      await Promise.race([promise, noteAnswer]);
      outgoing.off('drain', resolve);
    }
  } catch (error) {
    // The other side must not take what there is for all of it.
    outgoing.destroy();
    throw error;
  }
  outgoing.end();
}

async function* bytesOf(message: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    if (isSmall(message)) yield await wholeOf(message);
    else for await (const piece of message) yield piece as Buffer;
  } catch (error) {
    throw broken(messageOf(error), error);
  }
  if (!message.complete) throw broken('its answer broke off');
}
