/** Sessions over real stripes: autocommit, transactions, savepoints, schema, ids. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, rows, startSql } from '../testing/sql-kit.ts';

for (const count of [1, 3]) {
  test(`tables, rows, transactions and savepoints over ${count} stripes`, async () => {
    await using on = await startSql(count);
    const session = await on.open();
    await ask(session, 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)');
    const first = await ask(session, "INSERT INTO item (name) VALUES ('a')");
    assert.deepEqual([first.affectedRows, first.lastInsertRowid], [1, 1n]);
    const more = await ask(session, "INSERT INTO item (name) VALUES ('b'), ('c') RETURNING id");
    assert.deepEqual(more.rows.toSorted(), [[2n], [3n]]);
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
    await ask(session, "UPDATE other SET w = 5");
    await ask(session, 'ROLLBACK TO s');
    await ask(session, "UPDATE other SET v = 2");
    await ask(session, 'COMMIT');
    const fresh = await on.open();
    assert.deepEqual(await rows(fresh, 'SELECT * FROM other'), [['x', 2n]]);
    await on.stripes[0]?.catchUp();
  });
}
