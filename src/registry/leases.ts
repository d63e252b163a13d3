/**
 * Deadlines of the embedded registry's leases, by a clock that only grows. They are not stored: after a restart every
 * lease gets its full time anew, for its holders could not renew it while the registry was away.
 */
import type { Clock } from '../base/time.ts';

/** A timer is set at most so far ahead; Node's own limit is 24 days. */
const WAIT_MAX_MS = 3600_000;

export class Leases implements Disposable {
  readonly #clock: Clock;
  readonly #deadlines = new Map<string, { readonly ttlMs: number; atMs: number }>();
  readonly #onExpired: (ids: readonly string[]) => void;
  #timer: Disposable | undefined;

  constructor(clock: Clock, onExpired: (ids: readonly string[]) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  add(id: string, ttlMs: number): void {
    this.#deadlines.set(id, { ttlMs, atMs: this.#clock.monotonicMs() + ttlMs });
    this.#arm();
  }

  /** False when it has ended, also when nobody has noticed yet. */
  renew(id: string): boolean {
    const lease = this.#deadlines.get(id);
    const now = this.#clock.monotonicMs();
    if (lease === undefined || lease.atMs <= now) return false;
    lease.atMs = now + lease.ttlMs;
    return true;
  }

  has(id: string): boolean {
    return this.#deadlines.has(id);
  }

  remove(id: string): void {
    this.#deadlines.delete(id);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#deadlines.clear();
  }

  /** Tells about every lease whose time is over; they stay listed until `remove`. */
  expire(): void {
    const now = this.#clock.monotonicMs();
    const ids = [...this.#deadlines].filter(([, { atMs }]) => atMs <= now).map(([id]) => id);
    if (ids.length > 0) this.#onExpired(ids);
    this.#arm();
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#deadlines.size === 0) return;
    let next = Infinity;
    for (const { atMs } of this.#deadlines.values()) next = Math.min(next, atMs);
    // At least a moment, so that a lease whose end cannot be written is tried again without spinning.
    const wait = Math.min(WAIT_MAX_MS, Math.max(RETRY_MS, next - this.#clock.monotonicMs()));
    this.#timer = this.#clock.after(wait, () => this.expire());
  }
}

const RETRY_MS = 50;
