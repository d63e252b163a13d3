import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyRows, spaceLine } from './storage-facts.ts';

test('a row for each number of copies or shares wanted, a column for each number valid', () => {
  const counts = [
    { wanted: 2, valid: 3, blocks: 1, bytes: 1 },
    { wanted: 1, valid: 0, blocks: 4, bytes: 1 },
    { wanted: 2, valid: 2, blocks: 9, bytes: 1 },
    { code: '2+1', wanted: 3, valid: 3, blocks: 5, bytes: 1 },
  ];
  assert.deepEqual(copyRows(counts), {
    rows: [
      { wanted: 1, blocks: [4, 0, 0, 0] },
      { wanted: 2, blocks: [0, 0, 9, 1] },
      { code: '2+1', wanted: 3, blocks: [0, 0, 0, 5] },
    ],
    most: 3,
  });
  assert.deepEqual(copyRows([]), { rows: [], most: 0 });
});

test('no places have no room', () => {
  assert.equal(spaceLine([]), '');
});
