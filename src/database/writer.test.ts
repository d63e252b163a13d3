/** What one group of transactions may take of the stripe's time. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { decodeEntry } from './entry.ts';
import { ROWS_MAX, TRANSACTION_BYTES_MAX } from './limits.ts';
import type { Statement } from './statement.ts';
import { type Outcome, Writer } from './writer.ts';

/** A look at the clock takes so long. */
const LOOK_MS = 10;

function newWriter(context: TestContext): Writer {
  const folder = mkdtempSync(join(tmpdir(), 'moln-writer-'));
  let nowMs = 0;
  const writer = new Writer(join(folder, 's.sqlite'), () => (nowMs += LOOK_MS));
  context.after(() => {
    writer[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });
  writer.begin();
  writer.run([{ sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY)' }], {
    isAlone: true,
    statementMs: 1000,
  });
  return writer;
}

function inserts(count: number): readonly Statement[] {
  return Array.from({ length: count }, () => ({ sql: 'INSERT INTO t DEFAULT VALUES' }));
}

function count(writer: Writer): unknown {
  const outcome = writer.run([{ sql: 'SELECT count(*) FROM t' }], {
    isAlone: false,
    statementMs: 1000,
  });
  return outcome.kind === 'done' ? outcome.results[0]?.rows[0]?.[0] : outcome;
}

test('all statements of a transaction share the time of one', (context) => {
  const writer = newWriter(context);
  const run = (of: number, isAlone: boolean): Outcome =>
    writer.run(inserts(of), { isAlone, statementMs: 1000 });
  assert.equal(run(5, false).kind, 'done');
  assert.equal(count(writer), 5n);
  // Others may have used the time: it is to be run by itself, and has done nothing.
  assert.equal(run(500, false).kind, 'alone');
  assert.equal(count(writer), 5n);
  const late = run(500, true);
  assert.ok(late.kind === 'failed');
  assert.match(String(late.error), /took too long/);
  assert.ok(late.at > 5 && late.at < 500, String(late.at));
});

test('one that comes when the time of its group is used up does nothing', (context) => {
  const writer = newWriter(context);
  assert.equal(writer.run(inserts(1), { isAlone: false, statementMs: -1 }).kind, 'alone');
  assert.equal(count(writer), 0n);
});

test('a statement of a transaction that goes on and fails after it has run leaves nothing of itself', (context) => {
  const writer = newWriter(context);
  const step = (sql: string, statementMs: number): unknown =>
    writer.step({ sql }, statementMs).rows;
  step('INSERT INTO t VALUES (1)', 1000);
  assert.throws(() => step('INSERT INTO t VALUES (2)', LOOK_MS - 1), /took too long/);
  assert.throws(() => step('CREATE TABLE late (id INTEGER PRIMARY KEY)', LOOK_MS - 1), /too long/);
  const many = `INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM c LIMIT ${ROWS_MAX + 1}) SELECT n FROM c RETURNING id`;
  assert.throws(() => step(many, 10_000_000), /returns more than/);
  step('INSERT INTO t VALUES (3)', 1000);
  assert.deepEqual(step('SELECT id FROM t', 1000), [[1n], [3n]]);
  assert.throws(() => step('SELECT * FROM late', 1000), /no such table/);
  const entry = writer.finish({ epoch: 1, group: new Uint8Array(16), cross: false });
  assert.ok(entry !== undefined);
  assert.equal(decodeEntry(entry.header, entry.body).changes, 2);
});

test('a transaction that was too large at a savepoint is not committed without what came before', (context) => {
  const writer = newWriter(context);
  const step = (sql: string): unknown => writer.step({ sql }, 10_000_000).rows;
  step('CREATE TABLE b (id INTEGER PRIMARY KEY, body BLOB)');
  for (let id = 0; id <= 16; id++)
    step(`INSERT INTO b VALUES (${id}, zeroblob(${TRANSACTION_BYTES_MAX / 16}))`);
  assert.throws(() => writer.savepoint({ savepoint: 'open', name: 's' }), /at most 64/);
  writer.savepoint({ savepoint: 'open', name: 's' });
  step('INSERT INTO t VALUES (3)');
  const facts = { epoch: 1, group: new Uint8Array(16), cross: false };
  assert.throws(() => writer.finish(facts), /at most 64/);
});
