/**
 * The HTTP faces of the database process: its private socket, for the agent and for what the API hands on, and a port on loopback for
 * the apps of this machine, which lives on while the agent does not.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import type { HranaServer } from '../hrana/hrana.ts';
import { bindTcp, listenUnix } from '../net/net.ts';
import { CONTROL, LOCAL_HEADER } from './control.ts';
import { CONTROL_BYTES_MAX } from './limits.ts';
import type { WireWanted } from './open-database.ts';

const LOOPBACK = '127.0.0.1';
const KEEP_ALIVE_MS = 60_000;

export interface LocalDoorOptions {
  readonly socket: string;
  /** The file that keeps the port. */
  readonly portFile: string;
  readonly log: Logger;
  /** The wire of a database. Rejects with `DATABASES_NOT_FOUND` or `DATABASES_NOT_READY`. */
  readonly serverOf: (name: string, options: WireWanted) => Promise<HranaServer>;
  /** Answers one control path. Throws a `MolnError`. */
  readonly control: (path: string, body: unknown) => Promise<unknown>;
}

/** Before the rest: a read level. */
const LEVEL = /^read\/([a-z]{1,20}(?::[a-z0-9]{1,20})?)(?:\/|$)/;
/** `/db/NAME/rest`, without its query. */
const PATH = /^\/db\/([^/?#]{1,100})(?:\/([^?#]*))?(?:\?.*)?$/;

export class LocalDoor implements Disposable {
  readonly #options: LocalDoorOptions;
  readonly #servers: Server[] = [];
  #port = 0;

  constructor(options: LocalDoorOptions) {
    this.#options = options;
  }

  /** On loopback; 0 before `open`. */
  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    const { socket, portFile } = this.#options;
    const own = this.#server({ isPrivate: false });
    this.#port = await openKept(own, portFile);
    await listenUnix(this.#server({ isPrivate: true }), socket);
  }

  /** Nobody new comes in; what is open is ended by those who serve it. */
  [Symbol.dispose](): void {
    for (const server of this.#servers) {
      server.close();
      server.closeIdleConnections();
    }
  }

  #server(options: { readonly isPrivate: boolean }): Server {
    const { isPrivate } = options;
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 });
    server.on('request', (request, response) => {
      void this.#answer(request, response, isPrivate);
    });
    server.on('upgrade', (request, socket, head) => {
      // Before the wire has it; whoever it is will see that it is closed.
      socket.on('error', () => undefined);
      this.#find(request, isPrivate).then(
        ({ server: hrana }) => hrana.upgrade(request, socket, head),
        (error: unknown) => socket.end(refusal(error)),
      );
    });
    this.#servers.push(server);
    return server;
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
      const { server, path } = await this.#find(request, isPrivate);
      await server.serve({ request, response, path });
    } catch (error) {
      this.#fail(response, error);
    }
  }

  async #find(
    request: IncomingMessage,
    isPrivate: boolean,
  ): Promise<{ readonly server: HranaServer; readonly path: string }> {
    const [, name, path = ''] = PATH.exec(request.url ?? '') ?? [];
    if (name === undefined) {
      throw new MolnError('DATABASES_PATH', 'Databases are at /db/NAME/', {
        hint: 'Use an address such as http://HOST:7420/db/shop/',
      });
    }
    const isLocal = isPrivate && request.headers[LOCAL_HEADER] === '1';
    const [start = '', level] = LEVEL.exec(path) ?? [];
    const server = await this.#options.serverOf(name, { isLocal, level });
    return { server, path: path.slice(start.length) };
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
    if (!isMolnError(error)) this.#options.log.error('A request failed', { error });
    sendJson(response, statusOf(error), failureOf(error));
  }
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

/** As clients of libSQL read errors, and as the agent does. */
function failureOf(error: unknown): unknown {
  if (isMolnError(error))
    return { error: error.toJSON(), message: error.message, code: error.code };
  return { message: 'The node failed; its log tells more', code: 'INTERNAL_ERROR' };
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
