/** Which moments can be gone back to, as tables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInReach, markAt, surplus, type TimeMark } from './time-marks.ts';

const mark = (at: number, ...indexes: number[]): TimeMark => ({ at, indexes });

test('the newest mark that is not later is taken, if the log still has it', () => {
  const marks = [mark(10, 1, 1), mark(20, 5, 1), mark(30, 9, 4)];
  assert.equal(markAt(marks, 9), undefined);
  assert.equal(markAt(marks, 29)?.at, 20);
  assert.equal(markAt(marks, 30)?.at, 30);
  assert.ok(isInReach(mark(20, 5, 1), [5, 0]));
  assert.ok(!isInReach(mark(20, 5, 1), [6, 0]));
});

test('marks are kept finely for a while, then coarsely, and for the window', () => {
  const options = { now: 1000, floors: [3], windowMs: 500, fineMs: 100, coarseMs: 60 };
  const at = (...times: number[]): TimeMark[] => times.map((time) => mark(time, 9));
  const gone = (marks: readonly TimeMark[]): number[] =>
    surplus(marks, options).map((one) => one.at);
  assert.deepEqual(gone(at(910, 920, 930)), []);
  assert.deepEqual(gone(at(600, 610, 620, 661, 670)), [610, 620, 670]);
  assert.deepEqual(gone(at(100, 200, 700)), [100], 'what was there when the window began stays');
  assert.deepEqual(gone(at(100)), []);
  assert.deepEqual(gone([mark(910, 2), mark(920, 3)]), [910]);
});
