import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Silence } from './silence.ts';

/** Seconds counted after each of these pauses. */
function counted(...pausesMs: readonly number[]): readonly number[] {
  const silence = new Silence(5000);
  let nowMs = 5000;
  return pausesMs.map((ms) => silence.second((nowMs += ms)));
}

test('seconds of silence count while the machine runs', () => {
  assert.deepEqual(counted(1000, 1001, 1900), [1, 2, 3]);
});

test('a machine that stood still, or is too slow for its agent, lays nothing to the charge of a process', () => {
  assert.deepEqual(counted(1000, 3_600_000, 1000), [1, 1, 2]);
  assert.deepEqual(counted(2500, 2500, 2500, 2500), [0, 0, 0, 0]);
});
