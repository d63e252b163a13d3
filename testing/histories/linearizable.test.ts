/** Known good and known bad histories for the search. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Call, isLinearizable } from './linearizable.ts';

type Op = readonly ['w' | 'r', number];

const step = (state: number, [kind, value]: Op): number | undefined => {
  if (kind === 'w') return value;
  return state === value ? state : undefined;
};
const call = (began: number, ended: number, ...op: Op): Call<Op> => ({ op, began, ended });
const check = (...calls: readonly Call<Op>[]): boolean => isLinearizable(calls, 0, step);

test('histories that can be ordered', () => {
  assert.ok(check());
  assert.ok(check(call(0, 1, 'w', 1), call(2, 3, 'r', 1)));
  // Both orders of what overlaps.
  assert.ok(check(call(0, 9, 'w', 1), call(1, 2, 'r', 0), call(3, 4, 'r', 1)));
  assert.ok(check(call(0, 9, 'w', 1), call(0, 9, 'w', 2), call(10, 11, 'r', 1)));
  // Nobody knows whether the write happened: it may, late, or never.
  assert.ok(check(call(0, Infinity, 'w', 1), call(1, 2, 'r', 0), call(5, 6, 'r', 1)));
  assert.ok(check(call(0, Infinity, 'w', 1), call(1, 2, 'r', 0)));
  assert.ok(check(call(0, 5, 'w', 1), call(5, 6, 'r', 0)));
});

test('histories that cannot', () => {
  assert.ok(!check(call(0, 1, 'w', 1), call(2, 3, 'r', 0)));
  assert.ok(!check(call(0, 9, 'w', 1), call(1, 2, 'r', 1), call(3, 4, 'r', 0)));
  assert.ok(!check(call(0, 1, 'w', 1), call(2, 3, 'w', 2), call(4, 5, 'r', 1)));
  assert.ok(!check(call(0, 1, 'r', 7)));
  assert.ok(!check(call(0, Infinity, 'w', 1), call(1, 2, 'r', 1), call(3, 4, 'r', 0)));
  // Two readers see two writes in opposite order.
  assert.ok(
    !check(
      call(0, 20, 'w', 1),
      call(0, 20, 'w', 2),
      call(1, 2, 'r', 1),
      call(3, 4, 'r', 2),
      call(5, 6, 'r', 1),
    ),
  );
});

test('long histories of many clients take no time', () => {
  const calls: Call<Op>[] = [];
  let state = 0;
  for (let at = 0; at < 4000; at++) {
    // Takes effect at `at`, and overlaps its neighbours.
    const isWrite = at % 3 === 0;
    if (isWrite) state = at;
    calls.push(call(at - (at % 5), at + 0.5 + (at % 4), isWrite ? 'w' : 'r', state));
  }
  assert.ok(isLinearizable(calls, 0, step));
  calls.push(call(4100, 4101, 'r', 3));
  assert.ok(!isLinearizable(calls.slice(-300), state - 300 + (300 - (state % 3)), step));
});
