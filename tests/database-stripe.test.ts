/** One stripe with real threads over the embedded log: groups, transactions, and what must never be in one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError, type MolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import { TRANSACTION_IDLE_MS } from '../src/database/limits.ts';
import { look, run, sameCopies, startDatabase } from '../testing/database-kit.ts';

const ITEMS = 'CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n)';

async function errorOf(promise: Promise<unknown>): Promise<MolnError> {
  const error: unknown = await promise.then(
    () => assert.fail('nothing was thrown'),
    (reason: unknown) => reason,
  );
  assert.ok(isMolnError(error), String(error));
  return error;
}

test('what is asked together shares an entry, and a mirror gets all of it', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  const mirror = await on.copy('n2');
  assert.equal(await primary.lead(), true);
  await run(primary, ITEMS);
  const before = (await on.log.head('s1')).index;
  await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      run(primary, 'INSERT INTO items (name, n) VALUES (?, ?)', `i${n}`, BigInt(n)),
    ),
  );
  const used = (await on.log.head('s1')).index - before;
  assert.ok(used < 10, `${used} entries for 100 transactions`);
  await mirror.catchUp();
  assert.deepEqual(await look(mirror, 'SELECT count(*), sum(n) FROM items'), [[100n, 4950n]]);
  await sameCopies(primary, mirror);
});

test('a failed transaction takes nothing of its group with it', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  await primary.lead();
  await run(primary, ITEMS);
  const [one, twice, three] = await Promise.allSettled([
    run(primary, "INSERT INTO items (name) VALUES ('a')"),
    primary.execute([
      { sql: "INSERT INTO items (name) VALUES ('b')" },
      { sql: "INSERT INTO items (name) VALUES ('a')" },
    ]),
    run(primary, "INSERT INTO items (name) VALUES ('c')"),
  ]);
  assert.equal(one?.status, 'fulfilled');
  assert.equal(three?.status, 'fulfilled');
  assert.ok(twice?.status === 'rejected' && isMolnError(twice.reason, 'DATABASE_SQL'));
  assert.equal(twice.reason.details?.['sqliteCode'], 'SQLITE_CONSTRAINT_UNIQUE');
  assert.equal(twice.reason.details?.['at'], 1);
  assert.deepEqual(await look(primary, 'SELECT name FROM items ORDER BY name'), [['a'], ['c']]);
});

test('a schema that was rolled back does not mix up what others of a group are answered later', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  await primary.lead();
  await run(primary, ITEMS);
  const insert = (name: string): { sql: string; args: string[] } => ({
    sql: 'INSERT INTO items (name) VALUES (?) RETURNING *',
    args: [name],
  });
  await errorOf(
    primary.execute([
      { sql: 'ALTER TABLE items ADD COLUMN more' },
      insert('a'),
      { sql: 'INSERT INTO items (id) VALUES (NULL), (1)' },
    ]),
  );
  const answers = await Promise.all(['b', 'c', 'd'].map((name) => primary.execute([insert(name)])));
  for (const [at, { results }] of answers.entries()) {
    const [result] = results;
    assert.deepEqual(result?.rows, [[BigInt(at + 1), 'bcd'[at], null]]);
    assert.deepEqual(
      result?.columns.map(({ name }) => name),
      ['id', 'name', 'n'],
    );
  }
});

test("an error that rolls back the whole of SQLite's transaction hits its author only", async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  const mirror = await on.copy('n2');
  await primary.lead();
  await run(primary, ITEMS);
  const all = await Promise.allSettled([
    run(primary, "INSERT INTO items (name) VALUES ('a')"),
    run(primary, "INSERT OR ROLLBACK INTO items (name) VALUES ('a')"),
    run(primary, "INSERT INTO items (name) VALUES ('c')"),
  ]);
  assert.deepEqual(
    all.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  await mirror.catchUp();
  assert.deepEqual(await look(mirror, 'SELECT name FROM items ORDER BY name'), [['a'], ['c']]);
});

test('values come back as they went in', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  const mirror = await on.copy('n2');
  await primary.lead();
  await run(primary, 'CREATE TABLE v (id INTEGER PRIMARY KEY, a)');
  const values = [
    null,
    5n,
    5,
    2n ** 63n - 1n,
    -(2n ** 63n),
    1.5,
    'åäö\u0000x',
    new Uint8Array([0, 255]),
    '',
  ];
  for (const value of values) await run(primary, 'INSERT INTO v (a) VALUES (?)', value);
  await mirror.catchUp();
  for (const copy of [primary, mirror]) {
    const rows = await look(copy, 'SELECT a FROM v ORDER BY id');
    assert.deepEqual(
      rows.map(([value]) => value),
      values,
    );
  }
  const { results } = await primary.execute([
    { sql: 'SELECT a AS x, a || 1 AS y, id FROM v WHERE id = :id', named: { id: 2n } },
  ]);
  assert.deepEqual(
    results[0]?.columns,
    [
      { name: 'x', declaredType: '', table: 'v', column: 'a' },
      { name: 'y', declaredType: null, table: null, column: null },
      { name: 'id', declaredType: 'INTEGER', table: 'v', column: 'id' },
    ].map((column, at) => (at === 0 ? { ...column, declaredType: null } : column)),
  );
  const added = await primary.execute([{ sql: 'INSERT INTO v (a) VALUES (1), (2)' }]);
  assert.equal(added.results[0]?.changes, 2);
  assert.equal(added.results[0]?.lastInsertRowid, BigInt(values.length + 2));
});

test('an interactive transaction sees its own writes, and nobody else does before it commits', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  await primary.lead();
  await run(primary, ITEMS);
  // The process that reads has started then: a transaction does not wait so long.
  await look(primary, 'SELECT count(*) FROM items');
  const hold = await primary.begin();
  await hold.run({ sql: "INSERT INTO items (name) VALUES ('a')" });
  await errorOf(hold.run({ sql: "INSERT INTO items (name) VALUES ('a')" }));
  assert.equal((await hold.run({ sql: 'SELECT count(*) FROM items' })).rows[0]?.[0], 1n);
  assert.deepEqual(await look(primary, 'SELECT count(*) FROM items'), [[0n]]);
  const waiting = run(primary, "INSERT INTO items (name) VALUES ('later')");
  await hold.commit();
  await waiting;
  assert.deepEqual(await look(primary, 'SELECT name FROM items ORDER BY id'), [['a'], ['later']]);
  const other = await primary.begin();
  await other.run({ sql: 'DELETE FROM items' });
  await other.rollBack();
  assert.deepEqual(await look(primary, 'SELECT count(*) FROM items'), [[2n]]);
  await errorOf(other.run({ sql: 'DELETE FROM items' }));
});

test('a transaction that has done nothing yet looks at what is committed, and nobody changes it meanwhile', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  await primary.lead();
  await run(primary, ITEMS);
  await run(primary, "INSERT INTO items (name) VALUES ('a')");
  const names = { sql: 'SELECT name FROM items WHERE id < 10' };
  const before = (await on.log.head('s1')).index;
  const hold = await primary.begin();
  const waiting = run(primary, "INSERT INTO items (name) VALUES ('later')");
  assert.deepEqual((await hold.look?.(names))?.rows, [['a']]);
  assert.equal(await hold.look?.({ sql: 'SELECT nothing FROM nowhere' }), undefined);
  assert.equal(await hold.commit(), before);
  await waiting;
  const other = await primary.begin();
  assert.deepEqual((await other.look?.(names))?.rows, [['a'], ['later']]);
  await other.run({ sql: "INSERT INTO items (name) VALUES ('own')" });
  assert.equal(await other.look?.(names), undefined);
  assert.deepEqual((await other.run(names)).rows, [['a'], ['later'], ['own']]);
  await other.commit();
  const last = await primary.begin();
  const looked = last.look?.(names);
  await last.rollBack();
  assert.equal(await looked, undefined, 'what it sees once it is over may be others');
});

test('a transaction that is asked for several things at a time is idle once', async () => {
  await using on = await startDatabase();
  let waiting = 0;
  const after: typeof systemClock.after = (ms, work) => {
    const timer = systemClock.after(ms, work);
    if (ms !== TRANSACTION_IDLE_MS) return timer;
    waiting++;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (!isOver) waiting--;
        isOver = true;
        timer[Symbol.dispose]();
      },
    };
  };
  const primary = await on.copy('n1', { clock: { ...systemClock, after } });
  await primary.lead();
  await run(primary, ITEMS);
  const hold = await primary.begin();
  const count = { sql: 'SELECT count(*) FROM items' };
  await Promise.all([hold.look?.(count), hold.run(count), hold.run(count), hold.run(count)]);
  assert.equal(waiting, 1);
  await hold.rollBack();
  assert.equal(waiting, 0);
});

test('who gives up a transaction that is being committed waits for what becomes of it', async () => {
  await using on = await startDatabase();
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let isSlow = false;
  const log = new Proxy(on.log, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function' || name !== 'append')
        return typeof value === 'function' ? value.bind(target) : value;
      return async (...args: Parameters<typeof target.append>) => {
        if (isSlow) {
          asked.resolve();
          await goOn.promise;
        }
        return await target.append(...args);
      };
    },
  });
  const primary = await on.copy('n1', { log });
  await primary.lead();
  await run(primary, ITEMS);
  const hold = await primary.begin();
  await hold.run({ sql: "INSERT INTO items (name) VALUES ('a')" });
  isSlow = true;
  const committed = hold.commit();
  await asked.promise;
  // As for a client whose connection ends in that moment, while the next one waits for the stripe.
  let isOver = false;
  const givenUp = hold.rollBack().then(() => (isOver = true));
  const next = run(primary, "INSERT INTO items (name) VALUES ('b')");
  await systemClock.sleep(100);
  const wasOver = isOver;
  goOn.resolve();
  await Promise.all([committed, givenUp, next]);
  assert.equal(wasOver, false);
  const names = await look(primary, 'SELECT name FROM items ORDER BY name');
  assert.deepEqual(names, [['a'], ['b']]);
  const mirror = await on.copy('n2');
  await mirror.catchUp();
  await sameCopies(primary, mirror);
});

test('an interactive transaction that is left alone is rolled back, and says so', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1');
  await primary.lead();
  await run(primary, ITEMS);
  const hold = await primary.begin();
  await hold.run({ sql: "INSERT INTO items (name) VALUES ('a')" });
  // Waits until the stripe is free again.
  await run(primary, "INSERT INTO items (name) VALUES ('b')");
  const error = await errorOf(hold.commit());
  assert.equal(error.details?.['limit'], 'transactionIdleMs');
  assert.deepEqual(await look(primary, 'SELECT name FROM items'), [['b']]);
});

test('statements that go to a transaction in one call have the time of one, and it goes on', async () => {
  await using on = await startDatabase();
  // After twice that the kit ends the process.
  const primary = await on.copy('n1', { statementMs: 1500 });
  await primary.lead();
  await run(primary, ITEMS);
  const hold = await primary.begin();
  await hold.run({ sql: "INSERT INTO items (name) VALUES ('a')" });
  const sql =
    'WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) SELECT count(*) FROM c';
  const error = await errorOf(hold.runAll(Array.from({ length: 2000 }, () => ({ sql }))));
  assert.equal(error.details?.['limit'], 'statementMs');
  await hold.commit();
  assert.deepEqual(await look(primary, 'SELECT name FROM items'), [['a']]);
});
