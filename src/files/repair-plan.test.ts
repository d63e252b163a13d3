/** What repair does next, by tables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Place } from './placement.ts';
import { parsePolicy } from './policy.ts';
import { byUrgency, moveOf, planOf, restMs } from './repair-plan.ts';

const block = { bucket: 'b', fid: 'f', index: 0, cid: 'f0', length: 10, sha256: '' };

function place(id: string, state: Place['state'] = 'good'): Place {
  const node = id;
  return { id, node, name: id, zone: '', region: '', labels: new Set(), freeBytes: 100, state };
}

test('what a block needs', () => {
  const policy = parsePolicy('2 copies');
  const plan = (
    all: readonly Place[],
    ids: readonly string[],
    move = false,
  ): readonly unknown[] => {
    const given = { policy, ids, all, move: move ? { from: 'a', to: 'c', bytes: 50 } : undefined };
    const { copies, surplus, forgotten, lacking, isLost } = planOf(block, given);
    const made = copies.map(({ to, instead, valid }) => [to, instead, valid].join(' '));
    return [made, surplus, forgotten, lacking, isLost];
  };
  const [a, b, c] = [place('a'), place('b'), place('c')];
  assert.deepEqual(plan([a, b], ['a', 'b']), [[], [], [], 0, false]);
  assert.deepEqual(plan([a, b], ['a']), [['b  1'], [], [], 0, false]);
  assert.deepEqual(plan([a], ['a']), [[], [], [], 1, false]);
  assert.deepEqual(plan([a, place('b', 'lost')], ['b']), [['a  0'], [], [], 1, true]);
  assert.deepEqual(plan([a, b, c], ['a', 'b', 'c'])[1]?.toString(), 'c');
  const lost = [a, b, place('c', 'lost')];
  assert.deepEqual(plan(lost, ['a', 'b', 'c']), [[], [], ['c'], 0, false]);
  const drained = [a, place('b', 'drain'), c];
  assert.deepEqual(plan(drained, ['a', 'b']), [['c  1'], [], [], 0, false]);
  assert.deepEqual(plan(drained, ['a', 'b', 'c']), [[], ['b'], [], 0, false]);
  assert.deepEqual(plan([a, b, c], ['a', 'b'], true), [['c a Infinity'], [], [], 0, false]);
  assert.deepEqual(plan([a, b, c], ['b', 'c'], true), [[], [], [], 0, false], 'it is there');
  const same = [a, b, { ...c, node: 'b' }];
  assert.deepEqual(plan(same, ['a', 'b'], true), [[], [], [], 0, false], 'one machine would do');
});

test('the fewest copies first, moves last', () => {
  const tasks = [2, Infinity, 1, Infinity, 0, 1].map((valid, at) => ({
    block: { ...block, index: at },
    to: 'x',
    from: [],
    instead: undefined,
    valid,
  }));
  const order = tasks.toSorted(byUrgency).map((task) => task.block.index);
  assert.deepEqual(order, [4, 2, 5, 0, 1, 3]);
});

test('disks are evened out when they differ by more than 5 points', () => {
  const filled = (
    id: string,
    usedBytes: number,
    limitBytes = 1000,
    state: Place['state'] = 'good',
  ) => {
    return { id, state, usedBytes, limitBytes };
  };
  assert.equal(moveOf([filled('a', 500), filled('b', 460)]), undefined);
  assert.deepEqual(moveOf([filled('a', 500), filled('b', 100)]), {
    from: 'a',
    to: 'b',
    bytes: 200,
  });
  const unequal = moveOf([filled('a', 900), filled('b', 0, 3000)]);
  assert.deepEqual(unequal, { from: 'a', to: 'b', bytes: 675 });
  assert.equal(moveOf([filled('a', 500), filled('b', 0, 1000, 'away')]), undefined);
  assert.deepEqual(moveOf([filled('a', 1000, 1000, 'full'), filled('b', 0)])?.from, 'a');
});

test('repair rests for its rate', () => {
  const given = { bytes: 1000, tookMs: 100, bytesPerSecond: undefined };
  assert.equal(restMs(given), 0);
  assert.equal(restMs({ ...given, bytesPerSecond: 1000 }), 900);
  assert.equal(restMs({ ...given, bytesPerSecond: 1_000_000 }), 0);
});
