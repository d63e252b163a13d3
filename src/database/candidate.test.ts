/** Whether a copy tries to lead, as a table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chance } from './candidate.ts';

const ME = { node: 'a', life: 'a1' };
const gone = (node: string): boolean => node === 'b';

test('a copy leads when nobody does, its own former life did, or the primary is gone', () => {
  assert.ok(chance(undefined, ME) !== undefined);
  assert.equal(chance(undefined, ME)?.replaces, undefined);
  assert.equal(chance({ node: 'a', life: 'a0', epoch: 4 }, ME)?.replaces, 4);
  assert.equal(chance({ ...ME, epoch: 4 }, ME), undefined);
  assert.equal(chance({ node: 'b', life: 'b1', epoch: 4 }, ME), undefined);
  const displaced = chance({ node: 'b', life: 'b1', epoch: 4 }, ME, gone);
  assert.deepEqual([displaced?.replaces, displaced?.displaces], [4, 'b1']);
  assert.equal(chance({ node: 'c', life: 'c1', epoch: 4 }, ME, gone), undefined);
});

test('who was displaced does not displace in turn, but another life of its node may', () => {
  const now = { node: 'b', life: 'b1', epoch: 4, displaced: 'a1' };
  assert.equal(chance(now, ME, gone), undefined);
  assert.equal(chance(now, { node: 'a', life: 'a2' }, gone)?.replaces, 4);
});
