import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import { errorPosition } from './error-position.ts';
import { isReadOnlyText, scriptTexts, startsReadOnly } from './texts.ts';
import { mayBeWhole } from './whole-batch.ts';

test('which words begin a transaction that only reads', () => {
  for (const sql of ['BEGIN TRANSACTION READONLY', 'begin readonly;'])
    assert.ok(startsReadOnly(sql));
  for (const sql of ['BEGIN', 'BEGIN IMMEDIATE', 'SELECT 1']) assert.ok(!startsReadOnly(sql));
});

test('a script is cut into its statements', () => {
  assert.deepEqual(
    scriptTexts("INSERT INTO t VALUES (';'); SELECT 1; -- end\n").map((text) => text.trim()),
    ["INSERT INTO t VALUES (';');", 'SELECT 1;'],
  );
});

test('what reads is told by the first words', () => {
  for (const sql of ['SELECT 1', '/* a */ -- b\n select 1', 'WITH a AS (SELECT 1) SELECT * FROM a'])
    assert.ok(isReadOnlyText(sql), sql);
  for (const sql of ['DELETE FROM t', 'WITH a AS (SELECT 1) DELETE FROM t', 'CREATE TABLE t (a)'])
    assert.ok(!isReadOnlyText(sql), sql);
});

test('where SQLite saw a mistake', () => {
  using shadow = new MemoryDatabase();
  shadow.exec('CREATE TABLE t (a)');
  const at = (sql: string): number | undefined => {
    try {
      shadow.prepare(sql);
    } catch (error) {
      return errorPosition(error instanceof Error ? error.message : '', sql, shadow);
    }
    return undefined;
  };
  assert.equal(at('SELECT * FRM t'), 9);
  assert.equal(at("SELECT 'å', 1 FRM FRM t"), 19);
  assert.equal(at('SELECT b FROM t'), undefined);
});

test('which batches may go to a stripe as a whole', () => {
  const of = (...texts: readonly string[]): boolean =>
    mayBeWhole(
      texts.map((sql) => ({ sql, parameters: [], values: [], wantRows: true })),
      { rowsMax: 10, bytesMax: 200 },
    );
  assert.ok(
    of('INSERT INTO t VALUES (1) RETURNING a', 'UPDATE t SET a = 1', 'REPLACE INTO t VALUES (2)'),
  );
  assert.ok(!of('SELECT 1'));
  assert.ok(!of('DELETE FROM t RETURNING a'));
  assert.ok(!of('INSERT INTO t VALUES (1) RETURNING zeroblob(9e6)'));
  assert.ok(!of(`INSERT INTO t VALUES ('${'x'.repeat(200)}') RETURNING *`));
  assert.ok(of(`INSERT INTO t VALUES ('${'x'.repeat(200)}')`));
  assert.ok(of(`INSERT INTO t VALUES ('${'x'.repeat(10)}') RETURNING a`));
  assert.ok(!of(`INSERT INTO t VALUES ('${'x'.repeat(10)}') RETURNING a, a, a`));
  assert.ok(!of('INSERT INTO t VALUES (last_insert_rowid())'));
  assert.ok(!of('INSERT INTO t VALUES (1)', 'PRAGMA foreign_keys = OFF'));
});
