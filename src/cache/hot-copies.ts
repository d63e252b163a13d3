/** Copies of answers that another process owns, for a moment: a small memory of their own, so that they displace nothing. */
import { MemoryTier } from './memory-tier.ts';
import type { Stored, TierStats, Variants } from './tier.ts';

export class HotCopies {
  readonly #tier: MemoryTier;
  /** Until when each is kept, the oldest first; epoch milliseconds. */
  readonly #untilMs = new Map<string, number>();

  constructor(bytesMax: number) {
    this.#tier = new MemoryTier(bytesMax);
  }

  get stats(): TierStats {
    return this.#tier.stats;
  }

  mayHold(key: string): boolean {
    return this.#tier.mayHold(key);
  }

  find(key: string): Variants | undefined {
    return this.#untilMs.size === 0 ? undefined : this.#tier.find(key);
  }

  /** None of them removes it. Without `untilMs` it stays as long as it would have. */
  set(key: string, variants: readonly Stored[], untilMs?: number): void {
    this.#tier.set(key, variants);
    const until = untilMs ?? this.#untilMs.get(key);
    // Behind the others: the last to go.
    if (untilMs !== undefined || !this.#tier.mayHold(key)) this.#untilMs.delete(key);
    if (until !== undefined && this.#tier.mayHold(key)) this.#untilMs.set(key, until);
  }

  delete(key: string): void {
    if (!this.#untilMs.delete(key)) return;
    this.#tier.set(key, []);
  }

  /** Lets go of what was kept long enough. A clock that was set back must not make that last: `momentMs` is the longest. */
  cool(nowMs: number, momentMs: number): void {
    for (const [key, untilMs] of this.#untilMs) {
      if (untilMs > nowMs && untilMs - nowMs <= momentMs) return;
      this.delete(key);
    }
  }

  clear(): void {
    this.#untilMs.clear();
    this.#tier.clear();
  }
}
