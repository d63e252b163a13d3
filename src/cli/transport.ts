/**
 * How the CLI reaches a node: HTTP over the unix socket of a local data folder, or over TLS with a pinned
 * certificate. Every answer that is not 2xx becomes the `MolnError` that its body carries.
 */
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestOptions,
} from 'node:http';
import { addAbortListener, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { isMolnError, MolnError, messageOf, systemCode, type ErrorBody } from '../base/errors.ts';
import { sentOf } from '../base/piece-pool.ts';
import { systemClock } from '../base/time.ts';
import { BodyDoor } from '../blobs/blobs.ts';
import { decodeLines, isLoopback } from '../net/net.ts';
import { noNodeError, unreachableError, usageError } from './errors.ts';
import { isPinned, parsePin } from './pin.ts';
import { printable } from './words.ts';

/** An answer that is no stream. */
const ANSWER_BYTES_MAX: number = 64 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
/** Something between that does not know 100-continue gets the body unasked after this. */
const CONTINUE_TIMEOUT_MS = 2_000;
/** What is sent again, as its answer was lost: so long after the first time at most, and with pauses of so long. */
const AGAIN_WITHIN_MS = 30_000;
const AGAIN_AFTER_MS = 500;
const DEFAULT_API_PORT = 7420;
const OK = 200;
const READ_BYTES: number = 256 * 1024;

export type Target =
  | { readonly kind: 'local'; readonly dataFolder: string }
  | {
      readonly kind: 'remote';
      readonly url: URL;
      readonly token: string | undefined;
      /** 64 hex digits; undefined: the system's certificate authorities decide. */
      readonly pin: string | undefined;
    };

/** Checks the remote's URL and pin. Plain HTTP is for this machine only: a token must not travel in clear. */
export function remoteTarget(
  url: string,
  token: string | undefined,
  pin: string | undefined,
): Target {
  const parsed = URL.parse(url);
  const host = parsed?.hostname.replace(/^\[|\]$/g, '');
  const loopback = host === 'localhost' || isLoopback(host);
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol)) {
    throw usageError(`URL "${url}" is not understood`, 'Write it as https://HOST:7420');
  }
  if (parsed.protocol === 'http:' && !loopback) {
    throw usageError(
      `URL "${url}" would send the token in clear over the network`,
      'Write it with https:// and give the fingerprint with --pin',
    );
  }
  return { kind: 'remote', url: parsed, token, pin: pin === undefined ? undefined : parsePin(pin) };
}

export interface Body {
  readonly type: string;
  /** Its pieces are given back (`base/piece-pool.ts`). */
  readonly stream: AsyncIterable<Uint8Array>;
  /** In bytes, when it is known. */
  readonly length?: number;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly json?: unknown;
  /** By it the node knows what it has done already: whose answer is lost is asked for again. Not with a body. */
  readonly idempotencyKey?: string;
  readonly body?: Body;
  /** Ends this call alone. */
  readonly signal?: AbortSignal;
  /** Of one line of the answer. */
  readonly lineBytesMax?: number;
  /** A line with an error is given like any other: the answer goes on after it. */
  readonly errorsAreLines?: boolean;
}

export interface PiecesAnswer {
  /** Of all of it, in bytes. */
  readonly length: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** Where to, and what to say who asks. */
type Connection = Omit<RequestOptions, 'headers'> & {
  readonly headers?: OutgoingHttpHeaders;
};

export class Transport {
  readonly #target: Target;
  readonly #nowMs: () => number;
  readonly #signal: AbortSignal;

  /** Aborting `signal` ends whatever is under way; its reason is what calls then fail with. */
  constructor(target: Target, nowMs: () => number, signal: AbortSignal) {
    this.#target = target;
    this.#nowMs = nowMs;
    this.#signal = signal;
  }

  /** The decoded JSON of the answer, undefined when it has no body. */
  async json<T>(call: Call): Promise<T> {
    const text = await readAll(await this.#send(call));
    const value = text === '' ? undefined : parseJson(text);
    if (text !== '' && value === undefined) throw badAnswer(OK, text);
    return value as T;
  }

  /** The answer's bytes as they come. */
  bytes(call: Call): Promise<IncomingMessage> {
    return this.#send(call);
  }

  /** The same in pieces that are to be given back (`base/piece-pool.ts`), for what may be long. They are read to their end, or left by `return`. */
  async pieces(path: string): Promise<PiecesAnswer> {
    const target = this.#target;
    if (target.kind === 'remote') {
      const answer = await this.bytes({ method: 'GET', path });
      return { length: Number(answer.headers['content-length'] ?? 0), pieces: answer };
    }
    const stack = new DisposableStack();
    const door = stack.use(
      new BodyDoor({
        connect: () => connected(join(target.dataFolder, 'run', 'api.sock')),
        connections: 1,
        idleMs: 0,
      }),
    );
    stack.use(addAbortListener(this.#signal, () => door[Symbol.dispose]()));
    const explained = (error: unknown): unknown => this.#explain((error as Error).cause ?? error);
    try {
      const { status, headers, body } = await door.ask({ method: 'GET', path, headers: {} });
      const pieces = until(body, stack, explained);
      if (status !== OK) throw errorOf(status, await readAll(pieces));
      return { length: Number(headers['content-length'] ?? 0), pieces };
    } catch (error) {
      stack.dispose();
      throw explained(error);
    }
  }

  /** The answer's lines, each decoded, as they come. Ends quietly when the signal aborts. */
  async *lines<T>(call: Call): AsyncGenerator<T> {
    try {
      const { lineBytesMax } = call;
      const limits = lineBytesMax === undefined ? {} : { lineBytesMax };
      for await (const line of decodeLines(await this.#send(call), limits)) {
        const failure = call.errorsAreLines === true ? undefined : errorUnder(line);
        if (failure !== undefined) throw MolnError.from(failure);
        yield line as T;
      }
    } catch (error) {
      if (!this.#signal.aborted) throw this.#explain(error);
    }
  }

  async #send(call: Call): Promise<IncomingMessage> {
    const untilMs = systemClock.monotonicMs() + AGAIN_WITHIN_MS;
    for (let isAgain = false; ; isAgain = true) {
      try {
        return await this.#sendOnce(call);
      } catch (error) {
        if (call.idempotencyKey === undefined || !isMolnError(error)) throw error;
        const isWorthIt = isAgain ? mayPass(error) : isAnswerLost(error);
        if (!isWorthIt || systemClock.monotonicMs() > untilMs) throw error;
      }
      await systemClock.sleep(AGAIN_AFTER_MS, this.#signal);
    }
  }

  async #sendOnce(call: Call): Promise<IncomingMessage> {
    let answer: IncomingMessage;
    try {
      answer = await this.#exchange(call);
    } catch (error) {
      throw this.#explain(error);
    }
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw errorOf(status, await readAll(answer));
  }

  async #exchange(call: Call): Promise<IncomingMessage> {
    const options = await this.#connection();
    const payload = call.json === undefined ? undefined : JSON.stringify(call.json);
    const type = payload === undefined ? call.body?.type : 'application/json';
    const headers: OutgoingHttpHeaders = {
      ...options.headers,
      accept: 'application/json, application/x-ndjson',
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(payload === undefined ? {} : { 'content-length': Buffer.byteLength(payload) }),
      ...(call.idempotencyKey === undefined ? {} : { 'idempotency-key': call.idempotencyKey }),
      ...(call.body?.length === undefined ? {} : { 'content-length': call.body.length }),
      // Kept alive, so that a node which gives up half-way takes the rest and its reason is read, not cut off.
      ...(call.body === undefined ? {} : { expect: '100-continue', connection: 'keep-alive' }),
    };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = httpRequest({
      ...options,
      signal:
        call.signal === undefined ? this.#signal : AbortSignal.any([this.#signal, call.signal]),
      method: call.method,
      path: call.path,
      headers,
    });
    // For good, not once: a connection may break after the answer, too, and then nobody minds.
    request.once('response', resolve).on('error', reject);
    if (call.body === undefined) request.end(payload);
    else upload(call.body.stream, request);
    return promise;
  }

  async #connection(): Promise<Connection> {
    const target = this.#target;
    if (target.kind === 'local') {
      return { agent: false, socketPath: join(target.dataFolder, 'run', 'api.sock') };
    }
    const headers = target.token === undefined ? {} : { authorization: `Bearer ${target.token}` };
    const host = target.url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(target.url.port === '' ? DEFAULT_API_PORT : target.url.port);
    if (target.url.protocol === 'http:') return { agent: false, host, port, headers };
    const socket = await connectTls(host, port, target.pin, this.#nowMs());
    // Without `agent`: an agent of any kind would make a connection of its own.
    return { host, port, headers, createConnection: () => socket };
  }

  #explain(error: unknown): unknown {
    if (error instanceof MolnError) return error;
    if (this.#signal.aborted) return this.#signal.reason;
    if (this.#target.kind === 'remote') return unreachableError(this.#target.url.href, error);
    const code = systemCode(error);
    if (code === 'EACCES' || code === 'EPERM') {
      return new MolnError(
        'CLI_DENIED',
        `The node on "${this.#target.dataFolder}" belongs to another user`,
        { hint: 'Run the command as that user, or with sudo', cause: error },
      );
    }
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') {
      return noNodeError(this.#target.dataFolder, error);
    }
    return unreachableError(`the node on "${this.#target.dataFolder}"`, error);
  }
}

/**
 * Sends the body when the node asks for it (RFC 9110 10.1.1) and no longer than until it has answered: a refusal must
 * be read, not drown in a broken pipe.
 */
function upload(body: AsyncIterable<Uint8Array>, request: ClientRequest): void {
  let begun = false;
  let isWanted = true;
  let answer: IncomingMessage | undefined;
  let move = Promise.withResolvers<void>();
  const stop = (): void => {
    isWanted = false;
    move.resolve();
  };
  const leave = (): void => {
    stop();
    // One that waits for its next piece would wait for ever.
    if (body instanceof Readable) body.destroy();
  };
  const send = async (): Promise<void> => {
    for await (const piece of body) {
      if (!isWanted) return;
      move = Promise.withResolvers();
      if (request.write(piece, sentOf(piece))) continue;
      await move.promise;
    }
    if (isWanted) request.end();
  };
  const begin = (): void => {
    if (begun || request.destroyed) return;
    begun = true;
    send().catch((cause: unknown) => {
      if (!isWanted) return;
      const error = cause instanceof MolnError ? cause : brokenOff(cause);
      // Whoever reads the answer shall hear the reason, not that the connection broke.
      answer?.destroy(error);
      request.destroy(error);
    });
  };
  const impatience = systemClock.after(CONTINUE_TIMEOUT_MS, begin);
  request.on('drain', () => move.resolve());
  request.once('continue', begin).once('response', (response) => {
    answer = response;
    impatience[Symbol.dispose]();
    if ((response.statusCode ?? 0) >= 300) stop();
    response.once('close', () => {
      leave();
      if (!request.writableFinished) request.destroy();
    });
  });
  request.once('close', () => {
    impatience[Symbol.dispose]();
    leave();
  });
}

function brokenOff(cause: unknown): MolnError {
  return new MolnError('CLI_UNREADABLE', `What is sent broke off: ${messageOf(cause)}`, {
    hint: 'Look at the file, and send it again',
    cause,
  });
}

/** Reads into one buffer: what comes is copied out of it at once. */
async function connected(path: string): Promise<Socket> {
  const socket: Socket = connect({
    path,
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (size, bytes) => socket.emit('data', (bytes as Buffer).subarray(0, size)),
    },
  });
  await once(socket, 'connect');
  return socket;
}

/** All of it, with what it comes from. */
async function* until(
  body: AsyncIterable<Uint8Array>,
  source: DisposableStack,
  explained: (error: unknown) => unknown,
): AsyncGenerator<Uint8Array, void, undefined> {
  using _source = source;
  try {
    yield* body;
  } catch (error) {
    throw explained(error);
  }
}

/** Resolves once the peer is trusted; nothing was sent before. */
async function connectTls(
  host: string,
  port: number,
  pin: string | undefined,
  nowMs: number,
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = tlsConnect({
    host,
    port,
    ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
    rejectUnauthorized: pin === undefined,
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
  });
  socket.setTimeout(CONNECT_TIMEOUT_MS, () =>
    socket.destroy(new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)),
  );
  socket.once('secureConnect', resolve).once('error', reject);
  try {
    await promise;
  } catch (error) {
    throw isTrustProblem(error) ? untrusted(host, port, messageOf(error)) : error;
  }
  socket.setTimeout(0);
  if (pin === undefined) return socket;
  const leaf = socket.getPeerX509Certificate();
  if (leaf !== undefined && isPinned(leaf, pin, nowMs)) return socket;
  socket.destroy();
  throw new MolnError(
    'CLI_PIN_MISMATCH',
    `The certificate of ${host}:${port} is not the pinned one: this may be another machine`,
    {
      hint: 'Compare --pin with the fingerprint that "moln status" prints on that cluster',
      details: { pin, actual: leaf?.fingerprint256.replaceAll(':', '').toLowerCase() },
    },
  );
}

/** The node may have done it: the connection, or the process behind it, ended before there was an answer. */
function isAnswerLost(error: MolnError): boolean {
  const why = systemCode(error.cause);
  return error.code === 'FILES_OUTCOME_UNKNOWN' || why === 'ECONNRESET' || why === 'EPIPE';
}

/** Behind such an answer: a node, or its process, that is being started again. */
function mayPass(error: MolnError): boolean {
  return isAnswerLost(error) || error.retryable || error.code === 'CLI_NO_NODE';
}

function isTrustProblem(error: unknown): boolean {
  return /SELF_SIGNED|UNABLE_TO|CERT_|ALTNAME/.test(systemCode(error) ?? '');
}

function untrusted(host: string, port: number, why: string): MolnError {
  return new MolnError(
    'CLI_UNTRUSTED',
    `The certificate of ${host}:${port} is not trusted: ${why}`,
    {
      hint: 'Give the cluster\'s fingerprint with --pin: "moln status" prints it there',
    },
  );
}

async function readAll(answer: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer is above ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function errorOf(status: number, text: string): MolnError {
  const value = parseJson(text);
  // A database answers in its own protocol, where the error is the whole body.
  const body = errorUnder(value) ?? errorUnder({ error: value });
  if (body !== undefined) return MolnError.from(body);
  return badAnswer(status, text);
}

function badAnswer(status: number, text: string): MolnError {
  return new MolnError(
    'CLI_BAD_ANSWER',
    `This is no answer of a Moln node: status ${status}, "${printable(text.slice(0, 200))}"`,
    { hint: 'Check --url: something else may listen there' },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not from our API: whatever answered, its text goes into the sentence.
    return undefined;
  }
}

/** The `ErrorBody` of `{ "error": … }`: an answer's body, or the last line of a stream that failed. */
function errorUnder(value: unknown): ErrorBody | undefined {
  if (typeof value !== 'object' || value === null || 'kind' in value || !('error' in value)) {
    return undefined;
  }
  const { error } = value;
  if (typeof error !== 'object' || error === null) return undefined;
  if (!('code' in error && 'message' in error)) return undefined;
  return error as ErrorBody;
}
