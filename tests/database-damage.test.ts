/** Files that a disk has spoiled: found, put aside and built anew, also when that cannot be done at once. */
import assert from 'node:assert/strict';
import { open, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { noSnapshot, type SlowReads, type SnapshotStore } from '../src/database/database.ts';
import { WHOLE_FILE_MS_MIN } from '../src/database/limits.ts';
import {
  type DatabaseUnderTest,
  filled,
  run,
  sameCopies,
  startDatabase,
  tamper,
} from '../testing/database-kit.ts';
import { until } from '../testing/until.ts';

/** Bytes of a file, from so far on, that a disk got wrong. What SQLite has in its log of writes is in the file by then. */
async function spoil(
  on: DatabaseUnderTest,
  node: string,
  from: number,
  bytes: number,
): Promise<void> {
  const path = join(on.folder, node, 's1.sqlite');
  using file = new DatabaseSync(path);
  const checkpoint = file.prepare('PRAGMA wal_checkpoint(TRUNCATE)');
  // What was answered already may still be written.
  await until('all of it is there', async () => checkpoint.get()?.['busy'] === 0);
  file.close();
  const handle = await open(path, 'r+');
  await handle.write(new Uint8Array(bytes).fill(0xa5), 0, bytes, from);
  await handle.close();
}

test('a file with a spoiled header or end is put aside when it is opened, and built anew', async () => {
  for (const spoiled of ['header', 'cut', 'empty'] as const) {
    await using on = await startDatabase();
    const primary = await filled(on);
    const first = await on.copy('n2');
    await first[Symbol.asyncDispose]();
    const path = join(on.folder, 'n2', 's1.sqlite');
    if (spoiled === 'header') await spoil(on, 'n2', 0, 100);
    else await truncate(path, spoiled === 'cut' ? 4096 + 700 : 100);
    const mirror = await on.copy('n2');
    assert.match(
      mirror.status.quarantined ?? '',
      /cannot be opened|damaged|different|follows/,
      spoiled,
    );
    await sameCopies(primary, mirror);
    const names = await readdir(join(on.folder, 'n2'));
    assert.ok(names.includes('s1.sqlite.damaged'), names.join());
  }
});

test('pages that are spoiled while a copy runs: it is built anew as soon as somebody meets them, also where it leads', async () => {
  for (const role of ['mirror', 'primary'] as const) {
    await using on = await startDatabase();
    const primary = await filled(on);
    const rows = 'INSERT INTO t (v) SELECT hex(randomblob(500)) FROM t LIMIT 500';
    for (let n = 0; n < 4; n += 1) await run(primary, rows);
    const mirror = await on.copy('n2');
    await mirror.catchUp();
    const [node, copy] = role === 'mirror' ? ['n2', mirror] : ['n1', primary];
    await spoil(on, node, 8 * 4096, 40 * 4096);
    const sql = 'SELECT sum(length(v)) FROM t';
    await until('it is noticed', async () => {
      await copy.query({ sql }, { kind: 'stale' }).catch(() => undefined);
      return copy.status.quarantined !== undefined;
    });
    await until(
      'it leads again',
      async () => role === 'mirror' || (await copy.lead().catch(() => false)),
    );
    await run(role === 'mirror' ? primary : copy, "INSERT INTO t (v) VALUES ('after')");
    await mirror.catchUp();
    await sameCopies(primary, mirror);
  }
});

test('the look at a damaged file may take as long as its size asks for, not as long as a read of a client', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  const rows = 'INSERT INTO t (v) SELECT hex(randomblob(500)) FROM t LIMIT 500';
  for (let n = 0; n < 4; n += 1) await run(primary, rows);
  const looks: number[] = [];
  const { pool } = on;
  const slowReads: SlowReads = {
    query: (path, statement, readMs, planned) => {
      if (statement.sql.startsWith('PRAGMA')) looks.push(readMs);
      return pool.query(path, statement, readMs, planned);
    },
    copy: (path, to) => pool.copy(path, to),
    digest: (path) => pool.digest(path),
    view: (path) => pool.view(path),
  };
  const readMs = 2000;
  const mirror = await on.copy('n2', { slowReads, readMs });
  await mirror.catchUp();
  await spoil(on, 'n2', 8 * 4096, 40 * 4096);
  await until('it is noticed', async () => {
    const sql = 'SELECT sum(length(v)) FROM t';
    await mirror.query({ sql }, { kind: 'stale' }).catch(() => undefined);
    return mirror.status.quarantined !== undefined;
  });
  await mirror.catchUp();
  assert.ok(looks.length > 0 && looks.every((ms) => ms > WHOLE_FILE_MS_MIN), looks.join());
  await sameCopies(primary, mirror);
});

test('an index that has another value than its table: the primary is built anew as soon as that is met', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  await run(primary, 'CREATE INDEX by_v ON t (v)');
  const mirror = await on.copy('n2');
  await mirror.catchUp();
  const sql = 'DELETE FROM t WHERE id = 7';
  const as = (text: string): string =>
    `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '${text}' WHERE name = 'by_v'`;
  await tamper(on, 'n1', as('CREATE INDEX by_v ON t (v) WHERE 0'));
  await tamper(on, 'n1', "UPDATE t SET v = 'y' WHERE id = 7");
  await tamper(on, 'n1', as('CREATE INDEX by_v ON t (v)'));
  await assert.rejects(run(primary, sql), { code: 'DATABASE_SQL' });
  await until('it is built anew', () => primary.status.quarantined !== undefined);
  await until('it leads again', async () => primary.lead());
  await run(primary, sql);
  await mirror.catchUp();
  await sameCopies(primary, mirror);
});

test('a copy that cannot be filled while it is built anew is filled once that is possible', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  const first = await on.copy('n2');
  await first[Symbol.asyncDispose]();
  await primary.snapshot(0);
  let isAway = true;
  const snapshots: SnapshotStore = {
    further: [],
    put: (...args) => on.snapshots.put(...args),
    keepOnly: (...args) => on.snapshots.keepOnly(...args),
    get: async (...args) => {
      if (isAway) throw noSnapshot(args[2], args[0], args[1]);
      await on.snapshots.get(...args);
    },
  };
  await spoil(on, 'n2', 0, 100);
  const mirror = await on.copy('n2', { snapshots });
  for (const round of ['at its start', 'while it runs']) {
    isAway = false;
    const { index } = await on.log.head('s1');
    await until(`it is filled ${round}`, async () => (await mirror.catchUp()).index === index);
    await sameCopies(primary, mirror);
    isAway = true;
    await tamper(on, 'n2', "UPDATE t SET v = 'y' WHERE id = 7");
    await assert.rejects(mirror.mend('it is damaged'), { code: 'DATABASE_NO_SNAPSHOT' });
  }
});

test('a primary whose file cannot be opened when its term ends is built anew', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  const next = await on.copy('n2');
  await next.catchUp();
  await spoil(on, 'n1', 0, 100);
  const { epoch } = (await on.log.primary('s1')) ?? {};
  assert.ok(await next.lead(epoch === undefined ? {} : { replaces: epoch }));
  await until('it is built anew', async () => primary.status.quarantined !== undefined);
  await run(next, "INSERT INTO t (v) VALUES ('after')");
  await primary.catchUp();
  await sameCopies(primary, next);
});
