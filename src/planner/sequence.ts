/**
 * `sqlite_sequence`, the largest id that an AUTOINCREMENT table ever had. A stripe's own is neither right nor replicated, so
 * that of the database is an ordinary table on the first stripe. That of temporary tables is the connection's own.
 */
import type { Catalogue } from './catalogue.ts';
import type { Scratch } from './scratch.ts';
import { OWN_STRIPE, type StripeSession } from './stripes.ts';
import type { Schema } from './table.ts';
import { sameRow, type SqlRow } from './values.ts';

/** Runs on every stripe with the first AUTOINCREMENT table. */
export const SEQUENCE_TABLE =
  'CREATE TABLE IF NOT EXISTS _moln_sequence(name TEXT PRIMARY KEY NOT NULL, seq)';

/** What was read, to be compared in the end. */
export interface Sequence {
  readonly schema: Schema;
  readonly stripe: number;
  readonly table: string;
  readonly rows: readonly SqlRow[];
}

const OF_ALL = { schema: 'main', stripe: 0, table: '_moln_sequence' } as const;
const OF_CONNECTION = { schema: 'temp', stripe: OWN_STRIPE, table: 'sqlite_sequence' } as const;

export async function loadSequences(
  { sequence, temporaryTables }: Catalogue,
  scratch: Scratch,
  session: StripeSession,
): Promise<readonly Sequence[]> {
  const own = [...temporaryTables.values()].some(({ autoincrement }) => autoincrement);
  const found: Sequence[] = [];
  for (const place of [...(sequence ? [OF_ALL] : []), ...(own ? [OF_CONNECTION] : [])]) {
    const rows: SqlRow[] = [];
    const text = `SELECT name, seq FROM ${place.table} ORDER BY name`;
    for await (const batch of session.rows(place.stripe, text, [])) rows.push(...batch);
    scratch.db.exec(`DELETE FROM ${place.schema}.sqlite_sequence`);
    const insert = scratch.db.keep(
      `INSERT INTO ${place.schema}.sqlite_sequence(name, seq) VALUES (?, ?)`,
    );
    for (const row of rows) insert.run(row);
    found.push({ ...place, rows });
  }
  return found;
}

export async function applySequences(
  before: readonly Sequence[],
  scratch: Scratch,
  session: StripeSession,
): Promise<void> {
  for (const { rows, schema, stripe, table } of before) {
    const after = scratch.db
      .keep(`SELECT name, seq FROM ${schema}.sqlite_sequence ORDER BY name`)
      .all();
    if (after.length === rows.length && after.every((row, at) => sameRow(row, rows[at] ?? []))) {
      continue;
    }
    await session.write(stripe, [
      { sql: `DELETE FROM ${table}`, runs: [[]] },
      { sql: `INSERT INTO ${table}(name, seq) VALUES (?1, ?2)`, runs: after },
    ]);
  }
}
