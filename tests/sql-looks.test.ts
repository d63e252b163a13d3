/** What several stripes answer at once is read without a moment held, and is of one moment all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MolnError } from '../src/base/errors.ts';
import type { StripeClient } from '../src/database/database.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { SqlEngine, type SqlSession, TableIds } from '../src/sql/sql.ts';
import { bound, ROOM, type SqlUnderTest, startSql } from '../testing/sql-kit.ts';
import { until } from '../testing/until.ts';

const STRIPES = 3;
const PAGE = 'SELECT id, title FROM posts ORDER BY id DESC LIMIT ?';
const SUM = 'SELECT sum(balance) FROM accounts';

async function rowsOf(session: SqlSession, sql: string, ...values: readonly bigint[]) {
  return (await session.execute(bound(sql, values), ROOM)).rows;
}

/** The same stripes; `onLooked` is waited for after each look, which fails as it does. */
function engineOver(
  sql: SqlUnderTest,
  onLooked: (stripe: string, isAgain: boolean) => Promise<void>,
): SqlEngine {
  const stripes = sql.stripes.map(
    (stripe): StripeClient =>
      new Proxy(stripe as StripeClient, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') return value;
          if (name !== 'query') return value.bind(target) as unknown;
          return async (...words: Parameters<StripeClient['query']>) => {
            const result = await target.query(...words);
            if (words[1].kind === 'look') await onLooked(target.name, words[1].isAgain);
            return result;
          };
        },
      }),
  );
  return new SqlEngine({
    name: 'shop',
    stripes,
    log: sql.on.log,
    ids: new TableIds(sql.on.registry, 'shop'),
    clock: systemClock,
    logger: silentLogger,
  });
}

test('a page of rows of all stripes opens no moment and has what was written just before', async () => {
  await using sql = await startSql(STRIPES);
  const [writer, reader] = [await sql.open(), await sql.open()];
  await writer.sequence('CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT)');
  const before = sql.engine.figures.moments;
  for (let id = 1n; id <= 50n; id++) {
    await writer.execute(bound('INSERT INTO posts VALUES (?, ?)', [id, `post ${id}`]), ROOM);
    const rows = await rowsOf(reader, PAGE, 20n);
    const ids = rows.map(([one]) => one);
    const wanted = Array.from({ length: Number(id) }, (_, at) => id - BigInt(at)).slice(0, 20);
    assert.deepEqual(ids, wanted);
  }
  assert.deepEqual(await rowsOf(reader, 'SELECT count(*), max(title) FROM posts'), [
    [50n, 'post 9'],
  ]);
  assert.deepEqual(await rowsOf(reader, 'SELECT id FROM posts ORDER BY id LIMIT 3 OFFSET 4'), [
    [5n],
    [6n],
    [7n],
  ]);
  // A machine that is held up between two rows takes them for slow now and then.
  assert.ok(sql.engine.figures.moments - before < 25, 'most pages are read by looks');
});

test('while nothing is written, the log is not asked either', async () => {
  await using sql = await startSql(STRIPES);
  const session = await sql.open();
  await session.sequence('CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT)');
  await session.sequence("INSERT INTO posts VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  let questions = 0;
  const heads = sql.on.log.heads.bind(sql.on.log);
  sql.on.log.heads = async (names) => {
    questions++;
    return await heads(names);
  };
  await until('reads without a question', async () => {
    const before = questions;
    for (let at = 0; at < 10; at++)
      assert.deepEqual(await rowsOf(session, PAGE, 2n), [
        [3n, 'c'],
        [2n, 'b'],
      ]);
    return questions === before;
  });
  assert.ok(questions > 0, 'the first ones ask');
  await session.sequence("INSERT INTO posts VALUES (4, 'd')");
  assert.deepEqual(await rowsOf(session, PAGE, 1n), [[4n, 'd']]);
});

test('a transaction between two looks is seen whole or not at all', async () => {
  await using sql = await startSql(STRIPES);
  const other = await sql.open();
  await other.sequence('CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER)');
  const ids = Array.from({ length: 30 }, (_, at) => at + 1);
  await other.sequence(`INSERT INTO accounts VALUES ${ids.map((id) => `(${id}, 100)`).join(', ')}`);
  let transfers = 0;
  /** From everybody to the first, so over all stripes. */
  let turn: Promise<unknown> = Promise.resolve();
  const transfer = async (): Promise<void> => {
    transfers++;
    turn = turn.then(() => moved());
    await turn;
  };
  const moved = async (): Promise<void> => {
    await other.sequence(
      `BEGIN; UPDATE accounts SET balance = balance - 1 WHERE id > 1;
       UPDATE accounts SET balance = balance + 29 WHERE id = 1; COMMIT`,
    );
  };
  let looks = 0;
  let isFirst = true;
  await using engine = engineOver(sql, async () => {
    looks++;
    if (!isFirst) return;
    isFirst = false;
    await transfer();
  });
  const session = await engine.openSession({ id: 'ann', readOnly: false });
  for (let round = 0; round < 5; round++) {
    isFirst = true;
    assert.deepEqual(await rowsOf(session, SUM), [[3000n]]);
  }
  assert.ok(transfers > 0 && looks > STRIPES, `${looks} looks, ${transfers} transfers`);
  // The statement that is disturbed each time it looks gets its moment.
  let calls = 0;
  await using busy = engineOver(sql, async () => {
    if (calls++ < 40) await transfer();
  });
  const disturbed = await busy.openSession({ id: 'ann', readOnly: false });
  assert.deepEqual(await rowsOf(disturbed, SUM), [[3000n]]);
});

test('what takes more than a look is read as of a moment, and nobody hears of it', async () => {
  await using sql = await startSql(STRIPES);
  const session = await sql.open();
  await session.sequence('CREATE TABLE wide (id INTEGER PRIMARY KEY, a INTEGER, b TEXT)');
  const rows = (from: number): string =>
    Array.from(
      { length: 1000 },
      (_, at) => `(${from + at}, ${at % 7}, '${'x'.repeat(300)}')`,
    ).join();
  for (let from = 1; from < 4000; from += 1000)
    await session.sequence(`INSERT INTO wide VALUES ${rows(from)}`);
  const before = sql.engine.figures.moments;
  for (let round = 0; round < 5; round++) {
    const [found] = await rowsOf(
      session,
      'SELECT a, count(*), length(max(b)) FROM wide GROUP BY a',
    );
    assert.deepEqual(found, [0n, 572n, 300n]);
  }
  assert.ok(sql.engine.figures.moments >= before + 5);
});

test('what only a copy that is behind refuses is no error', async () => {
  await using sql = await startSql(STRIPES);
  await (await sql.open()).sequence('CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance)');
  let refusals = 0;
  await using engine = engineOver(sql, async (_, isAgain) => {
    if (isAgain) return;
    refusals++;
    await Promise.reject(
      new MolnError('DATABASE_SQL', 'string or blob too big', { details: { resultCode: 18 } }),
    );
  });
  const session = await engine.openSession({ id: 'ann', readOnly: false });
  assert.deepEqual(await rowsOf(session, 'SELECT * FROM accounts ORDER BY id'), []);
  assert.equal(refusals, STRIPES);
});

test('a copy that does not get to what was acknowledged is not waited for: the statement reads as of a moment', async () => {
  await using sql = await startSql(STRIPES);
  const writer = await sql.open();
  await writer.sequence(
    'CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER); INSERT INTO accounts VALUES (1, 5), (2, 7), (3, 9)',
  );
  let looks = 0;
  await using engine = engineOver(sql, () => {
    looks++;
    return Promise.reject(new MolnError('DATABASE_BEHIND', 'It is behind', { retryable: true }));
  });
  const session = await engine.openSession({ id: 'ann', readOnly: false });
  for (let times = 1; times <= 4; times++) {
    assert.deepEqual(await rowsOf(session, SUM), [[21n]]);
    assert.equal(engine.figures.moments, times);
  }
  // Unlike a text that takes long, it is tried again: the copy may be there by now.
  assert.ok(looks >= 4);
});

test('small tables are not read again while nobody writes', async () => {
  await using sql = await startSql(STRIPES);
  const writer = await sql.open();
  await writer.sequence(
    `CREATE TABLE posts (id INTEGER PRIMARY KEY, likes INTEGER); CREATE TABLE liked (id INTEGER PRIMARY KEY, post INTEGER);
     INSERT INTO posts VALUES (1, 10), (2, 20), (3, 30), (4, 40); INSERT INTO liked VALUES (1, 2), (2, 2), (3, 4)`,
  );
  let looks = 0;
  await using engine = engineOver(sql, async () => {
    looks++;
    await Promise.resolve();
  });
  const session = await engine.openSession({ id: 'ann', readOnly: false });
  const asked = async (
    text: string,
  ): Promise<{ readonly rows: unknown; readonly looks: number }> => {
    const before = looks;
    const rows = await rowsOf(session, text);
    return { rows, looks: looks - before };
  };
  const total = (from: number): string => `SELECT sum(likes) FROM posts WHERE likes > ${from}`;
  const inOnePlace = (from: number): string =>
    `SELECT p.id, count(*) FROM posts AS p JOIN liked AS l ON l.post = p.id WHERE p.likes > ${from} GROUP BY p.id`;
  assert.deepEqual(await asked(total(15)), { rows: [[90n]], looks: STRIPES });
  assert.deepEqual(await asked(total(25)), { rows: [[70n]], looks: 0 });
  const joined = [
    [2n, 2n],
    [4n, 1n],
  ];
  assert.deepEqual(await asked(inOnePlace(15)), { rows: joined, looks: 2 * STRIPES });
  assert.deepEqual(await asked(inOnePlace(5)), { rows: joined, looks: 0 });
  await writer.execute(bound('UPDATE posts SET likes = 41 WHERE id = 4'), ROOM);
  assert.deepEqual((await asked(total(25))).rows, [[71n]]);
  assert.deepEqual((await asked(inOnePlace(40))).rows, [[4n, 1n]]);
});

test('a table of which a look cannot have all rows is not tried again', async () => {
  await using sql = await startSql(STRIPES);
  const session = await sql.open();
  const rows = 'WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)';
  await session.sequence(
    `CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT);
     ${rows.replace('WITH', 'WITH RECURSIVE')} INSERT INTO posts SELECT i, 'post ' || i FROM n`,
  );
  const before = sql.engine.figures.moments;
  for (let times = 0; times < 10; times++)
    assert.equal((await rowsOf(session, PAGE, 20n)).length, 20);
  const moments = sql.engine.figures.moments - before;
  assert.ok(moments < 5, `${moments} of 10 pages opened a moment`);
});

test('a statement that was stopped before it began leaves the process that gathers ready for the next', async () => {
  await using sql = await startSql(STRIPES);
  const session = await sql.open();
  await session.sequence(
    'CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO a VALUES (1, 1), (2, 3)',
  );
  const { gatherers, planner, set } = sql.engine;
  const stopped = gatherers.run({
    job: {
      ...set.schema,
      sql: 'SELECT 1',
      values: [],
      temporary: [],
      sightings: 'none',
      budget: planner.settings.budget,
    },
    rows: () => Promise.resolve({ rows: [] }),
    onUsed: () => {},
    signal: AbortSignal.abort(new Error('Its client has left')),
  });
  await assert.rejects(stopped, /has left/);
  const above = 'SELECT id FROM a WHERE n > (SELECT avg(n) FROM a)';
  assert.deepEqual(await rowsOf(session, above), [[2n]]);
});
