/** What SQLite's changesets silently get wrong, each tried on a primary, its mirror, and the mirror after it has taken over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import type { SqlValue, Stripe } from '../src/database/database.ts';
import {
  type DatabaseUnderTest,
  look,
  run,
  sameCopies,
  startDatabase,
} from '../testing/database-kit.ts';

interface Pair {
  readonly on: DatabaseUnderTest;
  readonly primary: Stripe;
  readonly mirror: Stripe;
}

async function withPair(work: (pair: Pair) => Promise<void>): Promise<void> {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  const mirror = await on.copy('n2');
  assert.ok(await primary.lead());
  await work({ on, primary, mirror });
}

/** The mirror has everything, without having been built anew. */
async function mirrored({ primary, mirror }: Pair): Promise<void> {
  await mirror.catchUp();
  assert.equal(mirror.status.quarantined, undefined);
  await sameCopies(primary, mirror);
}

async function handOver({ primary, mirror }: Pair): Promise<void> {
  await primary.release();
  assert.ok(await mirror.lead());
}

async function refused(stripe: Stripe, sql: string, pattern: RegExp): Promise<void> {
  await assert.rejects(
    run(stripe, sql),
    (error) => isMolnError(error) && pattern.test(error.message),
  );
}

test('tables that a session would not see are refused, and leave nothing', async () => {
  await withPair(async (pair) => {
    const { primary } = pair;
    await refused(primary, 'CREATE TABLE t (a)', /"t" has no PRIMARY KEY/);
    await refused(primary, 'CREATE TABLE t (a TEXT PRIMARY KEY)', /may be NULL/);
    await refused(primary, 'CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))', /may be NULL/);
    await refused(primary, 'CREATE TABLE t (a INTEGER PRIMARY KEY DESC)', /may be NULL/);
    await refused(primary, 'CREATE TABLE t AS SELECT 1 AS a', /no PRIMARY KEY/);
    await run(primary, 'CREATE TABLE a (a INTEGER PRIMARY KEY)');
    await run(primary, 'CREATE TABLE b (a TEXT PRIMARY KEY) WITHOUT ROWID');
    await run(
      primary,
      'CREATE TABLE c (a INT NOT NULL, b TEXT NOT NULL, PRIMARY KEY (a, b)) STRICT',
    );
    await run(primary, 'INSERT INTO c VALUES (1, 2)');
    const tables = await look(
      primary,
      "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    );
    assert.deepEqual(tables, [['a,b,c']]);
    await mirrored(pair);
  });
});

test('triggers do their work once, and go on after a hand-over', async () => {
  await withPair(async (pair) => {
    const { primary, mirror } = pair;
    await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, n)');
    await run(primary, 'CREATE TABLE log (id INTEGER PRIMARY KEY, note)');
    await run(
      primary,
      "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log (note) VALUES ('t ' || hex(randomblob(4))); END",
    );
    await run(primary, 'INSERT INTO t (n) VALUES (1), (2)');
    await mirrored(pair);
    assert.deepEqual(await look(mirror, 'SELECT count(*) FROM log'), [[2n]]);
    await run(primary, 'ALTER TABLE log RENAME TO notes');
    await run(primary, 'INSERT INTO t (n) VALUES (3)');
    await mirrored(pair);
    await handOver(pair);
    await run(mirror, 'INSERT INTO t (n) VALUES (4)');
    await primary.catchUp();
    assert.deepEqual(await look(primary, 'SELECT count(*) FROM notes'), [[4n]]);
    await run(mirror, 'DROP TRIGGER tr');
    await run(mirror, 'INSERT INTO t (n) VALUES (5)');
    await mirrored({ ...pair, primary: mirror, mirror: primary });
    assert.deepEqual(await look(primary, 'SELECT count(*) FROM notes'), [[4n]]);
  });
});

test('cascades and foreign keys that are looked at late', async () => {
  await withPair(async (pair) => {
    const { primary, mirror } = pair;
    await run(primary, 'CREATE TABLE p (id INTEGER PRIMARY KEY)');
    await run(primary, 'CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE)');
    await run(
      primary,
      'CREATE TABLE d (id INTEGER PRIMARY KEY, p REFERENCES p DEFERRABLE INITIALLY DEFERRED)',
    );
    await run(primary, 'INSERT INTO p VALUES (1), (2)');
    await run(primary, 'INSERT INTO c VALUES (10, 1), (11, 1), (12, 2)');
    await run(primary, 'DELETE FROM p WHERE id = 1');
    await refused(primary, 'INSERT INTO c VALUES (13, 9)', /FOREIGN KEY/);
    await mirrored(pair);
    assert.deepEqual(await look(mirror, 'SELECT id FROM c'), [[12n]]);
    // SQLite itself would find out when it commits, after the entry is in the log.
    const before = (await pair.on.log.head('s1')).index;
    await refused(primary, 'INSERT INTO d VALUES (1, 7)', /FOREIGN KEY/);
    const hold = await primary.begin();
    await hold.run({ sql: 'PRAGMA defer_foreign_keys = ON' });
    await hold.run({ sql: 'INSERT INTO c VALUES (14, 8)' });
    await assert.rejects(hold.commit(), /FOREIGN KEY/);
    assert.equal((await pair.on.log.head('s1')).index, before);
    await primary.execute([
      { sql: 'INSERT INTO d VALUES (1, 7)' },
      { sql: 'INSERT INTO p VALUES (7)' },
    ]);
    await mirrored(pair);
  });
});

test('full text and R-Tree follow, also over a hand-over and back', async () => {
  await withPair(async (pair) => {
    const { primary, mirror } = pair;
    const found = async (copy: Stripe, word: string): Promise<SqlValue | undefined> =>
      (await look(copy, 'SELECT count(*) FROM f WHERE f MATCH ?', word))[0]?.[0];
    await run(primary, 'CREATE VIRTUAL TABLE f USING fts5(body)');
    await run(primary, 'CREATE VIRTUAL TABLE r USING rtree(id, x1, x2)');
    await run(primary, 'CREATE VIRTUAL TABLE f4 USING fts4(body)');
    await run(primary, "INSERT INTO f4 VALUES ('the old way'), ('another')");
    for (let n = 0; n < 50; n++) await run(primary, 'INSERT INTO f VALUES (?)', `word${n % 5} all`);
    await run(primary, 'INSERT INTO r VALUES (1, 0, 5), (2, 3, 9)');
    await mirrored(pair);
    assert.deepEqual([await found(mirror, 'all'), await found(mirror, 'word3')], [50n, 10n]);
    assert.deepEqual(await look(mirror, 'SELECT id FROM r WHERE x1 > 2'), [[2n]]);
    await handOver(pair);
    await run(mirror, "INSERT INTO f4 VALUES ('old again')");
    await run(mirror, "INSERT INTO f4 (f4) VALUES ('optimize')");
    await run(mirror, "DELETE FROM f WHERE body LIKE 'word3%'");
    await run(mirror, "INSERT INTO f VALUES ('fresh')");
    await run(mirror, "INSERT INTO f (f) VALUES ('integrity-check')");
    await run(mirror, "INSERT INTO f (f) VALUES ('optimize')");
    const back = { ...pair, primary: mirror, mirror: primary };
    await mirrored(back);
    assert.deepEqual([await found(primary, 'all'), await found(primary, 'fresh')], [40n, 1n]);
    const old = "SELECT docid FROM f4 WHERE f4 MATCH 'old' ORDER BY docid";
    assert.deepEqual(await look(primary, old), [[1n], [3n]]);
    await handOver(back);
    await run(primary, "INSERT INTO f (f) VALUES ('integrity-check')");
    await run(primary, 'DROP TABLE f');
    await mirrored(pair);
  });
});

test('AUTOINCREMENT never gives an id twice, whoever leads', async () => {
  await withPair(async (pair) => {
    const { primary, mirror } = pair;
    await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)');
    for (const v of [1n, 2n, 3n]) await run(primary, 'INSERT INTO t (v) VALUES (?)', v);
    await run(primary, 'DELETE FROM t WHERE id = 3');
    await mirrored(pair);
    await handOver(pair);
    assert.deepEqual(await run(mirror, 'INSERT INTO t (v) VALUES (4) RETURNING id'), [[4n]]);
    await mirrored({ ...pair, primary: mirror, mirror: primary });
  });
});

test('rows and schema change in one transaction, or not at all', async () => {
  await withPair(async (pair) => {
    const { primary, mirror } = pair;
    await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, a)');
    const before = (await pair.on.log.head('s1')).index;
    await primary.execute([
      { sql: "INSERT INTO t VALUES (1, 'x')" },
      { sql: 'ALTER TABLE t ADD COLUMN b DEFAULT 7' },
      { sql: "INSERT INTO t VALUES (2, 'y', 8)" },
      { sql: 'CREATE TABLE u (id INTEGER PRIMARY KEY)' },
      { sql: 'INSERT INTO u SELECT id FROM t' },
    ]);
    assert.equal((await pair.on.log.head('s1')).index, before + 1);
    await mirrored(pair);
    assert.deepEqual(await look(mirror, 'SELECT * FROM t'), [
      [1n, 'x', 7n],
      [2n, 'y', 8n],
    ]);
    await assert.rejects(
      primary.execute([
        { sql: "INSERT INTO t VALUES (3, 'z', 9)" },
        { sql: 'DROP TABLE u' },
        { sql: 'INSERT INTO nowhere VALUES (1)' },
      ]),
      /no such table/,
    );
    // One that goes on after a schema change that failed still notes its rows.
    const hold = await primary.begin();
    await hold.run({ sql: "INSERT INTO t VALUES (4, 'p', 1)" });
    await assert.rejects(
      hold.run({ sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY)' }),
      /already exists/,
    );
    await hold.run({ sql: "INSERT INTO t VALUES (5, 'q', 1)" });
    await hold.commit();
    await mirrored(pair);
    assert.deepEqual(await look(mirror, 'SELECT id FROM t'), [[1n], [2n], [4n], [5n]]);
    assert.deepEqual(await look(mirror, 'SELECT count(*) FROM u'), [[2n]]);
  });
});

test('a schema change among many transactions is in an entry of its own', async () => {
  await withPair(async (pair) => {
    const { primary, mirror } = pair;
    await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, a)');
    await Promise.all([
      ...Array.from({ length: 20 }, (_, n) =>
        run(primary, 'INSERT INTO t (a) VALUES (?)', BigInt(n)),
      ),
      run(primary, 'CREATE INDEX i ON t (a)'),
      run(primary, 'CREATE VIEW v AS SELECT a FROM t'),
      ...Array.from({ length: 20 }, () => run(primary, 'UPDATE t SET a = a + 1 WHERE id = 1')),
    ]);
    await mirrored(pair);
    assert.deepEqual(await look(mirror, 'SELECT count(*), max(a) FROM v'), [[20n, 20n]]);
  });
});

test('unique values that change places, key changes and a generated column', async () => {
  await withPair(async (pair) => {
    const { primary } = pair;
    await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE, g AS (u * 2) STORED)');
    await run(primary, 'INSERT INTO t (id, u) VALUES (1, 1), (2, 2), (3, 3)');
    await primary.execute([
      { sql: 'UPDATE t SET u = -1 WHERE id = 1' },
      { sql: 'UPDATE t SET u = 1 WHERE id = 2' },
      { sql: 'UPDATE t SET u = 2 WHERE id = 1' },
      { sql: 'UPDATE t SET id = 30 WHERE id = 3' },
      { sql: 'REPLACE INTO t (id, u) VALUES (40, 3)' },
      { sql: 'INSERT INTO t (id, u) VALUES (1, 9) ON CONFLICT DO UPDATE SET u = excluded.u' },
    ]);
    await mirrored(pair);
  });
});
