import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { untilBeat, untilSecond } from './time.ts';

test('a pause of a second or more ends on a whole second, and is never longer', () => {
  const at = (nowMs: number) => ({ monotonicMs: () => nowMs });
  assert.equal(untilSecond(at(400.5), 999), 999);
  assert.equal(untilSecond(at(400.5), 1000), 599.5);
  assert.equal(untilSecond(at(1000), 1000), 1000);
  assert.equal(untilSecond(at(1000.5), 1000), 999.5);
  assert.equal(untilSecond(at(5900), 30_000), 29_100);
});

test('what is done at a beat is done once for each, also when the timer was early', () => {
  const at = (nowMs: number) => ({ now: () => nowMs });
  assert.equal(untilBeat(at(75_000), 750, 0), 750);
  assert.equal(untilBeat(at(75_010), 750, 10), 740);
  assert.equal(untilBeat(at(75_749), 750, 1), 751);
});

test('a beat that passed while something was done is not waited for once more', () => {
  const at = (nowMs: number) => ({ now: () => nowMs });
  assert.equal(untilBeat(at(75_740), 750, 740), 10);
  assert.equal(untilBeat(at(75_760), 750, 760), 1);
  assert.equal(untilBeat(at(75_760), 750, 60), 1);
  // It had begun a little before its beat.
  assert.equal(untilBeat(at(75_002), 750, 3), 748);
});
