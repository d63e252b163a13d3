import type { Clock } from '../base/time.ts';

/** Resolves when the work is done, or after `ms`: then it goes on, and what is known has to do. Throws what the work throws until then. */
export async function atMost(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  const patience = new AbortController();
  const late = clock.sleep(ms, patience.signal).catch(() => undefined);
  try {
    await Promise.race([work, late]);
  } finally {
    patience.abort();
  }
}
