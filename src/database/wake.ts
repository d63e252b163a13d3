/** Somebody who pauses until there is something to do. */
import type { Clock } from '../base/time.ts';

export class Wake {
  readonly #clock: Clock;
  readonly #ended: AbortSignal;
  readonly #target = new EventTarget();

  /** `ended`: nobody pauses any more. What pauses then has to be poked. */
  constructor(clock: Clock, ended: AbortSignal) {
    this.#clock = clock;
    this.#ended = ended;
  }

  poke(): void {
    this.#target.dispatchEvent(new Event('wake'));
  }

  /** Until somebody pokes, or `ms` have passed. */
  async pause(ms: number): Promise<void> {
    if (this.#ended.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(ms, resolve);
    const wake = (): void => resolve();
    this.#target.addEventListener('wake', wake, { once: true });
    await promise;
    this.#target.removeEventListener('wake', wake);
    timer[Symbol.dispose]();
  }
}
