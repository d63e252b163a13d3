/** Small tables over several stripes, read beside those who write them through another engine: what nobody changed needs no moment, what somebody changed is seen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { SqlEngine, TableIds } from '../src/sql/sql.ts';
import { ask, rows, type SqlUnderTest, startSql } from '../testing/sql-kit.ts';

/** Has to be computed in one place. */
const ABOVE = 'SELECT count(*) FROM a WHERE n > (SELECT avg(n) FROM b)';

const READS = [
  'SELECT count(*), sum(n) FROM a',
  'SELECT x.n, y.n FROM a AS x, b AS y WHERE x.n = y.n + 1 ORDER BY 1, 2',
  'SELECT n FROM a WHERE n > 2 ORDER BY n',
  ABOVE,
];

const READS_EACH = 30;

/** Another node's engine over the same stripes. */
function otherEngine({ on, stripes }: SqlUnderTest): SqlEngine {
  return new SqlEngine({
    name: 'shop',
    stripes,
    log: on.log,
    ids: new TableIds(on.registry, 'shop'),
    clock: systemClock,
    logger: silentLogger,
  });
}

test('small tables are read without a moment, and as they are now', async () => {
  await using on = await startSql(3);
  await using other = otherEngine(on);
  const [here, there] = [await on.open(), await other.openSession({ id: 'b', readOnly: false })];
  for (const name of ['a', 'b']) {
    await ask(here, `CREATE TABLE ${name}(id INTEGER PRIMARY KEY, n)`);
    await ask(here, `INSERT INTO ${name} VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)`);
  }
  const answers = async (): Promise<unknown> => {
    const all: unknown[] = [];
    for (const sql of READS) all.push(await rows(here, sql));
    return all;
  };
  const first = await answers();
  const { moments } = on.engine.figures;
  assert.deepEqual(await answers(), first);
  // The terms are others, the rows the same.
  assert.deepEqual(await rows(here, 'SELECT n FROM a WHERE n > 4'), [[5n]]);
  assert.equal(on.engine.figures.moments, moments);

  await ask(there, 'UPDATE a SET n = 9 WHERE id = 5');
  assert.deepEqual(await rows(here, 'SELECT n FROM a WHERE n > 4'), [[9n]]);
  await ask(there, 'UPDATE a SET n = 8 WHERE id = 2');
  assert.deepEqual(await rows(here, ABOVE), [[3n]]);
  await ask(there, 'BEGIN');
  await ask(there, 'DELETE FROM b');
  assert.deepEqual(await rows(here, 'SELECT count(*) FROM b'), [[5n]]);
  assert.deepEqual(await rows(here, ABOVE), [[3n]]);
  await ask(there, 'COMMIT');
  assert.deepEqual(await rows(here, ABOVE), [[0n]]);
  assert.deepEqual(await rows(here, 'SELECT count(*) FROM b'), [[0n]]);
  await ask(there, 'ALTER TABLE b ADD COLUMN m DEFAULT 7');
  await ask(there, 'INSERT INTO b(n) VALUES (1)');
  assert.deepEqual(await rows(here, 'SELECT n, m FROM b'), [[1n, 7n]]);
});

test('readers beside writers see whole transactions only', async () => {
  await using on = await startSql(3);
  await using other = otherEngine(on);
  const writer = await other.openSession({ id: 'b', readOnly: false });
  await ask(writer, 'CREATE TABLE a(id INTEGER PRIMARY KEY, n)');
  await ask(writer, 'CREATE TABLE b(id INTEGER PRIMARY KEY, n)');
  await ask(writer, 'INSERT INTO a VALUES (1, 0), (2, 0), (3, 0)');
  await ask(writer, 'INSERT INTO b VALUES (1, 0), (2, 0), (3, 0)');
  const read = async (): Promise<void> => {
    const session = await on.open();
    let seen = 0n;
    for (let reads = 0; reads < READS_EACH; reads++) {
      const sql = 'SELECT min(x.n), max(x.n), min(y.n), max(y.n) FROM a x, b y';
      const [row] = await rows(session, sql);
      assert.equal(new Set(row).size, 1, `half of a transaction: ${String(row)}`);
      assert.ok((row?.[0] as bigint) >= seen, 'back in time');
      seen = row?.[0] as bigint;
    }
  };
  let isDone = false;
  const readers = Promise.all([read(), read()]).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await ask(writer, 'BEGIN');
    await ask(writer, 'UPDATE a SET n = n + 1');
    await ask(writer, 'UPDATE b SET n = n + 1');
    await ask(writer, 'COMMIT');
  }
  await readers;
});
