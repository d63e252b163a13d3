/**
 * Tells whoever sends wrong secrets fast to slow down: a token bucket per address, one for each way in. What keeps
 * secrets safe is their 256 random bits; this keeps the noise down and shows in programs that went astray.
 */
import type { Clock } from '../base/time.ts';
import {
  FAILED_AUTH_ADDRESSES_MAX,
  FAILED_AUTH_BURST,
  FAILED_AUTH_REFILL_PER_SECOND,
} from './limits.ts';

export type WayIn = 'token' | 'session' | 'login';

interface Bucket {
  /** Wrong tries left, with fractions, as of `atMs`. */
  readonly left: number;
  readonly atMs: number;
}

/** Pure: what is left at `nowMs`. */
function refilled(bucket: Bucket | undefined, nowMs: number): number {
  if (bucket === undefined) return FAILED_AUTH_BURST;
  const earned = ((nowMs - bucket.atMs) / 1000) * FAILED_AUTH_REFILL_PER_SECOND;
  return Math.min(FAILED_AUTH_BURST, bucket.left + earned);
}

export class FailureLimit {
  readonly #clock: Clock;
  /** In order of the last failure, oldest first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether this peer may send one more wrong secret. */
  allows(way: WayIn, peer: string): boolean {
    return refilled(this.#buckets.get(`${way} ${peer}`), this.#clock.monotonicMs()) >= 1;
  }

  recordFailure(way: WayIn, peer: string): void {
    const key = `${way} ${peer}`;
    const atMs = this.#clock.monotonicMs();
    const left = Math.max(0, refilled(this.#buckets.get(key), atMs) - 1);
    this.#buckets.delete(key);
    this.#buckets.set(key, { left, atMs });
    if (this.#buckets.size <= FAILED_AUTH_ADDRESSES_MAX) return;
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}
