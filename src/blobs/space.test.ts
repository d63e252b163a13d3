import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { PackIndex } from './pack-index.ts';
import { parseKeepFree, spaceNow, type SpaceRules } from './space.ts';
import { spread } from './spread.ts';
import { blobId } from '../../testing/blob-conformance.ts';
import { seeded } from '../../testing/seeded.ts';

test('the promise to the owner of a disk', () => {
  const rows: readonly [SpaceRules, number, number, number, number][] = [
    // rules, free on disk, used, limit wanted, room wanted; the disk has 1,000.
    [{ limitBytes: 200, keepFree: 0 }, 900, 50, 200, 150],
    [{ limitBytes: undefined, keepFree: 0 }, 900, 50, 950, 900],
    [{ limitBytes: undefined, keepFree: 100 }, 900, 50, 850, 800],
    [{ limitBytes: undefined, keepFree: '10%' }, 900, 50, 850, 800],
    [{ limitBytes: 200, keepFree: '10%' }, 100, 50, 50, 0],
    [{ limitBytes: 200, keepFree: '10%' }, 60, 150, 110, -40],
    [{ limitBytes: 200, keepFree: 500 }, 60, 150, 0, -150],
  ];
  for (const [rules, freeBytes, usedBytes, limitBytes, roomBytes] of rows) {
    const disk = { freeBytes, usedBytes, sizeBytes: 1000 };
    const now = spaceNow(rules, disk, { usedBytes, reservedBytes: 0 });
    assert.deepEqual(now, { limitBytes, roomBytes });
    // What was written since the disk was looked at changes nothing about the limit.
    const later = spaceNow(rules, disk, { usedBytes: usedBytes + 10, reservedBytes: 5 });
    assert.deepEqual(later, { limitBytes, roomBytes: roomBytes - 15 });
  }
});

test('what is to be kept free, as people write it', () => {
  assert.equal(parseKeepFree('10%', 'k'), '10%');
  assert.equal(parseKeepFree('20GB', 'k'), 20_000_000_000);
  for (const text of ['100%', '-1%', 'x%', '%']) {
    assert.throws(
      () => parseKeepFree(text, 'k'),
      (error) => isMolnError(error, 'CONFIG_INVALID'),
    );
  }
});

test('new blobs go where there is room, in proportion, and each to the same place again', () => {
  const disks = [
    { key: 'a', roomBytes: 1000 },
    { key: 'b', roomBytes: 3000 },
    { key: 'c', roomBytes: 10 },
  ];
  const counts: Record<string, number> = {};
  for (let i = 0; i < 4000; i++) {
    const [first, second, third] = spread(blobId(i), 100, disks);
    assert.deepEqual(spread(blobId(i), 100, disks)[0], first);
    assert.ok(first !== undefined && second !== undefined && third === undefined);
    counts[first.key] = (counts[first.key] ?? 0) + 1;
  }
  const share = (counts['b'] ?? 0) / 4000;
  assert.ok(share > 0.7 && share < 0.8, `b has ${share}, want about 0.75`);
});

test('the index of packs holds what a map holds, in few bytes', () => {
  const random = seeded(5);
  const index = new PackIndex();
  const map = new Map<string, { pack: number; offset: number; imageBytes: number }>();
  const idOf = (n: number): string => (n * 7919).toString(16).padStart(32, '0');
  for (let i = 0; i < 60_000; i++) {
    // Ids that differ in their last digits only land in one table and have to be mixed well.
    const id = random.chance(0.5) ? idOf(random.below(9000)) : blobId(random.below(9000) * 470_000);
    if (random.chance(0.3)) {
      assert.equal(index.delete(id), map.delete(id));
      continue;
    }
    const place = { pack: random.below(2 ** 32), offset: i, imageBytes: 1 + random.below(2 ** 31) };
    index.set(id, place);
    map.set(id, place);
  }
  assert.equal(index.size, map.size);
  for (const [id, place] of map) assert.deepEqual(index.get(id), place);
  const found = Array.from({ length: 256 }, (_, i) => index.ids(i.toString(16).padStart(2, '0')));
  assert.deepEqual(found.flat().sort(), [...map.keys()].sort());
  const many = new PackIndex();
  for (let i = 0; i < 40_000; i++) {
    many.set(blobId(Math.imul(i, 2_654_435_761) >>> 0), { pack: 1, offset: 2, imageBytes: 3 });
    if (i < 20_000) continue;
    assert.ok(many.bytes / many.size <= 64, `${many.bytes / many.size} bytes a blob at ${i}`);
  }
});
