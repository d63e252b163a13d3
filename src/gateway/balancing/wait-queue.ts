/** Requests that wait until an upstream has room: in turn, so many, so long. */
import type { Clock } from '../../base/time.ts';

export interface Waiting {
  /** Tries again; false when there is still no room, and it stays the first. */
  takeTurn(): boolean;
  waitedTooLong(): void;
}

export class WaitQueue {
  readonly #clock: Clock;
  readonly #timers = new Map<Waiting, Disposable>();
  #wakes = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.#timers.size;
  }

  /** False when it is full. */
  join(
    waiting: Waiting,
    { queue, queueTimeoutMs }: { readonly queue: number; readonly queueTimeoutMs: number },
  ): boolean {
    if (this.#timers.size >= queue) return false;
    const timer = this.#clock.after(queueTimeoutMs, () => {
      this.#timers.delete(waiting);
      waiting.waitedTooLong();
    });
    this.#timers.set(waiting, timer);
    return true;
  }

  leave(waiting: Waiting): void {
    this.#timers.get(waiting)?.[Symbol.dispose]();
    this.#timers.delete(waiting);
  }

  /** After what is being done now: a turn writes to sockets, and who made room is in the middle of something. */
  wake(): void {
    if (this.#wakes || this.#timers.size === 0) return;
    this.#wakes = true;
    queueMicrotask(() => {
      this.#wakes = false;
      this.#serve();
    });
  }

  #serve(): void {
    for (const [waiting, timer] of this.#timers) {
      if (!waiting.takeTurn()) return;
      timer[Symbol.dispose]();
      // Its connection may have gone on to its next request, which waits anew.
      if (this.#timers.get(waiting) === timer) this.#timers.delete(waiting);
    }
  }
}
