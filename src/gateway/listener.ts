/**
 * One address that clients connect to. Tracks its connections, so that they can be counted, swept and drained;
 * what is asked over them is not its business.
 */
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import {
  createSecureContext,
  createServer as createTlsServer,
  type SecureContextOptions,
  type Server as TlsServer,
} from 'node:tls';
import { messageOf, MolnError, systemCode } from '../base/errors.ts';
import type { ListenerConfig } from './config.ts';
import { Connection } from './connection.ts';
import { GATEWAY_LISTEN_FAILED, GATEWAY_PORT_TAKEN } from './errors.ts';
import type { Plane } from './plane.ts';
import { ProxiedPeers } from './proxied-peers.ts';
import type { ConnectionOwner, Dispatch } from './responder.ts';

/** Connections that the kernel keeps waiting while this process is busy. */
const BACKLOG = 1024;
/** Of a TLS handshake. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

export class Listener implements ConnectionOwner {
  readonly plane: Plane;
  readonly dispatch: Dispatch;
  readonly connections: Set<Connection> = new Set();
  config: ListenerConfig;
  private readonly reusePort: boolean;
  private readonly peers: ProxiedPeers | undefined;
  /** What clients connect to. */
  private server: Server | undefined;
  /** The same, or what comes after it when connections begin with a PROXY header. */
  private tls: TlsServer | undefined;

  constructor(options: {
    readonly config: ListenerConfig;
    readonly plane: Plane;
    readonly dispatch: Dispatch;
    readonly reusePort: boolean;
  }) {
    this.reusePort = options.reusePort;
    this.config = options.config;
    this.plane = options.plane;
    this.dispatch = options.dispatch;
    const { proxyProtocol } = options.config;
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
    this.tls =
      config.protocol === 'https'
        ? createTlsServer(
            {
              ...options,
              ...tlsOptions(config),
              handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
              // A client that speaks another protocol only is told so in the handshake.
              ALPNProtocols: ['http/1.1'],
            },
            accept,
          )
        : undefined;
    const { tls } = this;
    const go = tls === undefined ? accept : (socket: Socket) => tls.emit('connection', socket);
    const server =
      peers === undefined
        ? (tls ?? createTcpServer(options, accept))
        : createTcpServer(options, (socket) => peers.admit(socket, go));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(
        {
          host: config.address,
          port: config.port,
          backlog: BACKLOG,
          // Several gateway processes share the port; the kernel spreads connections over them.
          reusePort: this.reusePort,
          exclusive: true,
        },
        () => {
          server.off('error', reject);
          resolve();
        },
      );
    }).catch((error: unknown) => {
      throw listenError(config, error);
    });
    server.on('error', (error) => this.plane.log.warn('The listener failed', { error }));
    tls?.on('tlsClientError', (error: Error) => {
      this.plane.log.debug('A TLS handshake failed', { error: error.message });
    });
    server.on('drop', () => this.plane.connectionsRefused++);
    this.server = server;
  }

  /** New certificate or other settings that need no new port. Connections stay. */
  update(config: ListenerConfig): void {
    const { tls } = this.config;
    const changed = config.tls?.cert !== tls?.cert || config.tls?.key !== tls?.key;
    this.config = config;
    if (config.proxyProtocol !== undefined) this.peers?.trust(config.proxyProtocol.trust);
    if (changed) this.tls?.setSecureContext(tlsOptions(config));
  }

  /** Stops accepting; answers under way are finished, idle connections close, tunnels stay. */
  stop(): void {
    this.server?.close();
    for (const connection of this.connections) connection.drain();
  }

  sweep(horizonMs: number): void {
    for (const connection of this.connections) connection.sweep(horizonMs);
  }

  /** Breaks what is left. */
  destroy(): void {
    this.server?.close();
    this.peers?.destroy();
    for (const connection of this.connections) connection.socket.destroy();
  }

  sharesReads(accepted: Socket): boolean {
    return this.plane.sharesReads && this.peers?.knows(accepted) !== true;
  }

  clientAddress(socket: Socket): string {
    return this.peers?.clientOf(socket) ?? socket.remoteAddress ?? '';
  }

  closed(connection: Connection): void {
    this.connections.delete(connection);
    this.plane.connections--;
  }

  /** Connections whose handshake has not ended count too: they come to `accept` only then. Call after new limits. */
  limitHandshakes(): void {
    const { server, plane } = this;
    // Plain sockets move to other objects, so that the server would count them for ever.
    if (server !== undefined && this.protocol === 'https') {
      server.maxConnections = plane.limits.connectionsMax;
    }
  }

  private accept(socket: Socket): void {
    const { plane } = this;
    if (plane.connections >= plane.limits.connectionsMax) {
      plane.connectionsRefused++;
      socket.destroy();
      return;
    }
    plane.connections++;
    const connection = new Connection(socket, this);
    this.connections.add(connection);
    connection.start();
  }
}

/** Also for each new certificate: what is not said again falls back to the default. */
function tlsOptions({ tls }: ListenerConfig): SecureContextOptions {
  return { minVersion: 'TLSv1.2', ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key }) };
}

/** Throws GATEWAY_LISTEN_FAILED when certificate and key cannot be used, before anything has changed. */
export function requireUsableTls(config: ListenerConfig): void {
  if (config.tls === undefined) return;
  try {
    createSecureContext(tlsOptions(config));
  } catch (error) {
    throw new MolnError(
      GATEWAY_LISTEN_FAILED,
      `The certificate or key of listener "${config.id}" cannot be used: ${messageOf(error)}`,
      {
        hint: 'Give a PEM certificate chain, its own one first, and the key that belongs to it',
        cause: error,
      },
    );
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
