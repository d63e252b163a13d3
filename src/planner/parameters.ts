/** Values as a client gives them, by position or by name, into the order of SQLite's numbers. */
import { OUT_OF_RANGE, sqliteFailure } from './sqlite-errors.ts';
import type { Parameters } from './syntax.ts';
import type { SqlRow, SqlValue } from './values.ts';

export type Given = SqlRow | Readonly<Record<string, SqlValue>>;

/** Missing ones are NULL, as in SQLite; too many are an error. */
export function valuesOf({ names }: Parameters, given: Given | undefined): SqlRow {
  if (given === undefined) return names.map(() => null);
  if (Array.isArray(given)) {
    if (given.length > names.length) throw sqliteFailure('column index out of range', OUT_OF_RANGE);
    return names.map((_, at) => (given as SqlRow)[at] ?? null);
  }
  const named = given as Readonly<Record<string, SqlValue>>;
  return names.map((name) => {
    if (name === null) return null;
    return named[name] ?? named[name.slice(1)] ?? null;
  });
}
