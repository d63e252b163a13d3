/** For how long no member has answered, as far as calls have found out. Pure; all times are of one monotonic clock. */
export class Silence {
  #heardMs = -Infinity;
  #sinceMs: number | undefined;
  #failedMs = 0;

  /** A member has answered, for all of them: with what only most of them together can say. */
  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#sinceMs = undefined;
  }

  /** A call that began then has been given up at every member that it was asked of. */
  failed(beganMs: number, nowMs: number): void {
    // Others that began at the same time may have been answered later.
    this.#sinceMs ??= Math.max(beganMs, this.#heardMs);
    this.#failedMs = nowMs;
  }

  /** Up to the last failure, for what nobody asks in the meantime says nothing; 0 while members answer. */
  get lastedMs(): number {
    return this.#sinceMs === undefined ? 0 : this.#failedMs - this.#sinceMs;
  }
}
