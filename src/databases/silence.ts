/** For how long a process has said nothing, in seconds that count for it, too. Pure. */

/** One that takes longer does not count: this machine stood still, or had no processor for its agent, and so none for the process. */
const SECOND_MS_MAX = 2000;

export class Silence {
  #lastMs: number;
  #seconds = 0;

  /** `nowMs`: monotonic, when the process was asked. */
  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  /** To be called about once a second: how many have counted. */
  second(nowMs: number): number {
    if (nowMs - this.#lastMs <= SECOND_MS_MAX) this.#seconds++;
    this.#lastMs = nowMs;
    return this.#seconds;
  }
}
