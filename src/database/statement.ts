/** What a client asks of a stripe and what it is answered. These cross threads and processes as they are. */
import type { SqlValue } from '../sqlite/sqlite.ts';

export type { SqlValue };

/** A whole number is a bigint, a number is REAL: 5n and 5 are different things, as they are in SQLite. */
export interface Statement {
  /** One statement; a semicolon may end it. */
  readonly sql: string;
  /** For `?` and `?NNN`. */
  readonly args?: readonly SqlValue[];
  /** For `:name`, `@name` and `$name`, with or without that first character. */
  readonly named?: Readonly<Record<string, SqlValue>>;
}

/** Inside a transaction whose statements come one by one: opens, releases or rolls back to a savepoint of the layers above. */
export interface SavepointStep {
  readonly savepoint: 'open' | 'release' | 'rollBack';
  /** A plain identifier. */
  readonly name: string;
}

/** The schema of the stripe, which this transaction changes, has that version afterwards: for a stripe that joins others. */
export interface SchemaStep {
  readonly schemaVersion: number;
}

export type Step = Statement | SavepointStep | SchemaStep;

export interface Column {
  readonly name: string;
  /** As the table declares it; null for an expression. */
  readonly declaredType: string | null;
  /** Where it comes from; null for an expression. */
  readonly table: string | null;
  readonly column: string | null;
}

export interface StatementResult {
  readonly columns: readonly Column[];
  /** Whole numbers are bigints. */
  readonly rows: readonly (readonly SqlValue[])[];
  /** Rows inserted, updated and deleted, without those by triggers and cascades. */
  readonly changes: number;
  /** Undefined when it inserted nothing. */
  readonly lastInsertRowid: bigint | undefined;
  /** Of a look: the newest entry that it saw. */
  readonly at?: number;
}

/** SHA-256 of each table's rows in the order of its key, all at one entry. */
export interface StripeDigest {
  readonly index: number;
  readonly tables: Readonly<Record<string, string>>;
}

/** It is settled which entry it is as of; what is written from then on does not count. */
export interface BegunDigest {
  readonly index: number;
  readonly reading: Promise<StripeDigest>;
}

/**
 * `strong`: everything that was acknowledged before it was asked. `session`: at least entry `index`. `stale`: what is here, if the
 * copy knew within `maxMs` that it had all; else as `strong`. `look`: what is here and can be had at once, with the entry that it is as
 * of, for whoever asks the log afterwards whether that was all; `isAgain`: it was not, so everything that there is by now.
 */
export type ReadLevel =
  | ({ readonly kind: 'strong' } & Patience)
  | ({ readonly kind: 'session'; readonly index: number } & Patience)
  | ({ readonly kind: 'stale'; readonly maxMs?: number } & Patience)
  | { readonly kind: 'look'; readonly isAgain: boolean };

interface Patience {
  /** The copy that is asked gets there in so long, or the answer is `DATABASE_BEHIND`; left out: as long as a read may take. */
  readonly waitMs?: number;
}

/** Bytes of text and values, for limits. */
export function sizeOf(statement: Statement): number {
  let bytes = statement.sql.length;
  for (const value of statement.args ?? []) bytes += sizeOfValue(value);
  for (const value of Object.values(statement.named ?? {})) bytes += sizeOfValue(value);
  return bytes;
}

export function sizeOfValue(value: SqlValue): number {
  if (typeof value === 'string') return value.length;
  return value instanceof Uint8Array ? value.byteLength : 8;
}
