/** How one app's slots change when nodes do: who takes over, who goes on until then, and which nodes must stay silent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alonePeers, type Peers, type PlacementNode } from '../cluster/cluster.ts';
import { CONDITIONS_MAX } from '../registry/registry.ts';
import type { App, InstanceState, Release } from './model.ts';
import { outlived, shiftAmong, shiftOf } from './placer.ts';
import type { NodeReport, ReportedInstance } from './reporter.ts';
import { HEALTH_DEFAULTS, PLACEMENT_DEFAULTS } from './settings.ts';
import type { Slot } from './slots.ts';

const APP: App = {
  format: 1,
  name: 'app',
  domains: [],
  release: 'r1',
  generation: 'now',
  history: [],
  scale: {},
  env: {},
  secretNames: [],
  running: true,
  createdAt: 0,
  uid: 61_000,
};

function release(placement: Partial<typeof PLACEMENT_DEFAULTS> = {}): Release {
  return {
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
      processes: { web: { command: ['node', 'app.js'], env: {}, kind: 'http' } },
      staticRoot: undefined,
      fallback: undefined,
      notFound: undefined,
      health: HEALTH_DEFAULTS,
      placement: { ...PLACEMENT_DEFAULTS, ...placement },
    },
  };
}

function node(id: string, changes: Partial<PlacementNode> = {}): PlacementNode {
  const plain = { labels: {}, memoryMiB: 4096, load: 0, state: 'ready' as const, silentMs: 0 };
  return { id, name: id, region: 'here', ...plain, ...changes };
}

const LOST: Partial<PlacementNode> = { state: 'lost', silentMs: 60_000 };
const SUSPECT: Partial<PlacementNode> = { state: 'suspect', silentMs: 6000 };
const DRAINING: Partial<PlacementNode> = { state: 'draining' };

/** `a` runs on a; `b<a` belongs to b while a still runs it; `-` has no place. In order of their numbers. */
function slots(words: string): Slot[] {
  return words.split(' ').map((word, slot): Slot => {
    const [on = '', leaving] = word.split('<');
    const plain = { process: 'web', slot, reason: 'before' };
    if (on === '-') return plain;
    return leaving === undefined ? { ...plain, node: on } : { ...plain, node: on, leaving };
  });
}

function words(shifted: readonly Slot[]): string {
  return shifted
    .map((slot) => `${slot.node ?? '-'}${slot.leaving === undefined ? '' : `<${slot.leaving}`}`)
    .join(' ');
}

function report(nodeId: string, state: InstanceState, generation: string = 'now'): NodeReport {
  const instance: ReportedInstance = {
    id: `i-${nodeId}`,
    process: 'web',
    release: 'r1',
    generation,
    state,
    reason: '',
    draining: state === 'draining',
    address: undefined,
    pid: 1,
    driver: 'plain',
    startedAt: 0,
    restarts: 0,
  };
  return { nodeId, report: { releases: ['r1'], instances: [instance] } };
}

interface ShiftCase {
  readonly before: string;
  readonly nodes: readonly PlacementNode[];
  /** Default: as many as are there before. */
  readonly wanted?: number;
  readonly placement?: Partial<typeof PLACEMENT_DEFAULTS>;
  readonly reports?: readonly NodeReport[];
  /** Undefined when nothing changes. */
  readonly after: string | undefined;
  readonly lost?: readonly string[];
}

const CASES: Readonly<Record<string, ShiftCase>> = {
  'everything is where it should be': {
    before: 'a b',
    nodes: [node('a'), node('b')],
    after: undefined,
  },
  'a suspect node keeps what it has': {
    before: 'a b',
    nodes: [node('a'), node('b', SUSPECT)],
    after: undefined,
  },
  'a lost node: elsewhere, and it must not have been heard meanwhile': {
    before: 'a b',
    nodes: [node('a'), node('b', LOST)],
    after: 'a a',
    lost: ['b'],
  },
  'a suspect node of an app with a shorter clock counts as lost': {
    before: 'a b',
    nodes: [node('a'), node('b', SUSPECT)],
    placement: { lostAfterMs: 5000 },
    after: 'a a',
    lost: ['b'],
  },
  'a forgotten node: elsewhere, and nobody has to be silent': {
    before: 'a x',
    nodes: [node('a')],
    after: 'a a',
    lost: [],
  },
  'a lost node that is to be waited for': {
    before: 'a b',
    nodes: [node('a'), node('b', LOST)],
    placement: { restart: 'wait' },
    after: undefined,
  },
  'a drained node goes on until its successor is healthy': {
    before: 'a',
    nodes: [node('a', DRAINING), node('b')],
    after: 'b<a',
    lost: [],
  },
  'a drained node: of a singleton there are never two': {
    before: 'a',
    nodes: [node('a', DRAINING), node('b')],
    placement: { singletons: ['web'] },
    after: 'b',
    lost: [],
  },
  'the successor is not healthy yet': {
    before: 'b<a',
    nodes: [node('a', DRAINING), node('b')],
    reports: [report('b', 'starting')],
    after: undefined,
  },
  'the successor says nothing yet': {
    before: 'b<a',
    nodes: [node('a', DRAINING), node('b')],
    reports: [report('a', 'healthy')],
    after: undefined,
  },
  'what is healthy there is of a former generation': {
    before: 'b<a',
    nodes: [node('a', DRAINING), node('b')],
    reports: [report('b', 'healthy', 'former')],
    after: undefined,
  },
  'the successor is healthy': {
    before: 'b<a',
    nodes: [node('a', DRAINING), node('b')],
    reports: [report('b', 'healthy')],
    after: 'b',
  },
  'the predecessor is lost: there is nothing to wait for': {
    before: 'b<a',
    nodes: [node('a', LOST), node('b')],
    after: 'b',
  },
  'the predecessor was forgotten': { before: 'b<x', nodes: [node('b')], after: 'b' },
  'the successor is lost before it was healthy: the predecessor goes on': {
    before: 'b<a',
    nodes: [node('a', DRAINING), node('b', LOST), node('c')],
    after: 'c<a',
    lost: ['b'],
  },
  'the successor is lost, and it has become a singleton': {
    before: 'b<a',
    nodes: [node('a', DRAINING), node('b', LOST), node('c')],
    placement: { singletons: ['web'] },
    after: 'c',
    lost: ['b'],
  },
  'both are lost': {
    before: 'b<a',
    nodes: [node('a', LOST), node('b', LOST), node('c')],
    after: 'c',
    lost: ['b'],
  },
  'the successor is lost, and the predecessor is used again': {
    before: 'b<a',
    nodes: [node('a'), node('b', LOST)],
    after: 'a',
    lost: ['b'],
  },
  'the successor is drained before it was healthy: the predecessor goes on': {
    before: 'b<a',
    nodes: [node('a', DRAINING), node('b', DRAINING), node('c')],
    after: 'c<a',
  },
  'the successor is drained when it was healthy': {
    before: 'b<a',
    nodes: [node('a', DRAINING), node('b', DRAINING), node('c')],
    reports: [report('b', 'healthy')],
    after: 'c<b',
  },
  'what had no place gets one': { before: '-', nodes: [node('a')], after: 'a', lost: [] },
  'nobody can take it': {
    before: 'a',
    nodes: [node('a', LOST)],
    placement: { labels: { disk: 'ssd' } },
    after: '-',
  },
  'one more is wanted': { before: 'a', nodes: [node('a'), node('b')], wanted: 2, after: 'a b' },
  'one less is wanted': { before: 'a b', nodes: [node('a'), node('b')], wanted: 1, after: 'a' },
};

for (const [what, given] of Object.entries(CASES)) {
  test(`placer: ${what}`, () => {
    const before = slots(given.before);
    const wanted = given.wanted ?? before.length;
    const shift = shiftOf({
      app: { ...APP, scale: { web: wanted } },
      release: release(given.placement),
      slots: before,
      reports: given.reports ?? [],
      nodes: given.nodes,
    });
    assert.equal(shift === undefined ? undefined : words(shift.slots), given.after);
    if (given.lost !== undefined) assert.deepEqual(shift?.lost, given.lost);
    for (const { slot, node: on, reason } of shift?.slots ?? []) {
      if (on !== before[slot]?.node) assert.notEqual(reason, 'before', 'why it moves is said');
    }
  });
}

test('placer: the order in which slots are stored does not matter, and a shift is done once', () => {
  const nodes = [node('a', DRAINING), node('b'), node('c')];
  const given = { app: { ...APP, scale: { web: 3 } }, release: release(), reports: [], nodes };
  const first = shiftOf({ ...given, slots: slots('a b c').toReversed() });
  assert.ok(first !== undefined);
  assert.deepEqual(
    first.slots.map(({ slot }) => slot),
    [0, 1, 2],
  );
  assert.equal(shiftOf({ ...given, slots: first.slots }), undefined);
  assert.equal(shiftOf({ ...given, slots: first.slots.toReversed() }), undefined);
});

test('placer: 300 nodes are lost at once: all is moved, with no more conditions at a time than a commit takes', () => {
  const lost = Array.from({ length: 300 }, (_, at) => node(`l${at}`, LOST));
  // Silent, and nothing is to be moved off them: they must not be in the way of the others.
  const silent = Array.from({ length: 150 }, (_, at) => node(`s${at}`, SUSPECT));
  const there = Array.from({ length: 300 }, (_, at) => node(`r${at}`));
  const nodes = [...silent, ...lost, ...there];
  let current = slots([...silent, ...lost].map(({ id }) => id).join(' '));
  const app: App = { ...APP, scale: { web: current.length } };
  let looks = 0;
  for (; looks < 10; looks++) {
    const known = { app, release: release(), slots: current, reports: [], slotsRevision: 1 };
    const shift = shiftAmong(nodes, { ...known, isLeaving: false });
    if (shift === undefined) break;
    assert.ok(shift.lost.length < CONDITIONS_MAX, `${shift.lost.length} conditions`);
    current = [...shift.slots];
  }
  assert.equal(looks, 3);
  const places = current.map((slot) => slot.node?.[0]);
  assert.deepEqual(new Set(places), new Set(['s', 'r']));
  assert.equal(places.filter((place) => place === 's').length, silent.length);
});

test('placer: what a forgotten node reported is kept for as long as it may run there', () => {
  const here = alonePeers({ id: 'a', name: 'a' });
  const silentFor = (ms: number): Peers => ({ ...here, goneMs: () => ms });
  const reports = ['a', 'gone'].map((nodeId) => ({
    nodeId,
    report: { releases: [], instances: [] },
  }));
  const found = { release: release(), reports };
  assert.deepEqual(outlived(silentFor(29_999), found), []);
  assert.deepEqual(outlived(silentFor(30_000), found), ['gone']);
  const byItsClock = { release: release({ lostAfterMs: 60_000 }), reports };
  assert.deepEqual(outlived(silentFor(59_999), byItsClock), []);
  assert.deepEqual(outlived(silentFor(60_000), byItsClock), ['gone']);
});
