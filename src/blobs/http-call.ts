/** Requests to one storage node over HTTP/1.1, on connections that are kept. */
import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as send,
  type RequestOptions,
} from 'node:http';
import { once } from 'node:events';
import { messageOf } from '../base/errors.ts';
import { type BlobCall, type BlobRequest, type BlobResponse, broken } from './wire.ts';

export interface HttpBlobCallOptions {
  /** Where: `socketPath`, or `host` and `port`, or `createConnection` for TLS. */
  readonly target: Pick<RequestOptions, 'socketPath' | 'host' | 'port' | 'createConnection'>;
  /** At most so many requests at once, the rest waits. Default 128. */
  readonly connections?: number;
  /** A connection on which nothing moves for so long is given up. Default 60 s. */
  readonly idleMs?: number;
}

/** Bodies smaller than this are sent without asking first. */
const ASK_FIRST_BYTES: number = 64 * 1024;
const CONNECTIONS = 128;
const IDLE_MS = 60_000;

/** Dispose of it to close its connections. */
export interface HttpBlobCall extends Disposable {
  readonly call: BlobCall;
}

export function httpBlobCall(options: HttpBlobCallOptions): HttpBlobCall {
  const { target, connections = CONNECTIONS, idleMs = IDLE_MS } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' });
  return {
    call: (request) => callOnce(request, { ...target, agent, timeout: idleMs }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

async function callOnce(request: BlobRequest, options: RequestOptions): Promise<BlobResponse> {
  const { method, path, headers, body } = request;
  const asksFirst = body !== undefined && !(Number(headers['content-length']) < ASK_FIRST_BYTES);
  const outgoing = send({
    ...options,
    method,
    path,
    headers: { ...headers, ...(asksFirst ? { expect: '100-continue' } : {}) },
  });
  const answered = answerOf(outgoing);
  // Whoever sends the body hears of a failure by `answered`.
  answered.catch(() => undefined);
  if (body === undefined) outgoing.end();
  else {
    if (asksFirst) outgoing.flushHeaders();
    await sendBody(outgoing, body, asksFirst, answered);
  }
  const message = await answered;
  return {
    status: message.statusCode ?? 0,
    headers: message.headers as Readonly<Record<string, string | undefined>>,
    body: bytesOf(message),
  };
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', (error) => reject(broken(messageOf(error), error)));
    outgoing.once('close', () => reject(broken('the connection ended')));
    outgoing.once('timeout', () => outgoing.destroy(new Error('nothing came for too long')));
  });
}

/** Resolves when it has been sent, or need not be because there is an answer already. */
async function sendBody(
  outgoing: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  asksFirst: boolean,
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
  if (asksFirst)
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
    for await (const piece of message) yield piece as Buffer;
  } catch (error) {
    throw broken(messageOf(error), error);
  }
  if (!message.complete) throw broken('its answer broke off');
}
