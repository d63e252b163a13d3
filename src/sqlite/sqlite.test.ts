/** Opening, transactions, migrations, and the sentences for what goes wrong. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isMolnError, type MolnError } from '../base/errors.ts';
import { type Database, migrate, openDatabase, sqliteResultCode, transaction } from './sqlite.ts';

const NOTES = { id: 0x4d6f_6cff, name: 'notebook' } as const;
const FIRST = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT';

function temporaryPath(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'moln-sqlite-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'notes.sqlite');
}

function openNotes(context: TestContext, path = temporaryPath(context)): Database {
  const db = openDatabase({ path });
  context.after(() => db[Symbol.dispose]());
  migrate(db, { application: NOTES, migrations: [FIRST] });
  return db;
}

function texts(db: Database): string[] {
  return db
    .prepare<{ text: string }>('SELECT text FROM notes ORDER BY id')
    .all()
    .map(({ text }) => text);
}

function errorOf(call: () => unknown): MolnError {
  try {
    call();
  } catch (error) {
    assert.ok(isMolnError(error), String(error));
    return error;
  }
  throw new Error('nothing was thrown');
}

test('a new file is private, in WAL mode, durable, and checks foreign keys', (context) => {
  const db = openNotes(context);
  assert.equal(statSync(db.path).mode & 0o777, 0o600);
  assert.equal(statSync(`${db.path}-wal`).mode & 0o777, 0o600);
  assert.equal(db.pragma('journal_mode'), 'wal');
  assert.equal(db.pragma('synchronous'), 2);
  assert.equal(db.pragma('foreign_keys'), 1);
  const other = openDatabase({ path: db.path, durability: 'normal' });
  assert.equal(other.pragma('synchronous'), 1);
  other[Symbol.dispose]();
});

test('a file that others could read is closed to them', (context) => {
  const path = temporaryPath(context);
  openNotes(context, path)[Symbol.dispose]();
  chmodSync(path, 0o644);
  openNotes(context, path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('statements bind, read and count', (context) => {
  const db = openNotes(context);
  const add = db.prepare('INSERT INTO notes (text) VALUES (?)');
  assert.equal(add.run('one') + add.run('two'), 2);
  const one = db.prepare<{ id: number; text: string }>('SELECT id, text FROM notes WHERE id = ?');
  assert.equal(one.get(2)?.text, 'two');
  assert.equal(one.get(3), undefined);
  assert.deepEqual(texts(db), ['one', 'two']);
  const seen: number[] = [];
  for (const { id } of db.prepare<{ id: number }>('SELECT id FROM notes').iterate()) seen.push(id);
  assert.deepEqual(seen, [1, 2]);
});

test('a transaction that throws leaves nothing', (context) => {
  const db = openNotes(context);
  const add = db.prepare('INSERT INTO notes (text) VALUES (?)');
  assert.equal(
    transaction(db, () => add.run('kept')),
    1,
  );
  assert.throws(
    () =>
      transaction(db, () => {
        add.run('gone');
        throw new Error('changed my mind');
      }),
    /changed my mind/,
  );
  assert.equal(db.inTransaction, false);
  assert.deepEqual(texts(db), ['kept']);
});

test('a transaction is neither nested nor async', (context) => {
  const db = openNotes(context);
  assert.throws(() => transaction(db, () => transaction(db, () => 1)), /open already/);
  assert.throws(() => transaction(db, () => Promise.resolve()), /must not be async/);
  assert.equal(db.inTransaction, false);
});

test('an error in a statement passes through with its code', (context) => {
  const db = openNotes(context);
  const add = db.prepare('INSERT INTO notes (id, text) VALUES (?, ?)');
  add.run(1, 'one');
  const constraint = 19;
  assert.throws(
    () => add.run(1, 'again'),
    (error) => sqliteResultCode(error) === constraint,
  );
  assert.equal(sqliteResultCode(new Error('other')), undefined);
});

test('only one may hold a file exclusively, and it is free afterwards', (context) => {
  const path = temporaryPath(context);
  const first = openDatabase({ path, exclusive: true });
  const error = errorOf(() => openDatabase({ path, exclusive: true, busyTimeoutMs: 0 }));
  assert.equal(error.code, 'SQLITE_BUSY');
  assert.equal(error.message, '"notes.sqlite" is in use by another process');
  assert.ok(error.retryable);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  openDatabase({ path, exclusive: true })[Symbol.dispose]();
});

test('a file that is no database is refused', (context) => {
  const path = temporaryPath(context);
  writeFileSync(path, Buffer.alloc(8192, 'not a database '));
  const error = errorOf(() => openDatabase({ path }));
  assert.equal(error.code, 'SQLITE_CORRUPT');
  assert.match(error.hint ?? '', /backup/);
  assert.equal(readFileSync(path).length, 8192);
});

test('a damaged page is found when asked for', (context) => {
  const path = temporaryPath(context);
  const db = openNotes(context, path);
  const add = db.prepare('INSERT INTO notes (text) VALUES (?)');
  for (let index = 0; index < 400; index++) add.run('some text that fills pages '.repeat(5));
  db[Symbol.dispose]();
  openDatabase({ path, check: true })[Symbol.dispose]();
  const bytes = readFileSync(path);
  bytes.fill(0x5a, 8192, 8192 + 400);
  writeFileSync(path, bytes);
  assert.equal(errorOf(() => openDatabase({ path, check: true })).code, 'SQLITE_CORRUPT');
});

test('a folder that is not there or not ours is said', (context) => {
  const path = join(temporaryPath(context), 'deeper', 'notes.sqlite');
  assert.throws(() => openDatabase({ path }), /ENOENT/);
});

test('migrations run once, in order, each with its number', (context) => {
  const path = temporaryPath(context);
  openNotes(context, path).prepare('INSERT INTO notes (text) VALUES (?)').run('old');
  const db = openDatabase({ path });
  context.after(() => db[Symbol.dispose]());
  const steps: string[] = [];
  const migrations = [
    FIRST,
    (on: Database): void => {
      steps.push('second');
      on.exec(`UPDATE notes SET text = text || ', then new'`);
    },
    'ALTER TABLE notes ADD COLUMN at INTEGER',
  ];
  migrate(db, { application: NOTES, migrations });
  migrate(db, { application: NOTES, migrations });
  assert.deepEqual(steps, ['second']);
  assert.equal(db.pragma('user_version'), 3);
  assert.deepEqual(texts(db), ['old, then new']);
});

test('a migration that fails leaves the file at the format before', (context) => {
  const db = openNotes(context);
  const broken = 'CREATE TABLE extra (id INTEGER); INSERT INTO nowhere VALUES (1)';
  assert.throws(() => migrate(db, { application: NOTES, migrations: [FIRST, broken] }), /nowhere/);
  assert.equal(db.pragma('user_version'), 1);
  assert.equal(db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'extra'`).get(), undefined);
  migrate(db, { application: NOTES, migrations: [FIRST, 'CREATE TABLE extra (id INTEGER)'] });
});

test('a file of a newer Moln is refused and left alone', (context) => {
  const db = openNotes(context);
  db.exec('PRAGMA user_version = 7');
  const migrations = [FIRST, FIRST, FIRST];
  const error = errorOf(() => migrate(db, { application: NOTES, migrations }));
  assert.equal(error.code, 'SQLITE_TOO_NEW');
  assert.equal(
    error.message,
    '"notes.sqlite" was written by a newer Moln (format 7, this one knows up to 3)',
  );
  assert.match(error.hint ?? '', /--data DIR/);
  assert.equal(db.pragma('user_version'), 7);
});

test('a file of another kind is refused', (context) => {
  const db = openNotes(context);
  const other = { id: 1, name: 'registry' };
  const error = errorOf(() => migrate(db, { application: other, migrations: [FIRST] }));
  assert.equal(error.code, 'SQLITE_FOREIGN');
  const alien = openDatabase({ path: temporaryPath(context) });
  context.after(() => alien[Symbol.dispose]());
  alien.exec('CREATE TABLE theirs (id INTEGER)');
  const strange = errorOf(() => migrate(alien, { application: NOTES, migrations: [FIRST] }));
  assert.equal(strange.code, 'SQLITE_FOREIGN');
});

test('the golden file of format 1 is read and brought to the newest', (context) => {
  const path = temporaryPath(context);
  copyFileSync(join(import.meta.dirname, 'golden', 'notes-1.sqlite'), path);
  const db = openDatabase({ path, check: true });
  context.after(() => db[Symbol.dispose]());
  migrate(db, {
    application: NOTES,
    migrations: [FIRST, 'ALTER TABLE notes ADD COLUMN at INTEGER NOT NULL DEFAULT 0'],
  });
  assert.deepEqual(texts(db), ['written by format 1', 'ünïcode 😀']);
  assert.equal(db.pragma('user_version'), 2);
});
