/**
 * Reads over several stripes as of one moment: a view of each, and one question to the log whether all of them are at their heads,
 * which it answers at one revision. So a moment shows whole transactions only, everything that was acknowledged before it was asked
 * for, and no two moments see two changes in opposite order. When the stripes change too fast for that, they are held for as long as
 * it takes to open the views.
 */
import type { CommitLog } from './commit-log.ts';
import { notCurrent, schemaChanged } from './errors.ts';
import type { Statement, StatementResult } from './statement.ts';
import type { Expectation, StripeClient, StripeTransaction, StripeView } from './stripe-client.ts';

/** Attempts that stop nobody from writing. */
const FREE_ATTEMPTS = 2;

export class Moment implements AsyncDisposable {
  readonly #views: ReadonlyMap<string, StripeView>;
  /** No stripe changed while it was opened. */
  readonly isCalm: boolean;

  private constructor(views: ReadonlyMap<string, StripeView>, isCalm: boolean) {
    this.#views = views;
    this.isCalm = isCalm;
  }

  /**
   * Throws `DATABASE_SCHEMA_CHANGED` when the stripes are not what is expected. `first`: what stripes will be asked, by name. It is read while the log is
   * asked, and in vain if a stripe changes meanwhile.
   */
  static async open(
    log: CommitLog,
    stripes: readonly StripeClient[],
    expect?: Expectation,
    first: ReadonlyMap<string, Statement> = new Map(),
  ): Promise<Moment> {
    const moment = await Moment.#open(log, stripes, first);
    const other = [...moment.#views.values()].find(
      ({ schemaVersion }) => schemaVersion !== (expect?.schemaVersion ?? schemaVersion),
    );
    if (other === undefined || expect === undefined) return moment;
    await moment[Symbol.asyncDispose]();
    throw schemaChanged(expect.schemaVersion, other.schemaVersion);
  }

  static async #open(
    log: CommitLog,
    stripes: readonly StripeClient[],
    first: ReadonlyMap<string, Statement>,
  ): Promise<Moment> {
    for (let attempt = 0; attempt < FREE_ATTEMPTS; attempt++) {
      const moment = await look(log, stripes, attempt === 0 ? first : undefined);
      if (moment !== undefined) return new Moment(moment, attempt === 0);
    }
    const holds = await holdAll(stripes);
    try {
      const moment = await look(log, stripes);
      if (moment !== undefined) return new Moment(moment, false);
      throw notCurrent(stripes.map(({ name }) => name).join(', '));
    } finally {
      await Promise.allSettled(holds.map((hold) => hold.rollBack()));
    }
  }

  async query(stripe: string, statement: Statement): Promise<StatementResult> {
    const view = this.#views.get(stripe);
    if (view === undefined) throw new Error(`Stripe "${stripe}" was not named at the beginning`);
    return await view.query(statement);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAll(this.#views.values());
  }
}

/** Undefined when a stripe moved on meanwhile. */
async function look(
  log: CommitLog,
  stripes: readonly StripeClient[],
  first?: ReadonlyMap<string, Statement>,
): Promise<ReadonlyMap<string, StripeView> | undefined> {
  const asked = await Promise.allSettled(
    stripes.map((stripe) => stripe.view(first?.get(stripe.name))),
  );
  const views = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  try {
    const failed = asked.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    if (await isOneMoment(log, stripes, views)) {
      return new Map(stripes.map(({ name }, at) => [name, views[at] as StripeView]));
    }
  } catch (error) {
    await closeAll(views);
    throw error;
  }
  await closeAll(views);
  return undefined;
}

async function isOneMoment(
  log: CommitLog,
  stripes: readonly StripeClient[],
  views: readonly StripeView[],
): Promise<boolean> {
  // A view has everything that was there when it was asked for, and one alone is a moment: its stripe may move on.
  if (views.length === 1) return true;
  const reads = views.flatMap(({ epoch, head: at }, index) =>
    at === undefined ? [] : [{ stripe: stripes[index]?.name ?? '', epoch, at }],
  );
  return reads.length === views.length && (await log.append([], reads)).kind === 'appended';
}

/** In the order of their names, as transactions do. */
async function holdAll(stripes: readonly StripeClient[]): Promise<readonly StripeTransaction[]> {
  const holds: StripeTransaction[] = [];
  try {
    for (const stripe of stripes.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      holds.push(await stripe.begin());
    }
    return holds;
  } catch (error) {
    await Promise.allSettled(holds.map((hold) => hold.rollBack()));
    throw error;
  }
}

/** What cannot be told ends by its own time limit. */
async function closeAll(views: Iterable<StripeView>): Promise<void> {
  await Promise.allSettled([...views].map((view) => view[Symbol.asyncDispose]()));
}
