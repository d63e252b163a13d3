/**
 * One transaction over several stripes that are led here: a hold on each, taken in the order of their names so that two such
 * transactions never wait for each other; then ONE append to the logs of all that were written, under the condition that those which
 * were only read have not moved. It happens on all of them or on none.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Append, CommitLog, ReadStripe } from './commit-log.ts';
import { crashPoint } from './crash-points.ts';
import { limitMet, notCommitted, notPrimary } from './errors.ts';
import type { Hold, Share } from './hold.ts';
import { TRANSACTION_STRIPES_MAX } from './limits.ts';
import { isOutcomeOpen } from './registry-log.ts';
import type { Statement, StatementResult } from './statement.ts';
import type { Stripe } from './stripe.ts';

interface Prepared {
  readonly hold: Hold;
  readonly share: Share;
}

type Written = Prepared & { readonly share: Extract<Share, { kind: 'append' }> };

export class Together {
  readonly #log: CommitLog;
  readonly #holds: ReadonlyMap<string, Hold>;

  private constructor(log: CommitLog, holds: ReadonlyMap<string, Hold>) {
    this.#log = log;
    this.#holds = holds;
  }

  /** All stripes that it will touch must be named now. */
  static async begin(log: CommitLog, stripes: readonly Stripe[]): Promise<Together> {
    if (stripes.length > TRANSACTION_STRIPES_MAX) {
      throw limitMet(
        'transactionStripes',
        `The transaction touches ${stripes.length} stripes, at most ${TRANSACTION_STRIPES_MAX} fit into one`,
        'Touch fewer keys at once; nothing was changed',
      );
    }
    const holds = new Map<string, Hold>();
    try {
      for (const stripe of stripes.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
        holds.set(stripe.name, await stripe.begin());
      }
    } catch (error) {
      await Promise.all([...holds.values()].map((hold) => hold.rollBack()));
      throw error;
    }
    return new Together(log, holds);
  }

  async run(stripe: string, statement: Statement): Promise<StatementResult> {
    const hold = this.#holds.get(stripe);
    if (hold === undefined) throw new Error(`Stripe "${stripe}" was not named at the beginning`);
    return await hold.run(statement);
  }

  async rollBack(): Promise<void> {
    await Promise.all([...this.#holds.values()].map((hold) => hold.rollBack()));
  }

  /** When it throws anything but `DATABASE_OUTCOME_UNKNOWN`, nothing happened on any of them. */
  async commit(): Promise<void> {
    const prepared = await this.#prepare();
    const written = prepared.filter((one): one is Written => one.share.kind === 'append');
    try {
      await this.#append(prepared, written);
    } catch (error) {
      await this.rollBack();
      throw error;
    }
    crashPoint('together:after-append');
    await Promise.all(prepared.map(({ hold }) => hold.settle()));
  }

  async #prepare(): Promise<readonly Prepared[]> {
    const prepared: Prepared[] = [];
    try {
      for (const hold of this.#holds.values())
        prepared.push({ hold, share: await hold.prepare(true) });
      return prepared;
    } catch (error) {
      await this.rollBack();
      throw error;
    }
  }

  async #append(prepared: readonly Prepared[], written: readonly Written[]): Promise<void> {
    const appends: readonly Append[] = written.map(({ share }) => share.append);
    const reads: readonly ReadStripe[] = prepared.flatMap(({ share }) =>
      share.kind === 'read' ? [share.read] : [],
    );
    crashPoint('together:before-append');
    try {
      // Also without anything to write: that what was read belongs to one moment is a condition like any other.
      const result = await this.#log.append(appends, reads);
      if (result.kind === 'refused') {
        throw notPrimary([...result.fenced, ...result.moved].join(', '), 'another copy took over');
      }
      for (const [at, { hold }] of written.entries()) {
        const head = result.heads[at];
        if (head !== undefined) hold.term.appender.moveTo(head);
      }
    } catch (error) {
      if (isMolnError(error, 'DATABASE_NOT_PRIMARY') || !isOutcomeOpen(error)) throw error;
      await this.#resolve(written, error);
    }
  }

  /** It happened on all or on none, so what one stripe finds out holds for every other. */
  async #resolve(written: readonly Written[], why: unknown): Promise<void> {
    const [first, ...others] = written;
    if (first === undefined) throw notCommitted([...this.#holds.keys()].join(', '), messageOf(why));
    const { term } = first.hold;
    const found = await term.appender.resolve(
      first.share.append.entry,
      messageOf(why),
      term.options.signal,
    );
    if (found.kind === 'ruledOut') {
      await first.hold.rollBack();
      if (found.barrier !== undefined) await term.passed(found.barrier);
      throw notCommitted(term.options.stripe, found.why);
    }
    for (const { hold, share } of others) {
      const again = await hold.term.appender.resolve(
        share.append.entry,
        messageOf(why),
        hold.term.options.signal,
      );
      if (again.kind !== 'appended')
        throw new Error('A transaction over several stripes happened on some only');
    }
  }
}
