/**
 * Written cases by area (`testing/sql-cases`, a statement a line), on 1, 3 and 8 stripes and on one SQLite: rows in the same order,
 * errors, and what changes(), total_changes() and last_insert_rowid() say after each.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PlannerPair } from '../testing/planner-pair.ts';

const CASES = join(import.meta.dirname, '..', 'testing', 'sql-cases');
const COUNTS = 'SELECT changes(), total_changes(), last_insert_rowid()';
/** Full text writes tables of its own, which SQLite counts. */
const UNCOUNTED: ReadonlySet<string> = new Set(['virtual-tables.sql']);

for (const file of readdirSync(CASES)) {
  test(`${file}: every statement answers as SQLite does`, async () => {
    using pair = new PlannerPair([1, 3, 8], { foreignKeys: true });
    const statements = readFileSync(join(CASES, file), 'utf8').split('\n').filter(Boolean);
    let errors = 0;
    for (const sql of statements) {
      const { error } = await pair.ask(sql, { ordered: true });
      errors += error === undefined ? 0 : 1;
      if (!UNCOUNTED.has(file)) await pair.ask(COUNTS);
    }
    assert.ok(statements.length > 30 && errors > 0, 'the cases have lost their aim');
  });
}
