/** Where copies go beside those that keep a database safe, as a table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEAR_COPIES_MAX } from './limits.ts';
import { bytesOf, decideNear, type NearInput } from './near.ts';
import type { PlaceNode } from './places.ts';

function decide(changes: Partial<NearInput>, away: Record<string, PlaceNode['state']> = {}) {
  const names = ['a', 'b', 'c', ...Array.from({ length: 20 }, (_, at) => `n${10 + at}`)];
  const nodes = names.map((id) => ({ id, region: 'home', state: away[id] ?? ('ready' as const) }));
  return decideNear({ near: [], readers: [], nodes, primaries: [], ...changes });
}

test('copies come and go with the apps', () => {
  assert.deepEqual(decide({ readers: ['c', 'a'] }), ['a', 'c']);
  const near = ['a', 'c'];
  assert.equal(decide({ near, readers: ['c', 'a'] }), near, 'the same when nothing is to change');
  assert.deepEqual(decide({ near, readers: ['c', 'b'] }), ['c', 'b']);
  assert.deepEqual(decide({ near }), []);
});

test('a node that is away keeps its copy, and gets none', () => {
  const readers = ['a', 'b'];
  for (const state of ['suspect', 'lost'] as const) {
    assert.deepEqual(decide({ near: ['a'], readers }, { a: state }), ['a', 'b']);
    assert.deepEqual(decide({ near: ['b'], readers }, { a: state }), ['b']);
  }
  assert.deepEqual(decide({ near: readers, readers }, { a: 'draining' }), ['b']);
  assert.deepEqual(decide({ near: ['gone', 'b'], readers: ['gone', 'b'] }), ['b']);
});

test('one that leads stays until another does', () => {
  assert.deepEqual(decide({ near: ['a', 'b'], primaries: ['c', 'b'] }), ['b']);
  assert.deepEqual(decide({ near: ['gone'], primaries: ['gone'] }), []);
});

test('an app on many nodes has some copies, and those that are there stay', () => {
  const readers = Array.from({ length: 20 }, (_, at) => `n${10 + at}`);
  const first = decide({ readers });
  assert.equal(first.length, NEAR_COPIES_MAX);
  assert.equal(decide({ near: first, readers: readers.toReversed() }), first);
});

test('a database is as large as its largest copies, and not known by halves', () => {
  const copies = [
    { number: 0, fileBytes: 5 },
    { number: 1, fileBytes: 7 },
    { number: 0, fileBytes: 2 },
  ];
  assert.equal(bytesOf(2, copies), 12);
  assert.equal(bytesOf(3, copies), undefined);
  assert.equal(bytesOf(1, []), undefined, 'nobody answers');
});
