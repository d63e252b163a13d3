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
    this.#arm();
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
    const now = this.#clock.monotonicMs();
    let wait = WAIT_MAX_MS;
    for (const { atMs } of this.#deadlines.values()) {
      // One that is over was told of, and its end may not be writable, on a full disk perhaps.
      wait = Math.min(wait, atMs <= now ? RETRY_MS : atMs - now);
    }
    this.#timer = this.#clock.after(wait, () => this.expire());
  }
}

/** How soon the end of a lease that could not be written is tried again. */
const RETRY_MS = 1000;
