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
