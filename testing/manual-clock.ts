/** A clock that a test moves by hand. Timers fire inside `advance`, in the order of their time. */
import type { Clock } from '../src/base/time.ts';

interface Timer {
  atMs: number;
  readonly everyMs: number | undefined;
  readonly call: () => void;
}

export class ManualClock implements Clock {
  #nowMs: number;
  #sinceStartMs = 0;
  readonly #timers = new Set<Timer>();

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#sinceStartMs;
  }

  after(ms: number, call: () => void): Disposable {
    return this.#add({ atMs: this.#sinceStartMs + ms, everyMs: undefined, call });
  }

  every(ms: number, call: () => void): Disposable {
    return this.#add({ atMs: this.#sinceStartMs + ms, everyMs: ms, call });
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const timer = this.after(ms, resolve);
      signal?.addEventListener('abort', () => {
        timer[Symbol.dispose]();
        reject(signal.reason as Error);
      });
    });
  }

  /** Moves both clocks on and fires what falls due on the way. */
  advance(ms: number): void {
    const end = this.#sinceStartMs + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#nowMs += Math.max(0, next.atMs - this.#sinceStartMs);
      this.#sinceStartMs = Math.max(this.#sinceStartMs, next.atMs);
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.atMs += next.everyMs;
      next.call();
    }
    this.#nowMs += end - this.#sinceStartMs;
    this.#sinceStartMs = end;
  }

  #next(endMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (first === undefined || timer.atMs < first.atMs)) first = timer;
    }
    return first;
  }

  #add(timer: Timer): Disposable {
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }
}
