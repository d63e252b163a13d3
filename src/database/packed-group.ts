/**
 * A group on its way to the stripe's thread and back, as flat lists: between threads everything is copied, and each object and each
 * text costs by itself then, however often it comes. What is in the lists is known to this file only.
 */
import assert from 'node:assert/strict';
import type { FailureBody } from './errors.ts';
import type { Column, SqlValue, Statement, StatementResult } from './statement.ts';

/** One transaction of a group. */
export interface GroupTransaction {
  readonly statements: readonly Statement[];
  /** The version of the schema that it was planned for, if it says so. */
  readonly planned: number | undefined;
}

export type TransactionOutcome =
  | { readonly kind: 'done'; readonly results: readonly StatementResult[] }
  | { readonly kind: 'failed'; readonly failure: FailureBody; readonly at: number }
  | { readonly kind: 'alone' };

export interface PackedTransactions {
  readonly texts: readonly string[];
  /** For each: planned, statements; for each of these: its text, named values, how many values, the values. */
  readonly list: readonly unknown[];
}

export interface PackedOutcomes {
  readonly columns: readonly (readonly Column[])[];
  /** For each: results, or what else it is. For each result: its columns, changes, rowid, how many rows, the rows' values. */
  readonly list: readonly unknown[];
}

const FAILED = -1;
const ALONE = -2;

export function packTransactions(transactions: readonly GroupTransaction[]): PackedTransactions {
  const texts = new Numbered<string>();
  const list: unknown[] = [];
  for (const { planned, statements } of transactions) {
    list.push(planned, statements.length);
    for (const { sql, named, args = [] } of statements) {
      list.push(texts.of(sql), named, args.length);
      for (const value of args) list.push(value);
    }
  }
  return { texts: texts.all, list };
}

export function unpackTransactions({
  texts,
  list,
}: PackedTransactions): readonly GroupTransaction[] {
  const transactions: GroupTransaction[] = [];
  for (let at = 0; at < list.length;) {
    const planned = list[at++] as number | undefined;
    const count = list[at++] as number;
    const statements: Statement[] = [];
    for (let one = 0; one < count; one++) {
      const sql = texts[list[at++] as number] ?? '';
      const named = list[at++] as Statement['named'];
      const to = (list[at++] as number) + at;
      const args = list.slice(at, to) as SqlValue[];
      statements.push(named === undefined ? { sql, args } : { sql, args, named });
      at = to;
    }
    transactions.push({ statements, planned });
  }
  return transactions;
}

export function packOutcomes(outcomes: readonly TransactionOutcome[]): PackedOutcomes {
  const columns = new Numbered<readonly Column[]>();
  const list: unknown[] = [];
  for (const outcome of outcomes) {
    if (outcome.kind === 'alone') list.push(ALONE);
    else if (outcome.kind === 'failed') list.push(FAILED, outcome.failure, outcome.at);
    else {
      list.push(outcome.results.length);
      for (const result of outcome.results) {
        const { changes, lastInsertRowid, rows } = result;
        list.push(columns.of(result.columns), changes, lastInsertRowid, rows.length);
        for (const row of rows) {
          // Otherwise all that comes behind it would be answered to somebody else.
          assert.equal(row.length, result.columns.length, 'a row has a value for each column');
          for (const value of row) list.push(value);
        }
      }
    }
  }
  return { columns: columns.all, list };
}

export function unpackOutcomes({ columns, list }: PackedOutcomes): readonly TransactionOutcome[] {
  const outcomes: TransactionOutcome[] = [];
  for (let at = 0; at < list.length;) {
    const count = list[at++] as number;
    if (count === ALONE) outcomes.push({ kind: 'alone' });
    else if (count === FAILED) {
      const failure = list[at++] as FailureBody;
      outcomes.push({ kind: 'failed', failure, at: list[at++] as number });
    } else {
      const results: StatementResult[] = [];
      for (let one = 0; one < count; one++) {
        const own = columns[list[at++] as number] ?? [];
        const changes = list[at++] as number;
        const lastInsertRowid = list[at++] as bigint | undefined;
        const rows: SqlValue[][] = [];
        for (let left = list[at++] as number; left > 0; left--)
          rows.push(list.slice(at, (at += own.length)) as SqlValue[]);
        results.push({ columns: own, rows, changes, lastInsertRowid });
      }
      outcomes.push({ kind: 'done', results });
    }
  }
  return outcomes;
}

/** Each thing once, with the number of its place. */
class Numbered<T> {
  readonly all: T[] = [];
  readonly #numbers = new Map<T, number>();
  #last: T | undefined;
  #lastNumber = -1;

  of(one: T): number {
    // Most groups have one text.
    if (one === this.#last) return this.#lastNumber;
    let number = this.#numbers.get(one);
    if (number === undefined) {
      number = this.all.push(one) - 1;
      this.#numbers.set(one, number);
    }
    this.#last = one;
    this.#lastNumber = number;
    return number;
  }
}
