/**
 * How often someone may ask: a bucket of `burst` tokens that fills evenly, one for each key. A bucket is one number, the time at
 * which it will be full (GCRA); full buckets need none. Of processes that share a limit, one keeps the bucket of a key (`shared-rate.ts`).
 */
import { isIPv6 } from 'node:net';
import { type RatePace, type RateReport, tokensLeft } from './rate-account.ts';
import type { RateConfig } from './site-config.ts';

/** Keys remembered; beyond them the ones unused for longest are forgotten: they begin with a full bucket again. */
export const RATE_KEYS_MAX = 100_000;
const KEY_CHARACTERS_MAX = 256;

export interface RateVerdict {
  readonly allowed: boolean;
  /** Requests that may follow at once. */
  readonly left: number;
  /** Until the next one may come; 0 when it may at once. */
  readonly waitMs: number;
  /** Until the bucket is full. */
  readonly fullMs: number;
}

export class RateLimit {
  readonly config: RateConfig;
  readonly pace: RatePace;
  /** When the bucket of a key is full again; longest unused first. */
  readonly #fullAt = new Map<string, number>();

  constructor(config: RateConfig) {
    this.config = config;
    const everyMs = config.perMs / config.requests;
    this.pace = { everyMs, burstMs: everyMs * (config.burst ?? config.requests) };
  }

  get keys(): number {
    return this.#fullAt.size;
  }

  /** Takes a token, if there is one. */
  take(key: string, nowMs: number): RateVerdict {
    const { everyMs, burstMs } = this.pace;
    const before = Math.max(this.#fullAt.get(key) ?? 0, nowMs);
    const after = before + everyMs;
    const waitMs = after - nowMs - burstMs;
    // Sums of fractions: a token is there when it is nearly there.
    const allowed = waitMs < 1e-6;
    const fullAt = allowed ? after : before;
    this.#keep(key, fullAt);
    return {
      allowed,
      left: Math.max(0, tokensLeft(this.pace, fullAt - nowMs)),
      waitMs: Math.max(0, waitMs),
      fullMs: fullAt - nowMs,
    };
  }

  /** Until the bucket is full. */
  fullMs(key: string, nowMs: number): number {
    return Math.max(0, (this.#fullAt.get(key) ?? 0) - nowMs);
  }

  /** For another process, which has let somebody in already. Until the bucket is full then. */
  charge(key: string, { taken, fullMs }: RateReport, nowMs: number): number {
    const before = Math.max(this.#fullAt.get(key) ?? 0, nowMs);
    const fullAt = Math.max(before + taken * this.pace.everyMs, nowMs + fullMs);
    this.#keep(key, fullAt);
    return fullAt - nowMs;
  }

  /** `RateLimit` and `RateLimit-Policy` as whole lines (draft-ietf-httpapi-ratelimit-headers). */
  lines({ left, fullMs }: RateVerdict): string {
    const { requests, perMs, burst = requests } = this.config;
    const windowS = Math.ceil(((perMs / requests) * burst) / 1000);
    return (
      `RateLimit-Policy: "default";q=${burst};w=${windowS}\r\n` +
      `RateLimit: "default";r=${left};t=${Math.ceil(fullMs / 1000)}\r\n`
    );
  }

  #keep(key: string, fullAt: number): void {
    this.#fullAt.delete(key);
    if (this.#fullAt.size >= RATE_KEYS_MAX) this.#forgetOne();
    this.#fullAt.set(key, fullAt);
  }

  #forgetOne(): void {
    const oldest = this.#fullAt.keys().next();
    if (oldest.done !== true) this.#fullAt.delete(oldest.value);
  }
}

/** Whoever has an IPv6 network of their own has all of its addresses. */
export function rateKeyOfClient(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`;
}

/** A string of its own: a slice would keep the whole head in memory. */
export function rateKeyOfField(value: string): string {
  return ` ${Buffer.from(value.slice(0, KEY_CHARACTERS_MAX), 'latin1').toString('latin1')}`;
}
