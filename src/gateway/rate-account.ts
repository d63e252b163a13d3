/**
 * What one process knows of a bucket that another one keeps: what that one has said, and what was let in since. Requests need not
 * wait for its word: up to `room` of them are let in ahead of it, and are charged to the bucket when it hears of them.
 * So a bucket may be overdrawn, once by one burst at most, and takes that from what follows. Pure.
 */

/** A bucket of tokens as times, see `RateLimit`. */
export interface RatePace {
  /** Until one more token is there. */
  readonly everyMs: number;
  /** Until an empty bucket is full. */
  readonly burstMs: number;
}

/** What the keeper of the bucket is told. */
export interface RateReport {
  /** Tokens taken that it has not heard of. */
  readonly taken: number;
  /** Until the bucket is full, as far as it is known here, with these: a keeper that is new to it begins there. */
  readonly fullMs: number;
}

export type RateWord =
  /** `left`: requests that may follow at once, as far as it is known here. */
  | { readonly kind: 'allowed'; readonly left: number; readonly fullMs: number }
  | { readonly kind: 'denied'; readonly waitMs: number; readonly fullMs: number }
  /** The bucket's keeper has to be heard first. */
  | { readonly kind: 'unknown' };

const UNKNOWN: RateWord = { kind: 'unknown' };
/** Sums of fractions: a token is there when it is nearly there. */
const NEARLY = 1e-6;

/** Tokens in a bucket that is full again in `fullMs`; less than none when it is overdrawn. */
export function tokensLeft({ everyMs, burstMs }: RatePace, fullMs: number): number {
  return Math.floor((burstMs - fullMs) / everyMs + 1e-9);
}

export class RateAccount {
  /** When the bucket is full, with all that is known here. Never later than it truly is. */
  #fullAtMs = 0;
  #room = 0;
  #owed = 0;
  /** Of a report that is not answered. */
  #sent = 0;

  /** The keeper does not know of all that was let in. */
  get owes(): boolean {
    return this.#owed > 0;
  }

  /** `processes`: how many may let in ahead of the keeper's word. */
  take(pace: RatePace, nowMs: number, processes: number): RateWord {
    const { everyMs, burstMs } = pace;
    const before = Math.max(this.#fullAtMs, nowMs);
    const after = before + everyMs;
    const waitMs = after - nowMs - burstMs;
    if (waitMs >= NEARLY) return { kind: 'denied', waitMs, fullMs: before - nowMs };
    const isRested = this.#fullAtMs <= nowMs && this.#owed === 0 && this.#sent === 0;
    if (isRested) this.#refill(pace, 0, processes);
    if (this.#room < 1) return UNKNOWN;
    this.#room--;
    this.#owed++;
    this.#fullAtMs = after;
    const fullMs = after - nowMs;
    return { kind: 'allowed', left: Math.max(0, tokensLeft(pace, fullMs)), fullMs };
  }

  report(nowMs: number): RateReport {
    const taken = this.#owed;
    this.#sent += taken;
    this.#owed = 0;
    return { taken, fullMs: Math.max(0, this.#fullAtMs - nowMs) };
  }

  /** What the keeper says to the last report. */
  answered(pace: RatePace, fullMs: number, on: { nowMs: number; processes: number }): void {
    this.#sent = 0;
    const all = fullMs + this.#owed * pace.everyMs;
    this.#fullAtMs = on.nowMs + all;
    this.#refill(pace, all, on.processes);
  }

  /** There is no word: what this process may let in is its share of what is left as far as it knows. */
  missed(pace: RatePace, on: { nowMs: number; processes: number }): void {
    this.#owed += this.#sent;
    this.#sent = 0;
    this.presume(pace, on);
  }

  /** The word is late. */
  presume(pace: RatePace, { nowMs, processes }: { nowMs: number; processes: number }): void {
    this.#refill(pace, Math.max(0, this.#fullAtMs - nowMs), processes);
  }

  /** Each process its share; one, when there is less: else nobody would ask any more. */
  #refill(pace: RatePace, fullMs: number, processes: number): void {
    this.#room = Math.max(1, Math.floor(tokensLeft(pace, fullMs) / processes));
  }
}
