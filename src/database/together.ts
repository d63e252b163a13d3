/**
 * One transaction over several stripes, wherever each is led: a hold on each, taken in the order of their names so that two such
 * transactions never wait for each other; then ONE append to the logs of all that were written, under the condition that those which
 * were only read have not moved. It happens on all of them or on none. Whoever runs this may die at any time: the log has decided or
 * has not, and each stripe finds that out by itself.
 */
import { messageOf } from '../base/errors.ts';
import type { AppendResult, CommitLog } from './commit-log.ts';
import { crashPoint } from './crash-points.ts';
import { limitMet, notCommitted, notPrimary, outcomeUnknown } from './errors.ts';
import { TRANSACTION_STRIPES_MAX } from './limits.ts';
import { isOutcomeOpen } from './registry-log.ts';
import type { Statement, StatementResult } from './statement.ts';
import type { Settled, Share, StripeClient, StripeTransaction } from './stripe-client.ts';

interface Prepared {
  readonly name: string;
  readonly hold: StripeTransaction;
  readonly share: Share;
}

type Written = Prepared & { readonly share: Extract<Share, { kind: 'append' }> };

/** By stripe: reads at `session` level with these indexes see the transaction. */
export type Indexes = ReadonlyMap<string, number>;

export class Together {
  readonly #log: CommitLog;
  readonly #holds: Map<string, StripeTransaction>;

  constructor(log: CommitLog, holds: ReadonlyMap<string, StripeTransaction> = new Map()) {
    this.#log = log;
    this.#holds = new Map(holds);
  }

  /** With all stripes that it will touch. */
  static async begin(log: CommitLog, stripes: readonly StripeClient[]): Promise<Together> {
    requireFew(stripes.length);
    const holds = new Map<string, StripeTransaction>();
    try {
      for (const stripe of stripes.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
        holds.set(stripe.name, await stripe.begin());
      }
    } catch (error) {
      await rollBackAll(holds.values());
      throw error;
    }
    return new Together(log, holds);
  }

  /**
   * One stripe more, which the caller holds. Out of the order of names two transactions may wait for each other: whoever does that has
   * to bound the waiting.
   */
  add(stripe: string, hold: StripeTransaction): void {
    requireFew(this.#holds.size + 1);
    this.#holds.set(stripe, hold);
  }

  async run(stripe: string, statement: Statement): Promise<StatementResult> {
    const hold = this.#holds.get(stripe);
    if (hold === undefined) throw new Error(`Stripe "${stripe}" was not named at the beginning`);
    return await hold.run(statement);
  }

  async rollBack(): Promise<void> {
    await rollBackAll(this.#holds.values());
  }

  /** When it throws anything but `DATABASE_OUTCOME_UNKNOWN`, nothing happened on any of them. */
  async commit(): Promise<Indexes> {
    const [only] = this.#holds;
    if (only !== undefined && this.#holds.size === 1)
      return new Map([[only[0], await only[1].commit()]]);
    const prepared = await this.#prepare();
    const written = prepared.filter((one): one is Written => one.share.kind === 'append');
    crashPoint('together:before-append');
    const result = await this.#append(prepared, written);
    crashPoint('together:after-append');
    if (result.kind !== 'appended') {
      // A refusal may be of a second attempt whose first one got through; then all logs have moved.
      const isSure =
        result.kind === 'refused' && !written.every(({ name }) => result.moved.includes(name));
      if (isSure || written.length === 0) {
        await this.rollBack();
        throw notPrimary([...this.#holds.keys()].join(', '), MOVED);
      }
      const why = result.kind === 'refused' ? MOVED : result.why;
      return await this.#findOut(prepared, written, why);
    }
    const heads = new Map(result.heads.map((head, at) => [written[at]?.name, head]));
    // It has happened: a stripe that cannot be told finds out by itself, and lets nobody read at `strong` before.
    await Promise.allSettled(
      prepared.map(async ({ name, hold, share }) => {
        const own = share.kind === 'append' ? share.append.after : share.read.at;
        await hold.settle({ kind: 'appended', head: heads.get(name) ?? own });
      }),
    );
    return indexesOf(prepared);
  }

  async #prepare(): Promise<readonly Prepared[]> {
    const asked = await Promise.allSettled(
      [...this.#holds].map(async ([name, hold]) => ({ name, hold, share: await hold.prepare() })),
    );
    const failed = asked.find((one) => one.status === 'rejected');
    if (failed === undefined) return asked.flatMap((one) => ('value' in one ? [one.value] : []));
    await this.rollBack();
    throw failed.reason;
  }

  /** Also without anything to write: that what was read belongs to one moment is a condition like any other. */
  async #append(
    prepared: readonly Prepared[],
    written: readonly Written[],
  ): Promise<AppendResult | Unanswered> {
    const reads = prepared.flatMap(({ share }) => (share.kind === 'read' ? [share.read] : []));
    try {
      return await this.#log.append(
        written.map(({ share }) => share.append),
        reads,
      );
    } catch (error) {
      if (isOutcomeOpen(error)) return { kind: 'unanswered', why: messageOf(error) };
      await this.rollBack();
      throw error;
    }
  }

  /**
   * The stripes that were written find out. As it happened on all or on none, what one of them says holds for every other.
   */
  async #findOut(
    prepared: readonly Prepared[],
    written: readonly Written[],
    why: string,
  ): Promise<Indexes> {
    const names = [...this.#holds.keys()].join(', ');
    const isWritten = (one: Prepared): boolean => one.share.kind === 'append';
    await rollBackAll(prepared.filter((one) => !isWritten(one)).map(({ hold }) => hold));
    const asked = await Promise.allSettled(
      written.map(({ hold }) => hold.settle({ kind: 'unknown', why })),
    );
    const answers = asked.flatMap((one): readonly Settled[] => ('value' in one ? [one.value] : []));
    if (answers.some(({ kind }) => kind === 'happened')) return indexesOf(prepared);
    const ruledOut = answers.find((one) => one.kind === 'ruledOut');
    if (ruledOut === undefined) throw outcomeUnknown(names, why);
    throw notCommitted(names, ruledOut.why);
  }
}

/** The answer to an append was lost. */
interface Unanswered {
  readonly kind: 'unanswered';
  readonly why: string;
}

const MOVED = 'another copy took over';

function indexesOf(prepared: readonly Prepared[]): Indexes {
  return new Map(
    prepared.map(({ name, share }) => [
      name,
      share.kind === 'append' ? share.append.entry.index : share.read.at.index,
    ]),
  );
}

function requireFew(stripes: number): void {
  if (stripes <= TRANSACTION_STRIPES_MAX) return;
  throw limitMet(
    'transactionStripes',
    `The transaction touches ${stripes} stripes, at most ${TRANSACTION_STRIPES_MAX} fit into one`,
    'Touch fewer keys at once; nothing was changed',
  );
}

/** What cannot be told ends by its own time limit. */
async function rollBackAll(holds: Iterable<StripeTransaction>): Promise<void> {
  await Promise.allSettled([...holds].map((hold) => hold.rollBack()));
}
