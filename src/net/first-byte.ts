/**
 * One TCP port for HTTPS and, from this machine only, plain HTTP: the first byte of a connection decides.
 * A TLS record starts with 0x16 (handshake, RFC 8446 §5.1), which no HTTP method does. Plain text from
 * elsewhere is told so and closed. What comes out are sockets for an HTTP server; HTTP itself is not known here.
 * A TLS client that offers the protocol (ALPN) of a door is let in there, under that door's own rules: so a browser is
 * never asked for a certificate, and a node always is.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { isLoopback, peerGroup } from '../base/addresses.ts';
import { offeredProtocols } from './client-hello.ts';
import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_PEER_MAX,
  FIRST_BYTE_TIMEOUT_MS,
  KEEP_ALIVE_PROBE_MS,
  REFUSAL_LINGER_MS,
  TLS_HANDSHAKE_TIMEOUT_MS,
} from './limits.ts';
import { bindTcp } from './listening.ts';

/** PEM texts. */
export interface TlsCredentials {
  readonly key: string;
  /** The certificate and, after it, the intermediate ones. */
  readonly cert: string;
}

/** A way in for clients that offer `protocol`. TLS 1.3 only. */
export interface TlsDoor {
  readonly protocol: string;
  readonly credentials: TlsCredentials;
  /** PEM; set: only clients with a certificate of this authority get in. */
  readonly clientAuthority?: string;
  readonly onConnection: (socket: TLSSocket) => void;
}

const TLS_HANDSHAKE_RECORD = 0x16;

const SPEAKS_HTTPS = 'This port speaks HTTPS: write https:// in front of the address.\n';
const REFUSAL = [
  'HTTP/1.1 400 Bad Request',
  'Content-Type: text/plain; charset=utf-8',
  `Content-Length: ${Buffer.byteLength(SPEAKS_HTTPS)}`,
  'Connection: close',
  '',
  SPEAKS_HTTPS,
].join('\r\n');

export interface FirstByteOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Absent: only plain HTTP from loopback until `setTls` is called. */
  readonly tls?: TlsCredentials;
  /** Gets each connection that may speak HTTP, no byte of it lost: a `TLSSocket` or a plain `Socket`. */
  readonly onConnection: (socket: Socket | TLSSocket) => void;
  /** Who may speak plain HTTP; by default loopback only. */
  readonly allowsPlain?: (remoteAddress: string | undefined) => boolean;
  readonly firstByteTimeoutMs?: number;
  readonly connectionsPerPeerMax?: number;
}

export class FirstByteListener implements AsyncDisposable {
  readonly #options: FirstByteOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  /** Open connections by `peerGroup`. */
  readonly #peers = new Map<string, number>();
  readonly #doors = new Map<string, TlsServer>();
  #tls: TlsServer | undefined;

  constructor(options: FirstByteOptions) {
    this.#options = options;
    if (options.tls !== undefined) this.setTls(options.tls);
  }

  /** Binds, again for each further address. Throws `NET_PORT_TAKEN` or `NET_ADDRESS_UNUSABLE`. */
  async listen(where: { readonly address: string; readonly port: number }): Promise<void> {
    // Half-open, as node:http has it: a client may finish sending before it has read the answer.
    const server = createServer(
      {
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      },
      (socket) => this.#accept(socket),
    );
    server.maxConnections = CONNECTIONS_MAX;
    await bindTcp(server, where);
    this.#servers.push(server);
  }

  /** What was bound first, or undefined before `listen` and after dispose. */
  address(): { readonly address: string; readonly port: number } | undefined {
    const bound = (this.#servers[0]?.address() ?? null) as AddressInfo | null;
    return bound === null ? undefined : { address: bound.address, port: bound.port };
  }

  /** New handshakes use these; running connections keep what they have. Throws when key and certificate do not fit. */
  setTls(credentials: TlsCredentials): void {
    const context = {
      key: credentials.key,
      cert: credentials.cert,
      minVersion: 'TLSv1.2',
    } as const;
    if (this.#tls !== undefined) {
      this.#tls.setSecureContext(context);
      return;
    }
    this.#tls = createTlsServer(
      { ...context, ALPNProtocols: ['http/1.1'], handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS },
      (socket) => this.#options.onConnection(socket),
    );
    this.#logFailures(this.#tls);
  }

  /** Opens a door, or gives an open one new credentials: running connections keep what they have. */
  setDoor(door: TlsDoor): void {
    const { protocol, clientAuthority } = door;
    const context = {
      key: door.credentials.key,
      cert: door.credentials.cert,
      minVersion: 'TLSv1.3',
      ...(clientAuthority === undefined ? {} : { ca: clientAuthority }),
    } as const;
    const open = this.#doors.get(protocol);
    if (open !== undefined) {
      open.setSecureContext(context);
      return;
    }
    const asksClient = clientAuthority !== undefined;
    const server = createTlsServer(
      {
        ...context,
        ALPNProtocols: [protocol],
        handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
        requestCert: asksClient,
        rejectUnauthorized: asksClient,
      },
      door.onConnection,
    );
    this.#logFailures(server);
    this.#doors.set(protocol, server);
  }

  #logFailures(server: TlsServer): void {
    server.on('tlsClientError', (error, socket) => {
      this.#options.log.debug('TLS handshake failed', { reason: messageOf(error) });
      socket.destroy();
    });
  }

  /** Stops accepting; connections go on. */
  stopAccepting(): void {
    for (const server of this.#servers) if (server.listening) server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#servers
      .filter((server) => server.listening)
      .map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
          }),
      );
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  #accept(socket: Socket): void {
    if (!this.#admit(socket)) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', (error) => {
      this.#options.log.debug('Connection failed', { reason: error.message });
    });
    const timeoutMs = this.#options.firstByteTimeoutMs ?? FIRST_BYTE_TIMEOUT_MS;
    const timer = this.#options.clock.after(timeoutMs, () => socket.destroy());
    socket.once('close', () => timer[Symbol.dispose]());
    const onEnd = (): void => {
      socket.destroy();
    };
    const chunks: Buffer[] = [];
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      chunks.push(chunk);
      const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks);
      const asksDoors = this.#doors.size > 0 && bytes[0] === TLS_HANDSHAKE_RECORD;
      const offered = asksDoors ? offeredProtocols(bytes) : [];
      if (offered === undefined) return;
      socket.off('readable', onReadable);
      socket.off('end', onEnd);
      timer[Symbol.dispose]();
      socket.unshift(bytes);
      this.#route(socket, bytes[0], offered);
    };
    socket.on('readable', onReadable);
    socket.on('end', onEnd);
  }

  /** Counts the connection among its peer's until it closes; false when these are too many already. */
  #admit(socket: Socket): boolean {
    const peer = peerGroup(socket.remoteAddress);
    const open = this.#peers.get(peer) ?? 0;
    if (open >= (this.#options.connectionsPerPeerMax ?? CONNECTIONS_PER_PEER_MAX)) return false;
    this.#peers.set(peer, open + 1);
    socket.once('close', () => {
      const left = (this.#peers.get(peer) ?? 1) - 1;
      if (left === 0) this.#peers.delete(peer);
      else this.#peers.set(peer, left);
    });
    return true;
  }

  #route(socket: Socket, firstByte: number | undefined, offered: readonly string[]): void {
    if (firstByte === TLS_HANDSHAKE_RECORD) {
      const door = offered.find((protocol) => this.#doors.has(protocol));
      const server = door === undefined ? this.#tls : this.#doors.get(door);
      if (server === undefined) socket.destroy();
      else server.emit('connection', socket);
      return;
    }
    const allowsPlain = this.#options.allowsPlain ?? isLoopback;
    if (allowsPlain(socket.remoteAddress)) this.#options.onConnection(socket);
    else this.#refuse(socket);
  }

  #refuse(socket: Socket): void {
    // What the peer still sends is read and dropped: unread bytes would turn the close into a reset
    // that throws away the sentence before the peer has read it.
    socket.resume();
    socket.end(REFUSAL);
    const timer = this.#options.clock.after(REFUSAL_LINGER_MS, () => socket.destroy());
    socket.once('close', () => timer[Symbol.dispose]());
    socket.once('end', () => socket.destroySoon());
  }
}
