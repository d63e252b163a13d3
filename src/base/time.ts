/** The only place that reads a clock or sets a timer; parts take a `Clock`, so that a test may own time. */

export interface Clock {
  /** Wall clock, milliseconds since the epoch. Jumps; never use it for durations. */
  now(): number;
  /** Milliseconds that only grow, with fractions. */
  monotonicMs(): number;
  /** Calls once after `ms`; dispose to cancel. Does not keep the process alive. */
  after(ms: number, call: () => void): Disposable;
  /** Calls every `ms`; dispose to stop. Does not keep the process alive. */
  every(ms: number, call: () => void): Disposable;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. Keeps the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

function disposableTimer(timer: NodeJS.Timeout): Disposable {
  // A browser numbers its timers, and they keep nothing alive.
  if (typeof timer === 'object') timer.unref();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** The global is a getter. */
const { performance } = globalThis;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (ms, call) => disposableTimer(setTimeout(call, ms)),
  every: (ms, call) => disposableTimer(setInterval(call, ms)),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', stop);
        resolve();
      }, ms);
      signal?.addEventListener('abort', stop, { once: true });
    }),
};

/**
 * How long to pause instead of `ms` so that the pause ends on a whole second of this process's time: never longer, and less than
 * a second shorter. What has no hurry wakes the process together that way: each time it wakes costs 0.3 ms. Less than a
 * second stays as it is.
 */
export function untilSecond(clock: Pick<Clock, 'monotonicMs'>, ms: number): number {
  if (ms < SECOND_MS) return ms;
  const nowMs = clock.monotonicMs();
  const dueMs = Math.floor((nowMs + ms) / SECOND_MS) * SECOND_MS;
  return dueMs - nowMs;
}

/**
 * How long to pause until the wall clock shows a whole multiple of `periodMs`. What the machines tell each other every so
 * often is told at one moment that way, as far as their clocks agree, and wakes each of them once instead of once for each.
 * `tookMs`: what was done last took so long. When it missed a beat by that, it is done again at once: one beat is missed, not two.
 */
export function untilBeat(clock: Pick<Clock, 'now'>, periodMs: number, tookMs: number): number {
  const leftMs = periodMs - (clock.now() % periodMs);
  // A timer may end a little early: that was this beat.
  const pauseMs = leftMs < BEAT_EARLY_MS ? leftMs + periodMs : leftMs;
  return tookMs + pauseMs > periodMs + BEAT_EARLY_MS ? AT_ONCE_MS : pauseMs;
}

/** As `clock.every(1000, call)`, on whole seconds. */
export function everySecond(clock: Clock, call: () => void): Disposable {
  let timer: Disposable;
  const arm = (): void => {
    timer = clock.after(untilSecond(clock, SECOND_MS), () => {
      arm();
      call();
    });
  };
  arm();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

const SECOND_MS = 1000;
const BEAT_EARLY_MS = 2;
const AT_ONCE_MS = 1;

/** For formats that want a date where none is meant, so that equal content gives equal bytes. */
export const EPOCH: Date = new Date(0);

/** `2026-11-20T12:00:00.000Z` of epoch milliseconds. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** For libraries that want a `Date`. */
export function dateOf(ms: number): Date {
  return new Date(ms);
}

/** `3 s`, `4 min`, `2 h`, `5 d`: the largest unit that fits. Less than nothing is what two clocks differ by: `-2 h`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/**
 * Runs `work` with a deadline. Rejects with `onTimeout()` when `ms` have passed; `work` gets a signal
 * that is aborted then, and should stop.
 */
export async function withDeadline<T>(
  ms: number,
  onTimeout: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const error = onTimeout();
      controller.abort(error);
      reject(error);
    }, ms);
  });
  try {
    return await Promise.race([work(controller.signal), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
