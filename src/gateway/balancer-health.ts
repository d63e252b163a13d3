/** Asks upstreams of a balancer, at intervals, whether they still take connections. */
import { connect, type Socket } from 'node:net';
import { proxyHeader } from '../net/net.ts';
import type { BalancerConfig, BalancerHealthConfig } from './balancer-config.ts';
import type { BalancerTarget } from './balancer-target.ts';
import type { Plane } from './plane.ts';

export class HealthChecks {
  readonly #plane: Plane;
  readonly #underWay = new Map<BalancerTarget, Socket>();
  #timer: Disposable | undefined;

  constructor(plane: Plane) {
    this.#plane = plane;
  }

  /** In place of what was started before; the first look is at once. */
  start(config: BalancerConfig, targets: readonly BalancerTarget[]): void {
    this.stop();
    const { health } = config;
    if (health === undefined) {
      // Nobody would ever say again that they are well.
      for (const target of targets) target.healthy = true;
      return;
    }
    const look = (): void => {
      for (const target of targets) this.#check(target, config, health);
    };
    this.#timer = this.#plane.clock.every(health.intervalMs, look);
    look();
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const sockets = [...this.#underWay.values()];
    this.#underWay.clear();
    for (const socket of sockets) socket.destroy();
  }

  #check(target: BalancerTarget, config: BalancerConfig, health: BalancerHealthConfig): void {
    if (this.#underWay.has(target)) return;
    const { address } = target.config;
    const socket =
      address.kind === 'socket'
        ? connect({ path: address.path })
        : connect({ host: address.host, port: address.port });
    this.#underWay.set(target, socket);
    let isGood = false;
    const timer = this.#plane.clock.after(health.timeoutMs, () => socket.destroy());
    socket.once('connect', () => {
      isGood = true;
      const version = config.proxyProtocol?.out;
      if (version === undefined) socket.end();
      else socket.end(proxyHeader(version, undefined));
      // What it greets with is thrown away.
      socket.resume();
    });
    let reason = 'It did not answer in time';
    socket.on('error', (error) => {
      reason = error.message;
    });
    socket.once('close', () => {
      timer[Symbol.dispose]();
      // Broken off by `stop`: nothing was learned.
      if (this.#underWay.get(target) !== socket) return;
      this.#underWay.delete(target);
      if (!target.checked(isGood)) return;
      const what = isGood ? 'An upstream is well again' : 'An upstream fails its checks';
      const fields = { balancer: config.id, upstream: target.id };
      if (isGood) this.#plane.log.info(what, fields);
      else this.#plane.log.warn(what, { ...fields, reason });
    });
  }
}
