/** Which copies go where, as a table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decidePlaces, type PlaceNode, type PlacesInput } from './places.ts';

function node(id: string, region = 'home', state: PlaceNode['state'] = 'ready'): PlaceNode {
  return { id, region, state };
}

function decide(changes: Partial<PlacesInput>): readonly (readonly string[])[] {
  return decidePlaces({
    record: { copies: 2, regions: [] },
    places: [['a']],
    nodes: [node('a')],
    isCurrent: () => true,
    ...changes,
  });
}

test('alone there is one copy, and more nodes get what is missing', () => {
  const places = [['a']];
  assert.equal(decide({ places })[0], places[0], 'the same when nothing is to change');
  assert.deepEqual(decide({ nodes: [node('a'), node('b')] }), [['a', 'b']]);
  assert.deepEqual(decide({ places: [[]], nodes: [node('a'), node('b')] }), [['a', 'b']]);
});

test('stripes are spread evenly', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((id) => node(id));
  const record = { copies: 1, regions: [] };
  const placed = decide({ record, nodes, places: [[], [], [], []] });
  assert.deepEqual(placed.flat().toSorted(), ['a', 'b', 'c', 'd']);
});

test('another region is preferred, and the one that is wished for most', () => {
  const nodes = [node('a', 'north'), node('b', 'north'), node('c', 'south'), node('d', 'west')];
  assert.deepEqual(decide({ nodes }), [['a', 'c']]);
  assert.deepEqual(decide({ nodes, record: { copies: 2, regions: ['west'] } }), [['a', 'd']]);
});

test('a lost, draining or forgotten node is replaced, and leaves when the new copy is current', () => {
  const lost = [node('a'), node('b', 'home', 'lost'), node('c')];
  const places = [['a', 'b']];
  const notYet = (_stripe: number, id: string): boolean => id !== 'c';
  assert.deepEqual(decide({ places, nodes: lost, isCurrent: notYet }), [['a', 'c', 'b']]);
  const both = [['a', 'c', 'b']];
  assert.deepEqual(decide({ places: both, nodes: lost, isCurrent: notYet }), both);
  assert.deepEqual(decide({ places: both, nodes: lost }), [['a', 'c']]);
  const draining = [node('a', 'home', 'draining'), node('b'), node('c')];
  assert.deepEqual(decide({ places, nodes: draining, isCurrent: notYet }), [['b', 'c', 'a']]);
  assert.deepEqual(decide({ places: [['b', 'c', 'a']], nodes: draining }), [['b', 'c']]);
  assert.deepEqual(decide({ places, nodes: [node('a'), node('c')] }), [['a', 'c']]);
});

test('the last copy stays, whatever its node is', () => {
  const nodes = [node('a', 'home', 'lost'), node('b')];
  assert.deepEqual(decide({ nodes, isCurrent: (_stripe, id) => id === 'a' }), [['b', 'a']]);
});
