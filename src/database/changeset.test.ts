/** Against changesets that SQLite itself wrote. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { summarize, touchedRows } from './changeset.ts';

function record(work: (db: DatabaseSync) => void): Uint8Array {
  const db = new DatabaseSync(':memory:');
  db.exec(`CREATE TABLE a (id INTEGER PRIMARY KEY, t, u);
    CREATE TABLE "b å" (x TEXT NOT NULL, y BLOB NOT NULL, z, PRIMARY KEY (y, x)) WITHOUT ROWID;
    INSERT INTO a VALUES (1, 'one', 1.5), (2, NULL, x'00ff'), (3, 'drei', 9007199254740993)`);
  const session = db.createSession();
  work(db);
  const changeset = session.changeset();
  session.close();
  db.close();
  return changeset;
}

test('rows and tables are counted as SQLite will apply them', () => {
  const changeset = record((db) => {
    db.exec("INSERT INTO a VALUES (4, 'x', NULL)");
    db.prepare('INSERT INTO "b å" VALUES (?, ?, ?)').run(
      'k',
      new Uint8Array(300),
      'long'.repeat(5000),
    );
    db.exec("UPDATE a SET t = 'new' WHERE id < 3; DELETE FROM a WHERE id = 3");
    db.exec("INSERT INTO a VALUES (5, 'gone', 1); DELETE FROM a WHERE id = 5; UPDATE a SET u = u");
  });
  assert.deepEqual(summarize(changeset), { tables: new Set(['a', 'b å']), changes: 5 });
  const empty = record((db) => db.exec('UPDATE a SET u = u'));
  assert.deepEqual(summarize(empty), { tables: new Set(), changes: 0 });
});

test('a changeset that is cut anywhere but between two rows is refused', () => {
  const changeset = record((db) =>
    db.exec("UPDATE a SET t = t || 'x', u = NULL; DELETE FROM a WHERE id = 2"),
  );
  const { changes } = summarize(changeset);
  for (let length = 1; length < changeset.byteLength; length++) {
    try {
      assert.ok(summarize(changeset.subarray(0, length)).changes < changes);
    } catch (error) {
      assert.ok(isMolnError(error, 'DATABASE_CORRUPT'), String(error));
    }
  }
});

test('rows that were touched are named by their keys, in the order of the columns', () => {
  const changeset = record((db) => {
    db.exec("INSERT INTO a VALUES (-4, 'x', NULL); UPDATE a SET t = 'y' WHERE id = 2");
    db.exec('DELETE FROM a WHERE id = 3');
    db.prepare('INSERT INTO "b å" VALUES (?, ?, ?)').run('k', new Uint8Array([1, 2]), 1.5);
  });
  const keys = touchedRows(changeset).map(({ table, key }) => [table, ...key]);
  assert.deepEqual(
    keys.toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
    [
      ['a', -4n],
      ['a', 2n],
      ['a', 3n],
      ['b å', 'k', new Uint8Array([1, 2])],
    ],
  );
});
