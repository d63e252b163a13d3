/**
 * One transaction that may write, for the planner: a hold on each stripe that it touches, taken when it is first touched, and one
 * commit over all. What it only reads it holds too, so that what it saw is still so when it commits.
 */
import { type SavepointStep, type StripeTransaction, Together } from '../database/database.ts';
import type {
  SchemaChange,
  SqlRow,
  StripeSession,
  StripeWrite,
  WriteOutcome,
} from '../planner/planner.ts';
import { fromStripe, SchemaMoved } from './errors.ts';
import { CATALOGUE_TABLE, type Schema, type StripeSet } from './stripe-set.ts';

export class WriteSession implements StripeSession {
  readonly #set: StripeSet;
  readonly #together: Together;
  readonly #held = new Map<number, StripeTransaction>();
  /** Savepoints that a stripe has not been told of yet. */
  readonly #untold = new Map<number, SavepointStep[]>();
  readonly #savepoints: string[] = [];
  #planned: number;
  #changed: Schema | undefined;
  #taking: Promise<unknown> = Promise.resolve();
  #wanted = new Set<number>();
  /** Indexes for reads at `session` level, by the stripes' names. */
  indexes: ReadonlyMap<string, number> = new Map();

  constructor(set: StripeSet) {
    this.#set = set;
    this.#together = new Together(set.log);
    this.#planned = set.schema.stripeVersion;
  }

  get isUntouched(): boolean {
    if (this.#held.size > 0) return false;
    this.#planned = this.#set.schema.stripeVersion;
    return true;
  }

  async *rows(stripe: number, sql: string, values: SqlRow): AsyncGenerator<readonly SqlRow[]> {
    const [result] = await this.#run(stripe, [{ sql, args: values }]);
    if (result !== undefined) yield result.rows;
  }

  async write(
    stripe: number,
    writes: readonly StripeWrite[],
    last = false,
  ): Promise<readonly WriteOutcome[]> {
    const statements = writes.flatMap(({ sql, runs }) => runs.map((args) => ({ sql, args })));
    const results =
      last && this.#held.size === 0
        ? await this.#whole(stripe, statements)
        : await this.#run(stripe, statements);
    let at = 0;
    return writes.map(({ runs }) => {
      const own = results.slice(at, (at += runs.length));
      return {
        changes: own.reduce((sum, { changes }) => sum + changes, 0),
        rows: own.flatMap(({ rows }) => rows),
      };
    });
  }

  async alter({ texts, catalogue, schemaVersion }: SchemaChange): Promise<void> {
    const keep = [{ sql: 'DROP TABLE IF EXISTS _moln_catalogue' }, { sql: CATALOGUE_TABLE }];
    const { count } = this.#set;
    await Promise.all(
      Array.from({ length: count }, async (_, stripe) =>
        this.#run(stripe, [
          ...texts.map((sql) => ({ sql })),
          ...keep,
          {
            sql: 'INSERT INTO _moln_catalogue VALUES (?, ?)',
            args: [BigInt(schemaVersion), stripe === 0 ? catalogue : ''],
          },
        ]),
      ),
    );
    const stripeVersion = this.#planned + 1;
    this.#changed = { catalogue, version: schemaVersion, stripeVersion };
  }

  savepoint(name: string): Promise<void> {
    this.#savepoints.push(name);
    this.#tell({ savepoint: 'open', name });
    return Promise.resolve();
  }

  release(name: string): Promise<void> {
    this.#savepoints.length = this.#savepoints.lastIndexOf(name);
    this.#tell({ savepoint: 'release', name });
    return Promise.resolve();
  }

  async rollbackTo(name: string): Promise<void> {
    this.#savepoints.length = this.#savepoints.lastIndexOf(name) + 1;
    this.#tell({ savepoint: 'rollBack', name });
    await Promise.all([...this.#held.keys()].map(async (stripe) => this.#run(stripe, [])));
  }

  async commit(): Promise<void> {
    if (this.#held.size === 0) return;
    try {
      this.indexes = await this.#together.commit();
    } catch (error) {
      throw fromStripe(error);
    }
    if (this.#changed !== undefined) this.#set.adopt(this.#changed);
  }

  async rollback(): Promise<void> {
    await this.#together.rollBack();
  }

  /** The whole transaction in one call, which the stripe may group with others'. */
  async #whole(
    stripe: number,
    statements: Parameters<StripeTransaction['runAll']>[0],
  ): ReturnType<StripeTransaction['runAll']> {
    const client = this.#set.client(stripe);
    const all = statements.filter((one) => 'sql' in one);
    try {
      const { results, index } = await client.execute(all, { schemaVersion: this.#planned });
      this.indexes = new Map([[client.name, index]]);
      return results;
    } catch (error) {
      throw fromStripe(error);
    }
  }

  async #run(
    stripe: number,
    statements: Parameters<StripeTransaction['runAll']>[0],
  ): ReturnType<StripeTransaction['runAll']> {
    const hold = this.#held.get(stripe) ?? (await this.#take(stripe));
    const untold = this.#untold.get(stripe) ?? [];
    if (untold.length === 0 && statements.length === 0) return [];
    this.#untold.delete(stripe);
    try {
      return await hold.runAll([...untold, ...statements]);
    } catch (error) {
      throw fromStripe(error);
    }
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
      const wanted = [...this.#wanted].toSorted((a, b) => a - b);
      this.#wanted.clear();
      for (const one of wanted) if (!this.#held.has(one)) await this.#hold(one);
    });
    this.#taking = turn.catch(() => {});
    await turn;
    const hold = this.#held.get(stripe);
    if (hold === undefined) throw new Error(`Stripe ${stripe} could not be held`);
    return hold;
  }

  async #hold(stripe: number): Promise<void> {
    const client = this.#set.client(stripe);
    const hold = await client.begin();
    if (hold.schemaVersion !== this.#planned) {
      await hold.rollBack();
      throw new SchemaMoved(`Stripe ${stripe} has another schema`);
    }
    this.#held.set(stripe, hold);
    this.#together.add(client.name, hold);
    this.#untold.set(
      stripe,
      this.#savepoints.map((name) => ({ savepoint: 'open', name })),
    );
  }
}
