/**
 * Errors on their way through: what a stripe says in SQLite's words becomes an error as `node:sqlite` throws it, for the planner,
 * and in the end one that the wire knows. And the part's own, by name.
 */
import { isMolnError, MolnError } from '../base/errors.ts';
import { SqlError, sqliteCodeName } from '../hrana/hrana.ts';
import { sqliteFailure } from '../planner/planner.ts';

/** An error of a stripe as the planner expects it. Anything that SQLite did not say passes. */
export function fromStripe(error: unknown): unknown {
  if (!isMolnError(error, 'DATABASE_SQL')) return error;
  const { resultCode, rolledBack } = error.details ?? {};
  const failure = sqliteFailure(error.message, typeof resultCode === 'number' ? resultCode : 1);
  return rolledBack === true ? Object.assign(failure, { rolledBack }) : failure;
}

/** What the client is told: SQLite's code and words where they are SQLite's, ours where they are ours. */
export function toClient(error: unknown, offset?: number): unknown {
  if (error instanceof SqlError) return error;
  // It changed again and again, or under a transaction.
  if (isSchemaMoved(error)) return new SqlError('SQLITE_SCHEMA', 'database schema has changed');
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
  return new SqlError('SQLITE_BUSY', `database is locked: ${why}`);
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

/** SQLite's SQLITE_ERROR, which it also gives for a table or column that it does not know. */
export function isOfSchema(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 1;
}

/** A limit of `limits.ts` was met. */
export function limitMet(limit: string, sentence: string, hint: string): MolnError {
  return new MolnError('SQL_LIMIT', sentence, { hint, details: { limit } });
}

/** The source of an INSERT that reads no table gives more rows than one statement may put in. */
export function tooManyMade(rows: number, max: number): MolnError {
  return limitMet(
    'gatherRows',
    `The statement would put in ${rows} rows, at most ${max} at once`,
    'Put them in with several statements, each with a LIMIT; nothing was changed',
  );
}

/** A statement was stopped. */
export function interrupted(why: string): SqlError {
  return new SqlError('SQLITE_INTERRUPT', `interrupted: ${why}`);
}

/** Stripes were wanted in another order than all transactions take them in: the statement begins again with all of them. */
export class OutOfOrder extends Error {
  override readonly name = 'OutOfOrder';
  readonly stripes: ReadonlySet<number>;

  constructor(stripes: ReadonlySet<number>) {
    super('The statement begins again with its stripes in order');
    this.stripes = stripes;
  }
}

const LOST: ReadonlySet<string> = new Set([
  'DATABASE_CLOSED',
  'DATABASE_NOT_COMMITTED',
  'DATABASE_NOT_PRIMARY',
  'DATABASE_OUTCOME_UNKNOWN',
  'REGISTRY_UNAVAILABLE',
]);
const LOST_LIMITS: ReadonlySet<unknown> = new Set([
  'transaction',
  'transactionIdleMs',
  'transactionTotalMs',
  'transactionBytes',
]);

/** The transaction is gone, whatever statement said so. */
export function endsTransaction(error: unknown): boolean {
  if (error instanceof Error && 'rolledBack' in error) return true;
  if (!isMolnError(error)) return false;
  if (error.code === 'DATABASE_LIMIT') return LOST_LIMITS.has(error.details?.['limit']);
  return LOST.has(error.code);
}

const PASSING: ReadonlySet<string> = new Set([
  'DATABASE_NOT_COMMITTED',
  'DATABASE_NOT_CURRENT',
  'DATABASE_NOT_PRIMARY',
  'DATABASE_VIEW_ENDED',
]);

/** Nothing was changed, and the same statement may succeed soon: another copy takes over. */
export function isPassing(error: unknown): boolean {
  return isMolnError(error) && PASSING.has(error.code);
}
