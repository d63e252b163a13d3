/**
 * The API of one node, on a unix socket and on one TCP port. Takes requests in, checks host, caller, scope and
 * shape by the table of operations, and sends answers and errors out; what is done is the `Cloud`'s affair.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  FirstByteListener,
  listenUnix,
  proveHandles,
  type TlsCredentials,
  takeReads,
  type TlsDoor,
} from '../net/net.ts';
import { Access } from './access.ts';
import type { Cloud } from './cloud.ts';
import type { ConsoleAssets } from './console-assets.ts';
import {
  DATABASE_PATH,
  type DatabaseDoor,
  type FilesDoor,
  type StatementDoor,
} from './database-door.ts';
import { Dispatcher } from './dispatcher.ts';
import { Exchange } from './exchange.ts';
import { FailureLimit } from './failure-limit.ts';
import {
  CLOSE_TIMEOUT_MS,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  REFUSED_BODY_LINGER_MS,
  SLOW_HEAD_SWEEP_MS,
} from './limits.ts';
import { largeUpload } from './large-upload.ts';
import { answersTo } from './origin.ts';
import { Pages } from './pages.ts';

export interface ApiServerOptions {
  readonly cloud: Cloud;
  readonly log: Logger;
  readonly clock: Clock;
  /** Moln's version, for the OpenAPI document. */
  readonly version: string;
  /** Absent: only the API is served. */
  readonly console?: ConsoleAssets;
  /** Absent: there is nothing below `/db/`. */
  readonly databases?: DatabaseDoor;
  /** Absent: statements of databases come in as any other request. */
  readonly statements?: StatementDoor;
  readonly files?: FilesDoor;
  /** Host names, in lower case, that this node answers to beside localhost and any address. Asked each time. */
  readonly names?: () => Iterable<string>;
  /** How long the head of a request may take. */
  readonly headersTimeoutMs?: number;
}

export interface ApiListenOptions {
  /** Path of the unix socket; whoever can open it is admin. */
  readonly unixSocket?: string;
  /** Absent: no TCP. Port 0 takes any free one. */
  readonly tcp?: { readonly address: string; readonly port: number };
  /** Absent: only plain HTTP from loopback, until `setTls`. */
  readonly tls?: TlsCredentials;
}

export class ApiServer implements AsyncDisposable {
  readonly #options: ApiServerOptions;
  readonly #dispatcher: Dispatcher;
  readonly #closing = new AbortController();
  /** Requests that are answered, and work that runs on after its client left. */
  readonly #underWay = new Set<Promise<void>>();
  /** Two servers rather than a mark on sockets: which one got a request says whether it is local. */
  readonly #local: Server;
  readonly #remote: Server;
  readonly #listener: FirstByteListener;
  /** Takes connections for the local server. */
  readonly #localDoor: NetServer;
  /** Those whose requests are not with one of the servers. */
  readonly #outside = new Set<Socket>();

  constructor(options: ApiServerOptions) {
    this.#options = options;
    const { cloud, clock, log, version, console } = options;
    const access = new Access({ cloud, failures: new FailureLimit(clock) });
    this.#dispatcher = new Dispatcher({
      cloud,
      clock,
      log,
      access,
      version,
      names: options.names ?? (() => []),
      databases: options.databases,
      files: options.files,
      pages: console === undefined ? undefined : new Pages({ cloud, access, console }),
    });
    this.#local = this.#createServer({ local: true });
    this.#remote = this.#createServer({ local: false });
    // Half-open, as node:http has it.
    this.#localDoor = createNetServer({ allowHalfOpen: true }, (socket) =>
      this.#connectedHere(socket),
    );
    this.#listener = new FirstByteListener({
      clock,
      log,
      onConnection: (socket) => this.#connected(socket),
    });
  }

  /** Binds both; throws `API_PORT_TAKEN`, `NET_SOCKET_TAKEN` and their like. Dispose after a failure too. */
  async listen({ unixSocket, tcp, tls }: ApiListenOptions): Promise<void> {
    // Statements and files cost less then; without it all goes through streams.
    const { statements, files } = this.#options;
    if (statements !== undefined || files !== undefined) await proveHandles();
    // node:http starts its sweep for slow heads when a server itself listens; these are handed their sockets.
    this.#local.emit('listening');
    this.#remote.emit('listening');
    if (unixSocket !== undefined) await listenUnix(this.#localDoor, unixSocket);
    if (tls !== undefined) this.setTls(tls);
    if (tcp === undefined) return;
    try {
      await this.#listener.listen(tcp);
    } catch (error) {
      throw isMolnError(error, 'NET_PORT_TAKEN') ? portTaken(error) : error;
    }
  }

  /** Of the TCP port; undefined when there is none. */
  address(): { readonly address: string; readonly port: number } | undefined {
    return this.#listener.address();
  }

  /** One more address, of the same port: others are to reach this node. Throws as `listen`. */
  async listenAlso(where: { readonly address: string; readonly port: number }): Promise<void> {
    await this.#listener.listen(where);
  }

  /** For calls between nodes, on the same port. */
  setDoor(door: TlsDoor): void {
    this.#listener.setDoor(door);
  }

  /** New connections use these; running ones keep theirs. */
  setTls(credentials: TlsCredentials): void {
    this.#listener.setTls(credentials);
  }

  /** Ends streams, lets other answers finish for `CLOSE_TIMEOUT_MS`, then cuts what is left. */
  async close(): Promise<void> {
    this.#listener.stopAccepting();
    if (this.#localDoor.listening) this.#localDoor.close();
    this.#local.close();
    this.#closing.abort(new Error('The API closes'));
    const deadline = Promise.withResolvers<void>();
    using _timer = this.#options.clock.after(CLOSE_TIMEOUT_MS, deadline.resolve);
    const statements = this.#options.statements?.drain() ?? Promise.resolve();
    await Promise.race([Promise.all([...this.#underWay, statements]), deadline.promise]);
    for (const socket of this.#outside) socket.destroy();
    this.#local.closeAllConnections();
    this.#remote.close();
    this.#remote.closeAllConnections();
    await this.#listener[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #createServer(origin: { readonly local: boolean }): Server {
    const server = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: this.#options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
      // Bodies are bounded where they are read: uploads and standard input may take hours.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: SLOW_HEAD_SWEEP_MS,
      // Whoever else wants another protocol is answered in this one.
      shouldUpgradeCallback: ({ url }) => DATABASE_PATH.test(url ?? ''),
    });
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head, origin));
    const take = (request: IncomingMessage, response: ServerResponse): void => {
      const work = this.#answer(new Exchange(request, response, origin));
      this.#underWay.add(work);
      void work.finally(() => this.#underWay.delete(work));
    };
    server.on('request', take);
    // The 100 is sent when the operation wants the body: a refused upload is then never sent at all.
    server.on('checkContinue', take);
    return server;
  }

  #connected(socket: Socket): void {
    const { statements, names } = this.#options;
    if (statements === undefined) {
      this.#remote.emit('connection', socket);
      return;
    }
    statements.take({
      socket,
      isMeant: (host) => answersTo(host, names?.() ?? []),
      handOver: (given) => void this.#begin(given, { local: false }),
    });
  }

  /** Over the unix socket: whose it is is seen by its first bytes. */
  #connectedHere(socket: Socket): void {
    this.#outside.add(socket);
    socket.on('error', () => undefined);
    const within = this.#options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS;
    const timer = this.#options.clock.after(within, () => socket.destroy());
    const leave = (): void => {
      timer[Symbol.dispose]();
      this.#outside.delete(socket);
    };
    const left = (): void => void socket.destroy();
    socket.once('close', leave).once('end', left);
    const release = takeReads(socket, (buffer, size) => {
      release();
      leave();
      socket.off('close', leave).off('end', left);
      socket.unshift(Buffer.from(buffer.subarray(0, size)));
      void this.#begin(socket, { local: true });
    });
  }

  /** Never rejects. A large upload goes to the file store as it comes, and the connection with it; all else to node:http. */
  async #begin(socket: Socket, { local }: { readonly local: boolean }): Promise<void> {
    // Whoever has it next has his own; an end follows.
    socket.on('error', () => undefined);
    const read = (socket.read() ?? Buffer.alloc(0)) as Buffer;
    if ((await this.#isLed(socket, read, local)) || socket.destroyed) return;
    socket.unshift(read);
    (local ? this.#local : this.#remote).emit('connection', socket);
    socket.resume();
  }

  async #isLed(socket: Socket, read: Buffer, isLocal: boolean): Promise<boolean> {
    const { files, names } = this.#options;
    const head = files === undefined ? undefined : largeUpload(read);
    if (files === undefined || head === undefined) return false;
    const { headers, end } = head;
    const { authorization, host } = headers;
    const isMeant = authorization !== undefined && answersTo(host, names?.() ?? []);
    if (!isLocal && !isMeant) return false;
    this.#outside.add(socket);
    const gone = new Promise<void>((resolve) => socket.once('close', resolve));
    const begun = read.subarray(end);
    const isLed = await files.lead({ ...head, socket, begun, isLocal });
    if (!isLed) {
      this.#outside.delete(socket);
      return false;
    }
    this.#underWay.add(gone);
    void gone.then(() => {
      this.#underWay.delete(gone);
      this.#outside.delete(socket);
    });
    return true;
  }

  /** A WebSocket of a database. */
  #upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    { local }: { readonly local: boolean },
  ): void {
    const { databases, names } = this.#options;
    const isMeant = local || answersTo(request.headers.host, names?.() ?? []);
    if (databases === undefined || !isMeant) {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 421 Misdirected Request\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    databases.upgrade(request, socket, head, { isLocal: local });
  }

  /** Never rejects. Resolves when the answer is out and the work is done. */
  async #answer(exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    const left = new AbortController();
    const out = new Promise<void>((resolve) => {
      response.once('close', () => {
        if (!response.writableFinished) left.abort(new Error('The client left'));
        resolve();
      });
    });
    // node:http may have let go of the socket by the time that the answer is out.
    const { socket } = request;
    response.once('finish', () => this.#boundRest(request, socket));
    const signal = AbortSignal.any([left.signal, this.#closing.signal]);
    await this.#dispatcher.dispatch(exchange, signal);
    await out;
  }

  /** After the answer: what is left of a refused body is dropped by node:http, but not for ever. */
  #boundRest(request: IncomingMessage, socket: Socket): void {
    if (request.complete) return;
    const timer = this.#options.clock.after(REFUSED_BODY_LINGER_MS, () => {
      if (!request.complete) socket.destroy();
    });
    socket.once('close', () => timer[Symbol.dispose]());
  }
}

function portTaken(error: MolnError): MolnError {
  return new MolnError('API_PORT_TAKEN', error.message, {
    hint: 'Stop that process or choose another port with --port PORT',
    ...(error.details === undefined ? {} : { details: error.details }),
    cause: error,
  });
}
