/** Work that must not end before its owner does: a watch that broke off is begun again. */
import type { Clock } from './time.ts';

/** Runs `work` anew whenever it ends, until the signal aborts. `onError` is not told of the abort itself. */
export async function followAgain(
  work: () => Promise<void>,
  options: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly pauseMs: number;
    readonly onError: (error: unknown) => void;
  },
): Promise<void> {
  const { clock, signal, pauseMs, onError } = options;
  while (!signal.aborted) {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
    // Only the abort ends a pause early, and the loop sees it.
    await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
}
