/**
 * What one autocommit statement reads, for the planner: a single text on a single stripe goes there at once; several are read as of
 * one moment.
 */
import { Moment, type ReadLevel } from '../database/database.ts';
import type { SqlRow, StripeSession, WriteOutcome } from '../planner/planner.ts';
import { fromStripe } from './errors.ts';
import type { StripeSet } from './stripe-set.ts';

export class ReadSession implements StripeSession {
  readonly #set: StripeSet;
  readonly #levelOf: (stripe: string) => ReadLevel;
  readonly #planned: number;
  #moment: Promise<Moment> | undefined;

  /** `levelOf` is for what one stripe answers alone. */
  constructor(set: StripeSet, levelOf: (stripe: string) => ReadLevel) {
    this.#set = set;
    this.#levelOf = levelOf;
    this.#planned = set.schema.stripeVersion;
  }

  async *rows(
    stripe: number,
    sql: string,
    values: SqlRow,
    only = false,
  ): AsyncGenerator<readonly SqlRow[]> {
    const client = this.#set.client(stripe);
    const statement = { sql, args: values };
    try {
      if (only) {
        const expect = { schemaVersion: this.#planned };
        yield (await client.query(statement, this.#levelOf(client.name), expect)).rows;
      } else {
        const expect = { schemaVersion: this.#planned };
        this.#moment ??= Moment.open(this.#set.log, this.#set.clients, expect);
        yield (await (await this.#moment).query(client.name, statement)).rows;
      }
    } catch (error) {
      throw fromStripe(error);
    }
  }

  write(): Promise<readonly WriteOutcome[]> {
    return Promise.reject(new Error('A reading session writes nothing'));
  }

  alter(): Promise<void> {
    return Promise.reject(new Error('A reading session changes no schema'));
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

  async rollback(): Promise<void> {
    const [moment] = await Promise.allSettled([this.#moment]);
    if (moment.status === 'fulfilled') await moment.value?.[Symbol.asyncDispose]();
  }
}
