import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Point } from './chart-data.ts';
import { columnsOf, ROWS_MAX, rowsOf, summaryOf } from './chart-data.ts';

function points(times: readonly number[]): Point[] {
  return times.map((at) => ({ at, values: [at / 1000, 1] }));
}

test('columns are seconds and values, with a hole where nothing was measured', () => {
  assert.deepEqual(columnsOf(points([1000, 2000, 9000]), 2), [
    [1, 2, 3, 9],
    [1, 2, null, 9],
    [1, 1, null, 1],
  ]);
});

test('a summary says last, least and most', () => {
  assert.deepEqual(summaryOf(points([3000, 1000, 2000]), 0), { last: 2, least: 1, most: 3 });
  assert.equal(summaryOf([], 0), undefined);
});

test('the table is short, and begins and ends with the data', () => {
  const many = points(Array.from({ length: 600 }, (_, second) => second * 1000));
  const rows = rowsOf(many);
  assert.equal(rows.length, ROWS_MAX);
  assert.equal(rows[0]?.at, 0);
  assert.equal(rows.at(-1)?.at, 599_000);
  assert.equal(rowsOf(points([1, 2])).length, 2);
});
