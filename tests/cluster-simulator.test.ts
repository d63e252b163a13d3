/**
 * Fifty nodes through minutes of partitions, stops, deaths and outages in a few seconds. At every tick (in
 * `testing/cluster-simulator.ts`): no slot runs on two nodes that are not fenced, and nothing is taken from a node that was
 * heard within its app's clock. In the end everything runs where the registry says, on nodes that live.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlacementApp } from '../src/cluster/placement-model.ts';
import { ClusterSimulator, LOST_AFTER_MS } from '../testing/cluster-simulator.ts';

const NODES = 50;
const SEEDS = [1, 2, 3, 4];
const STORM_MS = 120_000;
const CALM_MS = 60_000;

const APPS: readonly PlacementApp[] = Array.from({ length: 12 }, (_, index): PlacementApp => {
  const clock = [undefined, 5000, 20_000][index % 3];
  const isSingleton = index % 2 === 0;
  const process = {
    name: 'web',
    wanted: isSingleton ? 1 : 8,
    singleton: isSingleton,
    memoryMiB: 1,
    labels: {},
    apart: false,
    avoid: [],
  };
  return {
    name: `a${index}`,
    restart: 'elsewhere',
    processes: [process],
    ...(clock === undefined ? {} : { lostAfterMs: clock }),
  };
});
const SLOTS = APPS.reduce((sum, { processes }) => sum + (processes[0]?.wanted ?? 0), 0);

function settledCluster(seed: number): ClusterSimulator {
  const cluster = new ClusterSimulator({ seed, nodes: NODES, apps: APPS });
  // Nodes that have not checked in yet count as silent, so the first placement may be put right once.
  cluster.run(15_000);
  assert.deepEqual(cluster.unsettled(), []);
  assert.equal(cluster.running().size, SLOTS);
  return cluster;
}

/** Something goes wrong on average every second or so. */
function harm(cluster: ClusterSimulator): void {
  const { random, machines, nowMs } = cluster;
  if (random.chance(0.04)) {
    random.pick(machines).pausedUntilMs = nowMs + random.below(40_000);
  }
  if (random.chance(0.01)) {
    const share = random.next();
    const untilMs = nowMs + random.below(40_000);
    for (const machine of machines) if (random.chance(share)) machine.cutUntilMs = untilMs;
  }
  if (random.chance(0.03)) random.pick(machines).node = undefined;
  if (random.chance(0.04)) {
    const dead = machines.find(({ node }) => node === undefined);
    if (dead !== undefined) cluster.boot(dead);
  }
}

for (const seed of SEEDS) {
  test(`a storm over ${NODES} nodes, seed ${seed}`, () => {
    const cluster = settledCluster(seed);
    const before = cluster.moves;
    cluster.run(STORM_MS, () => harm(cluster));
    assert.ok(cluster.moves > before, 'the storm has moved something');
    assert.ok(cluster.terms > 1, 'and deposed a leader');
    for (const machine of cluster.machines) {
      machine.cutUntilMs = 0;
      machine.pausedUntilMs = 0;
      if (machine.node === undefined) cluster.boot(machine);
    }
    const healedMs = cluster.nowMs;
    cluster.run(CALM_MS);
    assert.deepEqual(cluster.unsettled(), []);
    assert.equal(cluster.running().size, SLOTS);
    assert.ok(
      cluster.lastMoveMs < healedMs + LOST_AFTER_MS * 2,
      'nothing moves long after everybody is back',
    );
  });
}

test('one node that dies moves only its own, and moves nothing when it returns', () => {
  const cluster = settledCluster(99);
  const running = cluster.running();
  const victim = cluster.machines.find(({ id }) => [...running.values()].flat().includes(id));
  assert.ok(victim);
  const own = [...running.values()].flat().filter((id) => id === victim.id).length;
  const before = cluster.moves;
  victim.node = undefined;
  cluster.run(30_000);
  assert.equal(cluster.moves - before, own);
  cluster.boot(victim);
  cluster.run(30_000);
  assert.equal(cluster.moves - before, own);
  assert.deepEqual(cluster.unsettled(), []);
});

test('when the registry is away for a minute, nobody is blamed and everything comes back where it was', () => {
  const cluster = settledCluster(7);
  const before = cluster.moves;
  for (const machine of cluster.machines) machine.cutUntilMs = cluster.nowMs + 60_000;
  cluster.run(59_000);
  assert.equal(cluster.running().size, 0, 'nobody can prove that it is not lost');
  cluster.run(20_000);
  assert.equal(cluster.moves, before);
  assert.equal(cluster.running().size, SLOTS);
});
