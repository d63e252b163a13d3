/** Counts the streams that are open, over HTTP and WebSocket together. */
import { HranaError } from './errors.ts';
import type { HranaLimits } from './limits.ts';

export class StreamQuota {
  readonly #limits: HranaLimits;
  readonly #countOfCaller = new Map<string, number>();
  #total = 0;

  constructor(limits: HranaLimits) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  /** Throws `HRANA_TOO_MANY_STREAMS`. */
  take(callerId: string): void {
    const { streamsPerCallerMax, streamsMax } = this.#limits;
    const count = this.#countOfCaller.get(callerId) ?? 0;
    if (count >= streamsPerCallerMax || this.#total >= streamsMax) {
      throw new HranaError(
        'HRANA_TOO_MANY_STREAMS',
        `${count} streams of this token and ${this.#total} in all are open, at most ${streamsPerCallerMax} and ${streamsMax}: close some`,
        { status: 503 },
      );
    }
    this.#countOfCaller.set(callerId, count + 1);
    this.#total += 1;
  }

  give(callerId: string): void {
    const count = (this.#countOfCaller.get(callerId) ?? 1) - 1;
    if (count > 0) this.#countOfCaller.set(callerId, count);
    else this.#countOfCaller.delete(callerId);
    this.#total -= 1;
  }
}
