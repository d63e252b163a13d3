/** Reading request bodies: JSON within a limit and a time, streams with a bound on pauses. */
import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import { ConfigError, MolnError, messageOf } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { formatBytes } from '../base/units.ts';
import type { Exchange } from './exchange.ts';
import { JSON_BODY_BYTES_MAX, JSON_BODY_TIMEOUT_MS } from './limits.ts';

function contentType(exchange: Exchange): string {
  const header = exchange.request.headers['content-type'] ?? '';
  return (header.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** Throws `API_BODY_TYPE` unless the body is what the operation takes. */
export function requireContentType(exchange: Exchange, wanted: string): void {
  const actual = contentType(exchange);
  if (actual === wanted) return;
  throw new MolnError(
    'API_BODY_TYPE',
    `The body is ${actual === '' ? 'of no stated type' : `"${actual}"`}, want "${wanted}"`,
    { hint: `Send the header "Content-Type: ${wanted}"` },
  );
}

function tooLarge(bytes: number): MolnError {
  return new MolnError(
    'API_BODY_TOO_LARGE',
    `The body is ${formatBytes(bytes)}, at most ${formatBytes(JSON_BODY_BYTES_MAX)}`,
  );
}

/** The decoded body; no body is the same as `{}`. Throws before more than the limit is held. */
export async function readJson(exchange: Exchange, clock: Clock): Promise<unknown> {
  if (!exchange.hasBody) return {};
  requireContentType(exchange, 'application/json');
  const stated = Number(exchange.request.headers['content-length'] ?? 0);
  if (stated > JSON_BODY_BYTES_MAX) throw tooLarge(stated);
  const text = await collect(exchange.request, clock);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ConfigError('body', `The body is not JSON: ${messageOf(error)}`);
  }
}

/** Listeners, not iteration: leaving an iteration early would destroy the socket that the answer needs. */
function collect(request: Readable, clock: Clock): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = clock.after(JSON_BODY_TIMEOUT_MS, () => {
      finish(bodyTimeout(JSON_BODY_TIMEOUT_MS));
    });
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > JSON_BODY_BYTES_MAX) finish(tooLarge(bytes));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish(undefined);
    const onClose = (): void => finish(new Error('The client left in the middle of its request'));
    const finish = (error: Error | undefined): void => {
      timer[Symbol.dispose]();
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      if (error === undefined) resolve(Buffer.concat(chunks).toString('utf8'));
      else reject(error);
    };
    request.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

function bodyTimeout(ms: number): MolnError {
  return new MolnError('API_BODY_TIMEOUT', `No more of the body came within ${ms / 1000} s`, {
    retryable: true,
  });
}

/**
 * Destroys the request with `API_BODY_TIMEOUT` when nothing arrives for `idleMs` while its reader waits for
 * more. A reader that pauses (back-pressure) is not the sender's fault and does not count.
 */
export function boundPauses(request: IncomingMessage, idleMs: number, clock: Clock): Disposable {
  let bytesBefore = request.socket.bytesRead;
  const watch = clock.every(idleMs, () => {
    const bytes = request.socket.bytesRead;
    const stalled = bytes === bytesBefore && request.readableLength === 0 && !request.complete;
    bytesBefore = bytes;
    if (stalled) request.destroy(bodyTimeout(idleMs));
  });
  request.once('close', () => watch[Symbol.dispose]());
  return watch;
}

/**
 * The body as a stream of its own: whoever takes it may give up in the middle without cutting the connection, whose
 * answer says why. What then still comes is read and dropped.
 */
export function apart(request: IncomingMessage): Readable {
  const body = new PassThrough();
  request.pipe(body);
  request.once('error', (error) => body.destroy(error));
  request.once('close', () => {
    if (!request.readableEnded && !body.destroyed) {
      body.destroy(new Error('The client left in the middle of its request'));
    }
  });
  body.once('close', () => {
    request.unpipe(body);
    if (!request.destroyed) request.resume();
  });
  // Whoever reads it hears of the error; nobody may be reading yet.
  body.on('error', () => undefined);
  return body;
}
