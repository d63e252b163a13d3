/**
 * The HTTP faces of the database process: its private socket, for the agent and for what is handed on of the API's own socket; and, for everybody
 * who shows a token, a port on loopback and a unix socket, which live on while the agent does not.
 */
import { chmod } from 'node:fs/promises';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http';
import { createServer, type Server } from 'node:net';
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import type { Clock } from '../base/time.ts';
import {
  type HranaAnswer,
  type HranaRequest,
  type HranaServer,
  QuickConnection,
  withHint,
} from '../hrana/hrana.ts';
import { bindTcp, listenUnix, proveHandles } from '../net/net.ts';
import { CONTROL, LOCAL_HEADER } from './control.ts';
import { CONTROL_BYTES_MAX } from './limits.ts';
import type { WireWanted } from './open-database.ts';
import { isQuickTarget } from './quick-target.ts';

const LOOPBACK = '127.0.0.1';
const KEEP_ALIVE_MS = 60_000;
const FOR_EVERYBODY = 0o666;
const TARGETS_KNOWN_MAX = 100;

export interface LocalDoorOptions {
  /** The private one. */
  readonly socket: string;
  /** That of apps. */
  readonly appSocket: string;
  /** The file that keeps the port. */
  readonly portFile: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The wire of a database; at once when it is open. Throws or rejects with `DATABASES_NOT_FOUND` or `DATABASES_NOT_READY`. */
  readonly serverOf: (name: string, options: WireWanted) => HranaServer | Promise<HranaServer>;
  /** Answers one control path. Throws a `MolnError`. */
  readonly control: (path: string, body: unknown) => Promise<unknown>;
}

/** Before the rest: a read level. Clients may escape its colon, which a path need not (RFC 3986, section 3.3). */
const LEVEL = /^read\/([a-z]{1,20})(?:(?::|%3A)([a-z0-9]{1,20}))?(?:\/|$)/i;
/** `/db/NAME/rest`, without its query. */
const PATH = /^\/db\/([^/?#]{1,100})(?:\/([^?#]*))?(?:\?.*)?$/;

export class LocalDoor implements Disposable {
  readonly #options: LocalDoorOptions;
  /** Those that listen. */
  readonly #servers: Server[] = [];
  readonly #private: HttpServer;
  /** Serves what comes in by port and socket of apps and is not quick; it listens nowhere. */
  readonly #ofApps: HttpServer;
  readonly #quick = new Set<QuickConnection>();
  #sweeps: Disposable | undefined;
  #port = 0;

  constructor(options: LocalDoorOptions) {
    this.#options = options;
    this.#ofApps = this.#httpServer({ isPrivate: false });
    this.#private = this.#httpServer({ isPrivate: true });
  }

  /** On loopback; 0 before `open`. */
  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    const { socket, appSocket, portFile, clock, log } = this.#options;
    if (!(await proveHandles()))
      log.warn('Sockets of this Node are not as expected: databases work, and cost more');
    this.#sweeps = clock.every(KEEP_ALIVE_MS, () => {
      for (const connection of this.#quick) connection.sweep();
    });
    // Otherwise it would not look for clients that are slow with a head.
    this.#ofApps.emit('listening');
    this.#port = await openKept(this.#appServer(), portFile);
    await listenUnix(this.#appServer(), appSocket);
    // As the port is: a token lets in.
    await chmod(appSocket, FOR_EVERYBODY);
    this.#servers.push(this.#private);
    await listenUnix(this.#private, socket);
  }

  /** Nobody new comes in; what is open is ended by those who serve it. */
  [Symbol.dispose](): void {
    this.#sweeps?.[Symbol.dispose]();
    for (const server of this.#servers) server.close();
    for (const connection of this.#quick) connection.close();
    for (const server of [this.#ofApps, this.#private]) server.closeIdleConnections();
  }

  #appServer(): Server {
    // Half-open, as node:http has it: a client may finish sending before it has read the answer.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const connection = new QuickConnection({
        socket,
        clock: this.#options.clock,
        isQuick: isQuickTarget,
        answer: (request) => this.#answerQuick(request),
        handOver: (given) => {
          this.#ofApps.emit('connection', given);
          given.resume();
        },
        onGone: () => this.#quick.delete(connection),
        keepAliveMs: KEEP_ALIVE_MS,
      });
      this.#quick.add(connection);
      connection.start();
    });
    this.#servers.push(server);
    return server;
  }

  #httpServer(options: { readonly isPrivate: boolean }): HttpServer {
    const { isPrivate } = options;
    const server = createHttpServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 });
    server.on('request', (request, response) => {
      void this.#answer(request, response, isPrivate);
    });
    server.on('upgrade', (request, socket, head) => {
      // Before the wire has it; whoever it is will see that it is closed.
      socket.on('error', () => undefined);
      const { url, headers } = request;
      this.#find(url, isPrivate && headers[LOCAL_HEADER] === '1').then(
        ({ server: hrana }) => hrana.upgrade(request, socket, head),
        (error: unknown) => socket.end(refusal(error)),
      );
    });
    return server;
  }

  /** Never rejects. */
  async #answerQuick(request: HranaRequest): Promise<HranaAnswer> {
    try {
      const { name, level, path } = partsOf(request.path);
      const found = this.#options.serverOf(name, { isLocal: false, level });
      const server = found instanceof Promise ? await found : found;
      return await server.answer({ ...request, path });
    } catch (error) {
      const body = JSON.stringify(this.#failed(error));
      return { status: statusOf(error), type: 'application/json', body };
    }
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    isPrivate: boolean,
  ): Promise<void> {
    try {
      if (isPrivate && request.url?.startsWith('/control/') === true) {
        await this.#control(request.url, request, response);
        return;
      }
      const isLocal = isPrivate && request.headers[LOCAL_HEADER] === '1';
      const { server, path } = await this.#find(request.url, isLocal);
      await server.serve({ request, response, path });
    } catch (error) {
      this.#fail(response, error);
    }
  }

  async #find(
    target: string | undefined,
    isLocal: boolean,
  ): Promise<{ readonly server: HranaServer; readonly path: string }> {
    const { name, level, path } = partsOf(target ?? '');
    return { server: await this.#options.serverOf(name, { isLocal, level }), path };
  }

  async #control(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (path === CONTROL.watch) {
      response.writeHead(200).flushHeaders();
      return;
    }
    const value = await this.#options.control(path, await readJson(request));
    sendJson(response, 200, value ?? {});
  }

  #fail(response: ServerResponse, error: unknown): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    sendJson(response, statusOf(error), this.#failed(error));
  }

  /** As clients of libSQL read errors, and as the agent does. */
  #failed(error: unknown): unknown {
    if (isMolnError(error))
      return { error: error.toJSON(), message: withHint(error), code: error.code };
    this.#options.log.error('A request failed', { error });
    return { message: 'The node failed; its log tells more', code: 'INTERNAL_ERROR' };
  }
}

interface TargetParts {
  readonly name: string;
  /** The read level that it names. */
  readonly level: string | undefined;
  /** Below the database. */
  readonly path: string;
}

/** Of those that came last: clients ask for few. */
const known = new Map<string, TargetParts>();

function partsOf(target: string): TargetParts {
  let parts = known.get(target);
  if (parts === undefined) {
    parts = parseTarget(target);
    if (known.size >= TARGETS_KNOWN_MAX) known.clear();
    known.set(target, parts);
  }
  return parts;
}

/** Throws `DATABASES_PATH`. */
function parseTarget(target: string): TargetParts {
  const [, name, path = ''] = PATH.exec(target) ?? [];
  if (name === undefined) {
    throw new MolnError('DATABASES_PATH', 'Databases are at /db/NAME/', {
      hint: 'Use an address such as http://HOST:7420/db/shop/',
    });
  }
  // What a client makes of an address such as /db/shop, by the rules for relative ones (RFC 3986, section 5.2).
  if (/^v[23]$/.test(name) && /^(?:pipeline|cursor)$/.test(path)) {
    throw new MolnError('DATABASES_PATH', 'The address of a database ends with a slash', {
      hint: 'Use an address such as http://HOST:7420/db/shop/',
    });
  }
  const [start = '', kind, age] = LEVEL.exec(path) ?? [];
  const level = age === undefined ? kind : `${kind}:${age}`;
  return { name, level, path: path.slice(start.length) };
}

/** Binds to the port of before, or to a free one that is kept from now on. */
async function openKept(server: Server, file: string): Promise<number> {
  const before = Number(await readTextIfAny(file));
  if (Number.isSafeInteger(before) && before > 0) {
    try {
      await bindTcp(server, { address: LOOPBACK, port: before });
      return before;
    } catch (error) {
      // Apps that run get the new one when they are restarted.
      if (!isMolnError(error, 'NET_PORT_TAKEN')) throw error;
    }
  }
  await bindTcp(server, { address: LOOPBACK, port: 0 });
  const found = server.address();
  if (found === null || typeof found === 'string') throw new Error('A bound server has an address');
  await writeFileAtomic(file, `${found.port}\n`);
  return found.port;
}

function statusOf(error: unknown): number {
  if (!isMolnError(error)) return 500;
  if (error.code === 'DATABASES_NOT_FOUND' || error.code === 'DATABASES_PATH') return 404;
  return error.retryable ? 503 : 400;
}

function refusal(error: unknown): string {
  const status = statusOf(error);
  const body = `${messageOf(error)}\n`;
  const word = status === 404 ? 'Not Found' : 'Service Unavailable';
  return `HTTP/1.1 ${status} ${word}\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > CONTROL_BYTES_MAX) throw new Error('A control message is too long');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
