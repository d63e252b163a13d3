/** Sessions over real stripes: autocommit, transactions, savepoints, schema, ids. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { BoundStatement } from '../src/hrana/hrana.ts';
import { SqlEngine, TableIds } from '../src/sql/sql.ts';
import { ask, bound, ROOM, rows, startSql } from '../testing/sql-kit.ts';
import { until } from '../testing/until.ts';

for (const count of [1, 3]) {
  test(`tables, rows, transactions and savepoints over ${count} stripes`, async () => {
    await using on = await startSql(count);
    const session = await on.open();
    await ask(session, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)');
    const first = await ask(session, "INSERT INTO item (name) VALUES ('a')");
    assert.deepEqual([first.affectedRows, first.lastInsertRowid], [1, 1n]);
    const more = await ask(session, "INSERT INTO item (name) VALUES ('b'), ('c') RETURNING id");
    assert.deepEqual(new Set(more.rows.map(([id]) => id)), new Set([2n, 3n]));
    await assert.rejects(
      ask(session, "INSERT INTO item (name) VALUES ('b')"),
      /UNIQUE constraint failed: item.name/,
    );
    await ask(session, 'BEGIN');
    assert.equal(session.isAutocommit, false);
    await ask(session, "UPDATE item SET name = name || '!'");
    await ask(session, 'SAVEPOINT s');
    await ask(session, 'DELETE FROM item');
    assert.deepEqual(await rows(session, 'SELECT count(*) FROM item'), [[0n]]);
    await ask(session, 'ROLLBACK TO s');
    await ask(session, 'COMMIT');
    assert.deepEqual(await rows(session, 'SELECT name FROM item ORDER BY id'), [
      ['a!'],
      ['b!'],
      ['c!'],
    ]);
    await ask(session, 'BEGIN');
    await ask(session, 'CREATE TABLE other (k TEXT PRIMARY KEY, v)');
    await ask(session, "INSERT INTO other VALUES ('x', 1)");
    await ask(session, 'SAVEPOINT s');
    await ask(session, 'ALTER TABLE other ADD COLUMN w');
    await ask(session, 'UPDATE other SET w = 5');
    await ask(session, 'ROLLBACK TO s');
    await ask(session, 'UPDATE other SET v = 2');
    await ask(session, 'COMMIT');
    const fresh = await on.open();
    assert.deepEqual(await rows(fresh, 'SELECT * FROM other'), [['x', 2n]]);
    await on.stripes[0]?.catchUp();
  });
}

for (const count of [1, 3]) {
  test(`an INSERT makes more rows out of nothing than a client could be given, over ${count} stripes`, async () => {
    await using on = await startSql(count);
    const session = await on.open();
    await ask(session, 'CREATE TABLE made (id INTEGER PRIMARY KEY, n INTEGER)');
    const some = (rows: number): string =>
      `WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ${rows}) INSERT INTO made(n)
       SELECT x * (1 + abs(random() % 2)) FROM c`;
    assert.equal((await ask(session, some(100_500))).affectedRows, 100_500);
    const [told] = await rows(
      session,
      'SELECT count(*), count(DISTINCT id), max(n) > 100500 FROM made',
    );
    assert.deepEqual(told, [100_500n, 100_500n, 1n]);
    // What a client asks for itself has the limit that it had.
    await assert.rejects(ask(session, some(100_500).replace(/INSERT.*/, '')), /100000 rows/);
  });
}

test('statements of an open transaction go to its stripe together: all, or one by one', async () => {
  await using on = await startSql(2);
  const session = await on.open();
  await ask(session, 'CREATE TABLE item (k TEXT PRIMARY KEY, v INTEGER NOT NULL)');
  const put = (k: string, v: number | null): BoundStatement =>
    bound('INSERT INTO item VALUES (?, ?)', [k, v === null ? null : BigInt(v)]);
  const more = bound("UPDATE item SET v = v + 10 WHERE k = 'a'");
  const count = "SELECT k, v FROM item WHERE k = 'a'";
  await ask(session, 'BEGIN');
  assert.equal(await session.transaction([put('a', 1), more], ROOM), undefined, 'nothing is held');
  assert.deepEqual(await rows(session, count), []);
  const done = await session.transaction([put('a', 1), more, more], ROOM);
  assert.deepEqual(
    done?.map(({ affectedRows }) => affectedRows),
    [1, 1, 1],
  );
  assert.equal(session.isAutocommit, false);
  assert.deepEqual(await rows(session, count), [['a', 21n]]);
  assert.equal(await session.transaction([more, put('a', 5)], ROOM), undefined, 'one fails');
  assert.deepEqual(await rows(session, count), [['a', 21n]]);
  assert.equal(await session.transaction([more, put('a', null)], ROOM), undefined);
  const other = await on.open();
  assert.deepEqual(await rows(other, count), []);
  await ask(session, 'COMMIT');
  assert.deepEqual(await rows(other, count), [['a', 21n]]);
  await ask(session, 'BEGIN');
  await rows(session, count);
  assert.equal((await session.transaction([more], ROOM))?.length, 1);
  await ask(session, 'ROLLBACK');
  assert.deepEqual(await rows(session, count), [['a', 21n]]);
  await on.stripes[0]?.catchUp();
});

test('read levels, tokens, read-only callers, and what runs', async () => {
  await using on = await startSql(2, { limits: { slowMs: 0 } });
  const session = await on.open();
  assert.deepEqual(await rows(session, 'PRAGMA moln_read'), [['snapshot']]);
  await ask(session, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  await ask(session, "INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')");
  for (const level of ['strong', 'session', 'stale', 'stale:5s']) {
    await ask(session, `PRAGMA moln_read = '${level}'`);
    assert.deepEqual(await rows(session, 'SELECT count(*) FROM item'), [[4n]], level);
    assert.deepEqual(await rows(session, 'SELECT name FROM item WHERE id = 3'), [['c']], level);
  }
  await assert.rejects(ask(session, "PRAGMA moln_read = 'fresh'"), { code: 'SQL_READ_LEVEL' });
  const [[token] = []] = await rows(session, 'PRAGMA moln_token');
  assert.match(String(token), /^s\d=\d+(?:,s\d=\d+)*$/);
  const other = await on.engine.reading('session').openSession({ id: 'other', readOnly: true });
  await ask(other as never, `PRAGMA moln_token = '${String(token)}'`);
  assert.deepEqual(await rows(other as never, 'SELECT count(*) FROM item'), [[4n]]);
  await assert.rejects(ask(other as never, 'DELETE FROM item'), { code: 'SQLITE_READONLY' });
  await ask(other as never, 'BEGIN');
  await ask(session, "INSERT INTO item VALUES (5, 'e')");
  await rows(other as never, 'SELECT count(*) FROM item');
  await ask(session, "INSERT INTO item VALUES (6, 'f')");
  assert.deepEqual(await rows(other as never, 'SELECT count(*) FROM item'), [[5n]]);
  await ask(other as never, 'COMMIT');
  assert.ok(on.engine.queries.slow().some(({ sql }) => sql.startsWith('CREATE TABLE')));
  assert.ok(on.engine.figures.commits >= 4);
  assert.equal((await session.explain('SELECT count(*) FROM item')).plan, 'P3');
});

test('a read that never ends is killed, or stopped by its limit', async () => {
  await using on = await startSql(1);
  const session = await on.open();
  const endless =
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n';
  const asked = rows(session, endless);
  const [found] = await until('it runs', () => {
    const running = on.engine.queries.list().filter(({ sql }) => sql === endless);
    return running.length > 0 && running;
  });
  assert.ok(on.engine.queries.kill(found?.id ?? -1));
  await assert.rejects(asked, { code: 'SQLITE_INTERRUPT' });
  assert.equal(on.engine.queries.kill(found?.id ?? -1), false);
  assert.deepEqual(await rows(session, 'SELECT 1'), [[1n]]);
  await using hasty = await startSql(1, { limits: { statementMs: 300 } });
  await assert.rejects(rows(await hasty.open(), endless), /statementMs/);
});

test('two transactions that want two stripes in opposite order', async () => {
  await using on = await startSql(2, { limits: { lockWaitMs: 100 } });
  const [one, two] = [await on.open(), await on.open()];
  await ask(one, 'CREATE TABLE account (id INTEGER PRIMARY KEY, n INTEGER)');
  const ids = Array.from({ length: 50 }, (_, at) => at + 1);
  const homes = await Promise.all(
    ids.map(async (id) => (await one.explain(`SELECT * FROM account WHERE id = ${id}`)).stripes[0]),
  );
  const [a, b] = [ids[homes.indexOf(0)], ids[homes.indexOf(1)]];
  await ask(one, `INSERT INTO account VALUES (${a}, 0), (${b}, 0)`);
  await ask(one, 'BEGIN');
  await ask(two, 'BEGIN');
  await ask(one, `UPDATE account SET n = n + 1 WHERE id = ${a}`);
  await ask(two, `UPDATE account SET n = n + 1 WHERE id = ${b}`);
  const waits = ask(one, `UPDATE account SET n = n + 1 WHERE id = ${b}`);
  await assert.rejects(ask(two, `UPDATE account SET n = n + 1 WHERE id = ${a}`), {
    code: 'SQLITE_BUSY',
  });
  await ask(two, 'ROLLBACK');
  await waits;
  await ask(one, 'COMMIT');
  assert.deepEqual(await rows(two, 'SELECT n FROM account'), [[1n], [1n]]);
});

test('a computation over gathered rows that takes for ever is killed', async () => {
  await using on = await startSql(2);
  const session = await on.open();
  await ask(session, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  await ask(
    session,
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO item SELECT i, hex(i) FROM n',
  );
  const hard =
    'SELECT count(*) FROM item a, item b, item c WHERE a.name < b.name AND b.name < c.name';
  assert.equal((await session.explain(hard)).plan, 'P4');
  const asked = rows(session, hard);
  const [found] = await until('it runs', () => {
    const running = on.engine.queries.list().filter(({ sql }) => sql === hard);
    return running.length > 0 && running;
  });
  assert.ok(on.engine.queries.kill(found?.id ?? -1));
  await assert.rejects(asked, { code: 'SQLITE_INTERRUPT' });
  const few = 'SELECT count(DISTINCT a.name), max(b.id) FROM item a, item b WHERE a.id = b.id + 1';
  assert.deepEqual(await rows(session, few), [[1999n, 1999n]]);
});

for (const count of [1, 3]) {
  test(`a stream over ${count} stripes gives what there was when it began, as it is asked for`, async () => {
    await using on = await startSql(count);
    const [session, other] = [await on.open(), await on.open()];
    await ask(session, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
    await ask(
      session,
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500) INSERT INTO item SELECT i, 'n' || i FROM n",
    );
    const all = bound('SELECT id, name FROM item');
    {
      await using stream = await session.stream(all);
      assert.deepEqual(
        stream.columns.map(({ name }) => name),
        ['id', 'name'],
      );
      let rows = (await stream.next()).length;
      assert.ok(rows < 4500, 'it has read everything at once');
      await ask(other, 'DELETE FROM item WHERE id > 3000');
      for (let batch = await stream.next(); batch.length > 0; batch = await stream.next()) {
        rows += batch.length;
      }
      assert.equal(rows, 4500);
      assert.equal(stream.outcome().affectedRows, 0);
    }
    {
      await using stream = await session.stream(all);
      await stream.next();
      const [running] = on.engine.queries.list();
      assert.ok(on.engine.queries.kill(running?.id ?? -1));
      await assert.rejects(
        async () => {
          while ((await stream.next()).length > 0);
        },
        { code: 'SQLITE_INTERRUPT' },
      );
    }
    assert.equal(on.engine.queries.list().length, 0);
    assert.deepEqual(await rows(session, 'SELECT count(*) FROM item'), [[3000n]]);
    await assert.rejects(
      session.stream(bound('SELECT nowhere FROM item')),
      /no such column: nowhere/,
    );
  });
}

test('RETURNING of more than the client can be given changes nothing', async () => {
  for (const count of [1, 3]) {
    await using on = await startSql(count);
    const session = await on.open();
    const room = { rowsMax: 2, bytesMax: 100 };
    const long = 'x'.repeat(200);
    const refuse = async (sql: string): Promise<void> => {
      await assert.rejects(session.execute(bound(sql), room), { code: 'RESPONSE_TOO_LARGE' }, sql);
    };
    await ask(session, 'CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE)');
    await ask(session, "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    await ask(session, 'CREATE TABLE made(a INTEGER PRIMARY KEY, b DEFAULT (zeroblob(200)))');
    await ask(session, 'CREATE TABLE counted(a INTEGER PRIMARY KEY, b AS (zeroblob(a)))');
    const all = 'SELECT group_concat(a || b) FROM (SELECT * FROM t ORDER BY a)';
    for (const begin of ['', 'BEGIN']) {
      if (begin !== '') await ask(session, begin);
      await refuse('UPDATE t SET b = b || 1 RETURNING a');
      await refuse('DELETE FROM t RETURNING a');
      await refuse(`UPDATE t SET b = '${long}' WHERE a = 2 RETURNING b`);
      await refuse(`INSERT INTO t VALUES (4, '${long}') RETURNING *`);
      await refuse('INSERT INTO t VALUES (4, 4) RETURNING zeroblob(200)');
      await refuse(`INSERT INTO made VALUES (4, '${long.slice(150)}') RETURNING b, b, b`);
      await refuse('INSERT INTO made(a) VALUES (4) RETURNING *');
      await refuse('INSERT INTO counted(a) VALUES (200) RETURNING b');
      await refuse('INSERT INTO t VALUES (4, 4), (5, 5), (6, 6) RETURNING a');
      await refuse(
        'INSERT INTO t VALUES (4, 4) ON CONFLICT DO NOTHING RETURNING hex(zeroblob(90))',
      );
      assert.deepEqual(await rows(session, all), [['1a,2b,3c']], `${count} ${begin}`);
      const others = 'SELECT (SELECT count(*) FROM made) + (SELECT count(*) FROM counted)';
      assert.deepEqual(await rows(session, others), [[0n]]);
    }
    await session.execute(bound("INSERT INTO t VALUES (4, 'd') RETURNING *"), room);
    await ask(session, 'COMMIT');
    assert.deepEqual(await rows(session, all), [['1a,2b,3c,4d']]);
  }
});

test('an id that is chosen by hand is given to no other row, whatever blocks nodes have', async () => {
  await using on = await startSql(3);
  const one = await on.open();
  await using node = new SqlEngine({
    name: 'shop',
    stripes: on.stripes,
    log: on.on.log,
    ids: new TableIds(on.on.registry, 'shop'),
    clock: systemClock,
    logger: silentLogger,
  });
  const other = await node.openSession({ id: 'test', readOnly: false });
  // The id is the key itself, a key beside it, and a hidden one.
  for (const [table, id] of [
    ['near (id INTEGER PRIMARY KEY, c)', 'id'],
    ['far (id INTEGER PRIMARY KEY, c) /* moln: distribute by c */', 'id'],
    ['hidden (c, d) /* moln: distribute by c */', 'rowid'],
  ] as const) {
    const [name = ''] = table.split(' ');
    await ask(one, `CREATE TABLE ${table}`);
    for (let c = 0n; c < 3n; c++) await ask(one, `INSERT INTO ${name} (c) VALUES (?)`, c);
    for (let chosen = 4n; chosen < 12n; chosen++)
      await ask(other, `INSERT INTO ${name} (${id}, c) VALUES (?, ?)`, chosen, chosen * 100n);
    for (let c = 3n; c < 12n; c++) await ask(one, `INSERT INTO ${name} (c) VALUES (?)`, c);
    assert.deepEqual(
      await rows(other, `SELECT count(*), count(DISTINCT ${id}) FROM ${name}`),
      [[20n, 20n]],
      name,
    );
  }
});

for (const count of [1, 3]) {
  test(`ON CONFLICT ROLLBACK takes the whole transaction with it, and says why, over ${count} stripes`, async () => {
    await using on = await startSql(count);
    const [session, other] = [await on.open(), await on.open()];
    await ask(session, 'CREATE TABLE item (k TEXT PRIMARY KEY ON CONFLICT ROLLBACK, v)');
    const keys = Array.from({ length: 12 }, (_, at) => `k${at}`);
    await ask(session, "INSERT INTO item VALUES ('k0', 0)");
    const puts = keys.map((k) => bound('INSERT INTO item VALUES (?, 1)', [k])).toReversed();
    const failures: [string, () => Promise<unknown>][] = [
      ['by the table', () => ask(session, "INSERT INTO item VALUES ('k0', 2)")],
      ['by the text', () => ask(session, "INSERT OR ROLLBACK INTO item VALUES ('k0', 2)")],
      ['of several rows', () => ask(session, "INSERT INTO item VALUES ('x', 2), ('k0', 2)")],
      [
        'together',
        async () => {
          assert.equal(await session.transaction(puts.slice(-1), ROOM), undefined);
          await ask(session, "INSERT INTO item VALUES ('k0', 2)");
        },
      ],
    ];
    for (const [how, fail] of failures) {
      await ask(session, 'BEGIN');
      for (const { sql, values } of puts.slice(0, -1)) await ask(session, sql, ...values);
      await assert.rejects(fail(), /UNIQUE constraint failed: item.k/, how);
      assert.equal(session.isAutocommit, true, how);
      await assert.rejects(ask(session, 'COMMIT'), /no transaction is active/, how);
      assert.deepEqual(await rows(other, 'SELECT k, v FROM item'), [['k0', 0n]], how);
      // No stripe is waited for.
      await ask(other, "UPDATE item SET v = 0 WHERE v = 0 OR k = 'y'");
    }
    await assert.rejects(
      ask(session, "INSERT INTO item VALUES ('x', 2), ('k0', 2)"),
      /UNIQUE constraint failed: item.k/,
    );
    assert.deepEqual(await rows(other, 'SELECT k, v FROM item'), [['k0', 0n]]);
  });
}

test('a change of the schema that one stripe refuses happens on none, also where it still waited', async () => {
  await using on = await startSql(2);
  const [session, other] = [await on.open(), await on.open()];
  await ask(session, 'CREATE TABLE item (k TEXT PRIMARY KEY, v)');
  const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
  const homes = await Promise.all(
    keys.map(
      async (k) => (await session.explain('SELECT * FROM item WHERE k = ?', [k])).stripes[0],
    ),
  );
  const [first = '', second = ''] = [0, 1].map((stripe) => keys[homes.indexOf(stripe)]);
  await ask(session, 'INSERT INTO item VALUES (?, 0), (?, 0)', first, second);
  await ask(other, 'BEGIN');
  await ask(other, 'UPDATE item SET v = 1 WHERE k = ?', second);
  await ask(session, 'BEGIN');
  await ask(session, "UPDATE item SET v = '{' WHERE k = ?", first);
  const refused = assert.rejects(
    ask(session, "CREATE INDEX one ON item (json_extract(v, '$.a'))"),
    /malformed JSON/,
  );
  await until('it waits for the other', () => on.engine.figures.waiting > 0);
  await ask(other, 'COMMIT');
  await refused;
  await rows(session, 'SELECT count(*) FROM item');
  await ask(session, 'COMMIT');
  for (const stripe of on.stripes) {
    const sql = "SELECT name FROM sqlite_schema WHERE name = 'one'";
    assert.deepEqual((await stripe.query({ sql }, { kind: 'strong' })).rows, [], stripe.name);
  }
  const sql = 'SELECT sum(v) FROM item';
  assert.deepEqual(await rows(other, sql), [[1]]);
});

test('triggers of many clients at a time put in each row once', async () => {
  await using on = await startSql(3);
  const sessions = await Promise.all(Array.from({ length: 4 }, () => on.open()));
  const [session] = sessions;
  assert.ok(session !== undefined);
  for (const sql of [
    'CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER NOT NULL DEFAULT 0)',
    'CREATE TABLE lines (id INTEGER PRIMARY KEY, o INTEGER, amount INTEGER)',
    'CREATE TABLE log (what TEXT, o INTEGER)',
    'CREATE TABLE far (what TEXT, o INTEGER) /* moln: distribute by o */',
    'CREATE TABLE kept (id INTEGER PRIMARY KEY, o INTEGER)',
    'INSERT INTO orders (id) VALUES (1), (2), (3)',
    `CREATE TRIGGER added AFTER INSERT ON lines BEGIN
      UPDATE orders SET total = total + NEW.amount WHERE id = NEW.o;
      INSERT INTO log VALUES ('line', NEW.o);
      INSERT INTO far VALUES ('line', NEW.o);
      INSERT INTO kept (o) VALUES (NEW.id);
    END`,
  ])
    await ask(session, sql);
  await Promise.all(
    sessions.map(async (one, at) => {
      for (let n = 0; n < 6; n++)
        await ask(one, 'INSERT INTO lines (o, amount) VALUES (?, 5)', BigInt(1 + ((at + n) % 3)));
    }),
  );
  assert.deepEqual(await rows(session, 'SELECT id, total FROM orders ORDER BY id'), [
    [1n, 40n],
    [2n, 40n],
    [3n, 40n],
  ]);
  for (const table of ['lines', 'log', 'far', 'kept'])
    assert.deepEqual(await rows(session, `SELECT count(*) FROM ${table}`), [[24n]], table);
});
