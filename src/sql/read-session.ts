/** What one autocommit statement reads, for the planner: a single text on a single stripe goes there at once. */
import type { ReadLevel } from '../database/database.ts';
import type { SqlRow, StripeSession, WriteOutcome } from '../planner/planner.ts';
import { fromStripe } from './errors.ts';
import type { StripeSet } from './stripe-set.ts';
import { WriteSession } from './write-session.ts';

export class ReadSession implements StripeSession {
  readonly #set: StripeSet;
  readonly #level: ReadLevel;
  readonly #planned: number;
  #together: WriteSession | undefined;

  constructor(set: StripeSet, level: ReadLevel) {
    this.#set = set;
    this.#level = level;
    this.#planned = set.schema.stripeVersion;
  }

  async *rows(
    stripe: number,
    sql: string,
    values: SqlRow,
    only = false,
  ): AsyncGenerator<readonly SqlRow[]> {
    if (!only) {
      yield* (this.#together ??= new WriteSession(this.#set)).rows(stripe, sql, values);
      return;
    }
    try {
      const expect = { schemaVersion: this.#planned };
      const client = this.#set.client(stripe);
      yield (await client.query({ sql, args: values }, this.#level, expect)).rows;
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
    await this.#together?.rollback();
  }
}
