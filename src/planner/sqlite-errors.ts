/** Errors that the planner raises in SQLite's place: same words, same codes, same shape as `node:sqlite` gives. */
import type { Table } from './table.ts';

export interface SqliteFailure extends Error {
  readonly code: 'ERR_SQLITE_ERROR';
  readonly errcode: number;
  readonly errstr: string;
}

export function sqliteFailure(message: string, errcode = 1): SqliteFailure {
  const errstr =
    errcode === 1 ? 'SQL logic error' : errcode === FOREIGN_KEY ? 'constraint failed' : message;
  return Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode, errstr } as const);
}

/** SQLITE_CONSTRAINT_FOREIGNKEY. */
export const FOREIGN_KEY = 787;
/** SQLITE_READONLY. */
export const READ_ONLY = 8;
/** SQLITE_RANGE. */
export const OUT_OF_RANGE = 25;

const UNIQUE = 2067;
const PRIMARY_KEY = 1555;

/**
 * The user's primary key is a unique constraint on the stripes where the rowid is the key: SQLite's code for it is another.
 * Undefined when another index over the same columns may have been meant.
 */
export function asOwnError(error: unknown, { name, primary, ridHidden, uniques }: Table): unknown {
  if (!ridHidden || primary.length === 0 || !(error instanceof Error)) return error;
  const words = primary.map((column) => `${name}.${column}`).join(', ');
  if (error.message !== `UNIQUE constraint failed: ${words}`) return error;
  const own = primary.join();
  const same = uniques.filter(
    ({ columns }) => columns === undefined || columns.map((one) => one.name).join() === own,
  );
  if (same.length > 1) return undefined;
  return 'errcode' in error && error.errcode === UNIQUE
    ? Object.assign(error, { errcode: PRIMARY_KEY })
    : error;
}
