/**
 * How many requests may be asked a second time: a share of all, and a few a second beside it. When everything fails, repeating
 * everything would make it worse.
 */
import type { RetryConfig } from './balance-config.ts';

/** What was not used is kept for so long. */
const KEPT_S = 10;
/** Of unused shares at most so many second requests are kept. */
const KEPT_SHARES_MAX = 100;

export class RetryBudget {
  readonly #share: number;
  readonly #perSecond: number;
  #fromShare = 0;
  #fromTime: number;
  #atMs = 0;

  constructor({ budget, perSecond }: Pick<RetryConfig, 'budget' | 'perSecond'>) {
    this.#share = budget;
    this.#perSecond = perSecond;
    this.#fromTime = perSecond;
  }

  /** For each request, not for its repetitions. */
  request(): void {
    this.#fromShare = Math.min(KEPT_SHARES_MAX, this.#fromShare + this.#share);
  }

  /** Whether one more is allowed; it is then counted. */
  take(nowMs: number): boolean {
    const seconds = this.#atMs === 0 ? 0 : (nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    const most = this.#perSecond * KEPT_S;
    this.#fromTime = Math.min(most, this.#fromTime + seconds * this.#perSecond);
    if (this.#fromTime >= 1) {
      this.#fromTime--;
      return true;
    }
    if (this.#fromShare < 1) return false;
    this.#fromShare--;
    return true;
  }
}
