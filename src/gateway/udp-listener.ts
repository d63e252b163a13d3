/**
 * A UDP port whose datagrams are led to upstreams. What comes from one address and port is a session: it keeps its upstream,
 * and what that answers goes back there. Nothing is waited for: what finds no room is dropped, as the network does it.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { plainAddress } from '../net/net.ts';
import type { BalancerConfig } from './balancer-config.ts';
import { UDP } from './balancer-limits.ts';
import { BalancerPools } from './balancer-pools.ts';
import { BalancerMeter, type BalancerPort, portError } from './balancer-port.ts';
import type { BalancerTarget } from './balancer-target.ts';
import type { Plane } from './plane.ts';
import type { BalancerPortOptions } from './tcp-listener.ts';
import { UdpSession, type UdpSessionOwner } from './udp-session.ts';

export class UdpListener implements BalancerPort, UdpSessionOwner {
  readonly plane: Plane;
  readonly meter: BalancerMeter = new BalancerMeter();
  config: BalancerConfig;
  readonly #reusePort: boolean;
  readonly #sessions = new Map<string, UdpSession>();
  #pools: BalancerPools;
  #socket: Socket | undefined;
  #stoppedMs: number | undefined;
  /** Coarse time of the last datagram in either direction. */
  #sinceMs = 0;

  constructor({ config, plane, reusePort }: BalancerPortOptions) {
    this.config = config;
    this.plane = plane;
    this.#reusePort = reusePort;
    this.#pools = new BalancerPools(config);
  }

  get port(): number {
    return this.#socket?.address().port ?? this.config.port;
  }

  get targets(): readonly BalancerTarget[] {
    return this.#pools.targets;
  }

  get isDone(): boolean {
    return this.#stoppedMs !== undefined && this.#socket === undefined;
  }

  async open(): Promise<void> {
    const { config } = this;
    const socket = createSocket({
      type: isIPv6(config.address) ? 'udp6' : 'udp4',
      reusePort: this.#reusePort,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: config.address, port: config.port, exclusive: true }, () => {
        socket.off('error', reject);
        resolve();
      });
    }).catch((error: unknown) => {
      socket.close();
      throw portError(config, error);
    });
    socket.on('error', (error) => this.plane.log.warn('The listener failed', { error }));
    socket.on('message', (datagram, from) => this.#received(datagram, from));
    this.#socket = socket;
  }

  update(config: BalancerConfig): void {
    this.config = config;
    this.#pools = new BalancerPools(config, this.#pools);
  }

  /**
   * Answers to what came have to leave from this port, so it is closed by the sweep when it has been quiet. Until then it
   * serves everybody: the kernel still gives it datagrams.
   */
  stop(): void {
    this.#stoppedMs ??= this.plane.coarseMs;
    if (this.#sessions.size === 0) this.#close();
  }

  sweep(horizonMs: number): void {
    const { idleMs } = this.config.timeouts;
    for (const session of this.#sessions.values()) {
      if (horizonMs - session.sinceMs >= idleMs) session.end(undefined);
    }
    if (this.#stoppedMs === undefined) return;
    const isQuiet = horizonMs - Math.max(this.#sinceMs, this.#stoppedMs) >= UDP.quietMs;
    if (isQuiet || horizonMs - this.#stoppedMs >= UDP.leaveMsMax) this.destroy();
  }

  destroy(): void {
    this.#stoppedMs ??= this.plane.coarseMs;
    for (const session of this.#sessions.values()) session.end(undefined);
    this.#close();
  }

  // Sessions ------------------------------------------------------------------------------------------------

  answer(datagram: Buffer, session: UdpSession): void {
    const socket = this.#socket;
    this.#sinceMs = this.plane.coarseMs;
    if (socket === undefined || socket.getSendQueueSize() > UDP.queuedBytesMax) return;
    this.meter.bytesOut += datagram.length;
    // What cannot be sent is lost, as anywhere on the way.
    socket.send(datagram, session.client.port, session.client.address, () => undefined);
  }

  ended(session: UdpSession): void {
    this.#sessions.delete(keyOf(session.client));
    this.meter.connections--;
  }

  #received(datagram: Buffer, from: RemoteInfo): void {
    this.#sinceMs = this.plane.coarseMs;
    this.meter.bytesIn += datagram.length;
    const session = this.#sessions.get(keyOf(from)) ?? this.#begin(from);
    session?.send(datagram);
  }

  #begin(from: RemoteInfo): UdpSession | undefined {
    const { meter, config, plane } = this;
    const target = this.#pools.find('')?.choose({
      excluded: [],
      source: plainAddress(from.address),
      nowMs: plane.clock.monotonicMs(),
    });
    if (target === undefined || meter.connections >= config.connectionsMax) {
      meter.failed++;
      return undefined;
    }
    meter.connections++;
    meter.accepted++;
    const session = new UdpSession(this, { address: from.address, port: from.port }, target);
    this.#sessions.set(keyOf(from), session);
    session.start();
    return session;
  }

  #close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }
}

function keyOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`;
}
