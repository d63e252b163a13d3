/**
 * Lets a copy lead whenever nobody does, or when the one that does was this node in an earlier life. Which copies are candidates is
 * decided elsewhere; that only one leads is the log's doing.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { CommitLog, Primary, PrimaryRecord } from './commit-log.ts';
import type { Stripe } from './stripe.ts';

export interface CandidateOptions {
  readonly stripe: Stripe;
  readonly log: CommitLog;
  readonly record: PrimaryRecord;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often it looks. */
  readonly everyMs: number;
}

/** Whether to try, and whose term to end by it. Pure. */
export function chance(
  now: Primary | undefined,
  me: PrimaryRecord,
): { readonly replaces: number | undefined } | undefined {
  if (now === undefined) return { replaces: undefined };
  // This node's folder belongs to one process, so the one that claimed it has ended.
  if (now.node === me.node && now.life !== me.life) return { replaces: now.epoch };
  return undefined;
}

/** Runs until the signal aborts. */
export async function runCandidate(options: CandidateOptions, signal: AbortSignal): Promise<void> {
  const { stripe, clock, logger, everyMs } = options;
  while (!signal.aborted) {
    try {
      await look(options);
    } catch (error) {
      if (isMolnError(error, 'DATABASE_CLOSED')) return;
      logger.warn('Cannot lead a stripe yet', { stripe: stripe.name, why: messageOf(error) });
    }
    try {
      await clock.sleep(everyMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

async function look({ stripe, log, record }: CandidateOptions): Promise<void> {
  if (stripe.status.role === 'primary') return;
  const free = chance(await log.primary(stripe.name), record);
  if (free === undefined) return;
  await stripe.lead(free.replaces === undefined ? {} : { replaces: free.replaces });
}
