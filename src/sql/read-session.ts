/**
 * What is only read, for the planner: a single text on a single stripe goes there at once; several are read as of one moment, or, at
 * levels that allow it, from whatever copy is near.
 */
import { Moment, type ReadLevel, type Statement } from '../database/database.ts';
import {
  OWN_STRIPE,
  type OwnTables,
  type RowsUse,
  type SqlRow,
  type StripeSession,
  type WriteOutcome,
} from '../planner/planner.ts';
import type { SlotMap } from '../slots/slots.ts';
import { fromStripe, ReadMoved, readOnly } from './errors.ts';
import type { Counts } from './figures.ts';
import { runApart, unlessAborted } from './apart.ts';
import type { GatherJob } from './gather-calls.ts';
import type { GatherPool } from './gather-pool.ts';
import type { KeptRows, KeptRowsOfNow } from './kept-rows.ts';
import type { Schema, StripeSet } from './stripe-set.ts';

export interface ReadSessionOptions {
  readonly set: StripeSet;
  readonly counts: Counts;
  readonly gatherers: GatherPool;
  readonly keptRows: KeptRowsOfNow;
  readonly budget: GatherJob['budget'];
  /** For what one stripe answers alone. */
  readonly levelOf: (stripe: string) => ReadLevel;
  /** What several stripes answer need not be of one moment. */
  readonly isLoose: boolean;
  /** All statements of a transaction see the same moment. */
  readonly isTransaction: boolean;
  /** Of the statement that runs now. */
  readonly signal: () => AbortSignal | undefined;
}

interface Opened {
  readonly moment: Moment;
  /** Where what is read in it may be kept. */
  readonly kept: KeptRows | undefined;
}

export class ReadSession implements StripeSession {
  readonly #options: ReadSessionOptions;
  #schema: Schema;
  #moment: Promise<Opened> | undefined;
  #kept: Promise<KeptRows | undefined> | undefined;
  /** Some of what is kept was given already, so all else has to be of the same position. */
  #gaveKept = false;

  constructor(options: ReadSessionOptions) {
    this.#options = options;
    this.#schema = options.set.schema;
  }

  get slots(): SlotMap {
    return this.#schema.slots;
  }

  get isUntouched(): boolean {
    if (!this.#options.isTransaction || this.#moment !== undefined) return false;
    this.#schema = this.#options.set.schema;
    return true;
  }

  get isMoving(): boolean {
    return this.#options.isLoose;
  }

  async apart(sql: string, values: SqlRow): Promise<readonly SqlRow[]> {
    return await runApart(this.#options.set, sql, values, this.#options.signal());
  }

  async *rows(
    stripe: number,
    sql: string,
    values: SqlRow,
    use?: RowsUse,
  ): AsyncGenerator<readonly SqlRow[]> {
    const { isLoose, isTransaction, levelOf, set, signal } = this.#options;
    const client = set.client(stripe);
    const statement = { sql, args: values };
    const expect = { schemaVersion: this.#schema.stripeVersion };
    const near = isLoose || (use === 'only' && !isTransaction);
    const asked = near
      ? client.query(statement, levelOf(client.name), expect).then(({ rows }) => rows)
      : use === 'table' && !isTransaction
        ? this.#table(stripe, statement)
        : this.#seen(stripe, statement);
    try {
      yield await unlessAborted(asked, signal());
    } catch (error) {
      throw fromStripe(error);
    }
  }

  async #seen(stripe: number, statement: Statement): Promise<readonly SqlRow[]> {
    const { moment } = await this.#opened();
    return (await moment.query(this.#options.set.client(stripe).name, statement)).rows;
  }

  /** From what is kept, if that still is so; else from the stripe, and then it is kept. */
  async #table(
    stripe: number,
    statement: { readonly sql: string; readonly args: SqlRow },
  ): Promise<readonly SqlRow[]> {
    const { sql, args } = statement;
    const known = (await this.#keptNow())?.find(stripe, sql, args);
    if (known !== undefined) {
      this.#gaveKept = true;
      return known;
    }
    const { kept } = await this.#opened();
    const rows = await this.#seen(stripe, statement);
    kept?.keep(stripe, sql, args, rows);
    return rows;
  }

  #keptNow(): Promise<KeptRows | undefined> {
    const { keptRows, set } = this.#options;
    this.#kept ??= keptRows.current(set.log, this.#schema.stripeVersion);
    return this.#kept;
  }

  async gathered(sql: string, values: SqlRow, own?: OwnTables): Promise<readonly SqlRow[]> {
    const { budget, gatherers, signal } = this.#options;
    const { catalogue, slots, version } = this.#schema;
    return await gatherers.run({
      job: { sql, values, catalogue, version, slots, budget, temporary: own?.objects ?? [] },
      rows: async (stripe, text, args, use) => {
        if (stripe === OWN_STRIPE) return own?.rows(text, args) ?? [];
        const all: SqlRow[] = [];
        for await (const rows of this.rows(stripe, text, args, use))
          for (const row of rows) all.push(row);
        return all;
      },
      signal: signal(),
    });
  }

  write(): Promise<readonly WriteOutcome[]> {
    return Promise.reject(readOnly('this transaction or token only reads'));
  }

  alter(): Promise<void> {
    return Promise.reject(readOnly('this transaction or token only reads'));
  }

  savepoint(): Promise<void> {
    return Promise.resolve();
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  rollbackTo(): Promise<void> {
    return Promise.resolve();
  }

  async commit(): Promise<void> {
    await this.rollback();
  }

  /** Lets go of the moment; a statement that was stopped need not wait for that. */
  rollback(): Promise<void> {
    const opened = this.#moment;
    this.#moment = undefined;
    opened?.then(
      ({ moment }) => void moment[Symbol.asyncDispose](),
      () => {},
    );
    return Promise.resolve();
  }

  #opened(): Promise<Opened> {
    if (this.#moment === undefined) {
      this.#moment = this.#open();
      // Then nothing was seen yet.
      this.#moment.catch(() => {
        this.#moment = undefined;
      });
    }
    return this.#moment;
  }

  async #open(): Promise<Opened> {
    const { counts, isTransaction, keptRows, set } = this.#options;
    counts.moments++;
    const { slots, stripeVersion } = this.#schema;
    const moment = await Moment.open(set.log, set.clientsOf(slots.count), {
      schemaVersion: stripeVersion,
    });
    const { position } = moment;
    if (isTransaction || position === undefined) return { moment, kept: undefined };
    const before = await this.#kept;
    const kept = keptRows.at(position, stripeVersion);
    if (this.#gaveKept && kept !== before) {
      await moment[Symbol.asyncDispose]();
      throw new ReadMoved();
    }
    this.#kept = Promise.resolve(kept);
    return { moment, kept };
  }
}
