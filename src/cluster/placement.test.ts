/** Placement by tables: what goes where, and in which words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { place } from './placement.ts';
import type {
  Assignment,
  Placement,
  PlacementApp,
  PlacementNode,
  PlacementProcess,
} from './placement-model.ts';

function node(id: string, region: string, changes: Partial<PlacementNode> = {}): PlacementNode {
  const plain = { labels: {}, memoryMiB: 4096, load: 0.1, state: 'ready' as const, silentMs: 0 };
  return { id, name: id, region, ...plain, ...changes };
}

function app(
  name: string,
  wish: Partial<PlacementProcess> = {},
  policy: Partial<PlacementApp> = {},
): PlacementApp {
  const plain = { name: 'web', wanted: 1, singleton: false, memoryMiB: 256, labels: {} };
  const processes = [{ ...plain, apart: false, avoid: [], ...wish }];
  return { name, restart: 'elsewhere', processes, ...policy };
}

function at(name: string, slot: number, on: string): Assignment {
  return { app: name, process: 'web', slot, node: on, reason: 'before' };
}

function nodesOf(placement: Placement): string {
  return placement.assignments.map((one) => one.node).join(' ');
}

function words(placement: Placement): string[] {
  return placement.moves.map((move) => {
    const from = move.kind === 'start' ? '' : ` from ${move.from}`;
    const to = move.kind === 'stop' ? '' : ` to ${move.to}`;
    return `${move.kind} ${move.slot.app}/${move.slot.slot}${from}${to}: ${move.reason}`;
  });
}

const EAST_WEST = [node('e1', 'east'), node('e2', 'east'), node('w1', 'west'), node('w2', 'west')];

test('instances go to every region first, then to every node', () => {
  const placement = place({ nodes: EAST_WEST, apps: [app('a', { wanted: 4 })], current: [] });
  assert.equal(nodesOf(placement), 'e1 w1 e2 w2');
  assert.deepEqual(words(placement).slice(0, 2), [
    'start a/0 to e1: 4 are wanted: e1 is the first of 4 equals',
    'start a/1 to w1: 4 are wanted: region west had none of a web, w1 is the first of 2 equals',
  ]);
});

test('a region gets by its size', () => {
  const nodes = [node('e1', 'east'), ...['w1', 'w2', 'w3', 'w4'].map((id) => node(id, 'west'))];
  const placement = place({ nodes, apps: [app('a', { wanted: 10 })], current: [] });
  assert.equal(placement.assignments.filter((one) => one.node === 'e1').length, 2);
});

test('the busy node is not taken', () => {
  const nodes = [node('n1', 'r', { load: 0.9 }), node('n2', 'r')];
  const placement = place({ nodes, apps: [app('a')], current: [] });
  assert.deepEqual(words(placement), ['start a/0 to n2: 1 is wanted: n2 is the least busy (10 %)']);
});

test('labels: only nodes that have them, and a sentence when none does', () => {
  const nodes = [node('n1', 'r'), node('n2', 'r', { labels: { disk: 'ssd' } })];
  const ssd = place({ nodes, apps: [app('a', { labels: { disk: 'ssd' } })], current: [] });
  assert.equal(nodesOf(ssd), 'n2');
  assert.match(
    ssd.assignments[0]?.reason ?? '',
    /only n2 can take it \(n1 does not have the label disk=ssd\)/,
  );
  const gpu = place({ nodes, apps: [app('a', { labels: { gpu: 'yes' } })], current: [] });
  assert.equal(nodesOf(gpu), '');
  assert.deepEqual(
    gpu.unplaced.map((one) => one.reason),
    ['n1 does not have the label gpu=yes, n2 does not have the label gpu=yes'],
  );
});

test('a node that loses its label keeps what it runs until another one has it', () => {
  const apps = [app('a', { labels: { disk: 'ssd' } })];
  const current = [at('a', 0, 'n1')];
  const alone = place({ nodes: [node('n1', 'r')], apps, current });
  assert.match(alone.assignments[0]?.stays ?? '', /does not have the label.*no other node/);
  const both = [node('n1', 'r'), node('n2', 'r', { labels: { disk: 'ssd' } })];
  assert.equal(nodesOf(place({ nodes: both, apps, current })), 'n2');
});

test('a suspect node keeps, takes nothing new; a lost one gives up what may go elsewhere', () => {
  const apps = [
    app('goes', {}),
    app('never', {}, { restart: 'never' }),
    app('waits', {}, { restart: 'wait' }),
  ];
  const current = apps.map(({ name }) => at(name, 0, 'n1'));
  const of = (state: PlacementNode['state']): Placement =>
    place({ nodes: [node('n1', 'r', { state }), node('n2', 'r')], apps, current });
  assert.equal(nodesOf(of('suspect')), 'n1 n1 n1');
  assert.deepEqual(of('suspect').moves, []);
  const lost = of('lost');
  assert.equal(nodesOf(lost), 'n2 n1 n1');
  assert.deepEqual(words(lost), [
    'move goes/0 from n1 to n2: n1 is lost: only n2 can take it (n1 is lost)',
  ]);
  assert.deepEqual(
    lost.assignments.map((one) => one.stays),
    [
      undefined,
      'n1 is lost, and never is never started again elsewhere',
      'n1 is lost, and waits waits for it',
    ],
  );
  const grown = place({
    nodes: [node('n1', 'r', { state: 'suspect' }), node('n2', 'r', { load: 0.99 })],
    apps: [app('goes', { wanted: 2 })],
    current: [at('goes', 0, 'n1')],
  });
  assert.equal(nodesOf(grown), 'n1 n2');
});

test('an app with a clock of its own is lost by that one', () => {
  const nodes = [node('n1', 'r', { state: 'suspect', silentMs: 6000 }), node('n2', 'r')];
  const current = [at('a', 0, 'n1')];
  const of = (lostAfterMs: number, state: PlacementNode['state'] = 'suspect'): string => {
    const now = nodes.map((one) => (one.id === 'n1' ? { ...one, state } : one));
    return nodesOf(place({ nodes: now, apps: [app('a', {}, { lostAfterMs })], current }));
  };
  assert.equal(of(5000), 'n2');
  assert.equal(of(10_000), 'n1');
  assert.equal(of(10_000, 'lost'), 'n1');
});

test('a forgotten node is waited for by nobody', () => {
  const apps = [app('a', {}, { restart: 'wait' })];
  const placement = place({ nodes: [node('n2', 'r')], apps, current: [at('a', 0, 'gone')] });
  assert.match(words(placement)[0] ?? '', /^move a\/0 from gone to n2: node gone was forgotten/);
});

test('a draining node empties, but keeps what fits nowhere', () => {
  const nodes = [node('n1', 'r', { state: 'draining' }), node('n2', 'r', { memoryMiB: 300 })];
  const placement = place({
    nodes,
    apps: [app('a', { wanted: 2 })],
    current: [at('a', 0, 'n1'), at('a', 1, 'n1')],
  });
  assert.equal(nodesOf(placement), 'n1 n2');
  assert.match(placement.assignments[0]?.stays ?? '', /n1 is draining, but n2 has 44 MiB free/);
});

test('a singleton is one, whatever is wanted and however many are recorded', () => {
  const placement = place({
    nodes: EAST_WEST,
    apps: [app('a', { wanted: 3, singleton: true })],
    current: [at('a', 0, 'e1'), at('a', 1, 'e2')],
  });
  assert.equal(nodesOf(placement), 'e1');
  assert.deepEqual(words(placement), ['stop a/1 from e2: 1 is wanted']);
});

test('capacity: room first, then at most half too much, then none', () => {
  const nodes = [node('n1', 'r', { memoryMiB: 512, load: 0 }), node('n2', 'r', { load: 0.95 })];
  const big = place({ nodes, apps: [app('a', { memoryMiB: 1024 })], current: [] });
  assert.equal(nodesOf(big), 'n2');
  const small = [node('n1', 'r', { memoryMiB: 512 })];
  const over = place({ nodes: small, apps: [app('a', { memoryMiB: 700 })], current: [] });
  assert.match(over.assignments[0]?.reason ?? '', /no node has 700 MiB free, n1 has the most/);
  const none = place({ nodes: small, apps: [app('a', { memoryMiB: 1000 })], current: [] });
  assert.equal(none.unplaced[0]?.reason, 'n1 has 512 MiB free of the 1000 that it needs');
});

test('what is too much on a node moves when there is room', () => {
  const current = [at('a', 0, 'n1'), at('a', 1, 'n1'), at('a', 2, 'n1')];
  const nodes = [node('n1', 'r', { memoryMiB: 600 }), node('n2', 'r')];
  const placement = place({ nodes, apps: [app('a', { wanted: 3 })], current });
  assert.equal(nodesOf(placement), 'n1 n1 n2');
  assert.match(placement.assignments[2]?.reason ?? '', /^n1 is 168 MiB over its memory: /);
});

test('apart and avoid hold in both directions', () => {
  const nodes = [node('n1', 'r'), node('n2', 'r')];
  const apart = place({ nodes, apps: [app('a', { wanted: 3, apart: true })], current: [] });
  assert.equal(nodesOf(apart), 'n1 n2');
  assert.match(apart.unplaced[0]?.reason ?? '', /n1 has one of a web already/);
  const apps = [app('a', { avoid: ['b'], memoryMiB: 1 }), app('b'), app('c', { avoid: ['b'] })];
  const away = place({ nodes, apps, current: [] });
  const by = new Map(away.assignments.map((one) => [one.app, one.node]));
  assert.notEqual(by.get('a'), by.get('b'));
  assert.notEqual(by.get('c'), by.get('b'));
});

test('scaling down takes from lost nodes first, then from where most are', () => {
  const current = [at('a', 0, 'e1'), at('a', 1, 'e1'), at('a', 2, 'w1'), at('a', 3, 'e2')];
  const nodes = EAST_WEST.map((one) =>
    one.id === 'e2' ? { ...one, state: 'suspect' as const } : one,
  );
  const three = place({ nodes, apps: [app('a', { wanted: 3 })], current });
  assert.equal(nodesOf(three), 'e1 e1 w1');
  const two = place({ nodes, apps: [app('a', { wanted: 2 })], current });
  assert.equal(nodesOf(two), 'e1 w1');
  assert.deepEqual(words(two), [
    'stop a/1 from e1: 2 are wanted',
    'stop a/3 from e2: 2 are wanted',
  ]);
  const removed = place({ nodes, apps: [], current: [at('a', 0, 'e1')] });
  assert.deepEqual(words(removed), ['stop a/0 from e1: a web is no longer wanted']);
});

test('a node whose disk is nearly full gets nothing new and keeps what it has', () => {
  const nodes = [node('e1', 'east', { diskFullMiB: 120 }), node('e2', 'east')];
  const grown = place({ nodes, apps: [app('a', { wanted: 2 })], current: [at('a', 0, 'e1')] });
  assert.equal(nodesOf(grown), 'e1 e2');
  assert.deepEqual(words(grown), [
    'start a/1 to e2: 2 are wanted: only e2 can take it (e1 has only 120 MiB left on its disk)',
  ]);
  const none = place({ nodes: nodes.slice(0, 1), apps: [app('b')], current: [] });
  assert.match(none.unplaced[0]?.reason ?? '', /e1 has only 120 MiB left on its disk/);
});
