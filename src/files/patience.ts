/** Waiting for what may take too long: whoever asked goes on with what is known. */
import type { Clock } from '../base/time.ts';

/** Resolves when the work is done, or after `ms`, while the work goes on. Throws what the work throws until then. */
export async function atMost(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  const patience = new AbortController();
  const late = clock.sleep(ms, patience.signal).catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    patience.abort();
  }
}
