/**
 * One transaction over several stripes: a hold on each, then ONE append to the logs of all that were written, under the condition
 * that those which were only read have not moved. It happens on all of them or on none. Holds are taken in the order of the stripes'
 * names, so that two such transactions never wait for each other; whoever adds one out of order has to bound the waiting itself.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Append, CommitLog, Head, ReadStripe } from './commit-log.ts';
import { crashPoint } from './crash-points.ts';
import { limitMet, notCommitted, notPrimary } from './errors.ts';
import { TRANSACTION_STRIPES_MAX } from './limits.ts';
import { isOutcomeOpen } from './registry-log.ts';
import type { Statement, StatementResult } from './statement.ts';
import type { Share, StripeClient, StripeTransaction } from './stripe-client.ts';

interface Prepared {
  readonly name: string;
  readonly hold: StripeTransaction;
  readonly share: Share;
}

type Written = Prepared & { readonly share: Extract<Share, { kind: 'append' }> };

export class Together {
  readonly #log: CommitLog;
  readonly #holds = new Map<string, StripeTransaction>();

  constructor(log: CommitLog) {
    this.#log = log;
  }

  /** With all stripes that it will touch. */
  static async begin(log: CommitLog, stripes: readonly StripeClient[]): Promise<Together> {
    const together = new Together(log);
    if (stripes.length > TRANSACTION_STRIPES_MAX) throw tooWide(stripes.length);
    try {
      for (const stripe of stripes.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
        together.add(stripe.name, await stripe.begin());
      }
    } catch (error) {
      await together.rollBack();
      throw error;
    }
    return together;
  }

  /** One stripe more, held by the caller until now. */
  add(stripe: string, hold: StripeTransaction): void {
    this.#holds.set(stripe, hold);
  }

  async run(stripe: string, statement: Statement): Promise<StatementResult> {
    const hold = this.#holds.get(stripe);
    if (hold === undefined) throw new Error(`Stripe "${stripe}" was not named at the beginning`);
    return await hold.run(statement);
  }

  async rollBack(): Promise<void> {
    await Promise.all([...this.#holds.values()].map((hold) => hold.rollBack()));
  }

  /**
   * When it throws anything but `DATABASE_OUTCOME_UNKNOWN`, nothing happened on any of them. Resolves to the indexes for reads at
   * `session` level.
   */
  async commit(): Promise<ReadonlyMap<string, number>> {
    if (this.#holds.size > TRANSACTION_STRIPES_MAX) {
      await this.rollBack();
      throw tooWide(this.#holds.size);
    }
    const [only] = this.#holds;
    // The stripe's own commit may be grouped, and needs no mark.
    if (this.#holds.size === 1 && only !== undefined) {
      return new Map([[only[0], await only[1].commit()]]);
    }
    const prepared = await this.#prepare();
    const written = prepared.filter((one): one is Written => one.share.kind === 'append');
    let heads: ReadonlyMap<string, Head | undefined>;
    try {
      heads = await this.#append(prepared, written);
    } catch (error) {
      await this.rollBack();
      throw error;
    }
    crashPoint('together:after-append');
    const settled = prepared.map(
      async ({ name, hold }) => [name, await hold.settle(heads.get(name))] as const,
    );
    return new Map(await Promise.all(settled));
  }

  async #prepare(): Promise<readonly Prepared[]> {
    const prepared: Prepared[] = [];
    try {
      for (const [name, hold] of this.#holds)
        prepared.push({ name, hold, share: await hold.prepare(true) });
      return prepared;
    } catch (error) {
      await this.rollBack();
      throw error;
    }
  }

  /** The new heads of the stripes that were written; none when they had to be found out by the stripes themselves. */
  async #append(
    prepared: readonly Prepared[],
    written: readonly Written[],
  ): Promise<ReadonlyMap<string, Head | undefined>> {
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
      return new Map(written.map(({ name }, at) => [name, result.heads[at]]));
    } catch (error) {
      if (isMolnError(error, 'DATABASE_NOT_PRIMARY') || !isOutcomeOpen(error)) throw error;
      await this.#resolve(written, error);
      return new Map();
    }
  }

  /** It happened on all or on none, so what one stripe finds out holds for every other. */
  async #resolve(written: readonly Written[], why: unknown): Promise<void> {
    const names = [...this.#holds.keys()].join(', ');
    const [first, ...others] = written;
    if (first === undefined) throw notCommitted(names, messageOf(why));
    if (!(await first.hold.resolve(messageOf(why)))) throw notCommitted(names, messageOf(why));
    for (const { hold } of others) {
      if (!(await hold.resolve(messageOf(why))))
        throw new Error('A transaction over several stripes happened on some only');
    }
  }
}

function tooWide(stripes: number): Error {
  return limitMet(
    'transactionStripes',
    `The transaction touches ${stripes} stripes, at most ${TRANSACTION_STRIPES_MAX} fit into one`,
    'Touch fewer keys at once; nothing was changed',
  );
}
