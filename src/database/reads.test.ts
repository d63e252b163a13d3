/** Reads of one turn of the event loop share what they see of the file, but never miss an entry that is known to be there. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemCode } from '../base/errors.ts';
import { systemClock } from '../base/time.ts';
import { until } from '../../testing/until.ts';
import { prepareFile } from './applied.ts';
import { Connection } from './connection.ts';
import { GROUP_ID_BYTES } from './entry.ts';
import { VIEWS_PER_PROCESS_MAX } from './limits.ts';
import { packTransactions } from './packed-group.ts';
import { ReaderPool } from './reader-pool.ts';
import { Reads } from './reads.ts';
import type { SqlValue } from './statement.ts';
import type { FileView } from './stripe-options.ts';
import { StripeThread } from './stripe-thread.ts';

const SELECT = { sql: 'SELECT n FROM t WHERE id = 1' };

test('what is read in one turn is as new as what is known when it is asked', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-reads-'));
  const path = join(folder, 's.sqlite');
  const thread = new StripeThread({ path });
  await using pool = new ReaderPool({ clock: systemClock });
  let applied = 1;
  const options = { stripe: 's', path, thread, pool, clock: systemClock, readMs: undefined };
  const reads = new Reads({ ...options, applied: () => applied });
  const read = async (): Promise<SqlValue | undefined> =>
    (await reads.query(SELECT, undefined, false)).rows[0]?.[0];
  try {
    await thread.call('open', 'primary');
    for (const sql of [
      'CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)',
      'INSERT INTO t VALUES (1, 1)',
    ]) {
      const facts = { epoch: 1, group: randomBytes(GROUP_ID_BYTES), cross: false };
      const group = packTransactions([{ statements: [{ sql }], planned: undefined }]);
      await thread.call('group', group, facts, 10_000);
      await thread.call('commit');
    }
    // The first one goes by the thread.
    assert.equal(await read(), 1n);

    using writer = new Connection(path, 'writer');
    const before = read();
    writer.exec('UPDATE t SET n = 2');
    const shared = read();
    applied++;
    const after = read();
    assert.deepEqual(await Promise.all([before, shared, after]), [1n, 1n, 2n]);

    writer.exec('UPDATE t SET n = 3');
    await until('a later turn shows what nobody told of', async () => (await read()) === 3n);
  } finally {
    reads[Symbol.dispose]();
    await thread.close();
    await rm(folder, { recursive: true });
  }
});

test('a file that is gone is not kept open by views that were of it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-reads-'));
  const paths = ['a', 'b'].map((name) => join(folder, `${name}.sqlite`));
  for (const path of paths) {
    using writer = new Connection(path, 'writer');
    prepareFile(writer);
  }
  await using pool = new ReaderPool({ clock: systemClock, processesMax: 1 });
  const openFiles = async (): Promise<readonly string[]> => {
    const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8');
    const all = children
      .split(' ')
      .map((pid) => `/proc/${pid}/fd`)
      .flatMap((fds) => unlessGone(() => readdirSync(fds)).map((fd) => `${fds}/${fd}`))
      .flatMap((link) => unlessGone(() => [readlinkSync(link)]));
    return all.filter((name) => name.startsWith(folder));
  };
  try {
    for (const path of paths) {
      await using view = await pool.view(path);
      assert.equal(view.applied.index, 0);
      await pool.query(path, { sql: 'SELECT 1' }, 1000);
    }
    assert.ok((await openFiles()).some((name) => name.startsWith(`${folder}/a`)));
    for (const suffix of ['', '-wal', '-shm']) await rm(`${paths[0]}${suffix}`, { force: true });
    await until('it is closed', async () =>
      (await openFiles()).every((name) => !name.startsWith(`${folder}/a`)),
    );
    // Nor one that a view could not be opened of.
    const wrong = join(folder, 'c.sqlite');
    using other = new Connection(wrong, 'writer');
    other.exec('CREATE TABLE t (id INTEGER PRIMARY KEY)');
    await assert.rejects(pool.view(wrong), /no such table/);
    assert.ok((await openFiles()).every((name) => !name.startsWith(wrong)));
    // The other one is not.
    assert.ok((await openFiles()).some((name) => name.startsWith(`${folder}/b`)));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('what a view reads as it is opened is as of the view, and so are later reads', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-reads-'));
  const path = join(folder, 'a.sqlite');
  try {
    using writer = new Connection(path, 'writer');
    prepareFile(writer);
    writer.exec('CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)');
    await using pool = new ReaderPool({ clock: systemClock, processesMax: 1 });
    const count = { sql: 'SELECT count(*) FROM t' };
    await using view = await pool.view(path, { statement: count, readMs: 1000 });
    writer.exec('INSERT INTO t VALUES (2)');
    for (const statement of [count, count, { ...count }])
      assert.deepEqual((await view.query(statement, 1000)).rows, [[1n]]);
    const wrong = { sql: 'SELECT x FROM t' };
    await using other = await pool.view(path, { statement: wrong, readMs: 1000 });
    await assert.rejects(other.query(wrong, 1000), /no such column: x/);
    assert.deepEqual((await other.query(count, 1000)).rows, [[2n]]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a view that waits for a place gets that of one that is closed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-reads-'));
  const path = join(folder, 'a.sqlite');
  try {
    using writer = new Connection(path, 'writer');
    prepareFile(writer);
    await using pool = new ReaderPool({ clock: systemClock, processesMax: 1 });
    const open: FileView[] = [];
    for (let n = 0; n < VIEWS_PER_PROCESS_MAX; n++) open.push(await pool.view(path));
    let isOpen = false;
    const waiting = pool.view(path).then((view) => {
      isOpen = true;
      return view;
    });
    await open.pop()?.[Symbol.asyncDispose]();
    await until('it has its place', () => isOpen);
    await (await waiting)[Symbol.asyncDispose]();
    for (const view of open) await view[Symbol.asyncDispose]();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('what is read as a view is opened has the time of a read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-reads-'));
  const path = join(folder, 'a.sqlite');
  try {
    using writer = new Connection(path, 'writer');
    prepareFile(writer);
    await using pool = new ReaderPool({ clock: systemClock, processesMax: 1 });
    const statement = {
      sql: 'WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c',
    };
    await using view = await pool.view(path, { statement, readMs: 500 });
    const from = systemClock.monotonicMs();
    await assert.rejects(view.query(statement, 500), /it took too long/);
    assert.ok(systemClock.monotonicMs() - from < 20_000);
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Of a process that has ended meanwhile, or a file that was closed, there is nothing. */
function unlessGone(look: () => readonly string[]): readonly string[] {
  try {
    return look();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
