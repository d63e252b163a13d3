/**
 * Where gateways of other nodes reach the instances of this one: a port of the gateway processes, so that it stays when the
 * agent goes. TLS 1.3, certificates of the cluster on both sides. The other gateway names an instance, is told whether it is
 * there, and from then on the bytes go through untouched: what they mean was decided where the client is.
 */
import { connect, type Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { messageOf, MolnError, systemCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { NodeDoorConfig, UpstreamConfig } from './config.ts';
import { GATEWAY_LISTEN_FAILED, GATEWAY_PORT_TAKEN } from './errors.ts';
import { NODE_PROTOCOL, REACHED, REFUSED, spiffeNode } from './node-client.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** From the end of the handshake to the name of an instance. */
const NAME_TIMEOUT_MS = 5_000;
const NAME_BYTES_MAX = 200;
const TUNNELS_MAX = 20_000;
const NEWLINE = 0x0a;

export class NodeDoor {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #reusePort: boolean;
  /** By socket: the id of the node at the other end. */
  readonly #tunnels = new Map<TLSSocket, string>();
  #locals: ReadonlyMap<string, UpstreamConfig> = new Map();
  #config: NodeDoorConfig | undefined;
  #server: Server | undefined;

  constructor(options: {
    readonly log: Logger;
    readonly clock: Clock;
    readonly reusePort: boolean;
  }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#reusePort = options.reusePort;
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
    for (const [socket, node] of this.#tunnels) {
      if (config?.revoked.includes(node) === true) socket.destroy();
    }
  }

  /** No new connections; those that are open go on. */
  stop(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** Breaks what is left. */
  destroy(): void {
    this.stop();
    for (const socket of this.#tunnels.keys()) socket.destroy();
  }

  async #open(config: NodeDoorConfig): Promise<Server> {
    const server = createServer(
      {
        ...contextOf(config),
        ALPNProtocols: [NODE_PROTOCOL],
        requestCert: true,
        rejectUnauthorized: true,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        allowHalfOpen: true,
        noDelay: true,
      },
      (socket) => this.#accept(socket),
    );
    server.maxConnections = TUNNELS_MAX;
    const { address, port } = config;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address, port, reusePort: this.#reusePort, exclusive: true }, () => {
        server.off('error', reject);
        resolve();
      });
    }).catch((error: unknown) => {
      throw listenError(config, error);
    });
    server.on('error', (error) => this.#log.warn('The port for other nodes failed', { error }));
    server.on('tlsClientError', (error, socket) => {
      this.#log.debug('Another node did not get in', { reason: messageOf(error) });
      socket.destroy();
    });
    return server;
  }

  #accept(socket: TLSSocket): void {
    const config = this.#config;
    const names = socket.getPeerX509Certificate()?.subjectAltName;
    const node = config === undefined ? undefined : spiffeNode(names, config.clusterId);
    socket.on('error', () => socket.destroy());
    if (node === undefined || config?.revoked.includes(node) === true) {
      socket.destroy();
      return;
    }
    this.#tunnels.set(socket, node);
    socket.once('close', () => this.#tunnels.delete(socket));
    const timer = this.#clock.after(NAME_TIMEOUT_MS, () => socket.destroy());
    socket.once('close', () => timer[Symbol.dispose]());
    let held: Buffer = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const end = held.indexOf(NEWLINE);
      if (end < 0 && held.length <= NAME_BYTES_MAX) return;
      socket.off('data', read);
      socket.pause();
      timer[Symbol.dispose]();
      if (end < 0 || end !== held.length - 1) {
        // Nobody speaks before he has heard that the instance is there.
        socket.destroy();
        return;
      }
      this.#lead(socket, held.toString('latin1', 0, end));
    };
    socket.on('data', read);
  }

  #lead(socket: TLSSocket, id: string): void {
    const local = this.#locals.get(id);
    const { address } = local ?? {};
    if (address === undefined || address.kind === 'node') {
      refuse(socket);
      return;
    }
    const options = { allowHalfOpen: true, noDelay: true };
    const near: Socket =
      address.kind === 'socket'
        ? connect({ ...options, path: address.path })
        : connect({ ...options, host: address.host, port: address.port });
    let isReached = false;
    near.once('connect', () => {
      isReached = true;
      socket.write(Buffer.of(REACHED));
      near.pipe(socket);
      socket.pipe(near);
    });
    near.on('error', () => {
      if (isReached) socket.destroy();
      else refuse(socket);
    });
    near.once('close', (hadError) => {
      if (hadError && isReached) socket.destroy();
    });
    socket.once('close', () => near.destroy());
  }
}

function refuse(socket: TLSSocket): void {
  socket.resume();
  socket.end(Buffer.of(REFUSED));
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
