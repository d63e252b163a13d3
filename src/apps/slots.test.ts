import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlacementApp, PlacementNode } from '../cluster/cluster.ts';
import type { App, Release } from './model.ts';
import { HEALTH_DEFAULTS, PLACEMENT_DEFAULTS } from './settings.ts';
import { countsOf, nodesOf, placed, placementAppOf, type Slot } from './slots.ts';

const SLOTS: readonly Slot[] = [
  { process: 'web', slot: 0, node: 'a', reason: 'first' },
  { process: 'web', slot: 1, node: 'b', leaving: 'a', reason: 'a is drained' },
  { process: 'web', slot: 2, node: 'b', reason: 'second' },
  { process: 'worker', slot: 0, node: 'a', reason: 'first' },
  { process: 'clock', slot: 0, reason: 'there is no place' },
];

test('a node runs what is assigned to it, and what it has not left yet', () => {
  assert.deepEqual(countsOf(SLOTS, 'a'), { web: 2, worker: 1 });
  assert.deepEqual(countsOf(SLOTS, 'b'), { web: 2 });
  assert.deepEqual(countsOf(SLOTS, 'c'), {});
  assert.deepEqual(countsOf([], 'a'), {});
});

test('the nodes of an app are named once, those that are being left too', () => {
  assert.deepEqual(nodesOf(SLOTS), ['a', 'b']);
  assert.deepEqual(nodesOf([{ process: 'web', slot: 0, node: 'b', leaving: 'c', reason: '' }]), [
    'b',
    'c',
  ]);
  assert.deepEqual(nodesOf([{ process: 'web', slot: 0, reason: '' }]), []);
});

const APP: App = {
  format: 1,
  name: 'app',
  domains: [],
  release: 'r1',
  generation: 'now',
  history: [],
  scale: { web: 3, clock: 0 },
  env: {},
  secretNames: [],
  running: true,
  createdAt: 0,
  uid: 61_000,
};

const RELEASE: Release = {
  format: 1,
  id: 'r1',
  treeHash: '',
  sealedHash: '',
  files: 1,
  bytes: 1,
  createdAt: 0,
  plan: {
    kind: 'node',
    explanation: 'Node.js',
    build: [],
    processes: {
      web: { command: ['web'], env: {}, kind: 'http' },
      worker: { command: ['worker'], env: {}, kind: 'worker' },
      clock: { command: ['clock'], env: {}, kind: 'worker' },
    },
    staticRoot: undefined,
    fallback: undefined,
    notFound: undefined,
    health: HEALTH_DEFAULTS,
    placement: {
      ...PLACEMENT_DEFAULTS,
      restart: 'wait',
      lostAfterMs: 5000,
      memoryMiB: 200,
      labels: { disk: 'ssd' },
      singletons: ['clock'],
    },
  },
};

test('placement learns what is wanted of each process: one, unless it was scaled', () => {
  const { processes, ...policy } = placementAppOf(APP, RELEASE);
  assert.deepEqual(policy, { name: 'app', restart: 'wait', lostAfterMs: 5000 });
  const common = { memoryMiB: 200, labels: { disk: 'ssd' }, apart: false, avoid: [] };
  assert.deepEqual(processes, [
    { name: 'web', wanted: 3, singleton: false, ...common },
    { name: 'worker', wanted: 1, singleton: false, ...common },
    { name: 'clock', wanted: 0, singleton: true, ...common },
  ]);
});

test('of a stopped app nothing is wanted, and the clock of the cluster is left out', () => {
  const { lostAfterMs: _own, ...placement } = RELEASE.plan.placement;
  const release = { ...RELEASE, plan: { ...RELEASE.plan, placement } };
  const wish = placementAppOf({ ...APP, running: false }, release);
  assert.deepEqual(
    wish.processes.map(({ wanted }) => wanted),
    [0, 0, 0],
  );
  assert.equal('lostAfterMs' in wish, false);
});

function node(id: string, changes: Partial<PlacementNode> = {}): PlacementNode {
  const plain = { labels: {}, memoryMiB: 4096, load: 0, state: 'ready' as const, silentMs: 0 };
  return { id, name: id, region: 'here', ...plain, ...changes };
}

function wish(wanted: number, labels: Readonly<Record<string, string>> = {}): PlacementApp {
  const process = { name: 'web', wanted, singleton: false, memoryMiB: 100, labels };
  const processes = [{ ...process, apart: false, avoid: [] }];
  return { name: 'app', restart: 'elsewhere', processes };
}

function words(slots: readonly Slot[]): string {
  return slots.map(({ slot, node: on }) => `${slot}:${on ?? '-'}`).join(' ');
}

test('what is placed stays, and what is new goes where there is room', () => {
  const current: readonly Slot[] = [
    { process: 'web', slot: 0, node: 'b', reason: 'kept' },
    { process: 'web', slot: 1, reason: 'there was no place' },
  ];
  const slots = placed([node('a'), node('b')], wish(2), current);
  assert.equal(words(slots), '0:b 1:a');
  assert.equal(slots[0]?.reason, 'kept');
  assert.notEqual(slots[1]?.reason, 'there was no place');
});

test('what has no place is there without a node, and says why', () => {
  const slots = placed([node('a')], wish(1, { disk: 'ssd' }), []);
  assert.equal(words(slots), '0:-');
  assert.match(slots[0]?.reason ?? '', /label disk=ssd/);
});

test('fewer are wanted: the last numbers go', () => {
  const current = [0, 1, 2].map((slot): Slot => ({ process: 'web', slot, node: 'a', reason: '' }));
  assert.equal(words(placed([node('a')], wish(1), current)), '0:a');
});
