import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterCheck, isHealthyStatus, UNCHECKED } from './health.ts';

/** `+` is a good check, `-` a bad one; what it is after each: `u` up, `d` down. */
function history(checks: string): string {
  let state = UNCHECKED;
  return Array.from(checks, (check) => {
    state = afterCheck(state, check === '+', { rise: 2, fall: 3 });
    return state.isUp ? 'u' : 'd';
  }).join('');
}

test('the first check decides, then so many in a row turn it', () => {
  const table: readonly (readonly [checks: string, states: string])[] = [
    ['+', 'u'],
    ['-', 'd'],
    ['-++', 'ddu'],
    ['-+-++', 'ddddu'],
    ['+---', 'uuud'],
    ['+--+---', 'uuuuuud'],
    ['+---+-++', 'uuuddddu'],
  ];
  for (const [checks, states] of table) assert.equal(history(checks), states, checks);
  assert.equal(UNCHECKED.isUp, true);
});

test('which status is healthy', () => {
  const config = { path: '/', intervalMs: 1, timeoutMs: 1, rise: 1, fall: 1 };
  const healthy = (status: number, wanted?: readonly number[]): boolean =>
    isHealthyStatus(status, wanted === undefined ? config : { ...config, status: wanted });
  assert.deepEqual(
    [200, 204, 301, 399].map((status) => healthy(status)),
    [true, true, true, true],
  );
  assert.deepEqual(
    [400, 404, 500, 503].map((status) => healthy(status)),
    [false, false, false, false],
  );
  assert.equal(healthy(404, [200, 404]), true);
  assert.equal(healthy(204, [200, 404]), false);
});
