import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import type { DatabaseRecord } from './records.ts';
import {
  firstStripes,
  nextSplit,
  newestSlots,
  slotCounts,
  withSplit,
  withStripes,
} from './splits.ts';

const SHOP: DatabaseRecord = {
  id: 'abcdefghijkl',
  createdAt: 0,
  by: 'ada',
  stripes: 2,
  copies: 2,
  regions: [],
  tokenKey: '',
};
const PLACES = { stripes: [['n1', 'n2'], ['n2']] };

test('a split enters the record with a place for the new stripe', () => {
  const once = withSplit('shop', 1, { record: SHOP, places: PLACES });
  assert.deepEqual([once.record.stripes, once.record.splits], [3, [{ from: 1, into: 2 }]]);
  assert.deepEqual(once.places.stripes, [['n1', 'n2'], ['n2'], ['n2']]);
  const twice = withSplit('shop', 2, once).record;
  assert.deepEqual(twice.splits?.at(-1), { from: 2, into: 3 });
  assert.deepEqual([firstStripes(twice), firstStripes(SHOP)], [2, 2]);
  const before = withStripes(twice, 3);
  assert.deepEqual(
    [before.stripes, before.splits, firstStripes(before)],
    [3, once.record.splits, 2],
  );
  assert.deepEqual(withStripes(SHOP, 2), { ...SHOP, splits: undefined });
});

test('a stripe that is not there, or too small, is refused', () => {
  assert.throws(
    () => withSplit('shop', 2, { record: SHOP, places: PLACES }),
    (error) => isMolnError(error, 'DATABASES_STRIPE_NOT_FOUND'),
  );
  let shop: {
    readonly record: DatabaseRecord;
    readonly places: { stripes: readonly (readonly string[])[] };
  } = {
    record: { ...SHOP, stripes: 1 },
    places: PLACES,
  };
  // 1,024 slots, halved ten times.
  for (let times = 0; times < 10; times++) shop = withSplit('shop', 0, shop);
  assert.throws(() => withSplit('shop', 0, shop), /has a single slot/);
});

test('what is to be done follows from the list and the map', () => {
  const splits = [
    { from: 0, into: 2 },
    { from: 2, into: 3 },
  ];
  assert.deepEqual(nextSplit(splits, { count: 2 }), splits[0]);
  const moving = { from: 0, into: 2, left: [5] };
  assert.deepEqual(nextSplit(splits, { count: 3, moving }), splits[0]);
  assert.deepEqual(nextSplit(splits, { count: 3 }), splits[1]);
  assert.equal(nextSplit(splits, { count: 4 }), undefined);
  assert.deepEqual(slotCounts([0, 0, 2]), [2, 0, 1]);
});

test('how many slots each stripe has is told by the newest map that a node knows', () => {
  const [old, other, split] = [
    { slots: [10], slotsVersion: undefined },
    { slots: [6, 4], slotsVersion: 2 },
    { slots: [3, 4, 3], slotsVersion: 4 },
  ];
  assert.deepEqual(
    newestSlots([other, split, old, { slots: [], slotsVersion: undefined }]),
    [3, 4, 3],
  );
  assert.deepEqual(newestSlots([old]), [10]);
  assert.deepEqual(newestSlots([]), []);
});
