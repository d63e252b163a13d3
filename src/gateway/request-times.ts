/** When a request reached its stations at an upstream; monotonic milliseconds, 0 until then. Numbers only: it is filled for every request. */
import type { Clock } from '../base/time.ts';

export class RequestTimes {
  /** An upstream was chosen, for the first time; before it the request waited for its turn. */
  askedMs = 0;
  /** The head went out, for the last time. */
  sentMs = 0;
  /** The client's body was all sent on; stays 0 when it had none. */
  uploadedMs = 0;
  /** The final answer's head was there. */
  headMs = 0;
  /** The answer's body was there. */
  endMs = 0;
  /** Time for which the upstream was held up by a client that did not read. */
  clientMs = 0;
  #blockedMs = 0;

  reset(): void {
    this.askedMs = 0;
    this.sentMs = 0;
    this.uploadedMs = 0;
    this.headMs = 0;
    this.endMs = 0;
    this.clientMs = 0;
    this.#blockedMs = 0;
  }

  sent(nowMs: number): void {
    if (this.askedMs === 0) this.askedMs = nowMs;
    this.sentMs = nowMs;
  }

  /** `isSameEvent`: the head has just come; the clock need not be asked again. */
  ended(isSameEvent: boolean, clock: Pick<Clock, 'monotonicMs'>): void {
    this.endMs = isSameEvent ? this.headMs : clock.monotonicMs();
  }

  /** The client does not keep up. */
  blocked(nowMs: number): void {
    if (this.#blockedMs === 0) this.#blockedMs = nowMs;
  }

  unblocked(nowMs: number): void {
    if (this.#blockedMs === 0) return;
    this.clientMs += nowMs - this.#blockedMs;
    this.#blockedMs = 0;
  }
}
