import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CacheRefusals, REFUSALS_MAX } from './cache-refusals.ts';

test('equal reasons in a row are counted, another one begins anew', () => {
  const refusals = new CacheRefusals();
  refusals.add('a', { why: 'private', status: 200, time: 1 });
  refusals.add('a', { why: 'private', status: 200, time: 2 });
  assert.deepEqual(refusals.get('a'), { why: 'private', status: 200, time: 2, count: 2 });
  refusals.add('a', { why: 'no-store', status: 200, time: 3 });
  assert.equal(refusals.get('a')?.count, 1);
  refusals.forget('a');
  assert.equal(refusals.get('a'), undefined);
});

test('what was refused longest ago makes room', () => {
  const refusals = new CacheRefusals();
  for (let at = 0; at < REFUSALS_MAX; at++) refusals.add(`k${at}`, refusal(at));
  refusals.add('k0', refusal(REFUSALS_MAX));
  refusals.add('new', refusal(REFUSALS_MAX + 1));
  assert.notEqual(refusals.get('k0'), undefined);
  assert.notEqual(refusals.get('new'), undefined);
  assert.equal(refusals.get('k1'), undefined);
});

function refusal(time: number): { why: string; status: number; time: number } {
  return { why: 'private', status: 200, time };
}
