/** Copies wanted and valid, and what is said of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tally } from './census.ts';
import { filesFamilies } from './figures.ts';
import type { Place } from './placement.ts';
import type { StorageState } from './storage-state.ts';
import { troublesOf } from './storage-state.ts';

function place(id: string, state: Place['state'] = 'good'): Place {
  const labels = new Set<string>();
  return { id, node: id, name: id, zone: '', region: 'home', labels, freeBytes: 1, state };
}

test('copies are counted by how many are wanted and how many count', () => {
  const all = [place('a'), place('b', 'away'), place('c', 'lost'), place('d', 'drain')];
  const groups = [
    { policy: '2 copies', places: ['a', 'b'], blocks: 5, bytes: 50 },
    { policy: '2 copies', places: ['a', 'c'], blocks: 2, bytes: 20 },
    { policy: '2 copies', places: ['a', 'd'], blocks: 1, bytes: 10 },
    { policy: '1 copy', places: ['gone'], blocks: 1, bytes: 1 },
    // Two copies, and not where they belong.
    { policy: '2 copies: a, c', places: ['a', 'b'], blocks: 1, bytes: 5 },
  ];
  assert.deepEqual(tally(groups, all), {
    counts: [
      { wanted: 1, valid: 0, blocks: 1, bytes: 1 },
      { wanted: 2, valid: 1, blocks: 3, bytes: 30 },
      { wanted: 2, valid: 2, blocks: 6, bytes: 55 },
    ],
    lacking: { blocks: 5, bytes: 36 },
  });
  assert.deepEqual(tally([], all), { counts: [], lacking: { blocks: 0, bytes: 0 } });
});

const usage = { path: '/p', usedBytes: 3, limitBytes: 8, freeBytes: 5, diskBytes: 9, blobs: 2 };
const good = {
  id: 'n1/a',
  node: 'n1',
  nodeName: 'one',
  name: 'main',
  path: '/p',
  limitBytes: null,
  keepFree: 0,
  state: 'good',
  isLeaving: false,
  isForgotten: false,
  usage: { ...usage, state: 'good' },
} as const;

test('what is wrong is said, and one storage alone is a warning', () => {
  const lacking = { blocks: 2, bytes: 20 };
  assert.deepEqual(troublesOf([good], undefined), { troubles: [], warnings: [] });
  const { troubles, warnings } = troublesOf([good], { lacking });
  assert.deepEqual(troubles, []);
  assert.match(warnings[0] ?? '', /^Files have one copy, for there is one storage: /);
  const full = { ...usage, state: 'full', reason: 'It has what it may have' } as const;
  const two = [good, { ...good, name: 'spare', state: 'full', usage: full } as const];
  assert.deepEqual(troublesOf(two, { lacking }).troubles, [
    'storage one/spare is full: It has what it may have',
    '2 blocks of files lack copies: they are made as soon as a storage can take them',
  ]);
  assert.deepEqual(troublesOf([good, good], { lacking: { blocks: 1, bytes: 1 } }).troubles, [
    '1 block of files lacks copies: they are being made',
  ]);
  const stuck = { isRunning: false, missing: 1 };
  assert.deepEqual(troublesOf([good, good], { lacking: { blocks: 1, bytes: 1 } }, stuck).troubles, [
    '1 block of files lacks copies: they are made as soon as a storage can take them',
  ]);
});

test('metrics tell of own places, and of the whole on the node that repairs', () => {
  const state: StorageState = {
    memoryBytes: 1,
    node: 'n1',
    places: [good, { ...good, node: 'n2', name: 'other' }],
    buckets: Array.from({ length: 150 }, (_, at) => ({
      name: `b${at}`,
      owner: 'ann',
      createdAt: 0,
      versioning: 'off',
      policy: '2 copies',
      quotaBytes: null,
      bytes: 7,
      objects: 1,
    })),
    totals: { buckets: 150, bytes: 0, objects: 0 },
    census: { countedAt: 0, counts: [], lacking: { blocks: 4, bytes: 0 } },
    repairs: 'one',
    repair: {
      isRunning: false,
      doing: 'waits for something to repair',
      missing: 0,
      lost: 0,
      queued: 0,
      queuedBytes: 0,
      copied: 1,
      copiedBytes: 7,
      codesQueued: 0,
      coded: 0,
      failed: 0,
      bytesPerSecond: undefined,
      rate: undefined,
      why: undefined,
    },
    troubles: { troubles: [], warnings: [] },
  };
  const told = (name: string, of: StorageState = state): readonly number[] | undefined =>
    filesFamilies(of)
      .find((family) => family.name === name)
      ?.samples.map(({ value }) => value);
  assert.deepEqual(told('moln_files_place_free_bytes'), [5]);
  assert.deepEqual(told('moln_files_blocks_lacking_copies'), [4]);
  assert.equal(told('moln_files_bucket_bytes')?.length, 100);
  assert.equal(told('moln_files_bucket_bytes', { ...state, repair: undefined }), undefined);
});
