/** Which stripe moves next: tables, and that moving comes to an end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../testing/seeded.ts';
import { decideMove, type LeadsInput } from './leads.ts';

type State = LeadsInput['nodes'][number]['state'];

function nodes(states: Readonly<Record<string, State>>): LeadsInput['nodes'] {
  return Object.entries(states).map(([id, state]) => ({ id, name: id, region: 'home', state }));
}

const THREE = nodes({ a: 'ready', b: 'ready', c: 'ready' });

function decide(changes: Partial<LeadsInput>): string | undefined {
  const primaries = changes.primaries ?? [];
  const totals = new Map<string, number>();
  for (const id of primaries) if (id !== null) totals.set(id, (totals.get(id) ?? 0) + 1);
  const move = decideMove({
    record: { copies: 2 },
    places: primaries.map(() => ['a', 'b']),
    asked: [],
    primaries,
    totals,
    nodes: THREE,
    isCurrent: () => true,
    ...changes,
  });
  return move === undefined ? undefined : `${move.stripe} ${move.from}>${move.to}: ${move.why}`;
}

test('primaries are spread when that makes it more even, and not for less', () => {
  assert.equal(decide({ primaries: ['a', 'a'] }), '0 a>b: a led 2 stripes of it, b 0');
  assert.equal(decide({ primaries: ['a', 'b'] }), undefined);
  assert.equal(decide({ primaries: ['a', 'a', 'b'] }), undefined, 'one more is no reason');
  assert.equal(decide({ primaries: ['a'] }), undefined);
  const totals = new Map([['a', 4]]);
  assert.equal(decide({ primaries: ['a'], totals }), '0 a>b: a led 4 stripes, b 0');
});

test('only to a copy that stays, has everything, and is on a node that is ready', () => {
  const primaries = ['a', 'a'];
  const suspect = nodes({ a: 'ready', b: 'suspect', c: 'ready' });
  assert.equal(decide({ primaries, nodes: suspect }), undefined);
  assert.equal(decide({ primaries, isCurrent: (_stripe, id) => id !== 'b' }), undefined);
  const going = [
    ['a', 'c', 'b'],
    ['a', 'c', 'b'],
  ];
  assert.equal(decide({ primaries, places: going }), '0 a>c: a led 2 stripes of it, c 0');
});

test('away from a node that is drained, and from a copy that goes; a silent one is not asked', () => {
  const drained = nodes({ a: 'draining', b: 'ready', c: 'ready' });
  assert.equal(decide({ primaries: ['a'], nodes: drained }), '0 a>b: a is drained');
  const places = [['b', 'c', 'a']];
  assert.equal(decide({ primaries: ['a'], places }), '0 a>b: its copy on a goes');
  const lost = nodes({ a: 'lost', b: 'ready', c: 'ready' });
  assert.equal(decide({ primaries: ['a'], places, nodes: lost }), undefined);
  assert.equal(decide({ primaries: [null], places }), undefined);
});

test('what was asked for comes first, and stays', () => {
  const asked = [{ stripe: 1, node: 'b', by: 'ann' }];
  assert.equal(decide({ primaries: ['a', 'a'], asked }), '1 a>b: ann asked for it');
  assert.equal(decide({ primaries: ['b', 'b'], asked }), '0 b>a: b led 2 stripes of it, a 0');
  const both = [...asked, { stripe: 0, node: 'b', by: 'ann' }];
  assert.equal(decide({ primaries: ['b', 'b'], asked: both }), undefined);
  const drained = nodes({ a: 'ready', b: 'draining', c: 'ready' });
  assert.equal(decide({ primaries: ['a', 'b'], asked, nodes: drained }), '1 b>a: b is drained');
});

test('whatever the beginning, moves come to an even end and stop', () => {
  const random = seeded(7);
  for (let round = 0; round < 200; round++) {
    const ids = ['a', 'b', 'c', 'd'].slice(0, 2 + random.below(3));
    const stripes = 1 + random.below(8);
    const all = nodes(Object.fromEntries(ids.map((id) => [id, 'ready' as const])));
    const places = Array.from({ length: stripes }, () => ids);
    const primaries = places.map(() => random.pick(ids));
    const steps = stripes * ids.length;
    for (let step = 0; ; step++) {
      assert.ok(step <= steps, 'it does not end');
      const record = { copies: ids.length };
      const said = decide({ record, places, primaries: [...primaries], nodes: all });
      if (said === undefined) break;
      const [, stripe = '', to = ''] = /^(\d+) \w>(\w)/.exec(said) ?? [];
      primaries[Number(stripe)] = to;
    }
    const counts = ids.map((id) => primaries.filter((one) => one === id).length);
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, String(counts));
  }
});
