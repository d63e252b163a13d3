import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterAnswer, firstLimit } from './adaptive-limit.ts';

const MOST = 200;

/** Whole limit after so many answers with the limit used up; the latency may depend on what is under way. */
function settled(
  latencyOf: (load: number) => number,
  { use = 1, isFailure = false, answers = 3000 } = {},
): number {
  let state = firstLimit(MOST);
  for (let answer = 0; answer < answers; answer++) {
    const load = Math.floor(state.limit * use);
    state = afterAnswer(state, { latencyMs: latencyOf(load), load, isFailure }, MOST);
  }
  return Math.floor(state.limit);
}

test('it grows while answers are as fast as ever, and only as far as it is allowed', () => {
  assert.equal(
    settled(() => 10),
    MOST,
  );
});

test('it does not grow when nobody comes near to it', () => {
  assert.equal(
    settled(() => 10, { use: 0.3 }),
    20,
  );
});

test('it shrinks when failures are all there is, and never to nothing', () => {
  assert.equal(
    settled(() => 10, { isFailure: true }),
    2,
  );
});

test('when answers become slow it shrinks, and grows again when they are fast', () => {
  let state = firstLimit(MOST);
  const answers = (latencyMs: number, count: number): number => {
    for (let answer = 0; answer < count; answer++) {
      state = afterAnswer(state, { latencyMs, load: state.limit, isFailure: false }, MOST);
    }
    return state.limit;
  };
  const full = answers(10, 500);
  const slow = answers(100, 40);
  assert.ok(slow < full / 4, `${slow} of ${full}`);
  assert.equal(answers(10, 1000), MOST);
});

test('the first limit keeps to the most', () => {
  assert.equal(firstLimit(5).limit, 5);
  assert.equal(firstLimit(MOST).limit, 20);
});
