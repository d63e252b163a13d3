import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterFailure, afterSuccess, type Ejection, mayEject, NEVER_EJECTED } from './ejection.ts';

const CONFIG = { failures: 3, shareMax: 0.5, timeMs: 100, timeMsMax: 500 };

/** `f` fails, `x` fails when no more may be taken out, `s` succeeds; each at its time. */
function after(steps: readonly (readonly [what: 'f' | 'x' | 's', nowMs: number])[]): Ejection {
  let state = NEVER_EJECTED;
  for (const [what, nowMs] of steps) {
    if (what === 's') state = afterSuccess(state, nowMs);
    else state = afterFailure(state, CONFIG, { nowMs, allowed: what === 'f' });
  }
  return state;
}

const THREE = [
  ['f', 10],
  ['f', 20],
  ['f', 30],
] as const;

test('failures in a row take it out, and every answer below 500 begins the row anew', () => {
  assert.equal(
    after([
      ['f', 1],
      ['f', 2],
    ]).untilMs,
    0,
  );
  assert.equal(after(THREE).untilMs, 130);
  assert.equal(
    after([
      ['f', 1],
      ['f', 2],
      ['s', 3],
      ['f', 4],
      ['f', 5],
    ]).untilMs,
    0,
  );
});

test('it stays in when too many are out', () => {
  assert.equal(
    after([
      ['x', 1],
      ['x', 2],
      ['x', 3],
    ]).untilMs,
    0,
  );
  assert.equal(
    after([
      ['x', 1],
      ['x', 2],
      ['x', 3],
      ['f', 4],
    ]).untilMs,
    104,
  );
});

test('what was under way when it was taken out changes nothing', () => {
  assert.equal(after([...THREE, ['f', 40], ['s', 50]]).untilMs, 130);
});

test('a forced request brings it back, or keeps it out for twice as long, up to a limit', () => {
  assert.equal(after([...THREE, ['s', 200]]).untilMs, 0);
  assert.equal(after([...THREE, ['f', 200]]).untilMs, 400);
  assert.equal(after([...THREE, ['x', 200]]).untilMs, 400, 'it is out already');
  assert.equal(after([...THREE, ['f', 200], ['f', 400]]).untilMs, 800);
  assert.equal(after([...THREE, ['f', 200], ['f', 400], ['f', 800]]).untilMs, 1300);
});

test('soon after it came back the next time is longer; long after, it is forgotten', () => {
  const back = [...THREE, ['s', 200]] as const;
  assert.equal(after([...back, ['f', 300], ['f', 300], ['f', 300]]).untilMs, 500);
  assert.equal(after([...back, ['f', 900], ['f', 900], ['f', 900]]).untilMs, 1000);
});

test('how many may be out', () => {
  const table: readonly (readonly [out: number, all: number, share: number, may: boolean])[] = [
    [0, 1, 1, false],
    [0, 2, 0.5, true],
    [1, 2, 0.5, false],
    [0, 3, 0, true],
    [1, 10, 0.25, true],
    [2, 10, 0.25, false],
    [9, 10, 1, true],
    [10, 10, 1, false],
  ];
  for (const [out, all, share, may] of table) {
    assert.equal(mayEject(out, all, share), may, `${out} of ${all} with ${share}`);
  }
});
