/**
 * Self-fencing: whoever cannot prove that he was heard stops his singletons before anybody starts them elsewhere. Only
 * the monotonic clock counts, one that goes on while the machine sleeps, and only from when a check-in was sent, for nobody knows when it arrived.
 *
 * Why it is safe: others count silence from when they heard a check-in, which is after it was sent, and they may move
 * something only when `lostAfterMs` of it are over. The margin pays for stopping and for clocks that run unevenly.
 */
import type { Clock } from '../base/time.ts';
import type { Revision } from '../registry/registry.ts';
import { fenced } from './errors.ts';

const MARGIN_RATIO = 0.2;
const MARGIN_MIN_MS = 500;

/** How long before it counts as lost elsewhere a node stops by itself. 30 s: 6 s; 5 s: 1 s. */
export function fenceMarginMs(lostAfterMs: number): number {
  return Math.max(MARGIN_MIN_MS, lostAfterMs * MARGIN_RATIO);
}

/** When, by the monotonic clock, a node that was last heard with a check-in sent at `sentAtMs` has to have stopped. */
export function fencedAtMs(sentAtMs: number, lostAfterMs: number): number {
  return sentAtMs + lostAfterMs - fenceMarginMs(lostAfterMs);
}

export interface FenceGuard {
  /** The app's clock, or the cluster's. */
  readonly lostAfterMs: number;
  /** Stop now, at once, without asking anybody. */
  onFenced(): void;
  /**
   * Heard again. Others may have moved things meanwhile: only what the registry still gives to this node at `revision` or
   * later may be started again.
   */
  onReturned(revision: Revision): void;
}

interface Guarded {
  readonly guard: FenceGuard;
  isFenced: boolean;
  timer: Disposable | undefined;
}

/** One a node. Everything is fenced until the first check-in, since an agent that starts may have been away for long. */
export class Fence implements Disposable {
  readonly #clock: Clock;
  readonly #guards = new Set<Guarded>();
  #sentAtMs = -Infinity;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * A check-in that was sent at `sentAtMs` is in the registry. One that comes too late fences first, so that nobody
   * overlooks that he was away, then lets return.
   */
  confirm(sentAtMs: number, revision: Revision): void {
    this.wake();
    if (this.#isClosed) return;
    this.#sentAtMs = Math.max(this.#sentAtMs, sentAtMs);
    for (const guarded of this.#guards) {
      if (this.isFenced(guarded.guard.lostAfterMs)) continue;
      this.#arm(guarded);
      if (!guarded.isFenced) continue;
      guarded.isFenced = false;
      guarded.guard.onReturned(revision);
    }
  }

  /** Fences all for good, now: this node is none of the cluster any more. */
  close(): void {
    this.#isClosed = true;
    this.#sentAtMs = -Infinity;
    this.wake();
  }

  /** True as of this very moment, also in a process that was stopped and whose timers have not run yet. */
  isFenced(lostAfterMs: number): boolean {
    return this.remainingMs(lostAfterMs) <= 0;
  }

  remainingMs(lostAfterMs: number): number {
    return fencedAtMs(this.#sentAtMs, lostAfterMs) - this.#clock.monotonicMs();
  }

  /** Throws `CLUSTER_FENCED`: ask before everything that a fenced node must not do. */
  check(lostAfterMs: number): void {
    this.wake();
    if (this.isFenced(lostAfterMs)) throw fenced(lostAfterMs);
  }

  /** Calls `onFenced` at once if it is so already. */
  guard(guard: FenceGuard): Disposable {
    const guarded: Guarded = { guard, isFenced: false, timer: undefined };
    this.#guards.add(guarded);
    this.#look(guarded);
    return {
      [Symbol.dispose]: () => {
        guarded.timer?.[Symbol.dispose]();
        this.#guards.delete(guarded);
      },
    };
  }

  /** Fences whatever is due, without waiting for a timer. */
  wake(): void {
    for (const guarded of this.#guards) this.#look(guarded);
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#guards) timer?.[Symbol.dispose]();
    this.#guards.clear();
  }

  #look(guarded: Guarded): void {
    if (guarded.isFenced) return;
    if (!this.isFenced(guarded.guard.lostAfterMs)) {
      if (guarded.timer === undefined) this.#arm(guarded);
      return;
    }
    guarded.timer?.[Symbol.dispose]();
    guarded.timer = undefined;
    guarded.isFenced = true;
    guarded.guard.onFenced();
  }

  #arm(guarded: Guarded): void {
    guarded.timer?.[Symbol.dispose]();
    guarded.timer = this.#clock.after(this.remainingMs(guarded.guard.lostAfterMs), () => {
      guarded.timer = undefined;
      this.#look(guarded);
    });
  }
}
