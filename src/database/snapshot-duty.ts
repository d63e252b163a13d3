/**
 * Makes a snapshot of a stripe that is led here whenever its log has grown enough, so that no log grows without end; and where snapshots outlive the
 * cluster, also when the newest one is old.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { CommitLog } from './commit-log.ts';
import {
  SNAPSHOT_AFTER_BYTES,
  SNAPSHOT_AFTER_ENTRIES,
  SNAPSHOT_AFTER_MS_MAX,
  SNAPSHOT_AFTER_MS_MIN,
  SNAPSHOT_BYTES_MAX,
} from './limits.ts';
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
  /** Whether snapshots are kept where they outlive the cluster; left out: they are not. */
  readonly isKeptElsewhere?: () => boolean;
}

export interface LogGrowth {
  /** Since the newest snapshot. */
  readonly entries: number;
  readonly bytes: number;
}

/** The newest snapshot of a stripe that is kept elsewhere. */
export interface NewestAge {
  /** Since it was made; without one, since the stripe is led here. */
  readonly ms: number;
  /** 0 without one. */
  readonly bytes: number;
}

/** `age`: undefined where snapshots are not kept elsewhere. Pure. */
export function isSnapshotDue(
  growth: LogGrowth,
  age: NewestAge | undefined,
  afterEntries: number = SNAPSHOT_AFTER_ENTRIES,
): boolean {
  if (growth.entries >= afterEntries || growth.bytes >= SNAPSHOT_AFTER_BYTES) return true;
  if (growth.entries === 0 || age === undefined) return false;
  const afterMs = SNAPSHOT_AFTER_MS_MIN * Math.max(1, age.bytes / SNAPSHOT_BYTES_MAX);
  return age.ms >= Math.min(afterMs, SNAPSHOT_AFTER_MS_MAX);
}

/** Runs until the signal aborts. */
export async function runSnapshots(
  options: SnapshotDutyOptions,
  signal: AbortSignal,
): Promise<void> {
  const { stripe, clock, logger, everyMs } = options;
  const seen: Seen = { term: undefined, bytes: 0, at: 0 };
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
  /** When the term was seen first, in milliseconds since the epoch. */
  at: number;
}

async function look(options: SnapshotDutyOptions, seen: Seen): Promise<void> {
  const { stripe, log, clock, afterEntries, keepEntries, isKeptElsewhere } = options;
  const term = stripe.primary;
  if (term === undefined) return;
  const { epoch } = term.options;
  if (seen.term !== epoch) Object.assign(seen, { term: epoch, bytes: 0, at: clock.now() });
  const { bytes } = term.figures;
  const newest = await log.snapshot(stripe.name);
  const entries = stripe.status.applied.index - (newest?.index ?? 0);
  const isPressed = term.pressure.kind !== 'none';
  const age =
    isKeptElsewhere?.() === true
      ? { ms: clock.now() - (newest?.at ?? seen.at), bytes: newest?.bytes ?? 0 }
      : undefined;
  if (!isPressed && !isSnapshotDue({ entries, bytes: bytes - seen.bytes }, age, afterEntries))
    return;
  // Entries may be large: when they fill the log, a mirror that is late needs the snapshot.
  await stripe.snapshot(isPressed ? 0 : keepEntries);
  seen.bytes = bytes;
}
