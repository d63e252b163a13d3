/** All balancers of one process. A new config changes them as a whole or not at all, and cuts no connection. */
import type { MetricFamily, MetricSample } from '../base/metrics.ts';
import type { BalancerConfig, BalancerTotals } from './balancer-config.ts';
import type { BalancerMeter, BalancerPort } from './balancer-port.ts';
import type { BalancerTarget } from './balancer-target.ts';
import type { Plane } from './plane.ts';
import { TcpListener } from './tcp-listener.ts';
import { UdpListener } from './udp-listener.ts';

/** Ports that are open and wait for the rest of their config to succeed. */
export interface OpenedBalancers {
  readonly configs: readonly BalancerConfig[];
  readonly opened: ReadonlyMap<string, BalancerPort>;
}

export class Balancers {
  readonly #plane: Plane;
  readonly #reusePort: boolean;
  readonly #ports = new Map<string, BalancerPort>();
  /** Closed, with connections that are not done. */
  readonly #leaving = new Set<BalancerPort>();

  constructor(plane: Plane, reusePort: boolean) {
    this.#plane = plane;
    this.#reusePort = reusePort;
  }

  /** Opens what is new or has moved; all or nothing. Throws GATEWAY_PORT_TAKEN or GATEWAY_LISTEN_FAILED. */
  async open(configs: readonly BalancerConfig[]): Promise<OpenedBalancers> {
    const opened = new Map<string, BalancerPort>();
    const all = { configs, opened };
    try {
      for (const config of configs) {
        const known = this.#ports.get(config.id);
        if (known !== undefined && samePlace(known.config, config)) continue;
        const options = { config, plane: this.#plane, reusePort: this.#reusePort };
        const port =
          config.protocol === 'udp' ? new UdpListener(options) : new TcpListener(options);
        opened.set(config.id, port);
        await port.open();
      }
    } catch (error) {
      this.giveUp(all);
      throw error;
    }
    return all;
  }

  /** Instead of `use`. */
  giveUp({ opened }: OpenedBalancers): void {
    for (const port of opened.values()) port.destroy();
  }

  /** Makes what was opened the config in force. */
  use({ configs, opened }: OpenedBalancers): void {
    const wanted = new Map(configs.map((config) => [config.id, config]));
    for (const [id, port] of this.#ports) {
      const config = wanted.get(id);
      if (config !== undefined && !opened.has(id)) {
        port.update(config);
        continue;
      }
      this.#ports.delete(id);
      port.stop();
      this.#leaving.add(port);
    }
    for (const [id, port] of opened) this.#ports.set(id, port);
  }

  port(id: string): number | undefined {
    return this.#ports.get(id)?.port;
  }

  sweep(horizonMs: number): void {
    for (const port of this.#ports.values()) port.sweep(horizonMs);
    for (const port of this.#leaving) {
      port.sweep(horizonMs);
      if (port.isDone) this.#leaving.delete(port);
    }
  }

  /** Takes nothing new; what is under way goes on. */
  stop(): void {
    for (const port of this.#all()) port.stop();
  }

  /** After `stop`. */
  get isBusy(): boolean {
    return this.#all().some((port) => !port.isDone);
  }

  /** Breaks what is left. */
  destroy(): void {
    for (const port of this.#all()) port.destroy();
    this.#ports.clear();
    this.#leaving.clear();
  }

  totals(): Readonly<Record<string, BalancerTotals>> {
    return Object.fromEntries([...this.#ports].map(([id, port]) => [id, port.meter.totals()]));
  }

  families(): MetricFamily[] {
    const ports = [...this.#ports];
    if (ports.length === 0) return [];
    const ofPorts = (pick: (meter: BalancerMeter) => number): MetricSample[] =>
      ports.map(([balancer, { meter }]) => ({ labels: { balancer }, value: pick(meter) }));
    const ofTargets = (pick: (target: BalancerTarget) => number): MetricSample[] =>
      ports.flatMap(([balancer, { targets }]) =>
        targets.map((target) => ({
          labels: { balancer, upstream: target.id },
          value: pick(target),
        })),
      );
    return [
      {
        name: 'moln_gateway_balancer_connections',
        help: 'Open connections, or sessions of UDP, by balancer',
        type: 'gauge',
        samples: ofPorts((meter) => meter.connections),
      },
      {
        name: 'moln_gateway_balancer_accepted_total',
        help: 'Connections and sessions that began',
        type: 'counter',
        samples: ofPorts((meter) => meter.accepted),
      },
      {
        name: 'moln_gateway_balancer_failed_total',
        help: 'Connections and sessions that no upstream took, or that were too many or said nothing sensible',
        type: 'counter',
        samples: ofPorts((meter) => meter.failed),
      },
      {
        name: 'moln_gateway_balancer_received_bytes_total',
        help: 'Bytes from clients',
        type: 'counter',
        samples: ofPorts((meter) => meter.bytesIn),
      },
      {
        name: 'moln_gateway_balancer_sent_bytes_total',
        help: 'Bytes to clients',
        type: 'counter',
        samples: ofPorts((meter) => meter.bytesOut),
      },
      {
        name: 'moln_gateway_balancer_upstream_connections',
        help: 'Open connections by upstream',
        type: 'gauge',
        samples: ofTargets((target) => target.connections),
      },
      {
        name: 'moln_gateway_balancer_upstream_connected_total',
        help: 'Connections by upstream',
        type: 'counter',
        samples: ofTargets((target) => target.connected),
      },
      {
        name: 'moln_gateway_balancer_upstream_failures_total',
        help: 'Connects that failed, by upstream; checks are not counted',
        type: 'counter',
        samples: ofTargets((target) => target.connectFailures),
      },
      {
        name: 'moln_gateway_balancer_upstream_up',
        help: 'Gateway processes whose checks say that the upstream is well',
        type: 'gauge',
        samples: ofTargets((target) => (target.healthy ? 1 : 0)),
      },
    ];
  }

  #all(): BalancerPort[] {
    return [...this.#ports.values(), ...this.#leaving];
  }
}

function samePlace(a: BalancerConfig, b: BalancerConfig): boolean {
  return a.address === b.address && a.port === b.port && a.protocol === b.protocol;
}
