/**
 * One address that clients connect to. Tracks its connections, so that they can be counted, swept and drained;
 * what is asked over them is not its business.
 */
import { createServer as createTcpServer, type Server, Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, TLSSocket } from 'node:tls';
import { MolnError, systemCode } from '../base/errors.ts';
import { AlpnChallenges } from './alpn-challenges.ts';
import { Certificates, pairsOf, samePairs, tlsOptions } from './certificates.ts';
import type { GatewayConfig, ListenerConfig } from './config.ts';
import type { ClientSocket } from './client-socket.ts';
import { Connection } from './connection.ts';
import { GATEWAY_LISTEN_FAILED, GATEWAY_PORT_TAKEN } from './errors.ts';
import { H2Session } from './h2-session.ts';
import { dispatchFor, hstsLine } from './https-only.ts';
import type { Plane } from './plane.ts';
import { ProxiedPeers } from './proxied-peers.ts';
import type { ConnectionOwner, Dispatch, OwnedConnection } from './responder.ts';
import { derivedTicketKeys, useTicketKeys } from './ticket-keys.ts';

/** Connections that the kernel keeps waiting while this process is busy. */
const BACKLOG = 1024;
/** Of a TLS handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const DAY_S = 86_400;

export class Listener implements ConnectionOwner {
  readonly plane: Plane;
  dispatch: Dispatch;
  answerLines: string;
  readonly connections: Set<OwnedConnection> = new Set();
  config: ListenerConfig;
  private readonly usualDispatch: Dispatch;
  private readonly peers: ProxiedPeers | undefined;
  private readonly authorities: AlpnChallenges;
  /** What clients connect to. */
  private server: Server | undefined;
  /** The same, or what comes after it when connections begin with a PROXY header. */
  private tls: TlsServer | undefined;
  private certificates: Certificates | undefined;
  /** What the ticket keys in use were made of. */
  private tickets = '';
  private ticketKeys: readonly string[] | undefined;
  /** Accepted before the config that this listener belongs to was in force: they are served with it. */
  private early: Socket[] | undefined = [];

  constructor(options: {
    readonly config: ListenerConfig;
    readonly plane: Plane;
    readonly dispatch: Dispatch;
  }) {
    this.config = options.config;
    this.plane = options.plane;
    this.usualDispatch = options.dispatch;
    this.dispatch = dispatchFor(options.config, options.dispatch);
    this.answerLines = hstsLine(options.config.hsts);
    const { proxyProtocol } = options.config;
    this.authorities = new AlpnChallenges(options.plane);
    this.peers = proxyProtocol && new ProxiedPeers(options.plane, proxyProtocol.trust);
  }

  get protocol(): 'http' | 'https' {
    return this.config.protocol;
  }

  /** The port it got; differs from the configured one when that is 0. */
  get port(): number {
    const address = this.server?.address();
    return typeof address === 'object' && address !== null ? address.port : this.config.port;
  }

  /** Opens the port. Throws GATEWAY_PORT_TAKEN or GATEWAY_LISTEN_FAILED. */
  async open(): Promise<void> {
    const { config } = this;
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
    const { peers } = this;
    const accept = (socket: Socket): void => this.accept(socket);
    this.certificates = new Certificates(pairsOf(config));
    this.tls =
      config.protocol === 'https'
        ? createTlsServer(
            {
              ...options,
              ...tlsOptions(config.tls),
              SNICallback: (name, done) => done(null, this.certificates?.contextFor(name)),
              handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
              // A client that speaks another protocol only is told so in the handshake.
              ALPNProtocols: ['h2', 'http/1.1'],
            },
            accept,
          )
        : undefined;
    const { tls } = this;
    const go = tls === undefined ? accept : this.intoTls(tls);
    const server =
      peers === undefined
        ? (tls ?? createTcpServer(options, accept))
        : createTcpServer(options, (socket) => peers.admit(socket, go));
    const place = { address: config.address, port: config.port, backlog: BACKLOG };
    await this.plane.sockets.listen(server, place).catch((error: unknown) => {
      throw listenError(config, error);
    });
    server.on('error', (error) => this.plane.log.warn('The listener failed', { error }));
    tls?.on('tlsClientError', (error: Error) => {
      this.plane.log.debug('A TLS handshake failed', { error: error.message });
    });
    server.on('drop', () => this.plane.connectionsRefused++);
    this.server = server;
    this.renewTickets();
  }

  /** The config is in force: who has connected meanwhile is served too. */
  serve(): void {
    const { early = [] } = this;
    this.early = undefined;
    for (const socket of early) if (!socket.destroyed) this.accept(socket);
  }

  /** New certificate or other settings that need no new port. Connections stay. */
  update(config: ListenerConfig): void {
    const changed = !samePairs(config, this.config);
    this.config = config;
    if (config.proxyProtocol !== undefined) this.peers?.trust(config.proxyProtocol.trust);
    this.dispatch = dispatchFor(config, this.usualDispatch);
    this.answerLines = hstsLine(config.hsts);
    const { tls } = this;
    if (!changed || tls === undefined) return;
    this.certificates = new Certificates(pairsOf(config));
    tls.setSecureContext(tlsOptions(config.tls));
    this.tickets = '';
    this.renewTickets();
  }

  /** What authorities ask, and with what sessions are resumed; the same for all listeners. */
  share({ challenges, ticketKeys }: Pick<GatewayConfig, 'challenges' | 'ticketKeys'>): void {
    this.authorities.set(challenges?.tls ?? []);
    this.ticketKeys = ticketKeys;
    this.renewTickets();
  }

  /** The way of a connection into TLS, past those that are to be looked at first. */
  private intoTls(tls: TlsServer): (socket: Socket) => void {
    const begins = tls.listeners('connection') as ((socket: Socket) => void)[];
    tls.removeAllListeners('connection');
    const begin = (socket: Socket): void => begins.forEach((each) => each.call(tls, socket));
    const go = (socket: Socket): void => this.authorities.admit(socket, begin);
    tls.on('connection', go);
    return go;
  }

  private renewTickets(): void {
    const { tls, config, ticketKeys, plane } = this;
    if (tls === undefined || config.tls === undefined) return;
    const made = ticketKeys?.join(' ') ?? `day ${Math.floor(plane.second / DAY_S)}`;
    if (made === this.tickets) return;
    this.tickets = made;
    const shared = ticketKeys?.map((key) => Buffer.from(key, 'base64'));
    useTicketKeys(tls, shared ?? derivedTicketKeys(config.tls.key, plane.second));
  }

  /** Stops accepting; answers under way are finished, idle connections close, tunnels stay. */
  stop(): void {
    this.plane.sockets.close(this.server);
    for (const connection of this.connections) connection.drain();
  }

  sweep(horizonMs: number): void {
    if (this.protocol === 'https') this.renewTickets();
    for (const connection of this.connections) connection.sweep(horizonMs);
  }

  /** Breaks what is left. */
  destroy(): void {
    this.plane.sockets.close(this.server);
    this.peers?.destroy();
    this.authorities.destroy();
    for (const socket of this.early ?? []) socket.destroy();
    for (const connection of this.connections) connection.socket.destroy();
  }

  clientAddress(socket: ClientSocket): string {
    const client = socket instanceof Socket ? this.peers?.clientOf(socket) : undefined;
    return client ?? socket.remoteAddress ?? '';
  }

  closed(connection: OwnedConnection): void {
    this.connections.delete(connection);
    this.plane.connections--;
  }

  /** Connections whose handshake has not ended count too: they come to `accept` only then, others at once. Call after new limits. */
  limitHandshakes(): void {
    const { server, plane } = this;
    if (server !== undefined && this.protocol === 'https') {
      server.maxConnections = plane.limits.connectionsMax;
    }
  }

  private accept(socket: Socket): void {
    const { plane, early } = this;
    if (early !== undefined) {
      // Who goes at once is not served; the connection listens for itself later.
      socket.on('error', () => socket.destroy());
      if (early.length < plane.limits.connectionsMax) early.push(socket);
      else socket.destroy();
      return;
    }
    if (plane.connections >= plane.limits.connectionsMax) {
      plane.connectionsRefused++;
      socket.destroy();
      return;
    }
    plane.connections++;
    const isH2 = socket instanceof TLSSocket && socket.alpnProtocol === 'h2';
    const connection = isH2 ? new H2Session(socket, this) : new Connection(socket, this);
    this.connections.add(connection);
    connection.start();
  }
}

function listenError(config: ListenerConfig, error: unknown): MolnError {
  const where = `port ${config.port} of ${config.address}`;
  const code = systemCode(error);
  if (code === 'EADDRINUSE') {
    return new MolnError(GATEWAY_PORT_TAKEN, `Cannot listen on ${where}: it is taken`, {
      hint: 'Stop the program that has it, or choose another port with --http and --https',
      cause: error,
    });
  }
  return new MolnError(
    GATEWAY_LISTEN_FAILED,
    `Cannot listen on ${where}: ${code ?? String(error)}`,
    {
      hint: 'Choose an address of this machine, and a port above 1023 unless you are root',
      cause: error,
    },
  );
}
