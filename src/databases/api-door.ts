/**
 * Hands requests and WebSockets for `/db/NAME/…` that come to the API on to the database process, through its private socket; requests for
 * files to theirs. It looks at nothing but the head: who asks is checked by the process, but for the API's own socket, whose users may do everything.
 */
import {
  Agent,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as httpRequest,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { connect, type NetConnectOpts, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemCode } from '../base/errors.ts';
import { LOCAL_HEADER } from './control.ts';
import { AWAY_BODY, LOST_BODY } from './errors.ts';
import { TUNNELS_MAX } from './limits.ts';

/** Of one connection (RFC 9110 §7.6.1), so not to be handed on. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Nothing has got to the process. */
const UNREACHED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'EAGAIN']);
/** The process reads no more. */
const CUT: ReadonlySet<string> = new Set(['EPIPE', 'ECONNRESET']);

export interface Origin {
  /** It came over the API's unix socket. */
  readonly isLocal: boolean;
}

/** What a client reads who gets no answer of the process, in JSON. */
export interface DoorWords {
  /** Nothing has got there. */
  readonly away: string;
  /** It was asked and then said nothing: what was asked may have happened. */
  readonly lost: string;
}

const DATABASE_WORDS: DoorWords = { away: AWAY_BODY, lost: LOST_BODY };

export class ApiDoor implements Disposable {
  readonly #socket: string;
  readonly #words: DoorWords;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });
  readonly #tunnels = new Set<Duplex>();

  /** `socket`: the private one of the process, which `words` speak of. */
  constructor(socket: string, words: DoorWords = DATABASE_WORDS) {
    this.#socket = socket;
    this.#words = words;
    Object.assign(this.#agent, {
      createConnection: (options: NetConnectOpts) => new HearingSocket().connect(options),
    });
  }

  /** Never rejects; resolves when the answer is out or the client has left. */
  serve(request: IncomingMessage, response: ServerResponse, origin: Origin): Promise<void> {
    return new Promise((done) => {
      response.once('close', done);
      response.on('error', () => undefined);
      const onward = httpRequest({
        socketPath: this.#socket,
        agent: this.#agent,
        method: request.method,
        path: request.url,
        headers: onwardHeaders(request, origin),
      });
      response.once('close', () => onward.destroy());
      let isUnasked = request.headers.expect !== undefined;
      onward.on('continue', () => {
        isUnasked = false;
        response.writeContinue();
      });
      let whole = (): boolean => false;
      onward.on('error', (error) => {
        if (!whole()) unavailable(response, error, this.#words);
      });
      onward.on('response', (answer) => {
        whole = () => answer.complete;
        answer.on('error', () => response.destroy());
        // A body that nobody asked for may come or not: nothing can follow it on this connection.
        const ends = isUnasked ? { connection: 'close' } : {};
        response.writeHead(answer.statusCode ?? 502, { ...answerHeaders(answer), ...ends });
        answer.pipe(response);
      });
      request.pipe(onward);
      // Behind the pipe's own, which pauses it: a client that reads its answer behind its body could not get rid of the rest.
      onward.once('close', () => request.resume());
    });
  }

  /** Takes the socket over. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, origin: Origin): void {
    socket.on('error', () => undefined);
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
    if (request.method !== 'GET' || !isWebSocket) {
      socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    if (this.#tunnels.size >= TUNNELS_MAX) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const onward = connect(this.#socket);
    this.#tunnels.add(socket);
    onward.on('error', () => {
      if (onward.bytesRead === 0 && socket.writable)
        socket.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n');
      else socket.destroy();
    });
    socket.once('close', () => {
      this.#tunnels.delete(socket);
      onward.destroy();
    });
    onward.once('close', () => socket.end());
    onward.write(webSocketHead(request, origin));
    onward.write(head);
    socket.pipe(onward).pipe(socket);
  }

  /** Cuts the WebSockets: the API closes. */
  [Symbol.dispose](): void {
    for (const socket of this.#tunnels) socket.destroy();
    this.#agent.destroy();
  }
}

/**
 * Goes on reading after a write that failed: a process that refuses a body says why and closes, and what it said has come by then. When nothing
 * has, the end of what comes tells that it is gone.
 */
export class HearingSocket extends Socket {
  override _write(...[chunk, encoding, done]: Parameters<Socket['_write']>): void {
    super._write(chunk, encoding, unlessCut(done));
  }

  override _writev(...[chunks, done]: Parameters<NonNullable<Socket['_writev']>>): void {
    super._writev?.(chunks, unlessCut(done));
  }
}

type WriteDone = Parameters<Socket['_write']>[2];

function unlessCut(done: WriteDone): WriteDone {
  return (error) => done(CUT.has(systemCode(error) ?? '') ? null : error);
}

/** What is handed on of a request's head, with who it is from. */
export function onwardHeaders(
  request: Pick<IncomingMessage, 'headers' | 'httpVersion'>,
  { isLocal }: Origin,
): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (!HOP_BY_HOP.has(name) && name !== LOCAL_HEADER) headers[name] = value;
  }
  // Who speaks HTTP/1.0 knows no 100 (RFC 9110 §10.1.1).
  if (request.httpVersion === '1.0') delete headers.expect;
  if (isLocal) headers[LOCAL_HEADER] = '1';
  return headers;
}

function answerHeaders(answer: IncomingMessage): OutgoingHttpHeaders {
  return Object.fromEntries(
    Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.has(name)),
  );
}

/** What a WebSocket needs of its request (RFC 6455 §4.1), beside who asks. */
const WEB_SOCKET_FIELDS = [
  'host',
  'origin',
  'authorization',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
] as const;

/**
 * Written anew rather than handed on: the process must see a WebSocket in whatever passes here. If it saw an ordinary request, it would
 * read what follows as requests on its private socket.
 */
function webSocketHead({ url, headers }: IncomingMessage, { isLocal }: Origin): string {
  const lines = [`GET ${url} HTTP/1.1`, 'connection: Upgrade', 'upgrade: websocket'];
  for (const name of WEB_SOCKET_FIELDS) {
    const value = headers[name];
    if (typeof value === 'string') lines.push(`${name}: ${value}`);
  }
  if (isLocal) lines.push(`${LOCAL_HEADER}: 1`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Says so to who asked, by what was met instead of an answer. */
export function unavailable(response: ServerResponse, error: unknown, words: DoorWords): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, headers, body } = refusalOf(error, words);
  response.writeHead(status, headers).end(body);
}

/** The same as the bytes of an answer, for a connection that ends with it. */
export function unavailableText(error: unknown, words: DoorWords): string {
  const { status, headers, body } = refusalOf(error, words);
  const said = { ...headers, connection: 'close' };
  const fields = Object.entries(said).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${fields.join('')}\r\n${body}`;
}

function refusalOf(
  error: unknown,
  { away, lost }: DoorWords,
): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
} {
  const type = { 'content-type': 'application/json' };
  const isUnreached = UNREACHED.has(systemCode(error) ?? '');
  const body = isUnreached ? away : lost;
  const told = { ...type, 'content-length': String(Buffer.byteLength(body)) };
  return isUnreached
    ? { status: 503, headers: { ...told, 'retry-after': '1' }, body }
    : { status: 502, headers: told, body };
}
