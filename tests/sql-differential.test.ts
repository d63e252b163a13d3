/** Generated stories over real stripes: every answer is the one that plain SQLite gives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { sqliteCodeName } from '../src/hrana/hrana.ts';
import { MemoryDatabase, type SqlRow } from '../src/sqlite/sqlite.ts';
import { SqlEngine, TableIds } from '../src/sql/sql.ts';
import { ask, rows, type SqlUnderTest, startSql } from '../testing/sql-kit.ts';
import { seeded } from '../testing/seeded.ts';
import { SqlGenerator } from '../testing/sql-generator.ts';

const SEEDS = 2;
const STATEMENTS = 60;

function shown(found: readonly SqlRow[], ordered: boolean): string {
  const texts = found.map((row) =>
    row
      .map((value) => {
        if (typeof value === 'number') return `r${value}`;
        if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
        return typeof value === 'string' ? `'${value}'` : String(value);
      })
      .join('|'),
  );
  return JSON.stringify(ordered ? texts : texts.toSorted());
}

function plainAnswer(plain: MemoryDatabase, sql: string, ordered: boolean): string {
  try {
    return shown(plain.prepare(sql).all(), ordered);
  } catch (error) {
    if (!(error instanceof Error) || !('errcode' in error)) throw error;
    return `${sqliteCodeName(Number(error.errcode))} ${error.message}`;
  }
}

async function answer(on: SqlUnderTest, sql: string, ordered: boolean): Promise<string> {
  const session = await on.open();
  try {
    return shown(await rows(session, sql), ordered);
  } catch (error) {
    return isMolnError(error) ? `${error.code} ${error.message}` : String(error);
  } finally {
    await session.close();
  }
}

for (const count of [1, 3, 8]) {
  test(`${count} stripes answer as one SQLite does`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await using on = await startSql(count, { sqliteIds: true });
      using plain = new MemoryDatabase({ foreignKeys: true });
      const generator = new SqlGenerator(seeded(seed));
      const told: string[] = [];
      const compare = async (sql: string, ordered: boolean): Promise<void> => {
        told.push(sql);
        const [got, want] = [await answer(on, sql, ordered), plainAnswer(plain, sql, ordered)];
        if (got === want) return;
        const story = told.join(';\n');
        throw new Error(`Seed ${seed}:\n${story}\nanswers ${got}\nwant    ${want}`);
      };
      for (const sql of generator.schema()) await compare(sql, false);
      for (let at = 0; at < STATEMENTS; at++) {
        const { sql, ordered } = generator.statement();
        await compare(sql, ordered);
      }
      for (const { name } of generator.tables) await compare(`SELECT * FROM ${name}`, false);
    }
  });
}

/** Rows whose ids come from blocks, from SQLite, from a trigger and from the client, by turns in the same tables. */
const IDS: readonly string[] = [
  'CREATE TABLE notes(x, y)',
  "INSERT INTO notes VALUES (1, 'a'), (2, 'b')",
  'CREATE UNIQUE INDEX by_y ON notes(y)',
  "REPLACE INTO notes VALUES (5, 'c')",
  "REPLACE INTO notes VALUES (6, 'c')",
  'CREATE TABLE log(id INTEGER PRIMARY KEY, w)',
  'CREATE TRIGGER logged AFTER INSERT ON notes BEGIN INSERT INTO log(w) VALUES (new.y); END',
  "INSERT INTO notes VALUES (7, 'd'), (8, 'e')",
  'DROP TRIGGER logged',
  "INSERT INTO log(w) VALUES ('f'), ('g')",
  "INSERT INTO log VALUES (50, 'h') ON CONFLICT(id) DO UPDATE SET w = 'no'",
  "INSERT INTO log(w) VALUES ('i') ON CONFLICT(id) DO UPDATE SET w = 'no'",
  "UPDATE log SET id = 70 WHERE w = 'i'",
  "INSERT INTO log(w) VALUES ('j')",
  "INSERT OR REPLACE INTO log(w) VALUES ('k')",
  'ALTER TABLE log RENAME TO kept',
  "INSERT INTO kept(w) VALUES ('l')",
  'CREATE TABLE log(id INTEGER PRIMARY KEY, w)',
  "INSERT INTO log(w) VALUES ('m')",
  'DROP TABLE kept',
  'CREATE TABLE kept(id INTEGER PRIMARY KEY, w TEXT UNIQUE)',
  "INSERT INTO kept(w) VALUES ('n') ON CONFLICT(w) DO UPDATE SET w = 'no'",
  'CREATE TABLE filled(k TEXT PRIMARY KEY, n DEFAULT 0, u UNIQUE)',
  'INSERT INTO filled DEFAULT VALUES',
  'INSERT INTO filled DEFAULT VALUES RETURNING n, u',
];

for (const count of [1, 3]) {
  test(`${count} stripes give every row an id of its own, as one SQLite does`, async () => {
    await using on = await startSql(count);
    using plain = new MemoryDatabase({ foreignKeys: true });
    for (const sql of IDS) {
      assert.equal(await answer(on, sql, true), plainAnswer(plain, sql, true), sql);
    }
    for (const table of ['notes', 'log', 'kept', 'filled']) {
      const sql = `SELECT rowid, * FROM ${table} ORDER BY rowid`;
      assert.equal(await answer(on, sql, true), plainAnswer(plain, sql, true), sql);
    }
  });
}

test('what another node has made is known, and an id that it has used is not given again', async () => {
  await using on = await startSql(3);
  await using other = new SqlEngine({
    name: 'shop',
    stripes: on.stripes,
    log: on.on.log,
    ids: new TableIds(on.on.registry, 'shop'),
    clock: systemClock,
    logger: silentLogger,
  });
  const [here, there] = [await on.open(), await other.openSession({ id: 'b', readOnly: false })];
  await ask(here, 'CREATE TABLE log(id INTEGER PRIMARY KEY, w UNIQUE)');
  await ask(here, "INSERT INTO log(w) VALUES ('here')");
  await ask(there, "INSERT INTO log(id, w) VALUES (2, 'two'), (3, 'three')");
  await ask(here, "INSERT INTO log(w) VALUES ('upsert') ON CONFLICT(w) DO NOTHING");
  await ask(here, 'CREATE TABLE plain(id INTEGER PRIMARY KEY, w)');
  await ask(here, "INSERT INTO plain(w) VALUES ('here')");
  await ask(there, "INSERT INTO plain(id, w) VALUES (2, 'two'), (3, 'three')");
  await ask(here, "INSERT INTO plain(w) VALUES ('again')");
  await ask(here, "INSERT OR REPLACE INTO plain(w) VALUES ('and again')");
  await ask(here, 'CREATE TABLE named(k TEXT PRIMARY KEY)');
  await ask(here, "INSERT INTO named VALUES ('a')");
  await ask(there, "INSERT OR FAIL INTO named VALUES ('b'), ('c'), ('d'), ('e')");
  for (const k of 'fghijk') await ask(here, 'INSERT INTO named VALUES (?)', k);
  assert.deepEqual(await rows(here, 'SELECT count(DISTINCT rowid) FROM named'), [[11n]]);
  const all = 'SELECT (SELECT count(*) FROM log), count(*) FROM plain';
  assert.deepEqual(await rows(here, all), [[4n, 5n]]);
  await ask(here, 'CREATE TABLE more(x)');
  assert.equal((await there.describe('SELECT x FROM more')).columns.length, 1);
  await ask(here, 'DROP TABLE more');
  await ask(here, 'CREATE TABLE more(x)');
  const names = "SELECT count(*) FROM sqlite_schema WHERE name = 'more'";
  assert.deepEqual(await rows(there, names), [[1n]]);
  await ask(here, 'CREATE VIEW seen AS SELECT 1 AS one');
  await ask(there, 'DROP VIEW IF EXISTS seen');
  await ask(there, 'CREATE VIEW seen AS SELECT 2 AS two');
  assert.deepEqual(await rows(here, 'SELECT two FROM seen'), [[2n]]);
});
