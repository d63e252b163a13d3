/**
 * One transaction that may write, for the planner: a hold on each stripe that it touches, taken when it is first touched, and one
 * commit over all. What it only reads it holds too, so that what it saw is still so when it commits.
 */
import { settleAll } from '../base/settle-all.ts';
import type { Clock } from '../base/time.ts';
import {
  type SavepointStep,
  type Statement,
  type StripeTransaction,
  Together,
} from '../database/database.ts';
import type {
  SchemaChange,
  SqlRow,
  StripeSession,
  StripeWrite,
  WriteOutcome,
} from '../planner/planner.ts';
import type { AnswerRoom } from '../hrana/hrana.ts';
import type { SlotMap } from '../slots/slots.ts';
import { isAnswerTooLong, runApart } from './apart.ts';
import { busy, fromStripe, OutOfOrder, SchemaMoved, tooManyMade } from './errors.ts';
import type { Counts } from './figures.ts';
import type { GatherJob } from './gather-calls.ts';
import type { GatherPool } from './gather-pool.ts';
import { KEEP_HELD_MS, PORTION_ROWS } from './limits.ts';
import { keepCatalogue, type Schema, type StripeSet } from './stripe-set.ts';
import { mayReturnMuch } from './texts.ts';

export interface WriteSessionOptions {
  readonly set: StripeSet;
  readonly clock: Clock;
  readonly counts: Counts;
  readonly gatherers: GatherPool;
  readonly budget: GatherJob['budget'];
  readonly lockWaitMs: number;
  /** Taken with the first one, for it is known that they are needed. */
  readonly stripes: ReadonlySet<number>;
  /** Of the statement that runs now. */
  readonly signal: () => AbortSignal | undefined;
  /** What the client can be given. */
  readonly room: AnswerRoom;
  /** Indexes for reads at `session` level, by the stripes' names. */
  readonly onCommit: (indexes: ReadonlyMap<string, number>) => void;
}

/** Savepoint of statements that run in one call. */
const TOGETHER = '_moln_together';

type Steps = Parameters<StripeTransaction['runAll']>[0];
type Results = Awaited<ReturnType<StripeTransaction['runAll']>>;

export class WriteSession implements StripeSession {
  readonly #options: WriteSessionOptions;
  readonly #set: StripeSet;
  readonly #together: Together;
  readonly #held = new Map<number, StripeTransaction>();
  /** What more was done to than looking at it. */
  readonly #ran = new Set<number>();
  /** Savepoints that a stripe has not been told of yet. */
  readonly #untold = new Map<number, SavepointStep[]>();
  readonly #savepoints: { readonly name: string; readonly changed: Schema | undefined }[] = [];
  readonly #usedMs = new Map<number, number>();
  /** The client was told nothing yet, so it may all begin again. */
  mayRestart = true;
  #planned: Schema;
  #changed: Schema | undefined;
  #failure: Error | undefined;
  #taking: Promise<unknown> = Promise.resolve();
  #wanted = new Set<number>();

  constructor(options: WriteSessionOptions) {
    const { set } = options;
    this.#options = options;
    this.#set = set;
    this.#together = new Together(set.log);
    this.#planned = set.schema;
  }

  get slots(): SlotMap {
    return this.#planned.slots;
  }

  /** What its statements are planned by; undefined once it has changed that itself. */
  get schema(): Schema | undefined {
    return this.#changed === undefined ? this.#planned : undefined;
  }

  get isUntouched(): boolean {
    if (this.#held.size > 0) return false;
    this.#failure = undefined;
    this.#planned = this.#set.schema;
    return true;
  }

  async apart(sql: string, values: SqlRow, isSource = false): Promise<readonly SqlRow[]> {
    const { budget, gatherers, signal: now } = this.#options;
    const signal = now();
    try {
      return await runApart(this.#set, sql, values, signal);
    } catch (error) {
      if (!isSource || !isAnswerTooLong(error)) throw error;
    }
    // As a whole, in one go: it may call random().
    const { catalogue, slots, version } = this.#planned;
    const rows = await gatherers.run({
      job: { sql, values, catalogue, version, slots, budget, temporary: [], sightings: 'none' },
      rows: () => Promise.reject(new Error('A text that reads no table wants no rows')),
      onUsed: () => {},
      signal,
    });
    if (rows.length > budget.rowsMax) throw tooManyMade(rows.length, budget.rowsMax);
    return rows;
  }

  async *rows(stripe: number, sql: string, values: SqlRow): AsyncGenerator<readonly SqlRow[]> {
    const statement = { sql, args: values };
    const hold = await this.#holdOf(stripe);
    const seen = await hold.look?.(statement);
    const [result] = seen === undefined ? await this.#run(stripe, [statement]) : [seen];
    if (result !== undefined) yield result.rows;
  }

  async write(
    stripe: number,
    writes: readonly StripeWrite[],
    last = false,
  ): Promise<readonly WriteOutcome[]> {
    const statements = writes.flatMap(({ sql, runs }) => runs.map((args) => ({ sql, args })));
    const results =
      last &&
      this.#held.size === 0 &&
      this.#failure === undefined &&
      statements.length <= PORTION_ROWS &&
      !mayReturnMuch(statements, this.#options.room)
        ? await this.#whole(stripe, statements)
        : await this.#inPortions(stripe, statements);
    let at = 0;
    return writes.map(({ runs }) => {
      const own = results.slice(at, (at += runs.length));
      return {
        changes: own.reduce((sum, { changes }) => sum + changes, 0),
        rows: own.flatMap(({ rows }) => rows),
        lastInsertRowid: own.at(-1)?.lastInsertRowid,
      };
    });
  }

  /** On a stripe that it holds already. Undefined when nothing of them has happened: one by one they tell which of them fails, and why. */
  async together(stripe: number, statements: readonly Statement[]): Promise<Results | undefined> {
    if (!this.#held.has(stripe)) return undefined;
    await this.savepoint(TOGETHER);
    try {
      return await this.#run(stripe, statements);
    } catch {
      // If the transaction is gone, the next statement says why.
      await Promise.allSettled([this.rollbackTo(TOGETHER)]);
      return undefined;
    } finally {
      await this.release(TOGETHER);
    }
  }

  async alter({ texts, catalogue, schemaVersion }: SchemaChange): Promise<void> {
    const { slots, stripeVersion } = this.#planned;
    await settleAll(
      Array.from({ length: slots.count }, async (_, stripe) =>
        this.#run(stripe, [
          ...texts.map((sql) => ({ sql })),
          ...keepCatalogue(stripe, { catalogue, version: schemaVersion, slots }),
        ]),
      ),
    );
    this.#changed = {
      catalogue,
      version: schemaVersion,
      slots,
      stripeVersion: stripeVersion + 1,
    };
  }

  async renewSchema(): Promise<void> {
    if (this.#changed !== undefined) return;
    const { catalogue, version } = this.#planned;
    await this.alter({ texts: [], catalogue, schemaVersion: version + 1 });
  }

  savepoint(name: string): Promise<void> {
    this.#savepoints.push({ name, changed: this.#changed });
    this.#tell({ savepoint: 'open', name });
    return Promise.resolve();
  }

  release(name: string): Promise<void> {
    this.#savepoints.length = this.#savepointAt(name);
    this.#tell({ savepoint: 'release', name });
    return Promise.resolve();
  }

  async rollbackTo(name: string): Promise<void> {
    const at = this.#savepointAt(name);
    this.#changed = this.#savepoints[at]?.changed;
    this.#savepoints.length = at + 1;
    this.#tell({ savepoint: 'rollBack', name });
    await settleAll([...this.#ran].map(async (stripe) => this.#run(stripe, [])));
  }

  /** A statement begins: stripes that it does not touch are not left alone for so long that they end the transaction. */
  keep(): void {
    const now = this.#options.clock.monotonicMs();
    for (const [stripe, hold] of this.#held) {
      if (now - (this.#usedMs.get(stripe) ?? 0) < KEEP_HELD_MS) continue;
      this.#usedMs.set(stripe, now);
      // If it has ended, the commit says so.
      hold.runAll([]).catch(() => {});
    }
  }

  #savepointAt(name: string): number {
    return this.#savepoints.findLastIndex((one) => one.name === name);
  }

  async commit(): Promise<void> {
    const { counts, onCommit, signal } = this.#options;
    if (this.#held.size === 0) return;
    signal()?.throwIfAborted();
    try {
      onCommit(await this.#together.commit());
    } catch (error) {
      throw fromStripe(error);
    }
    counts.commits++;
    if (this.#held.size > 1) counts.crossCommits++;
    if (this.#changed !== undefined) this.#set.adopt(this.#changed);
  }

  async rollback(): Promise<void> {
    if (this.#held.size > 0) this.#options.counts.rollbacks++;
    await this.#together.rollBack();
  }

  /** The whole transaction in one call, which the stripe may group with others'. */
  async #whole(stripe: number, statements: readonly Statement[]): Promise<Results> {
    const client = this.#set.client(stripe);
    this.#options.signal()?.throwIfAborted();
    try {
      const expect = { schemaVersion: this.#planned.stripeVersion };
      const { results, index } = await client.execute(statements, expect);
      this.#options.onCommit(new Map([[client.name, index]]));
      this.#options.counts.commits++;
      return results;
    } catch (error) {
      throw fromStripe(error);
    }
  }

  async #inPortions(stripe: number, steps: Steps): Promise<Results> {
    if (steps.length <= PORTION_ROWS) return await this.#run(stripe, steps);
    const results: Results[number][] = [];
    for (let at = 0; at < steps.length; at += PORTION_ROWS)
      for (const one of await this.#run(stripe, steps.slice(at, at + PORTION_ROWS)))
        results.push(one);
    return results;
  }

  async #run(stripe: number, steps: Steps): Promise<Results> {
    const hold = await this.#holdOf(stripe);
    const untold = this.#untold.get(stripe) ?? [];
    if (untold.length === 0 && steps.length === 0) return [];
    this.#untold.delete(stripe);
    this.#ran.add(stripe);
    try {
      return await hold.runAll([...untold, ...steps]);
    } catch (error) {
      throw fromStripe(error);
    } finally {
      this.#usedMs.set(stripe, this.#options.clock.monotonicMs());
    }
  }

  async #holdOf(stripe: number): Promise<StripeTransaction> {
    const hold = this.#held.get(stripe) ?? (await this.#take(stripe));
    this.#options.signal()?.throwIfAborted();
    return hold;
  }

  #tell(step: SavepointStep): void {
    for (const stripe of this.#held.keys()) {
      const steps = this.#untold.get(stripe) ?? [];
      steps.push(step);
      this.#untold.set(stripe, steps);
    }
  }

  /** Whatever is wanted in the same turn is taken in order, for others do so too. */
  async #take(stripe: number): Promise<StripeTransaction> {
    this.#wanted.add(stripe);
    const turn = this.#taking.then(async () => {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#held.size === 0) for (const one of this.#options.stripes) this.#wanted.add(one);
      const wanted = [...this.#wanted].toSorted((a, b) => (this.#isBefore(a, b) ? -1 : 1));
      this.#wanted.clear();
      for (const one of wanted) if (!this.#held.has(one)) await this.#hold(one, wanted);
    });
    this.#taking = turn.catch(() => {});
    await turn;
    const hold = this.#held.get(stripe);
    if (hold === undefined) throw new Error(`Stripe ${stripe} could not be held`);
    return hold;
  }

  async #hold(stripe: number, wanted: readonly number[]): Promise<void> {
    const isInOrder = [...this.#held.keys()].every((held) => this.#isBefore(held, stripe));
    if (!isInOrder && this.mayRestart) {
      this.#failure = new OutOfOrder(new Set([...this.#held.keys(), ...wanted]));
      throw this.#failure;
    }
    const client = this.#set.client(stripe);
    const { counts } = this.#options;
    counts.waiting++;
    const begun = isInOrder ? client.begin() : this.#beginSoon(stripe);
    const hold = await begun.finally(() => {
      counts.waiting--;
    });
    if (hold.schemaVersion !== this.#planned.stripeVersion) {
      await hold.rollBack();
      this.#failure = new SchemaMoved(`Stripe ${stripe} has another schema`);
      throw this.#failure;
    }
    this.#held.set(stripe, hold);
    this.#usedMs.set(stripe, this.#options.clock.monotonicMs());
    this.#together.add(client.name, hold);
    this.#untold.set(
      stripe,
      this.#savepoints.map(({ name }) => ({ savepoint: 'open', name })),
    );
  }

  /** All that take several stripes take them in the order of their names. */
  #isBefore(one: number, other: number): boolean {
    return this.#set.client(one).name < this.#set.client(other).name;
  }

  /** Two transactions that wait for each other both have something: one of them gives up. */
  async #beginSoon(stripe: number): Promise<StripeTransaction> {
    const { clock, lockWaitMs } = this.#options;
    const begun = this.#set.client(stripe).begin();
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = clock.after(lockWaitMs, () =>
      reject(busy(`another transaction has stripe ${stripe} for more than ${lockWaitMs} ms`)),
    );
    try {
      return await Promise.race([begun, promise]);
    } catch (error) {
      // Its turn comes later all the same.
      begun.then(
        (hold) => void hold.rollBack(),
        () => {},
      );
      throw error;
    } finally {
      timer[Symbol.dispose]();
    }
  }
}
