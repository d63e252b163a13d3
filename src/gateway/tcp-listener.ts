/** A TCP port whose connections are led to upstreams. Tracks them, so that they can be counted, swept and drained. */
import { createServer, type Server, type Socket } from 'node:net';
import { AddressRanges } from '../net/net.ts';
import type { BalancerConfig } from './balancer-config.ts';
import { HealthChecks } from './balancer-health.ts';
import { BalancerPools, type TargetChoice } from './balancer-pools.ts';
import { BalancerMeter, type BalancerPort, portError } from './balancer-port.ts';
import type { BalancerTarget } from './balancer-target.ts';
import type { Plane } from './plane.ts';
import { TcpConnection, type TcpConnectionOwner } from './tcp-connection.ts';

/** Connections that the kernel keeps waiting while this process is busy. */
const BACKLOG = 1024;

export interface BalancerPortOptions {
  readonly config: BalancerConfig;
  readonly plane: Plane;
  readonly reusePort: boolean;
}

export class TcpListener implements BalancerPort, TcpConnectionOwner {
  readonly plane: Plane;
  readonly meter: BalancerMeter = new BalancerMeter();
  config: BalancerConfig;
  readonly #connections = new Set<TcpConnection>();
  readonly #checks: HealthChecks;
  #pools: BalancerPools;
  #trusted: AddressRanges | undefined;
  #server: Server | undefined;
  #stopped = false;

  constructor({ config, plane }: BalancerPortOptions) {
    this.config = config;
    this.plane = plane;
    this.#checks = new HealthChecks(plane);
    this.#pools = new BalancerPools(config);
    this.#trusted = rangesOf(config);
  }

  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address.port : this.config.port;
  }

  get targets(): readonly BalancerTarget[] {
    return this.#pools.targets;
  }

  get isDone(): boolean {
    return this.#stopped && this.#connections.size === 0;
  }

  async open(): Promise<void> {
    const { config } = this;
    const server = createServer(
      { allowHalfOpen: true, noDelay: true, pauseOnConnect: true },
      (socket) => this.#accept(socket),
    );
    const place = { address: config.address, port: config.port, backlog: BACKLOG };
    await this.plane.sockets.listen(server, place).catch((error: unknown) => {
      throw portError(config, error);
    });
    server.on('error', (error) => this.plane.log.warn('The listener failed', { error }));
    this.#server = server;
    this.#checks.start(config, this.targets);
  }

  update(config: BalancerConfig): void {
    this.config = config;
    this.#pools = new BalancerPools(config, this.#pools);
    this.#trusted = rangesOf(config);
    this.#checks.start(config, this.targets);
  }

  stop(): void {
    this.#stopped = true;
    this.plane.sockets.close(this.#server);
    this.#checks.stop();
  }

  sweep(horizonMs: number): void {
    for (const connection of this.#connections) connection.sweep(horizonMs);
  }

  destroy(): void {
    this.stop();
    for (const connection of this.#connections) connection.destroy();
  }

  find(serverName: string): TargetChoice | undefined {
    return this.#pools.find(serverName);
  }

  trusts(address: string | undefined): boolean {
    return this.#trusted?.has(address) ?? false;
  }

  closed(connection: TcpConnection): void {
    this.#connections.delete(connection);
    this.meter.connections--;
    this.plane.connections--;
  }

  #accept(socket: Socket): void {
    const { plane, meter, config } = this;
    const isFull =
      meter.connections >= config.connectionsMax ||
      plane.connections >= plane.limits.connectionsMax;
    if (isFull) {
      plane.connectionsRefused++;
      meter.failed++;
      socket.destroy();
      return;
    }
    plane.connections++;
    meter.connections++;
    meter.accepted++;
    const connection = new TcpConnection(socket, this);
    this.#connections.add(connection);
    connection.start();
  }
}

function rangesOf({ proxyProtocol }: BalancerConfig): AddressRanges | undefined {
  const trust = proxyProtocol?.trust;
  return trust === undefined ? undefined : new AddressRanges(trust);
}
