/** A copy with a wrong row that SQLite reads happily is found by comparing, whichever of the two it is, and goes on with what the log says. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { replaceCopy, rightDigest, scrubMirror, type Stripe } from '../src/database/database.ts';
import {
  type DatabaseUnderTest,
  look,
  run,
  sameCopies,
  startDatabase,
} from '../testing/database-kit.ts';
import { flipBit } from '../testing/flip-bit.ts';

const WORD = 'a word that a disk gets wrong';

async function filled(on: DatabaseUnderTest): Promise<Stripe> {
  const primary = await on.copy('n1');
  assert.ok(await primary.lead());
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)');
  for (let id = 1n; id <= 20n; id++) await run(primary, 'INSERT INTO t VALUES (?, ?)', id, 'x');
  await run(primary, 'INSERT INTO t VALUES (21, ?)', WORD);
  return primary;
}

const pathOf = (on: DatabaseUnderTest, node: string): string => join(on.folder, node, 's1.sqlite');

/** Closes a copy, has a bit of its file flipped, and opens it again. */
async function flipped(on: DatabaseUnderTest, node: string, copy: Stripe): Promise<Stripe> {
  await copy[Symbol.asyncDispose]();
  const wrong = await flipBit(pathOf(on, node), WORD);
  const again = await on.copy(node);
  assert.deepEqual(await look(again, 'SELECT v FROM t WHERE id = 21'), [[wrong]]);
  return again;
}

function scrub(
  on: DatabaseUnderTest,
  primary: readonly [string, Stripe],
  mirror: readonly [string, Stripe],
): Promise<readonly string[]> {
  const { log, snapshots, pool } = on;
  const right = (node: string, index: number): Parameters<typeof rightDigest>[0] => ({
    stripe: 's1',
    log,
    snapshots,
    path: pathOf(on, node),
    index,
  });
  const replace =
    ([node, copy]: readonly [string, Stripe]) =>
    (why: string, index: number): Promise<void> =>
      replaceCopy(copy, why, right(node, index));
  return scrubMirror({
    primary: {
      name: 's1',
      beginDigest: (least) => primary[1].beginDigest(least),
      replace: replace(primary),
    },
    mirror: { digestAt: (pin) => mirror[1].digestAt(pin), replace: replace(mirror) },
    right: (index) => rightDigest(right(primary[0], index), pool),
  });
}

async function leftBeside(on: DatabaseUnderTest, node: string): Promise<readonly string[]> {
  const names = await readdir(join(on.folder, node));
  return names.filter((name) => /\.(tmp-|damaged)/.test(name));
}

test('a bit that is wrong in a mirror, while writes go on', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  const mirror = await flipped(on, 'n2', await on.copy('n2'));
  let isDone = false;
  const writing = (async () => {
    let written = 0;
    for (; !isDone; written++) await run(primary, "INSERT INTO t (v) VALUES ('more')");
    return written;
  })();
  const found = await scrub(on, ['n1', primary], ['n2', mirror]);
  const again = await scrub(on, ['n1', primary], ['n2', mirror]);
  isDone = true;
  assert.ok((await writing) > 0);
  assert.deepEqual([found, again], [['mirror'], []]);
  assert.match(
    mirror.status.quarantined ?? '',
    /rows of "t" are not what the log says .* entry \d/,
  );
  assert.equal(primary.status.quarantined, undefined);
  assert.deepEqual(await leftBeside(on, 'n2'), ['s1.sqlite.damaged']);
  assert.deepEqual(await leftBeside(on, 'n1'), []);
  await mirror.catchUp();
  await sameCopies(primary, mirror);
});

test('a copy that is only behind, and one that was made of a snapshot, are not taken for wrong', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  await run(primary, 'CREATE VIRTUAL TABLE f USING fts5(w)');
  await run(primary, 'CREATE VIRTUAL TABLE r USING rtree(id, a, b)');
  await run(primary, 'CREATE TABLE k (name TEXT PRIMARY KEY NOT NULL, n REAL) WITHOUT ROWID');
  for (let n = 0; n < 30; n++) {
    await run(primary, `INSERT INTO f VALUES ('one two ${n}')`);
    await run(primary, `INSERT INTO r VALUES (${n}, ${n}, ${n + 1})`);
    await run(primary, `INSERT INTO k VALUES ('k${n}', ${n} / 7.0)`);
  }
  const early = await on.copy('n2');
  await run(primary, 'DELETE FROM t WHERE id < 10');
  await primary.snapshot(0);
  await run(primary, "INSERT INTO f (f) VALUES ('optimize')");
  const late = await on.copy('n3');
  await run(primary, "UPDATE t SET v = 'y'");
  for (const [node, mirror] of [
    ['n2', early],
    ['n3', late],
  ] as const)
    assert.deepEqual(await scrub(on, ['n1', primary], [node, mirror]), []);
  // What decides would say the same of them.
  const { index, tables } = await primary.digest();
  const { log, snapshots, pool } = on;
  const path = pathOf(on, 'n1');
  assert.deepEqual(await rightDigest({ stripe: 's1', log, snapshots, path, index }, pool), {
    index,
    tables,
  });
});

test('a bit that is wrong where the stripe is led, and in the newest snapshot: clients see what was written', async () => {
  await using on = await startDatabase();
  const first = await filled(on);
  const mirror = await on.copy('n2');
  await first.snapshot(0);
  const primary = await flipped(on, 'n1', first);
  assert.ok(await primary.lead());
  await run(primary, "INSERT INTO t (v) VALUES ('later')");
  // Made of the wrong file, its checksum is right.
  await primary.snapshot(0);
  assert.deepEqual(await scrub(on, ['n1', primary], ['n2', mirror]), ['primary']);
  assert.match(primary.status.quarantined ?? '', /rows of "t"/);
  assert.equal(mirror.status.quarantined, undefined);
  assert.equal(primary.status.role, 'mirror');
  assert.ok(await mirror.lead());
  for (const copy of [primary, mirror])
    assert.deepEqual(await look(copy, 'SELECT v FROM t WHERE id = 21'), [[WORD]]);
  assert.deepEqual(await scrub(on, ['n2', mirror], ['n1', primary]), []);
});

test('what cannot be decided is left as it is', async () => {
  await using on = await startDatabase();
  const primary = await filled(on);
  await primary.snapshot(0);
  const mirror = await on.copy('n2');
  const db = new DatabaseSync(pathOf(on, 'n2'));
  db.exec("UPDATE t SET v = 'other' WHERE id = 7");
  db.close();
  await on.snapshots.keepOnly('s1', []);
  await assert.rejects(scrub(on, ['n1', primary], ['n2', mirror]), {
    code: 'DATABASE_NO_SNAPSHOT',
  });
  for (const [node, copy] of [
    ['n1', primary],
    ['n2', mirror],
  ] as const) {
    assert.equal(copy.status.quarantined, undefined);
    assert.deepEqual(await leftBeside(on, node), []);
  }
});
