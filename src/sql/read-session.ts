/**
 * What is only read, for the planner: a single text on a single stripe goes there at once; several are read as of one moment, or, at
 * levels that allow it, from whatever copy is near.
 */
import {
  Moment,
  type ReadLevel,
  type Statement,
  type StatementResult,
} from '../database/database.ts';
import {
  OWN_STRIPE,
  type OwnTables,
  type Sightings,
  type SqlRow,
  type StripeSession,
  type WriteOutcome,
} from '../planner/planner.ts';
import type { SlotMap } from '../slots/slots.ts';
import { fromStripe, readOnly } from './errors.ts';
import type { Counts } from './figures.ts';
import { runApart, unlessAborted } from './apart.ts';
import type { GatherJob } from './gather-calls.ts';
import type { GatherPool } from './gather-pool.ts';
import { Looks } from './looks.ts';
import type { Schema, StripeSet } from './stripe-set.ts';

/** Then stripes change too fast for it. */
const LOOKS_MAX = 3;

export interface ReadSessionOptions {
  readonly set: StripeSet;
  readonly counts: Counts;
  readonly gatherers: GatherPool;
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

export class ReadSession implements StripeSession {
  readonly isReadOnly = true;
  readonly #options: ReadSessionOptions;
  #schema: Schema;
  #moment: Promise<Moment> | undefined;
  /** What is asked of a moment before it is opened, by stripe. */
  #first: Map<string, Statement> | undefined;
  #looks: Looks | undefined;
  #lookedTimes = 0;

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

  looks(sql: string): boolean {
    const { isLoose, isTransaction, set } = this.#options;
    const before = this.#looks;
    if (before?.usesKept !== true) this.#lookedTimes++;
    const isWorthIt =
      !isLoose && !isTransaction && this.#lookedTimes <= LOOKS_MAX && !set.isSlow(sql);
    this.#looks = isWorthIt && before?.isSlow !== true ? new Looks(set, sql, before) : undefined;
    return this.#looks !== undefined;
  }

  get sightings(): Sightings | undefined {
    return this.#looks;
  }

  async isOneMoment(): Promise<boolean> {
    if (this.#looks === undefined) return true;
    return await unlessAborted(this.#looks.isOneMoment(), this.#options.signal());
  }

  async apart(sql: string, values: SqlRow): Promise<readonly SqlRow[]> {
    return await runApart(this.#options.set, sql, values, this.#options.signal());
  }

  async *rows(
    stripe: number,
    sql: string,
    values: SqlRow,
    only = false,
  ): AsyncGenerator<readonly SqlRow[]> {
    const { isLoose, isTransaction, levelOf, set, signal } = this.#options;
    const client = set.client(stripe);
    const statement = { sql, args: values };
    const expect = { schemaVersion: this.#schema.stripeVersion };
    const near = isLoose || (only && !isTransaction);
    const looks = near ? undefined : this.#looks;
    const asked = near
      ? client.query(statement, levelOf(client.name), expect)
      : (looks?.query(client, statement, expect) ?? this.#ofMoment(client.name, statement));
    try {
      yield (await unlessAborted(asked, signal())).rows;
    } catch (error) {
      throw fromStripe(error);
    }
  }

  async gathered(sql: string, values: SqlRow, own?: OwnTables): Promise<readonly SqlRow[]> {
    const { budget, gatherers, signal } = this.#options;
    const { catalogue, slots, version } = this.#schema;
    const looks = this.#looks;
    const sightings = looks === undefined ? 'none' : looks.mayUse ? 'used' : 'noted';
    const temporary = own?.objects ?? [];
    return await gatherers.run({
      job: { sql, values, catalogue, version, slots, budget, temporary, sightings },
      rows: async (stripe, text, args) => {
        if (stripe === OWN_STRIPE) return { rows: own?.rows(text, args) ?? [] };
        const all: SqlRow[] = [];
        for await (const rows of this.rows(stripe, text, args))
          for (const row of rows) all.push(row);
        return { rows: all, at: looks?.of(stripe) };
      },
      onUsed: (at) => looks?.use(at),
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
      (moment) => void moment[Symbol.asyncDispose](),
      () => {},
    );
    return Promise.resolve();
  }

  async #ofMoment(stripe: string, statement: Statement): Promise<StatementResult> {
    if (this.#moment === undefined) {
      this.#moment = this.#opened();
      // Then nothing was seen yet.
      this.#moment.catch(() => {
        this.#moment = undefined;
      });
    }
    if (this.#first?.has(stripe) === false) this.#first.set(stripe, statement);
    return await (await this.#moment).query(stripe, statement);
  }

  async #opened(): Promise<Moment> {
    const { counts, set } = this.#options;
    counts.moments++;
    const first = new Map<string, Statement>();
    this.#first = first;
    // All stripes are asked in one go.
    await Promise.resolve();
    this.#first = undefined;
    const clients = set.clientsOf(this.#schema.slots.count);
    const expect = { schemaVersion: this.#schema.stripeVersion };
    const moment = await Moment.open(set.log, clients, expect, set.isCalm ? first : undefined);
    set.noteMoment(moment.isCalm);
    return moment;
  }
}
