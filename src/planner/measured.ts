/** One text on a database in memory, and what SQLite counts of it. */
import type { MemoryDatabase } from '../sqlite/sqlite.ts';
import type { SqlRow } from './values.ts';

export interface Measured {
  readonly rows: readonly SqlRow[];
  readonly changes: number;
  /** With those that triggers and cascades made. */
  readonly totalChanges: number;
  readonly lastInsertRowid: bigint;
  readonly failure?: unknown;
}

/** A table for setting last_insert_rowid(). */
export type MarkSchema = 'main' | 'temp';

/** `before`: last_insert_rowid() so far. `start` runs when that is set, and is not counted. */
export function measured(
  db: MemoryDatabase,
  run: { readonly sql: string; readonly values: SqlRow; readonly before: bigint },
  mark: MarkSchema,
  start: () => void = () => {},
): Measured {
  db.exec(`CREATE TABLE IF NOT EXISTS ${mark}._moln_mark(id INTEGER PRIMARY KEY)`);
  db.keep(`INSERT INTO ${mark}._moln_mark VALUES (?)`).run([run.before]);
  db.exec(`DELETE FROM ${mark}._moln_mark`);
  start();
  const counted = (): SqlRow =>
    db.keep('SELECT changes(), last_insert_rowid(), total_changes()').all()[0] ?? [];
  const total = Number(counted()[2] ?? 0);
  let rows: readonly SqlRow[] = [];
  let failure: { readonly error: unknown } | undefined;
  try {
    rows = db.prepare(run.sql).all(run.values);
  } catch (error) {
    failure = { error };
  }
  const counts = counted();
  return {
    rows,
    changes: Number(counts[0] ?? 0),
    totalChanges: Number(counts[2] ?? 0) - total,
    lastInsertRowid: BigInt((counts[1] ?? run.before) as bigint),
    ...(failure === undefined ? {} : { failure: failure.error }),
  };
}
