/**
 * `sqlite_sequence`, the largest id that an AUTOINCREMENT table ever had. A stripe's own is neither right nor replicated, so
 * that of the database is an ordinary table on the first stripe.
 */
import type { Catalogue } from './catalogue.ts';
import type { Scratch } from './scratch.ts';
import type { StripeSession } from './stripes.ts';
import { sameRow, type SqlRow } from './values.ts';

/** Runs on every stripe with the first AUTOINCREMENT table. */
export const SEQUENCE_TABLE =
  'CREATE TABLE IF NOT EXISTS _moln_sequence(name TEXT PRIMARY KEY NOT NULL, seq)';

export async function loadSequence(
  catalogue: Catalogue,
  scratch: Scratch,
  session: StripeSession,
): Promise<readonly SqlRow[] | undefined> {
  if (!catalogue.sequence) return undefined;
  const found: SqlRow[] = [];
  for await (const rows of session.rows(
    0,
    'SELECT name, seq FROM _moln_sequence ORDER BY name',
    [],
  )) {
    found.push(...rows);
  }
  scratch.db.exec('DELETE FROM sqlite_sequence');
  const insert = scratch.db.keep('INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)');
  for (const row of found) insert.run(row);
  return found;
}

export async function applySequence(
  before: readonly SqlRow[] | undefined,
  scratch: Scratch,
  session: StripeSession,
): Promise<void> {
  if (before === undefined) return;
  const after = scratch.db.keep('SELECT name, seq FROM sqlite_sequence ORDER BY name').all();
  if (after.length === before.length && after.every((row, at) => sameRow(row, before[at] ?? []))) {
    return;
  }
  await session.write(0, [
    { sql: 'DELETE FROM _moln_sequence', runs: [[]] },
    { sql: 'INSERT INTO _moln_sequence(name, seq) VALUES (?1, ?2)', runs: after },
  ]);
}
