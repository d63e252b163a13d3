import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { appliedMigrations, migrate, readMigration, rollback } from './migrate.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const a = readMigration('1_a', 'CREATE TABLE a (id INTEGER PRIMARY KEY);\n-- down\nDROP TABLE a;');
const b = readMigration('2_b', 'CREATE TABLE b (id INTEGER PRIMARY KEY);');
const broken = readMigration('3_c', 'CREATE TABLE c (id); INSERT INTO nowhere VALUES (1);');

test('each migration is done once, whoever starts, and those of another release are left alone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-migrate-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'app.sqlite');
  await using one = new SqliteDatabase(path);
  await using two = new SqliteDatabase(path);
  assert.deepEqual(await migrate(one, [a]), ['1_a']);
  assert.deepEqual(await migrate(two, [a, b]), ['2_b']);
  assert.deepEqual(await migrate(one, [a]), []);
  assert.deepEqual(await appliedMigrations(one), ['1_a', '2_b']);
  assert.deepEqual(await appliedMigrations(one, ['2_b', '9_z']), ['2_b']);
  await assert.rejects(rollback(one, [a, b]), /"2_b" cannot be taken back/);
});

test('one that fails leaves nothing behind, and says which file to mend', async () => {
  await using database = new SqliteDatabase(':memory:');
  await assert.rejects(migrate(database, [a, broken]), (error: Error & { hint?: string }) => {
    assert.match(error.message, /"3_c" failed: no such table: nowhere/);
    assert.match(error.hint ?? '', /migrations\/3_c\.sql/);
    return true;
  });
  const { rows } = await database.run({ sql: 'SELECT name FROM sqlite_master', args: [] });
  assert.ok(!rows.some(({ name }) => name === 'c'));
  assert.equal(await rollback(database, [a]), '1_a');
  assert.deepEqual(await appliedMigrations(database), []);
});
