/**
 * When the next group begins: at once, or when those whom the last one answered have asked again. Who asks again as soon as he is answered would miss the
 * next group by a moment; then all go in two groups in turn, with twice the appends. Waiting for them is worth while as long as it does not take much longer than the
 * append that it saves, so it ends by then; and after one in vain the next groups begin at once.
 */
import type { Clock } from '../base/time.ts';
import { GROUP_TRANSACTIONS_MAX } from './limits.ts';

/** Fewer gain nothing: an append for each half of them costs less than to wait. */
const WORTH_MIN = 8;
/** Not all of them ask again at once. */
const SHARE_WANTED = 0.9;
/** With fewer it would have been better to begin at once. */
const SHARE_WORTH = 0.5;
/** No longer than so many times the last append. */
const WAIT_APPENDS = 2;
/** A log that is slow for other reasons is not waited for. */
const WAIT_MS_MAX = 20;
/** Groups that do not wait, after one that has waited in vain; twice as many each time. */
const REST_FIRST = 1;
const REST_MAX = 64;

export interface AppendedGroup {
  readonly transactions: number;
  /** Others, for the next group. */
  readonly waiting: number;
  readonly tookMs: number;
}

export class GroupWait {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'after'>;
  /** Transactions that the next group is to begin with, until then. */
  #wanted = 0;
  #untilMs = -Infinity;
  /** So many make the wait worth while. */
  #worth = 0;
  #waiting = 0;
  #resting = 0;
  #rest = REST_FIRST;
  #end: (() => void) | undefined;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'after'>) {
    this.#clock = clock;
  }

  /** A group is in the log: its transactions are answered now. */
  appended({ transactions, waiting, tookMs }: AppendedGroup): void {
    const isResting = this.#resting > 0;
    if (isResting) this.#resting--;
    const isWorth = !isResting && transactions >= WORTH_MIN;
    const wanted = waiting + Math.ceil(transactions * SHARE_WANTED);
    this.#wanted = isWorth ? Math.min(wanted, GROUP_TRANSACTIONS_MAX) : 0;
    this.#worth = Math.min(waiting + transactions * SHARE_WORTH, this.#wanted);
    this.#untilMs = this.#clock.monotonicMs() + Math.min(tookMs * WAIT_APPENDS, WAIT_MS_MAX);
  }

  /** Resolves when a group is to begin that `waiting` transactions wait for. */
  async enough(waiting: number): Promise<void> {
    const leftMs = this.#untilMs - this.#clock.monotonicMs();
    if (waiting >= this.#wanted || leftMs <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = waiting;
    this.#end = resolve;
    const timer = this.#clock.after(leftMs, resolve);
    await promise;
    timer[Symbol.dispose]();
    this.#end = undefined;
    if (this.#waiting >= this.#worth) this.#rest = REST_FIRST;
    else {
      this.#resting = this.#rest;
      this.#rest = Math.min(REST_MAX, this.#rest * 2);
    }
  }

  /** One more: so many wait now. */
  came(waiting: number): void {
    this.#waiting = waiting;
    if (waiting >= this.#wanted) this.hurry();
  }

  /** The group begins now: somebody wants something else than to be in it, or nobody may be any more. */
  hurry(): void {
    this.#end?.();
  }
}
