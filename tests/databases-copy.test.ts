/** A database of a real node through the command line: shell, dump, restore, export, import. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { TestNode } from '../testing/test-node.ts';

const SCRIPT = `
CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT REFERENCES people(name), sum REAL, paper BLOB);
CREATE TABLE people (name TEXT PRIMARY KEY, kind TEXT);
CREATE TABLE bare ("the name" TEXT, big INTEGER);
INSERT INTO people VALUES ('Ada', 'it''s "odd"'), ('Bob', NULL);
INSERT INTO orders (id, who, sum, paper) VALUES (1, 'Ada', 1.0, x'00ff'), (7, 'Bob', -2.5, NULL);
INSERT INTO bare VALUES ('a;
b', 9223372036854775807), (NULL, -1);
CREATE INDEX by_who ON orders(who);
CREATE VIEW rich AS SELECT who FROM orders WHERE sum > 0;
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
  assert.match(await done('shell', 'shop', '.tables'), /^bare\norders\npeople\nrich\n$/);
  assert.match(
    await done('shell', 'shop', '.explain SELECT * FROM orders'),
    /^Plan P\d on stripe 0/,
  );

  await done('dump', 'shop', file('dump.sql'));
  await done('restore', 'restored', file('dump.sql'));
  await done('export', 'shop', file('shop.sqlite'));
  await done('import', 'imported', file('shop.sqlite'));
  const all =
    'SELECT * FROM people ORDER BY 1; SELECT * FROM orders ORDER BY 1; SELECT * FROM bare ORDER BY big; SELECT * FROM rich';
  const wanted = await done('shell', 'shop', all, '--json');
  assert.match(wanted, /9223372036854775807/);
  for (const name of ['restored', 'imported']) {
    assert.equal(await done('shell', name, all, '--json'), wanted, name);
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
