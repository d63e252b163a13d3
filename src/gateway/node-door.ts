/**
 * Where gateways of other nodes reach the instances of this one: a port of the gateway processes, so that it stays when the
 * agent goes. TLS 1.3, certificates of the cluster on both sides. The other gateway names an instance, is told whether it is
 * there, and from then on the bytes go through untouched: what they mean was decided where the client is.
 */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { messageOf, MolnError, systemCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { NodeDoorConfig, UpstreamAddress, UpstreamConfig } from './config.ts';
import { GATEWAY_LISTEN_FAILED, GATEWAY_PORT_TAKEN } from './errors.ts';
import { NODE_DOOR } from './limits.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import { NODE_PROTOCOL, spiffeNode } from './node-client.ts';
import { NodeTunnel } from './node-tunnel.ts';
import { sharerNumber } from './sharing.ts';

/** Processes of this node that their own kind asks for; see `src/net/node-door.ts`. */
export type ProcessSockets = Readonly<Record<'@databases' | '@files', string>>;

export class NodeDoor {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #sockets: ListeningSockets;
  readonly #socketOf: (worker: number) => string | undefined;
  readonly #processes: Readonly<Record<string, string>>;
  readonly #tunnels = new Set<NodeTunnel>();
  /** Sockets whose handshake is under way by the other side's address and port, the oldest first. */
  readonly #handshakes = new Map<string, Socket>();
  #locals: ReadonlyMap<string, UpstreamConfig> = new Map();
  #config: NodeDoorConfig | undefined;
  #server: Server | undefined;

  constructor(options: {
    readonly log: Logger;
    readonly clock: Clock;
    readonly sockets: ListeningSockets;
    /** Where a gateway process of this node answers others, by its number. */
    readonly socketOf?: (worker: number) => string | undefined;
    /** Where they answer. */
    readonly processes?: ProcessSockets;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#sockets = options.sockets;
    this.#socketOf = options.socketOf ?? (() => undefined);
    this.#processes = options.processes ?? {};
  }

  /** Opens, moves or closes the port. Throws `GATEWAY_PORT_TAKEN` or `GATEWAY_LISTEN_FAILED`, and nothing has changed. */
  async apply(
    config: NodeDoorConfig | undefined,
    locals: readonly UpstreamConfig[],
  ): Promise<void> {
    const before = this.#config;
    const isSamePlace = before?.address === config?.address && before?.port === config?.port;
    if (config === undefined) this.stop();
    else if (this.#server === undefined || !isSamePlace) {
      const server = await this.#open(config);
      this.stop();
      this.#server = server;
    } else if (before?.cert !== config.cert || before.authority !== config.authority) {
      this.#server.setSecureContext(contextOf(config));
    }
    this.#config = config;
    this.#locals = new Map(locals.map((local) => [local.id, local]));
    const revoked = new Set(config?.revoked);
    for (const tunnel of this.#tunnels) if (revoked.has(tunnel.node)) tunnel.destroy();
  }

  /** Connections of other nodes, in use or kept for the next request. */
  get tunnels(): number {
    return this.#tunnels.size;
  }

  /** No new connections; those that are open go on. */
  stop(): void {
    this.#sockets.close(this.#server);
    this.#server = undefined;
  }

  /** Breaks what is left. */
  destroy(): void {
    this.stop();
    for (const tunnel of this.#tunnels) tunnel.destroy();
    for (const socket of this.#handshakes.values()) socket.destroy();
  }

  async #open(config: NodeDoorConfig): Promise<Server> {
    const server = createServer(
      {
        ...contextOf(config),
        ALPNProtocols: [NODE_PROTOCOL],
        requestCert: true,
        rejectUnauthorized: true,
        handshakeTimeout: NODE_DOOR.handshakeTimeoutMs,
        allowHalfOpen: true,
        noDelay: true,
        // A machine that lost its power says no goodbye.
        keepAlive: true,
        keepAliveInitialDelay: NODE_DOOR.keepAliveDelayMs,
      },
      (socket) => this.#accept(socket),
    );
    server.maxConnections = NODE_DOOR.connectionsMax;
    server.on('connection', (socket: Socket) => this.#arrive(socket));
    const { address, port } = config;
    await this.#sockets.listen(server, { address, port }).catch((error: unknown) => {
      throw listenError(config, error);
    });
    server.on('error', (error) => this.#log.warn('The port for other nodes failed', { error }));
    server.on('tlsClientError', (error, socket) => {
      this.#log.debug('Another node did not get in', { reason: messageOf(error) });
      socket.destroy();
    });
    return server;
  }

  #arrive(socket: Socket): void {
    const place = placeOf(socket);
    const handshakes = this.#handshakes;
    handshakes.set(place, socket);
    socket.once('close', () => {
      if (handshakes.get(place) === socket) handshakes.delete(place);
    });
    if (handshakes.size <= NODE_DOOR.handshakesMax) return;
    const [oldest] = handshakes.values();
    oldest?.destroy();
  }

  #find(name: string): UpstreamAddress | undefined {
    const own = Object.hasOwn(this.#processes, name) ? this.#processes[name] : undefined;
    if (own !== undefined && own !== '') return { kind: 'socket', path: own };
    const worker = sharerNumber(name);
    if (worker === undefined) return this.#locals.get(name)?.address;
    const path = this.#socketOf(worker);
    return path === undefined ? undefined : { kind: 'socket', path };
  }

  #accept(socket: TLSSocket): void {
    const config = this.#config;
    const place = placeOf(socket);
    const raw = this.#handshakes.get(place);
    this.#handshakes.delete(place);
    const names = socket.getPeerX509Certificate()?.subjectAltName;
    const node = config === undefined ? undefined : spiffeNode(names, config.clusterId);
    socket.on('error', () => socket.destroy());
    // Who names no protocol at all passes the handshake (RFC 7301 3.2).
    const isOne = node !== undefined && socket.alpnProtocol === NODE_PROTOCOL;
    if (!isOne || raw === undefined || config?.revoked.includes(node) === true) {
      socket.destroy();
      return;
    }
    const tunnel = new NodeTunnel({
      socket,
      raw,
      node,
      find: (id) => this.#find(id),
      clock: this.#clock,
    });
    this.#tunnels.add(tunnel);
    socket.once('close', () => this.#tunnels.delete(tunnel));
    tunnel.start();
  }
}

/** Of the other side: unique among what is open on one port. */
function placeOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function contextOf(config: NodeDoorConfig): {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly minVersion: 'TLSv1.3';
} {
  return { cert: config.cert, key: config.key, ca: config.authority, minVersion: 'TLSv1.3' };
}

function listenError({ address, port }: NodeDoorConfig, error: unknown): MolnError {
  const code = systemCode(error);
  const isTaken = code === 'EADDRINUSE';
  const why = isTaken ? 'it is taken' : (code ?? messageOf(error));
  return new MolnError(
    isTaken ? GATEWAY_PORT_TAKEN : GATEWAY_LISTEN_FAILED,
    `Cannot listen for other nodes on port ${port} of ${address}: ${why}`,
    { hint: 'Choose another port with --gateway-port PORT', cause: error },
  );
}
