/** One place that a balancer leads to: what is known of it, and what it has done since the process started. */
import type { BalancerUpstreamConfig } from './balancer-config.ts';
import { BALANCER } from './balancer-limits.ts';

export class BalancerTarget {
  /** The newest one: its weight may change. */
  config: BalancerUpstreamConfig;
  /** Open now. */
  connections = 0;
  /** Since start. */
  connected = 0;
  connectFailures = 0;
  /** Monotonic; it is passed over until then because connecting failed. */
  downUntilMs = 0;
  /** What the checks say. */
  healthy = true;
  #downMs = 0;
  /** Checks in a row that said the other thing. */
  #contrary = 0;

  constructor(config: BalancerUpstreamConfig) {
    this.config = config;
  }

  get id(): string {
    return this.config.id;
  }

  isUsable(nowMs: number): boolean {
    return this.healthy && this.downUntilMs <= nowMs;
  }

  opened(): void {
    this.connections++;
    this.connected++;
    this.#downMs = 0;
    this.downUntilMs = 0;
  }

  closed(): void {
    this.connections--;
  }

  connectFailed(nowMs: number): void {
    this.connectFailures++;
    const doubled = Math.max(BALANCER.downFirstMs, this.#downMs * 2);
    this.#downMs = Math.min(BALANCER.downMostMs, doubled);
    this.downUntilMs = nowMs + this.#downMs;
  }

  /** True when this changed what the checks say of it. */
  checked(isGood: boolean): boolean {
    if (isGood === this.healthy) {
      this.#contrary = 0;
      return false;
    }
    this.#contrary++;
    if (this.#contrary < (isGood ? BALANCER.healthRise : BALANCER.healthFall)) return false;
    this.#contrary = 0;
    this.healthy = isGood;
    return true;
  }
}
