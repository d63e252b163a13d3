/** What disks do to files, and what becomes of blobs then. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  blobBytes,
  blobId,
  bytesOf,
  failsWith,
  inPieces,
  putOptions,
} from '../../testing/blob-conformance.ts';
import { BlobNode } from '../../testing/blob-kit.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { SmallDisk } from '../../testing/small-disk.ts';
import { until } from '../../testing/until.ts';
import { isMolnError } from '../base/errors.ts';
import type { LocalBlobs } from './blobs.ts';
import { blobPath, openPath } from './layout.ts';
import { COLLECT_EVERY_MS, GARBAGE_MS, LOOK_EVERY_MS } from './limits.ts';

const SMALL = 5000;
const LARGE = 400_000;

async function put(store: LocalBlobs, n: number, length: number): Promise<string> {
  const id = blobId(n);
  await store.put(
    id,
    inPieces(blobBytes(n, length)),
    putOptions({ length, maxBytes: length, allocSeq: n }),
  );
  return id;
}

async function isGood(store: LocalBlobs, n: number, length: number): Promise<boolean> {
  return (await bytesOf(await store.get(blobId(n)))).equals(blobBytes(n, length));
}

function change(path: string, at: number): void {
  const bytes = readFileSync(path);
  const position = at < 0 ? bytes.length + at : at;
  bytes.writeUInt8(bytes.readUInt8(position) ^ 0x10, position);
  writeFileSync(path, bytes);
}

function files(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

async function state(store: LocalBlobs): Promise<string | undefined> {
  return (await store.usage()).backends[0]?.state;
}

test('a damaged file is found by who reads it, put aside, and missing from then on', async () => {
  await using node = await BlobNode.start();
  const damages: readonly ((path: string) => void)[] = [
    (path) => change(path, 100_000),
    (path) => change(path, -3),
    (path) => change(path, -170),
    (path) => truncateSync(path, statSync(path).size - 1),
    (path) => truncateSync(path, 70_000),
    (path) => truncateSync(path, 0),
    (path) => truncateSync(path, LARGE),
  ];
  for (const [i, damage] of damages.entries()) {
    const id = await put(node.store, i, LARGE);
    damage(blobPath(node.folder, id));
    const read = async (): Promise<unknown> => await bytesOf(await node.store.get(id));
    await failsWith('BLOBS_CORRUPT', read());
    await until('it is put aside', async () => (await node.store.list(undefined, 9)).length === i);
    await failsWith('BLOBS_MISSING', read());
    assert.equal(files(join(node.folder, 'q')).length, i + 1);
    assert.equal(await node.store.stat(id), undefined);
    assert.equal(await node.store.delete(id), false);
    // Repair brings it back.
    await put(node.store, i, LARGE);
    assert.ok(await isGood(node.store, i, LARGE));
  }
  assert.equal((await node.store.list(undefined, 100)).length, damages.length);
});

test('what nobody reads is read again in the background, and put aside when it is damaged', async () => {
  await using node = await BlobNode.start({ scrub: { everyMs: 1 } });
  await put(node.store, 1, LARGE);
  await put(node.store, 2, LARGE);
  await put(node.store, 3, SMALL);
  change(blobPath(node.folder, blobId(2)), 200_000);
  const status = (): string =>
    node.store.workers().find(({ name }) => name === 'blobs-scrub')?.status ?? '';
  await until('it is found', () => status().includes('1 were'));
  assert.equal((await node.store.list(undefined, 9)).length, 2);
  assert.equal(files(join(node.folder, 'q')).length, 1);
  assert.match(readFileSync(join(node.folder, 'SCRUB'), 'utf8'), /"dueAt"/);
});

test('a range is good as long as its own blocks are', async () => {
  await using node = await BlobNode.start();
  const id = await put(node.store, 1, LARGE);
  change(blobPath(node.folder, id), 300_000);
  const part = await bytesOf(await node.store.get(id, { start: 1000, end: 200_000 }));
  assert.ok(part.equals(blobBytes(1, LARGE).subarray(1000, 200_000)));
  assert.equal(await node.store.verify(id), 'corrupt');
  assert.equal(await node.store.verify(id), 'missing');
});

test('damage in a pack costs the blobs that it hits, also when all is read anew', async () => {
  await using node = await BlobNode.start();
  for (let n = 0; n < 20; n++) await put(node.store, n, SMALL);
  const [pack = ''] = files(join(node.folder, 'p'));
  const record = 64 + SMALL + 4 + (statSync(pack).size - 64) / 20 - SMALL - 68;
  const hit = (n: number, at: number): void => change(pack, 64 + n * record + at);
  hit(3, 1000);
  await failsWith('BLOBS_CORRUPT', node.store.get(blobId(3)));
  await until('it is missing', async () => {
    return await node.store.get(blobId(3)).catch((error) => isMolnError(error, 'BLOBS_MISSING'));
  });
  assert.equal(files(join(node.folder, 'q')).length, 1);
  // A head, a payload, the head of the file.
  hit(5, 20);
  hit(9, 2000);
  change(pack, 30);
  await node.reopen();
  const there: number[] = [];
  for (let n = 0; n < 20; n++) {
    if ((await node.store.stat(blobId(n))) === undefined) continue;
    assert.ok(await isGood(node.store, n, SMALL));
    there.push(n);
  }
  const lost = Array.from({ length: 20 }, (_, n) => n).filter((n) => !there.includes(n));
  assert.deepEqual(lost, [3, 5, 9]);
  assert.equal((await node.store.list(undefined, 100)).length, 17);
});

test('a pack that was cut anywhere, or whose end is zeros, has all that was before', async () => {
  await using node = await BlobNode.start();
  const sizes: number[] = [];
  for (let n = 0; n < 5; n++) {
    await put(node.store, n, SMALL);
    sizes.push(statSync(files(join(node.folder, 'p'))[0] ?? '').size);
  }
  await node.close();
  const [pack = ''] = files(join(node.folder, 'p'));
  const whole = readFileSync(pack);
  const start = sizes[3] ?? 0;
  for (const cut of [1, 30, 64, 100, SMALL, SMALL + 100]) {
    for (const zeros of cut % 8 === 0 ? [0, 4096] : [0]) {
      writeFileSync(pack, Buffer.concat([whole.subarray(0, start + cut), Buffer.alloc(zeros)]));
      await node.open();
      for (let n = 0; n < 4; n++) assert.ok(await isGood(node.store, n, SMALL));
      assert.equal(await node.store.stat(blobId(4)), undefined);
      // And it goes on behind them.
      await put(node.store, 50 + cut, SMALL);
      await node.reopen();
      assert.ok(await isGood(node.store, 50 + cut, SMALL));
      assert.equal((await node.store.list(undefined, 10)).length, 5);
      await node.close();
    }
  }
});

test('no blob can pose as a record of a pack', async () => {
  await using node = await BlobNode.start();
  await put(node.store, 1, SMALL);
  const [pack = ''] = files(join(node.folder, 'p'));
  const stolen = readFileSync(pack);
  await node.store.delete(blobId(1));
  // Its own bytes, of another file's time, within a blob: and the record before it is damaged.
  const again = await BlobNode.start();
  await put(again.store, 2, SMALL);
  await again.store.put(blobId(3), inPieces(stolen), putOptions());
  const [other = ''] = files(join(again.folder, 'p'));
  change(other, 64 + 10);
  await again.reopen();
  assert.deepEqual(
    (await again.store.list(undefined, 10)).map(({ id }) => id),
    [blobId(3)],
  );
  await again[Symbol.asyncDispose]();
});

test('an open blob: what was not noted is cut off, what was noted and is gone is corrupt', async () => {
  await using node = await BlobNode.start();
  const id = blobId(1);
  const bytes = blobBytes(1, 200_000);
  const append = (from: number, to: number): Promise<unknown> =>
    node.store.append(id, from, inPieces(bytes.subarray(from, to)), putOptions());
  await append(0, 100_000);
  const path = openPath(node.folder, id);
  writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(5000, 1)]));
  await node.reopen();
  assert.equal((await node.store.stat(id))?.length, 100_000);
  await append(100_000, 200_000);
  assert.ok((await bytesOf(await node.store.get(id))).equals(bytes));
  change(path, 150_000);
  await failsWith('BLOBS_CORRUPT', node.store.seal(id));
  await until('it is missing', async () => (await node.store.stat(id)) === undefined);
  assert.equal(files(join(node.folder, 'q')).length, 1);
});

test('a folder without its identity is away, not empty', async () => {
  await using node = await BlobNode.start();
  await put(node.store, 1, LARGE);
  await put(node.store, 2, SMALL);
  const { id } = (await node.store.usage()).backends[0] ?? {};
  const hidden = `${node.folder}.hidden`;
  const hide = (): void => {
    renameSync(node.folder, hidden);
    mkdirSync(node.folder);
  };
  const show = (): void => {
    rmSync(node.folder, { recursive: true });
    renameSync(hidden, node.folder);
  };
  hide();
  await failsWith('BLOBS_AWAY', node.store.get(blobId(1)));
  await failsWith('BLOBS_AWAY', node.store.stat(blobId(9)));
  await failsWith('BLOBS_AWAY', node.store.list(undefined, 10));
  await failsWith('BLOBS_AWAY', node.store.delete(blobId(1)));
  await failsWith('BLOBS_FULL', put(node.store, 3, SMALL));
  assert.deepEqual(await node.store.list(undefined, 10, { skipAway: true }), []);
  assert.equal(await state(node.store), 'away');
  assert.deepEqual(readdirSync(node.folder), []);
  // Also for a process that starts then, and whatever it was told.
  await node.reopen(id === undefined ? {} : { id });
  assert.equal(await state(node.store), 'away');
  show();
  assert.ok(await isGood(node.store, 1, LARGE).catch(() => true));
  await until('it is back', async () => (await state(node.store)) === 'good');
  assert.ok(await isGood(node.store, 1, LARGE));
  assert.ok(await isGood(node.store, 2, SMALL));
});

test('several disks are one store, and one of them may be away', async () => {
  await using node = await BlobNode.start({ backends: [{}, {}].map(() => ({ limitBytes: 2e8 })) });
  const numbers = Array.from({ length: 24 }, (_, n) => n);
  const sizeOf = (n: number): number => (n % 2 === 0 ? SMALL : 300_000);
  for (const n of numbers) await put(node.store, n, sizeOf(n));
  const counts = (await node.store.usage()).backends.map(({ blobs }) => blobs);
  assert.equal((counts[0] ?? 0) + (counts[1] ?? 0), numbers.length);
  assert.ok(counts.every((count) => count > 0));
  assert.equal((await node.store.list(undefined, 100)).length, numbers.length);
  const [, second = ''] = node.folders;
  renameSync(second, `${second}.hidden`);
  await node.reopen();
  const here = await node.store.list(undefined, 100, { skipAway: true });
  assert.equal(here.length, counts[0]);
  for (const n of numbers) {
    if (here.some(({ id }) => id === blobId(n))) assert.ok(await isGood(node.store, n, sizeOf(n)));
    else await failsWith('BLOBS_AWAY', node.store.get(blobId(n)));
  }
  await put(node.store, 99, SMALL);
  renameSync(`${second}.hidden`, second);
  await until('both are there', async () =>
    (await node.store.usage()).backends.every((one) => one.state === 'good'),
  );
  for (const n of numbers) assert.ok(await isGood(node.store, n, sizeOf(n)));
  for (const n of numbers) assert.equal(await node.store.delete(blobId(n)), true);
  assert.equal((await node.store.list(undefined, 100)).length, 1);
});

test('a back end of another node, or another one of this node, is not taken', async () => {
  await using node = await BlobNode.start();
  await node.close();
  const identity = join(node.folder, 'NODE');
  const text = readFileSync(identity, 'utf8');
  for (const other of [text.replace('"n1"', '"n2"'), '{"format":2}', 'not JSON']) {
    writeFileSync(identity, other);
    await node.open({});
    assert.equal(await state(node.store), 'away');
    await node.close();
  }
  writeFileSync(identity, text);
  await node.open({ id: 'anotherone12' });
  const [usage] = (await node.store.usage()).backends;
  assert.match(usage?.reason ?? '', /not "anotherone12"/);
  await node.close();
  const strange = join(node.folder, 'd');
  rmSync(identity);
  writeFileSync(join(strange, 'file'), '');
  await failsWith('BLOBS_NOT_EMPTY', node.open({ create: true }));
});

test('two processes never have one back end', async () => {
  await using node = await BlobNode.start();
  await put(node.store, 1, SMALL);
  await using second = await BlobNode.start({ folders: node.folders });
  assert.equal(await state(second.store), 'away');
  await node.close();
  await until('the second one has it', async () => (await state(second.store)) === 'good');
  assert.ok(await isGood(second.store, 1, SMALL));
});

test('what was deleted is kept for a day, and goes at once when its room is needed', async () => {
  const clock = new ManualClock();
  await using node = await BlobNode.start({ clock, backends: [{ limitBytes: 3_000_000 }] });
  const garbage = (): number => files(join(node.folder, 'g')).length;
  for (let n = 0; n < 6; n++) await put(node.store, n, LARGE);
  await failsWith('BLOBS_FULL', put(node.store, 7, 800_000));
  await node.store.delete(blobId(0));
  await node.store.delete(blobId(1));
  assert.equal(garbage(), 2);
  const used = (await node.store.usage()).backends[0]?.usedBytes ?? 0;
  await put(node.store, 7, 800_000);
  assert.equal(garbage(), 0);
  assert.ok(((await node.store.usage()).backends[0]?.usedBytes ?? 0) <= used);
  await node.store.delete(blobId(2));
  clock.advance(GARBAGE_MS - 60_000);
  assert.equal(garbage(), 1);
  clock.advance(COLLECT_EVERY_MS + 60_000);
  await until('it is gone', () => garbage() === 0);
});

test('a pack that is mostly deleted is written anew, and nothing deleted comes back', async () => {
  await using node = await BlobNode.start({ backends: [{ limitBytes: 40_000_000 }] });
  const size = 200_000;
  const most = 150;
  for (let n = 0; n < most; n += 30) {
    await Promise.all(Array.from({ length: 30 }, (_, i) => put(node.store, n + i, size)));
  }
  assert.equal(files(join(node.folder, 'p')).length, 2);
  const gone = (n: number): boolean => n % 3 !== 0;
  const numbers = Array.from({ length: most }, (_, n) => n);
  await Promise.all(numbers.filter(gone).map((n) => node.store.delete(blobId(n))));
  const before = await node.store.usage();
  // There is no room for this: what is deleted has to go first.
  await put(node.store, 999, 11_000_000);
  const [now] = (await node.store.usage()).backends;
  assert.ok((now?.usedBytes ?? 0) < (before.backends[0]?.usedBytes ?? 0));
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < most; n++) {
      if (gone(n)) assert.equal(await node.store.stat(blobId(n)), undefined, `${n} is back`);
      else assert.ok(await isGood(node.store, n, size));
    }
    const counted = (await node.store.usage()).backends[0];
    await node.reopen();
    const again = (await node.store.usage()).backends[0];
    assert.equal(again?.blobs, counted?.blobs);
    assert.ok(Math.abs((again?.usedBytes ?? 0) - (counted?.usedBytes ?? 0)) < 100_000);
  }
});

test('a full disk takes nothing more, loses nothing, and can be made room on', async (t) => {
  const disk = SmallDisk.mount(t, mkdtempSync(join(tmpdir(), 'moln-disk-')), 8_000_000);
  if (disk === undefined) {
    t.diagnostic('not root, so no disk could be mounted');
    return;
  }
  await using node = await BlobNode.start({ folders: [disk.folder] });
  await put(node.store, 1, LARGE);
  await put(node.store, 2, SMALL);
  await node.store.append(
    blobId(3),
    0,
    inPieces(blobBytes(3, 90_000)),
    putOptions({ maxBytes: 200_000 }),
  );
  // The owner's own files, behind the back of the figure that is 5 s old.
  disk.fill();
  for (const length of [LARGE, 200_000]) await failsWith('BLOBS_FULL', put(node.store, 5, length));
  const more = node.store.append(blobId(3), 90_000, inPieces(blobBytes(4, 110_000)));
  await failsWith('BLOBS_FULL', more);
  for (const kind of ['t', 'q']) assert.deepEqual(files(join(node.folder, kind)), []);
  assert.ok(await isGood(node.store, 1, LARGE));
  assert.ok(await isGood(node.store, 2, SMALL));
  assert.equal((await node.store.stat(blobId(3)))?.length, 90_000);
  // Deleting needs no room.
  assert.equal(await node.store.delete(blobId(2)), true);
  await until('its owner is heard', async () => (await state(node.store)) === 'full');
  disk.free();
  await until('there is room again', async () => {
    return await put(node.store, 5, LARGE).then(
      () => true,
      () => false,
    );
  });
  await node.reopen();
  assert.ok(await isGood(node.store, 1, LARGE));
  assert.ok(await isGood(node.store, 3, 90_000));
  assert.equal(await node.store.stat(blobId(2)), undefined);
  await node.close();
});

test('when the owner needs the room, deleted blobs go, and then the node says that it has too much', async (t) => {
  const disk = SmallDisk.mount(t, mkdtempSync(join(tmpdir(), 'moln-disk-')), 8_000_000);
  if (disk === undefined) {
    t.diagnostic('not root, so no disk could be mounted');
    return;
  }
  const clock = new ManualClock();
  const backends = [{ keepFree: 2_000_000 }];
  await using node = await BlobNode.start({ folders: [disk.folder], backends, clock });
  for (let n = 0; n < 4; n++) await put(node.store, n, LARGE);
  await node.store.delete(blobId(0));
  assert.equal(files(join(node.folder, 'g')).length, 1);
  disk.fill(1_800_000);
  clock.advance(LOOK_EVERY_MS + 1);
  // One deleted blob was what was missing to what the owner wants to keep free.
  await until('it has gone', () => files(join(node.folder, 'g')).length === 0);
  disk.fill(500_000);
  clock.advance(LOOK_EVERY_MS + 1);
  await until('it says so', async () => (await state(node.store)) === 'shrinking');
  await failsWith('BLOBS_FULL', put(node.store, 5, SMALL));
  assert.ok(await isGood(node.store, 1, LARGE));
  for (let n = 1; n < 4; n++) await node.store.delete(blobId(n));
  clock.advance(LOOK_EVERY_MS + 1);
  await until('there is enough again', async () => (await state(node.store)) !== 'shrinking');
  await node.close();
});

test('a disk that refuses writes is still read', async (t) => {
  const disk = SmallDisk.mount(t, mkdtempSync(join(tmpdir(), 'moln-disk-')), 8_000_000);
  if (disk === undefined) {
    t.diagnostic('not root, so no disk could be mounted');
    return;
  }
  await using node = await BlobNode.start({ folders: [disk.folder] });
  await put(node.store, 1, LARGE);
  await put(node.store, 2, SMALL);
  await node.close();
  const remount = (how: string): void => {
    execFileSync('mount', ['-o', `remount,${how}`, node.folder]);
  };
  remount('ro');
  await node.open({});
  assert.ok(await isGood(node.store, 1, LARGE));
  assert.ok(await isGood(node.store, 2, SMALL));
  await failsWith('BLOBS_READ_ONLY', put(node.store, 3, LARGE)).catch(async () => {
    await failsWith('BLOBS_FULL', put(node.store, 3, LARGE));
  });
  assert.equal(await state(node.store), 'read-only');
  remount('rw');
  await until('it takes writes again', async () => (await state(node.store)) === 'good');
  await put(node.store, 3, LARGE);
  await put(node.store, 4, SMALL);
  assert.ok(await isGood(node.store, 4, SMALL));
  await node.close();
});
