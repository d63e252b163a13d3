/** Makes a snapshot of a stripe that is led here whenever its log has grown enough, so that no log grows without end. */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { CommitLog } from './commit-log.ts';
import { SNAPSHOT_AFTER_BYTES, SNAPSHOT_AFTER_ENTRIES } from './limits.ts';
import type { Stripe } from './stripe.ts';

export interface SnapshotDutyOptions {
  readonly stripe: Stripe;
  readonly log: CommitLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often it looks. */
  readonly everyMs: number;
  readonly afterEntries?: number;
  readonly keepEntries?: number;
}

export interface LogGrowth {
  /** Since the newest snapshot. */
  readonly entries: number;
  readonly bytes: number;
}

export function isSnapshotDue(
  growth: LogGrowth,
  afterEntries: number = SNAPSHOT_AFTER_ENTRIES,
): boolean {
  return growth.entries >= afterEntries || growth.bytes >= SNAPSHOT_AFTER_BYTES;
}

/** Runs until the signal aborts. */
export async function runSnapshots(
  options: SnapshotDutyOptions,
  signal: AbortSignal,
): Promise<void> {
  const { stripe, clock, logger, everyMs } = options;
  const seen: Seen = { term: undefined, bytes: 0 };
  while (!signal.aborted) {
    try {
      await look(options, seen);
    } catch (error) {
      if (isMolnError(error, 'DATABASE_CLOSED')) return;
      logger.warn('Cannot make a snapshot yet', { stripe: stripe.name, why: messageOf(error) });
    }
    try {
      await clock.sleep(everyMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** What a term had appended when the newest snapshot was made. */
interface Seen {
  term: number | undefined;
  bytes: number;
}

async function look(options: SnapshotDutyOptions, seen: Seen): Promise<void> {
  const { stripe, log, afterEntries, keepEntries } = options;
  const term = stripe.primary;
  if (term === undefined) return;
  const { epoch } = term.options;
  if (seen.term !== epoch) Object.assign(seen, { term: epoch, bytes: 0 });
  const { bytes } = term.figures;
  const newest = await log.snapshot(stripe.name);
  const entries = stripe.status.applied.index - (newest?.index ?? 0);
  const isPressed = term.pressure.kind !== 'none';
  if (!isPressed && !isSnapshotDue({ entries, bytes: bytes - seen.bytes }, afterEntries)) return;
  // Entries may be large: when they fill the log, a mirror that is late needs the snapshot.
  await stripe.snapshot(isPressed ? 0 : keepEntries);
  seen.bytes = bytes;
}
