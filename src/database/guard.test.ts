/** What a client's statement may and may not do, asked of SQLite itself. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { prepareFile } from './applied.ts';
import { Connection, type ConnectionMode } from './connection.ts';
import { isFlatProgram, isQuickPlan, isQuickProgram, isSteppedProgram } from './quick-plan.ts';
import { Reader } from './reader.ts';

function open(context: TestContext): {
  readonly folder: string;
  readonly as: (mode: ConnectionMode) => Connection;
} {
  const folder = mkdtempSync(join(tmpdir(), 'moln-guard-'));
  const all: Connection[] = [];
  context.after(() => {
    for (const connection of all) connection[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });
  const as = (mode: ConnectionMode): Connection => {
    const connection = new Connection(join(folder, 's.sqlite'), mode);
    all.push(connection);
    return connection;
  };
  const first = as('writer');
  prepareFile(first);
  first.exec(
    'CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b, c, UNIQUE (b, c)); CREATE INDEX i ON t (c)',
  );
  return { folder, as };
}

function tell(connection: Connection, sql: string): string {
  try {
    const prepared = connection.prepare(sql);
    connection.run(prepared, { sql }, () => false);
    return 'done';
  } catch (error) {
    if (!isMolnError(error)) throw error;
    return error.code === 'DATABASE_SQL' ? `${error.code} ${error.message}` : error.code;
  }
}

const FORBIDDEN = [
  "ATTACH 'other.sqlite' AS o",
  'VACUUM',
  "VACUUM INTO 'FOLDER/stolen.sqlite'",
  'PRAGMA journal_mode = DELETE',
  'PRAGMA writable_schema = ON',
  'PRAGMA user_version = 7',
  'PRAGMA wal_checkpoint',
  'PRAGMA foreign_keys = OFF',
  'BEGIN',
  'COMMIT',
  'SAVEPOINT x',
  'ROLLBACK',
  'ANALYZE',
  'REINDEX',
  'CREATE TEMP TABLE x (id INTEGER PRIMARY KEY)',
  'CREATE TEMP VIEW x AS SELECT 1',
  'CREATE VIRTUAL TABLE x USING dbstat',
  "SELECT load_extension('x')",
  'SELECT * FROM _moln_applied',
  'UPDATE _MOLN_applied SET idx = 0',
  'DELETE FROM _moln_triggers',
  'CREATE TABLE _moln_mine (id INTEGER PRIMARY KEY)',
  'DROP TABLE _moln_applied',
  'CREATE VIEW x AS SELECT * FROM _moln_applied',
];

for (const mode of ['writer', 'reader'] as const) {
  test(`what would leave the file or the log unseen is refused (${mode})`, (context) => {
    const { folder, as } = open(context);
    const connection = as(mode);
    for (const text of FORBIDDEN) {
      const sql = text.replace('FOLDER', folder);
      const said = tell(connection, sql);
      // A view is looked into when it is used.
      if (sql.startsWith('CREATE VIEW') && said !== 'DATABASE_FORBIDDEN') {
        assert.equal(
          tell(connection, 'SELECT * FROM x'),
          mode === 'writer' ? 'DATABASE_FORBIDDEN' : 'DATABASE_SQL no such table: x',
        );
        continue;
      }
      assert.ok(
        said === 'DATABASE_FORBIDDEN' || (mode === 'reader' && said.includes('readonly')),
        `${sql}: ${said}`,
      );
    }
    assert.equal(readdirSync(folder).includes('stolen.sqlite'), false);
  });
}

test('one statement at a time, and its parameters by number or name', (context) => {
  const connection = open(context).as('writer');
  assert.match(tell(connection, 'SELECT 1; DROP TABLE t'), /more than one statement/);
  assert.equal(tell(connection, 'SELECT 1; -- nothing\n /* more */ ;'), 'done');
  const ask = (sql: string, given: object): unknown =>
    connection.run(connection.prepare(sql), { sql, ...given }, () => false).rows[0];
  assert.deepEqual(ask('SELECT ?2, ?1', { args: [1n, 2n] }), [2n, 1n]);
  assert.deepEqual(
    ask('SELECT :a, @b, $c, ?', { named: { a: 1n, '@b': 2n, c: null }, args: [4n] }),
    [1n, 2n, null, 4n],
  );
  assert.throws(() => ask('SELECT :a', { named: { b: 1n } }), /Unknown named parameter/);
});

test('too many rows, too long a text and too late are limits with a name', (context) => {
  const connection = open(context).as('reader');
  const many = 'WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c';
  const limitOf = (sql: string, isLate: () => boolean): unknown => {
    try {
      connection.run(connection.prepare(sql), { sql }, isLate);
      return undefined;
    } catch (error) {
      assert.ok(isMolnError(error, 'DATABASE_LIMIT'), String(error));
      return error.details?.['limit'];
    }
  };
  assert.equal(
    limitOf(many, () => false),
    'rows',
  );
  assert.equal(
    limitOf(many, () => true),
    'statementMs',
  );
  assert.equal(
    limitOf(`SELECT randomblob(8000000) FROM (${many}) LIMIT 20`, () => false),
    'rowBytes',
  );
  assert.equal(
    limitOf(`SELECT '${'x'.repeat(1024 * 1024)}'`, () => false),
    'sqlBytes',
  );
});

test('only what finds single rows by a whole key is quick', (context) => {
  const connection = open(context).as('reader');
  const columns = new Map([
    ['sqlite_autoindex_t_1', 1],
    ['sqlite_autoindex_t_2', 2],
  ]);
  const quick = (sql: string): boolean =>
    !connection.prepare(sql).deeds.slowCalls &&
    isQuickPlan(connection.plan({ sql }), (name) => columns.get(name)) &&
    isQuickProgram(connection.program({ sql }));
  for (const sql of [
    'SELECT 1',
    'SELECT * FROM t WHERE id = ?',
    'SELECT * FROM t WHERE a = ?',
    'SELECT * FROM t WHERE b = ? AND c = ?',
    'SELECT x.b FROM t x JOIN t y ON y.id = x.c WHERE x.id = ?',
    'SELECT b, (SELECT group_concat(b) FROM t y WHERE y.id = x.c) FROM t x WHERE id IN (?, ?)',
  ]) {
    assert.equal(quick(sql), true, sql);
  }
  for (const sql of [
    'SELECT * FROM t',
    'SELECT count(*) FROM t',
    'SELECT * FROM t WHERE b = ?',
    'SELECT * FROM t WHERE c = ?',
    'SELECT * FROM t WHERE id > ?',
    'SELECT * FROM t WHERE id IN (SELECT c FROM t)',
    // Each looks up single rows, and together they do so ever more often, or long for one.
    'SELECT count(*) FROM t x, t y WHERE x.id IN (?, ?) AND y.id IN (?, ?)',
    'SELECT b, (SELECT count(*) FROM t y WHERE y.id IN (?, ?)) FROM t x WHERE id IN (?, ?)',
    "SELECT b LIKE '%a%a%a%a%b' FROM t WHERE id = ?",
    'SELECT length(randomblob(1000000000))',
    'SELECT b, (SELECT group_concat(b) FROM t y WHERE y.c = x.id) FROM t x WHERE id = ?',
    'WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c',
  ]) {
    assert.equal(quick(sql), false, sql);
  }
});

test('what gives a row at each step can be left at any time, and nothing else can', (context) => {
  const connection = open(context).as('reader');
  const stepped = (sql: string): boolean => isSteppedProgram(connection.program({ sql }));
  for (const sql of [
    'SELECT * FROM t',
    'SELECT id, b FROM t ORDER BY id DESC LIMIT ?',
    'SELECT * FROM t WHERE b = ? ORDER BY c LIMIT 20',
    'SELECT * FROM t WHERE id > ? ORDER BY id LIMIT 20',
    'SELECT * FROM t WHERE c = ?',
    'SELECT a, coalesce(b, 1), iif(c > 2, b, c), b + c FROM t WHERE id BETWEEN ? AND ?',
  ]) {
    assert.equal(stepped(sql), true, sql);
  }
  for (const sql of [
    'SELECT 1',
    'SELECT * FROM t WHERE id = ?',
    // Passes rows over, as many as there are.
    'SELECT * FROM t WHERE c + 1 = ?',
    'SELECT * FROM t WHERE c = ? AND b > ?',
    'SELECT * FROM t ORDER BY id LIMIT 20 OFFSET ?',
    'SELECT DISTINCT c FROM t',
    // Gives its first row when it has seen all.
    'SELECT * FROM t ORDER BY c + 1 LIMIT 20',
    'SELECT count(*) FROM t',
    'SELECT id, (SELECT count(*) FROM t) FROM t',
    'SELECT c, sum(b) FROM t GROUP BY c',
    'SELECT id, row_number() OVER (ORDER BY c) FROM t',
    // Loops in loops.
    'SELECT * FROM t x, t y',
    'SELECT * FROM t x JOIN t y ON y.id = x.c',
    'SELECT id, (SELECT max(b) FROM t y WHERE y.c = x.id) FROM t x',
    'SELECT id FROM t UNION ALL SELECT c FROM t',
    'SELECT * FROM t WHERE id IN (SELECT c FROM t)',
  ]) {
    assert.equal(stepped(sql), false, sql);
  }
});

test('what goes through tables one after the other takes as long as they are', (context) => {
  const connection = open(context).as('reader');
  const flat = (sql: string): boolean =>
    connection.prepare(sql).deeds.growingCalls === 0 && isFlatProgram(connection.program({ sql }));
  for (const sql of [
    'SELECT 1',
    'SELECT * FROM t WHERE c + 1 = ?',
    'SELECT * FROM t ORDER BY c + 1 LIMIT 20 OFFSET ?',
    'SELECT DISTINCT c + 1 FROM t',
    'SELECT count(*), max(b) FROM t WHERE a > ?',
    'SELECT c + 1, sum(b) FROM t GROUP BY c + 1',
    'SELECT c, sum(b) FROM t GROUP BY c ORDER BY 2 DESC',
    'SELECT * FROM t x JOIN t y ON y.id = x.c',
    'SELECT id FROM t UNION ALL SELECT c FROM t',
  ]) {
    assert.equal(flat(sql), true, sql);
  }
  for (const sql of [
    'SELECT * FROM t x, t y',
    'SELECT * FROM t x JOIN t y ON y.b = x.c',
    'SELECT * FROM t x LEFT JOIN t y ON y.b = x.b AND y.a > x.a',
    'SELECT id, (SELECT max(b) FROM t y WHERE y.c = x.id) FROM t x',
    'SELECT * FROM t x WHERE EXISTS (SELECT 1 FROM t y WHERE y.b > x.c)',
    'SELECT sum(b) OVER (ORDER BY c) FROM t',
    'SELECT id FROM t UNION ALL SELECT c FROM t UNION ALL SELECT b FROM t UNION ALL SELECT a FROM t UNION ALL SELECT id FROM t UNION ALL SELECT id FROM t UNION ALL SELECT id FROM t UNION ALL SELECT id FROM t UNION ALL SELECT id FROM t',
    'WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n',
    'SELECT value FROM t, json_each(t.b)',
    // Few rows, and much to do for each.
    `SELECT sum(${'a + '.repeat(200)}a) FROM t`,
    `SELECT max(${'hex('.repeat(20)}b${')'.repeat(20)}) FROM t`,
    'SELECT max(b || ?) FROM t',
  ]) {
    assert.equal(flat(sql), false, sql);
  }
});

test('whole tables of a small file are read at once, unless the statement is long itself', (context) => {
  const { as, folder } = open(context);
  as('writer').exec('INSERT INTO t (b) VALUES (1), (2)');
  using reader = new Reader(join(folder, 's.sqlite'), () => 0);
  const sum = (value: string): unknown => {
    const statement = { sql: 'SELECT sum(length(max(b, ?))) FROM t', args: [value] };
    return reader.quick(statement, 1000, undefined)?.rows;
  };
  assert.deepEqual(sum('abc'), [[6n]]);
  assert.equal(sum('x'.repeat(5000)), undefined);
});

test('functions that double what they are given, in each other, are for where they can be stopped', (context) => {
  const { as, folder } = open(context);
  as('writer').exec("INSERT INTO t (id, b) VALUES (1, 'ab')");
  using reader = new Reader(join(folder, 's.sqlite'), () => 0);
  const hexOf = (times: number, where: string): unknown => {
    const sql = `SELECT ${'hex('.repeat(times)}b${')'.repeat(times)} FROM t ${where}`;
    return reader.quick({ sql }, 1000, undefined)?.rows;
  };
  for (const where of ['WHERE id = 1', 'WHERE id IN (1, 2)', 'LIMIT 5']) {
    assert.deepEqual(hexOf(2, where), [['36313632']], where);
    assert.equal(hexOf(3, where), undefined, where);
  }
});
