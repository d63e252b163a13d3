/**
 * Lets a copy lead whenever nobody does, when the one that does was this node in an earlier life, or does not answer. Which copies are
 * candidates is decided elsewhere; that only one leads is the log's doing, so being wrong about who is gone costs a pause and nothing else.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Primary, PrimaryRecord } from './commit-log.ts';
import type { LeadOptions } from './stripe-options.ts';
import type { Stripe } from './stripe.ts';

export interface CandidateOptions {
  readonly stripe: Stripe;
  readonly record: PrimaryRecord;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often it looks. */
  readonly everyMs: number;
  /** Asked before each try; undefined: always. */
  readonly mayLead?: () => boolean;
  /** Whether the primary on that node has clearly ended; undefined: its lease alone tells. */
  readonly isGone?: (node: string) => boolean;
}

/** Whether to try, and whose term to end by it. Pure. */
export function chance(
  now: Primary | undefined,
  me: PrimaryRecord,
  isGone: (node: string) => boolean = () => false,
): LeadOptions | undefined {
  if (now === undefined) return { why: 'nobody led it' };
  // This node's folder belongs to one process, so the one that claimed it has ended.
  if (now.node === me.node && now.life !== me.life)
    return { replaces: now.epoch, why: 'it led it before its process began anew' };
  // Who was displaced does not displace in turn: a broken link between two would pass the stripe to and fro.
  if (now.node !== me.node && now.displaced !== me.life && isGone(now.node))
    return { replaces: now.epoch, displaces: now.life, why: 'the one that led it did not answer' };
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

async function look({ stripe, record, mayLead, isGone }: CandidateOptions): Promise<void> {
  if (stripe.status.role === 'primary' || mayLead?.() === false) return;
  if (chance(await stripe.leader.recent(), record, isGone) === undefined) return;
  const free = chance(await stripe.leader.now(), record, isGone);
  if (free === undefined) return;
  await stripe.lead(free);
}
