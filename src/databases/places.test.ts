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
    asked: [],
    primaries: [],
    totals: new Map(),
    nodes: [node('a')],
    isCurrent: () => true,
    mayExchange: true,
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

test('who leads stays until another one does, but for a node that is away', () => {
  const nodes = [node('a', 'home', 'draining'), node('b'), node('c')];
  const places = [['b', 'c', 'a']];
  assert.equal(decide({ places, nodes, primaries: ['a'] })[0], places[0]);
  assert.deepEqual(decide({ places, nodes, primaries: ['b'] }), [['b', 'c']]);
  const lost = [node('a', 'home', 'lost'), node('b'), node('c')];
  assert.deepEqual(decide({ places, nodes: lost, primaries: ['a'] }), [['b', 'c']]);
});

test('a node that is asked for gets a copy, and then another copy goes', () => {
  const nodes = [node('a'), node('b'), node('c')];
  const asked = [{ stripe: 0, node: 'c', by: 'ann' }];
  const first = decide({ places: [['a', 'b']], nodes, asked, primaries: ['a'] });
  assert.deepEqual(first, [['a', 'b', 'c']]);
  const notYet = (_stripe: number, id: string): boolean => id !== 'c';
  const second = decide({ places: first, nodes, asked, primaries: ['a'], isCurrent: notYet });
  assert.deepEqual(second, [['a', 'c', 'b']], 'b will go');
  assert.deepEqual(decide({ places: second, nodes, asked, primaries: ['a'] }), [['a', 'c']]);
  assert.deepEqual(decide({ places: second, nodes, asked, primaries: ['b'] })[0], ['a', 'c', 'b']);
});

test('a third node gets copies of what two have, one at a time, and then nothing moves any more', () => {
  const nodes = [node('a'), node('b'), node('c')];
  let places: readonly (readonly string[])[] = [
    ['a', 'b'],
    ['a', 'b'],
    ['b', 'a'],
  ];
  const history: string[] = [];
  for (let round = 0; round < 20; round++) {
    const next = decide({ places, nodes, primaries: ['a', 'a', 'b'] });
    const changed = next.filter((each, at) => each !== places[at]).length;
    assert.ok(changed <= 1, `${changed} stripes at once`);
    history.push(JSON.stringify(next));
    places = next;
  }
  const count = (id: string): number => places.flat().filter((one) => one === id).length;
  assert.deepEqual(['a', 'b', 'c'].map(count), [2, 2, 2]);
  assert.equal(history.at(-1), history.at(-5), 'it has come to an end');
});
