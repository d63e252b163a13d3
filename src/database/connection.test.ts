import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Connection } from './connection.ts';

test('a statement that failed does not fail the next time for the same reason', () => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-connection-'));
  try {
    using connection = new Connection(join(folder, 'a.sqlite'), 'writer');
    connection.exec('CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)');
    const sql = 'INSERT INTO t VALUES (?) RETURNING a';
    const run = (value: bigint): unknown =>
      connection.run(connection.prepare(sql), { sql, args: [value] }, () => false).rows;
    assert.throws(() => run(1n), /UNIQUE constraint failed: t\.a/);
    assert.deepEqual(run(2n), [[2n]]);
    assert.throws(() => run(2n), /UNIQUE constraint failed: t\.a/);
    assert.deepEqual(run(3n), [[3n]]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a few rows are given, of more or larger ones none, and the next time is not told', () => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-connection-'));
  try {
    using connection = new Connection(join(folder, 'a.sqlite'), 'writer');
    connection.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, b)');
    connection.exec(
      'INSERT INTO t (b) SELECT 1 FROM (SELECT 1 UNION ALL SELECT 1) a, pragma_function_list LIMIT 300',
    );
    connection.exec('UPDATE t SET b = zeroblob(100000) WHERE id > 290');
    const sql = 'SELECT id FROM t WHERE id > ? ORDER BY id LIMIT ?';
    const few = (text: string, args: readonly bigint[], isLate = false): number | undefined => {
      const prepared = connection.prepare(text);
      return connection.runFew(prepared, { sql: text, args }, () => isLate)?.rows.length;
    };
    assert.equal(few(sql, [0n, 256n]), 256);
    assert.equal(few(sql, [0n, 257n]), undefined);
    assert.equal(few(sql, [290n, 257n]), 10);
    assert.equal(few(sql, [0n, 20n], true), undefined, 'it takes long');
    const wide = 'SELECT b FROM t WHERE id > ? ORDER BY id';
    assert.equal(few(wide, [290n]), undefined);
    assert.equal(few(wide, [298n]), 2);
    const whole = connection.run(connection.prepare(sql), { sql, args: [0n, 300n] }, () => false);
    assert.equal(whole.rows.length, 300);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
