/** Errors that the planner raises in SQLite's place: same words, same codes, same shape as `node:sqlite` gives. */
import type { Table } from './catalogue.ts';

export interface SqliteFailure extends Error {
  readonly code: 'ERR_SQLITE_ERROR';
  readonly errcode: number;
  readonly errstr: string;
}

export function sqliteFailure(message: string): SqliteFailure {
  return Object.assign(new Error(message), {
    code: 'ERR_SQLITE_ERROR',
    errcode: 1,
    errstr: 'SQL logic error',
  } as const);
}

const UNIQUE = 2067;
const PRIMARY_KEY = 1555;

/** The user's primary key is a unique constraint on the stripes where the rowid is the key: SQLite's code for it is another. */
export function asOwnError(error: unknown, { name, primary, ridHidden, uniques }: Table): unknown {
  const same = uniques.filter(({ columns }) => {
    return columns?.map((one) => one.name).join() === primary.join();
  });
  // With two indexes over the same columns the later one is met first.
  if (same.length > 1 || !ridHidden || primary.length === 0 || !(error instanceof Error))
    return error;
  const words = primary.map((column) => `${name}.${column}`).join(', ');
  if (error.message !== `UNIQUE constraint failed: ${words}`) return error;
  return 'errcode' in error && error.errcode === UNIQUE
    ? Object.assign(error, { errcode: PRIMARY_KEY })
    : error;
}
