/**
 * Errors on their way through: what a stripe says in SQLite's words becomes an error as `node:sqlite` throws it, for the planner,
 * and in the end one that the wire knows. And the part's own, by name.
 */
import { isMolnError, MolnError } from '../base/errors.ts';
import { SqlError, sqliteCodeName } from '../hrana/hrana.ts';
import { sqliteFailure } from '../planner/planner.ts';

/** SQLITE_BUSY, SQLITE_READONLY. */
const BUSY = 5;

/** An error of a stripe as the planner expects it. Anything that SQLite did not say passes. */
export function fromStripe(error: unknown): unknown {
  if (!isMolnError(error, 'DATABASE_SQL')) return error;
  const code = error.details?.['resultCode'];
  return sqliteFailure(error.message, typeof code === 'number' ? code : 1);
}

/** What the client is told: SQLite's code and words where they are SQLite's, ours where they are ours. */
export function toClient(error: unknown, offset?: number): unknown {
  if (error instanceof SqlError) return error;
  const known = fromStripe(error);
  if (known instanceof Error && 'errcode' in known && typeof known.errcode === 'number') {
    return new SqlError(
      sqliteCodeName(known.errcode),
      known.message,
      offset === undefined ? {} : { offset },
    );
  }
  return known;
}

/** Another transaction holds what this one needs. */
export function busy(why: string): SqlError {
  return new SqlError(sqliteCodeName(BUSY), `database is locked: ${why}`);
}

export function readOnly(why: string): SqlError {
  return new SqlError('SQLITE_READONLY', `attempt to write a readonly database: ${why}`);
}

/** The statement was planned for another schema than the stripes have now: it is planned again. */
export class SchemaMoved extends Error {
  override readonly name = 'SchemaMoved';
}

export function isSchemaMoved(error: unknown): boolean {
  return error instanceof SchemaMoved || isMolnError(error, 'DATABASE_SCHEMA_CHANGED');
}

/** A limit of `limits.ts` was met. */
export function limitMet(limit: string, sentence: string, hint: string): MolnError {
  return new MolnError('SQL_LIMIT', sentence, { hint, details: { limit } });
}

export function transactionOver(why: string): MolnError {
  return new MolnError('SQL_TRANSACTION_OVER', `The transaction was rolled back: ${why}`, {
    hint: 'Begin a new one, or send it as one batch',
  });
}
