/** Copies that are not what they should be: found, put aside and built anew; and copies that begin from a snapshot. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isMolnError } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { type Entry, runSnapshots } from '../src/database/database.ts';
import { SmallDisk } from '../testing/small-disk.ts';
import { until } from '../testing/until.ts';
import {
  type DatabaseUnderTest,
  filled,
  look,
  run,
  sameCopies,
  startDatabase,
  tamper,
} from '../testing/database-kit.ts';

const FULL_ROUNDS = 5n;

async function wholeLog({ log }: DatabaseUnderTest): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const more = await log.read('s1', all.length + 1);
    if (more.length === 0) return all;
    all.push(...more);
  }
}

test('a copy that begins removes what an earlier life of it left, and nothing that another one is being filled with', async () => {
  await using on = await startDatabase();
  await filled(on);
  const folder = join(on.folder, 'n2');
  await mkdir(folder);
  const [own, other] = ['s1', 's2'].map((name) => join(folder, `${name}.sqlite.tmp-0123456789ab`));
  assert.ok(own !== undefined && other !== undefined);
  for (const path of [own, other]) await writeFile(path, '');
  await on.copy('n2');
  const left = (await readdir(folder)).filter((name) => name.includes('.tmp-'));
  assert.deepEqual(left, [basename(other)]);
});

test('a row that differs is found when it changes, and the copy is built anew', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  const mirror = await on.copy('n2');
  await tamper(on, 'n2', "UPDATE t SET v = 'other' WHERE id = 7");
  await run(primary, "UPDATE t SET v = 'new' WHERE id = 7");
  await mirror.catchUp();
  assert.match(mirror.status.quarantined ?? '', /is different in this copy/);
  await sameCopies(primary, mirror);
  const names = await readdir(join(on.folder, 'n2'));
  assert.ok(
    names.some((name) => name === 's1.sqlite.damaged'),
    names.join(),
  );
});

const TAMPERED: readonly (readonly [string, string, RegExp])[] = [
  ['a table that is missing', 'DROP TABLE t', /does not have/],
  [
    'a column that is missing',
    'ALTER TABLE t DROP COLUMN v',
    /different in this copy|cannot be applied|changed \d+ rows/,
  ],
  [
    'a trigger of its own',
    'CREATE TABLE l (id INTEGER PRIMARY KEY); CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO l VALUES (NULL); END',
    /changed \d+ rows/,
  ],
  ['another place in the log', 'UPDATE _moln_applied SET idx = idx - 1', /follows/],
  ['a place behind the log', 'UPDATE _moln_applied SET idx = idx + 9', /ends at/],
  ['another schema version', 'UPDATE _moln_applied SET schema_version = 9', /schema/],
];
for (const [what, sql, pattern] of TAMPERED) {
  test(`${what} is found, where SQLite alone would say nothing`, async () => {
    await using on = await startDatabase();
    const primary = await filled(on);
    const first = await on.copy('n2');
    await first[Symbol.asyncDispose]();
    await tamper(on, 'n2', sql);
    if (!sql.includes('+ 9')) await run(primary, "INSERT INTO t (id, v) VALUES (100, 'x')");
    // Triggers of its own are held back at the start, so that one is put in while it runs.
    const mirror = await on.copy('n2');
    if (sql.includes('TRIGGER')) {
      await tamper(
        on,
        'n2',
        'CREATE TRIGGER y AFTER INSERT ON t BEGIN INSERT INTO l VALUES (NULL); END',
      );
      await run(primary, "INSERT INTO t (id, v) VALUES (101, 'x')");
      await mirror.catchUp();
    }
    assert.match(mirror.status.quarantined ?? 'nothing was found', pattern);
    await sameCopies(primary, mirror);
  });
}

test('a copy that is too far behind begins from a snapshot, also when one node has a damaged one', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  const late = await on.copy('n2');
  await late[Symbol.asyncDispose]();
  for (let n = 0; n < 300; n++) await run(primary, "INSERT INTO t (v) VALUES ('more')");
  const snapshot = await primary.snapshot(0);
  assert.deepEqual(snapshot?.nodes, ['n1', 'n2']);
  await assert.rejects(on.log.read('s1', 5), (error) => isMolnError(error, 'DATABASE_TRIMMED'));
  const stored = join(on.folder, 'n1', 'snapshots', 's1', `${snapshot.id}.sqlite`);
  const bytes = await readFile(stored);
  bytes.fill(0, 5000, 5100);
  await writeFile(stored, bytes);
  await run(primary, "INSERT INTO t (v) VALUES ('behind the snapshot')");
  const again = await on.copy('n2');
  assert.equal(again.status.quarantined, undefined);
  await sameCopies(primary, again);
  const fresh = await on.copy('n3');
  await sameCopies(primary, fresh);
  // The next one takes the place of the first, which stays for those who go back, with the entries of both.
  const next = await primary.snapshot(0);
  const past = (next?.past ?? []).flatMap(({ base, entries }) => [base?.id, entries.id]);
  const named = [next?.id, ...past].filter((id) => id !== undefined).map((id) => `${id}.sqlite`);
  assert.equal(named.length, 4);
  assert.deepEqual((await readdir(dirname(stored))).toSorted(), named.toSorted());
});

test('a log that grows is trimmed by itself', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  const stop = new AbortController();
  const duty = runSnapshots(
    {
      stripe: primary,
      log: on.log,
      clock: systemClock,
      logger: silentLogger,
      everyMs: 10,
      afterEntries: 200,
      keepEntries: 20,
    },
    stop.signal,
  );
  const isTrimmed = async (): Promise<boolean> => {
    await run(primary, "INSERT INTO t (v) VALUES ('more')");
    return on.log.read('s1', 1).then(
      () => false,
      (error: unknown) => isMolnError(error, 'DATABASE_TRIMMED'),
    );
  };
  await until('the first entries are gone', isTrimmed, { pauseMsMax: 1, withinMs: 60_000 });
  stop.abort();
  await duty;
  await sameCopies(primary, await on.copy('n2'));
});

test('a snapshot is made while the primary goes on, and contains one moment', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  let isOver = false;
  const writing = (async () => {
    for (let n = 0; !isOver; n++) {
      await primary.execute([
        { sql: 'INSERT INTO t (id, v) VALUES (?, 1)', args: [BigInt(1000 + 2 * n)] },
        { sql: 'INSERT INTO t (id, v) VALUES (?, 1)', args: [BigInt(1001 + 2 * n)] },
      ]);
    }
  })();
  const snapshot = await primary.snapshot();
  isOver = true;
  await writing;
  assert.ok(snapshot !== undefined);
  const path = join(on.folder, 'n2', 'snapshots', 's1', `${snapshot.id}.sqlite`);
  const db = new DatabaseSync(path, { readOnly: true });
  assert.equal(db.prepare('SELECT count(*) % 2 AS odd FROM t WHERE id >= 1000').get()?.['odd'], 0);
  db.close();
});

test('reads: stale, at least an entry, and everything that was acknowledged', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  const mirror = await on.copy('n2');
  for (let n = 0; n < 30; n++) {
    const update = { sql: 'UPDATE t SET v = ? WHERE id = 1', args: [BigInt(n)] };
    const { index } = await primary.execute([update]);
    const sql = 'SELECT v FROM t WHERE id = 1';
    const level =
      n % 2 === 0 ? ({ kind: 'strong' } as const) : ({ kind: 'session', index } as const);
    assert.deepEqual((await mirror.query({ sql }, level)).rows, [[BigInt(n)]]);
    assert.deepEqual((await primary.query({ sql }, { kind: 'strong' })).rows, [[BigInt(n)]]);
  }
  await assert.rejects(mirror.query({ sql: 'DELETE FROM t' }, { kind: 'stale' }), /readonly/);
  await assert.rejects(mirror.execute([{ sql: 'DELETE FROM t' }]), (error) =>
    isMolnError(error, 'DATABASE_NOT_PRIMARY'),
  );
});

test('a read without an end is stopped, and others do not wait for it', async () => {
  await using on = await startDatabase();
  const primary = await on.copy('n1', { readMs: 300 });
  await primary.lead();
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
  const endless =
    'WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c';
  const stopped = primary.query({ sql: endless }, { kind: 'stale' });
  stopped.catch(() => {});
  await run(primary, 'INSERT INTO t VALUES (1)');
  assert.deepEqual(await look(primary, 'SELECT id FROM t WHERE id = 1'), [[1n]]);
  await assert.rejects(
    stopped,
    (error) =>
      isMolnError(error, 'DATABASE_LIMIT') && error.details?.['sqliteCode'] === 'SQLITE_INTERRUPT',
  );
  assert.deepEqual(await look(primary, 'SELECT count(*) FROM t'), [[1n]]);
});

test('a primary that was replaced and does not know it answers nothing from its old state', async () => {
  await using on = await startDatabase();
  // It looks whether it still leads when it renews its lease, a third of the way to its end.
  const old = await filled(on, { primaryTtlMs: 120_000 });
  await run(old, 'CREATE UNIQUE INDEX i ON t (v) WHERE id > 100');
  await run(old, "INSERT INTO t VALUES (101, 'taken')");
  const successor = await on.copy('n2');
  const { epoch } = (await on.log.primary('s1')) ?? {};
  assert.ok(await successor.lead(epoch === undefined ? {} : { replaces: epoch }));
  await run(successor, "UPDATE t SET v = 'free' WHERE id = 101");
  assert.equal(old.status.role, 'primary');
  const asked = await Promise.allSettled([
    old.query({ sql: 'SELECT v FROM t WHERE id = 101' }, { kind: 'strong' }),
    // Would be refused, would change nothing, and would only read: each from what is no longer so.
    run(old, "INSERT INTO t VALUES (102, 'taken')"),
    run(old, "UPDATE t SET v = 'x' WHERE v = 'free'"),
    run(old, 'SELECT v FROM t WHERE id = 101'),
  ]);
  for (const one of asked) {
    assert.ok(
      one.status === 'rejected',
      JSON.stringify(one, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v)),
    );
    assert.ok(isMolnError(one.reason, 'DATABASE_NOT_PRIMARY'), String(one.reason));
  }
  await until('it follows', () => old.status.role === 'mirror');
  const { rows } = await old.query({ sql: 'SELECT v FROM t WHERE id = 101' }, { kind: 'strong' });
  assert.deepEqual(rows, [['free']]);
});

test('the log of a database is gone: its primary answers nothing from its old state', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  await on.registry.commit([], [{ kind: 'deletePrefix', prefix: '/db/shop/' }]);
  const asked = primary.query({ sql: 'SELECT v FROM t WHERE id = 1' }, { kind: 'strong' });
  await assert.rejects(asked, (error) => isMolnError(error, 'DATABASE_NOT_PRIMARY'));
});

test('a full disk: what was acknowledged is in the log, and the copy goes on when there is room', async (context) => {
  await using on = await startDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'moln-full-'));
  const disk = SmallDisk.mount(context, folder, 8 * 1024 * 1024);
  if (disk === undefined) return context.diagnostic('Only root may mount a small disk');
  const primary = await on.copy('n1', { path: join(folder, 's1.sqlite') });
  assert.ok(await primary.lead());
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v)');
  await run(primary, 'INSERT INTO t VALUES (1, ?)', 'x'.repeat(1000));
  const mirror = await on.copy('n2');
  const acknowledged: { readonly id: bigint; readonly index: number }[] = [];
  // Several at once: the next group is in the thread already when the file cannot take the one before, which the log has.
  for (let round = 0n; round < FULL_ROUNDS; round++) {
    disk.fill();
    const asked: Promise<void>[] = [];
    let refused = 0;
    for (let id = round * 1000n + 2n; id < round * 1000n + 100n; id++) {
      const args = [id, 'x'.repeat(20_000)];
      const insert = primary.execute([{ sql: 'INSERT INTO t VALUES (?, ?)', args }]);
      const noted = insert.then(
        ({ index }) => void acknowledged.push({ id, index }),
        () => void refused++,
      );
      asked.push(noted);
      await nextTurn();
    }
    await Promise.all(asked);
    assert.ok(refused > 0);
    disk.free();
    await until('it can lead again', async () => {
      await primary.lead();
      return primary.status.role === 'primary';
    });
  }
  await run(primary, "INSERT INTO t VALUES (100000, 'after')");
  const kept = new Set((await look(primary, 'SELECT id FROM t')).map(([id]) => BigInt(Number(id))));
  const lost = acknowledged.filter(({ id }) => !kept.has(id));
  assert.deepEqual(lost, []);
  // Whoever reads another copy as of the entry that he was told finds his own.
  let rows = 0;
  for (const { index, changes } of await wholeLog(on)) {
    rows += changes;
    // And the first.
    const told = acknowledged.filter((one) => one.index <= index).length + Math.min(rows, 1);
    assert.ok(told <= rows, `${told} were told of entry ${index} or before, ${rows} are there`);
  }
  await mirror.catchUp();
  await sameCopies(primary, mirror);
  for (const copy of [primary, mirror]) assert.equal(copy.status.quarantined, undefined);
});

test('a read that waits for a copy that cannot follow says so in time', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  let isCut = false;
  const log = new Proxy(on.log, {
    get: (target, name) => {
      if (name === 'read' && isCut) return () => Promise.reject(new Error('cut off'));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const mirror = await on.copy('n2', { log, readMs: 300 });
  isCut = true;
  await run(primary, 'INSERT INTO t VALUES (21, ?)', 'x');
  const count = { sql: 'SELECT count(*) FROM t' };
  for (const level of [{ kind: 'strong' }, { kind: 'look', isAgain: true }] as const)
    await assert.rejects(mirror.query(count, level), { code: 'DATABASE_BEHIND', retryable: true });
  assert.deepEqual(await look(mirror, count.sql), [[20n]]);
  isCut = false;
  await until('it follows', async () => mirror.catchUp());
  const { index } = primary.status.applied;
  const { rows } = await mirror.query(count, { kind: 'session', index });
  assert.deepEqual(rows, [[21n]]);
});
