/** Temporary tables, views and triggers over real stripes: each session its own, with its transactions, and gone with it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createHttpClient } from '../testing/libsql-clients.ts';
import { ask, rows, serveSql, startSql } from '../testing/sql-kit.ts';

for (const count of [1, 3]) {
  test(`a session's temporary objects over ${count} stripes`, async () => {
    await using on = await startSql(count, { limits: { temporaryBytesMax: 256 * 1024 } });
    const session = await on.open();
    await ask(session, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price)');
    await ask(session, "INSERT INTO item VALUES (1, 'a', 5), (2, 'b', 15), (3, 'c', 25)");
    await ask(session, 'CREATE TEMP VIEW dear AS SELECT * FROM item WHERE price > 10');
    assert.deepEqual(await rows(session, 'SELECT name FROM dear ORDER BY id'), [['b'], ['c']]);
    await ask(session, 'CREATE TEMP TABLE basket (item INTEGER PRIMARY KEY, n)');
    await ask(session, 'INSERT INTO basket SELECT id, 1 FROM dear');
    // From a table of the same columns SQLite takes rows as they are, and names no column that it reads.
    await ask(session, 'CREATE TEMP TABLE held (id INTEGER PRIMARY KEY, name TEXT, price)');
    await ask(session, 'INSERT INTO held SELECT * FROM item');
    assert.deepEqual(await rows(session, 'SELECT sum(price) FROM held'), [[45n]]);
    await ask(session, 'DROP TABLE held');
    const joined = 'SELECT name, n FROM basket JOIN item ON item = id ORDER BY id';
    assert.deepEqual(await rows(session, joined), [
      ['b', 1n],
      ['c', 1n],
    ]);
    // What may take long is computed in a process that can be killed, which asks for the rows.
    const long = 'SELECT count(*) FROM basket a, basket b, basket c';
    assert.deepEqual(await rows(session, long), [[8n]]);
    const other = await on.open();
    await assert.rejects(ask(other, 'SELECT * FROM basket'), /no such table: basket/);
    assert.deepEqual(await rows(other, 'SELECT name FROM sqlite_temp_schema'), []);

    await ask(session, 'BEGIN');
    await ask(session, 'UPDATE basket SET n = 7');
    await ask(session, "UPDATE item SET name = name || '!' WHERE id IN (SELECT item FROM basket)");
    assert.deepEqual(await rows(session, joined), [
      ['b!', 7n],
      ['c!', 7n],
    ]);
    await ask(session, 'ROLLBACK');
    assert.deepEqual(await rows(session, joined), [
      ['b', 1n],
      ['c', 1n],
    ]);
    await session.transaction(
      [
        {
          sql: 'INSERT INTO basket VALUES (9, 9)',
          parameters: [],
          values: [],
          wantRows: true,
        },
      ],
      { rowsMax: 10, bytesMax: 1000 },
    );
    await ask(
      session,
      'CREATE TEMP TRIGGER seen AFTER DELETE ON item BEGIN INSERT INTO basket VALUES (old.id + 100, 0); END',
    );
    await ask(other, 'DELETE FROM item WHERE id = 1');
    await ask(session, 'DELETE FROM item WHERE id = 2');
    assert.deepEqual(await rows(session, 'SELECT item FROM basket ORDER BY item'), [
      [2n],
      [3n],
      [102n],
    ]);
    await assert.rejects(ask(session, 'INSERT INTO basket VALUES (7, zeroblob(300000))'), {
      code: 'PLANNER_TEMPORARY_FULL',
    });
    // A reader may have some too: they are in nobody's database.
    const reader = await on.open(true);
    await ask(reader, 'CREATE TEMP TABLE mine AS SELECT id FROM item');
    assert.deepEqual(await rows(reader, 'SELECT * FROM mine'), [[3n]]);
    await assert.rejects(ask(reader, 'INSERT INTO item SELECT 9, 9, 9 FROM mine'), {
      code: 'SQLITE_READONLY',
    });
    await session.close();
    const fresh = await on.open();
    await assert.rejects(ask(fresh, 'SELECT * FROM dear'), /no such table: dear/);
  });
}

test('a client of libSQL has them for as long as its connection', async () => {
  await using on = await startSql(3);
  await using server = await serveSql(on.engine);
  const client = createHttpClient({ url: server.url, authToken: 'writer' });
  await client.execute('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)');
  const transaction = await client.transaction('write');
  await transaction.execute("INSERT INTO item VALUES (1, 'a'), (2, 'b')");
  await transaction.execute('CREATE TEMP TABLE found AS SELECT id FROM item WHERE id > 1');
  const { rows: found } = await transaction.execute('SELECT name FROM item JOIN found USING (id)');
  assert.deepEqual(
    found.map(({ name }) => name),
    ['b'],
  );
  await transaction.commit();
  await assert.rejects(client.execute('SELECT * FROM found'), /no such table: found/);
  client.close();
});
