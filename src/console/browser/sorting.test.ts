import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sortRows } from './sorting.ts';

test('numbers go by size and names as people sort them', () => {
  assert.deepEqual(
    sortRows([10, 9, 100], (row) => row, false),
    [9, 10, 100],
  );
  const names = ['web-10', 'Web-2', 'api'];
  assert.deepEqual(
    sortRows(names, (row) => row, false),
    ['api', 'Web-2', 'web-10'],
  );
  assert.deepEqual(
    sortRows(names, (row) => row, true),
    ['web-10', 'Web-2', 'api'],
  );
  assert.deepEqual(names, ['web-10', 'Web-2', 'api'], 'the rows themselves stay as they are');
});
