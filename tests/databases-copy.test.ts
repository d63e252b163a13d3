/** A database of a real node through the command line: shell, dump, restore, export, import. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { DatabaseDetail, RestoredDatabase } from '../src/api/api.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

/** A folder of a database. */
const ID = /^[a-z0-9]{12}$/;
const SCRIPT = `
CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT REFERENCES people(name), sum REAL, paper BLOB);
CREATE TABLE people (name TEXT PRIMARY KEY, kind TEXT);
CREATE TABLE bare ("the name" TEXT, big INTEGER);
INSERT INTO people VALUES ('Ada', 'it''s "odd"'), ('Bob', NULL);
INSERT INTO orders (id, who, sum, paper) VALUES (1, 'Ada', 1.0, x'00ff'), (7, 'Bob', -2.5, NULL);
INSERT INTO bare VALUES ('a;
b', 9223372036854775807), (NULL, -1);
CREATE INDEX by_who ON orders(who);
CREATE VIEW rich AS SELECT who FROM orders WHERE sum > 0 -- in what currency
;
CREATE VIRTUAL TABLE notes USING fts5(text, tokenize = 'porter');
INSERT INTO notes(rowid, text) VALUES (3, 'running dogs');
INSERT INTO notes(notes, rank) VALUES ('rank', 'bm25(7.0)');
CREATE VIRTUAL TABLE bareword USING fts5(text, content = '');
INSERT INTO bareword(rowid, text) VALUES (1, 'gone');
`;

test('a database of a node goes out and in again, whole', async (t) => {
  await using node = await TestNode.start(t);
  const folder = node.dataFolder;
  const file = (name: string): string => join(folder, name);
  const done = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await node.cli('db', ...words);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await done('create', 'shop');
  for (const name of ['restored', 'imported']) await done('create', name);
  writeFileSync(file('shop.sql'), SCRIPT);
  await done('shell', 'shop', `.read ${file('shop.sql')}`);
  assert.match(
    await done('shell', 'shop', '.tables'),
    /^bare\nbareword\nnotes\norders\npeople\nrich\n$/,
  );
  assert.match(
    await done('shell', 'shop', '.explain SELECT * FROM orders'),
    /^Plan P\d on stripe 0/,
  );

  const { stderr } = await node.cli('db', 'dump', 'shop', file('dump.sql'));
  assert.match(stderr, /come empty: "bareword"/);
  await done('restore', 'restored', file('dump.sql'));
  await done('export', 'shop', file('shop.sqlite'));
  await done('import', 'imported', file('shop.sqlite'));
  const all =
    "SELECT * FROM people ORDER BY 1; SELECT * FROM orders ORDER BY 1; SELECT * FROM bare ORDER BY big; SELECT * FROM rich; SELECT rowid FROM notes WHERE notes MATCH 'run'";
  const wanted = await done('shell', 'shop', all, '--json');
  assert.match(wanted, /9223372036854775807/);
  for (const name of ['restored', 'imported']) {
    assert.equal(await done('shell', name, all, '--json'), wanted, name);
    assert.equal(await done('dump', name), readFileSync(file('dump.sql'), 'utf8'), name);
  }
  using plain = new DatabaseSync(file('shop.sqlite'), { readOnly: true });
  assert.equal(plain.prepare('SELECT count(*) AS n FROM orders').get()?.['n'], 2);

  const failed = await node.cli('db', 'shell', 'shop', 'SELECT nothing_at_all FROM people');
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /no such column: nothing_at_all/);
  const missing = await node.cli('db', 'shell', 'nowhere', 'SELECT 1');
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /nowhere/);
});

test('a database is had as it was at a time, over two stripes, and goes on from there', async (t) => {
  await using node = await TestNode.start(t);
  const sql = async (database: string, text: string): Promise<string> => {
    const { code, stdout, stderr } = await node.cli('db', 'shell', database, text, '--json');
    assert.equal(code, 0, stderr);
    return stdout;
  };
  /** A moment at which all that has happened so far is noted, and nothing else. */
  const noted = async (): Promise<string> => {
    const from = new Date();
    return await until('a note', async () => {
      const { restorable } = await node.json<DatabaseDetail>('db', 'show', 'shop');
      return (restorable?.to ?? 0) >= from.getTime()
        ? new Date(restorable?.to ?? 0).toISOString()
        : undefined;
    });
  };
  await node.json('db', 'create', 'shop', '--stripes', '2');
  await sql('shop', 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX by_v ON t(v)');
  const rows = Array.from({ length: 40 }, (_, n) => `('row ${n}')`).join(', ');
  await sql('shop', `INSERT INTO t (v) VALUES ${rows}`);
  const first = await noted();
  await sql('shop', "UPDATE t SET v = 'changed'; DELETE FROM t WHERE id % 2 = 0");
  const second = await noted();
  await sql('shop', 'DROP TABLE t');

  const all = 'SELECT id, v FROM t ORDER BY id';
  const restore = (at: string, as: string): Promise<RestoredDatabase> =>
    node.json('db', 'restore', 'shop', '--at', at, '--as', as);
  assert.deepEqual(await restore(first, 'before'), { database: 'before', at: Date.parse(first) });
  const before = JSON.parse(await sql('before', all)) as readonly { readonly v: string }[];
  assert.deepEqual(
    before.map(({ v }) => v).toSorted(),
    [...rows.matchAll(/row \d+/g)].flat().toSorted(),
  );
  await restore(second, 'after');
  const after = JSON.parse(await sql('after', all)) as readonly { readonly v: string }[];
  assert.deepEqual(
    after.map(({ v }) => v),
    Array.from({ length: 20 }, () => 'changed'),
  );

  await sql('before', "INSERT INTO t (v) VALUES ('new'); DELETE FROM t WHERE v = 'row 1'");
  const counted = await sql('before', 'SELECT count(*) AS n, count(DISTINCT id) AS ids FROM t');
  assert.deepEqual(JSON.parse(counted), [{ n: 40, ids: 40 }]);
  await node.stop();
  await node.restart();
  assert.equal(
    await sql('before', 'SELECT count(*) AS n, count(DISTINCT id) AS ids FROM t'),
    counted,
  );

  for (const at of ['2020-01-01T00:00:00Z', '2999-01-01T00:00:00Z']) {
    const refused = await node.cli('db', 'restore', 'shop', '--at', at, '--as', 'never');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /cannot be had as of .* its log reaches back to/);
  }
  const taken = await node.cli('db', 'restore', 'shop', '--at', first, '--as', 'after');
  assert.match(taken.stderr, /is a database "after" already/);

  const folder = join(node.dataFolder, 'databases');
  const folders = (): readonly string[] => readdirSync(folder).filter((name) => ID.test(name));
  const known = folders();
  const killed = node.cli('db', 'restore', 'shop', '--at', first, '--as', 'torn');
  await until('the restore to have begun', () => folders().length > known.length, {
    pauseMsMax: 2,
  });
  await node.kill();
  assert.notEqual((await killed).code, 0);
  await node.restart();
  await until('nothing to be left of it', () => isDeepStrictEqual(folders(), known));
  assert.equal((await node.cli('db', 'show', 'torn')).code, 1);
  await restore(first, 'torn');
});
