/** Deadlines of one length with one timer for all of them: what nearly always ends in time should not cost a timer of its own. */
import type { Clock } from './time.ts';

interface Deadline {
  readonly dueMs: number;
  readonly onLate: () => void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #ms: number;
  /** The next one first, for all are equally long. */
  readonly #open = new Set<Deadline>();
  #isArmed = false;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** Calls when the time has passed, unless it is disposed of before. Does not keep the process alive. */
  begin(onLate: () => void): Disposable {
    const deadline: Deadline = { dueMs: this.#clock.monotonicMs() + this.#ms, onLate };
    this.#open.add(deadline);
    if (!this.#isArmed) this.#arm(this.#ms);
    return { [Symbol.dispose]: () => void this.#open.delete(deadline) };
  }

  #arm(ms: number): void {
    this.#isArmed = true;
    this.#clock.after(ms, () => this.#look());
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    // Also over those that begin meanwhile.
    for (const deadline of this.#open) {
      if (deadline.dueMs > nowMs) return this.#arm(deadline.dueMs - nowMs);
      this.#open.delete(deadline);
      deadline.onLate();
    }
    this.#isArmed = false;
  }
}
