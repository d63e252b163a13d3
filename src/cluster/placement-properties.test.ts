/** What holds for every placement, tried on seeded random clusters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Seeded, seeded } from '../../testing/seeded.ts';
import { place } from './placement.ts';
import type {
  Placement,
  PlacementApp,
  PlacementInput,
  PlacementNode,
  PlacementProcess,
} from './placement-model.ts';

const SEEDS = 60;

function randomNodes(random: Seeded, count: number, from = 0): PlacementNode[] {
  return Array.from({ length: count }, (_, index): PlacementNode => {
    const id = `n${from + index}`;
    return {
      id,
      name: id,
      region: random.pick(['east', 'west', 'north']),
      labels: { disk: random.pick(['ssd', 'hdd']) },
      memoryMiB: random.pick([1024, 4096, 16_384]),
      load: random.next(),
      state: 'ready',
      silentMs: 0,
    };
  });
}

function randomApps(random: Seeded): PlacementApp[] {
  const count = 1 + random.below(8);
  return Array.from({ length: count }, (_, index) => ({
    name: `a${index}`,
    restart: random.pick(['elsewhere', 'elsewhere', 'wait', 'never'] as const),
    processes: ['web', 'worker'].map((name): PlacementProcess => ({
      name,
      wanted: random.below(7),
      singleton: random.chance(0.3),
      memoryMiB: random.pick([64, 256, 900]),
      labels: random.chance(0.2) ? { disk: 'ssd' } : {},
      apart: random.chance(0.2),
      avoid: random.chance(0.1) ? [`a${random.below(count)}`] : [],
    })),
  }));
}

function again(input: PlacementInput, placement: Placement): PlacementInput {
  return { ...input, current: placement.assignments };
}

/** Runs `check` on a random cluster of every seed, with its first placement. */
function forSeeds(
  check: (input: PlacementInput, placement: Placement, random: Seeded) => void,
): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seeded(seed);
    const nodes = randomNodes(random, 1 + random.below(12));
    const input: PlacementInput = { nodes, apps: randomApps(random), current: [] };
    try {
      check(input, place(input), random);
    } catch (error) {
      throw new Error(`Seed ${seed}`, { cause: error });
    }
  }
}

function shaken(input: PlacementInput, random: Seeded): PlacementInput {
  const nodes = input.nodes.flatMap((node): PlacementNode[] => {
    if (random.chance(0.05)) return [];
    const state = random.pick(['ready', 'ready', 'suspect', 'lost', 'draining'] as const);
    const memoryMiB = random.chance(0.1) ? node.memoryMiB / 4 : node.memoryMiB;
    return [{ ...node, state, memoryMiB, load: random.next() }];
  });
  return { ...input, nodes };
}

function usedMiB(input: PlacementInput, placement: Placement): Map<string, number> {
  const used = new Map<string, number>();
  for (const { app, process, node } of placement.assignments) {
    used.set(node, (used.get(node) ?? 0) + wishOf(input, app, process).memoryMiB);
  }
  return used;
}

function wishOf(input: PlacementInput, app: string, process: string): PlacementProcess {
  const found = input.apps
    .find(({ name }) => name === app)
    ?.processes.find(({ name }) => name === process);
  assert.ok(found);
  return found;
}

test('every wish is placed once or explained; singletons and apart hold', () => {
  forSeeds((input, placement) => {
    for (const app of input.apps) {
      for (const wish of app.processes) {
        const mine = placement.assignments.filter(
          (one) => one.app === app.name && one.process === wish.name,
        );
        const missing = placement.unplaced.filter(
          (one) => one.app === app.name && one.process === wish.name,
        );
        const wanted = wish.singleton ? Math.min(1, wish.wanted) : wish.wanted;
        assert.equal(mine.length + missing.length, wanted);
        assert.equal(new Set(mine.map(({ slot }) => slot)).size, mine.length);
        if (wish.apart) assert.equal(new Set(mine.map(({ node }) => node)).size, mine.length);
        for (const one of [...mine, ...missing]) assert.notEqual(one.reason, '');
      }
    }
  });
});

test('a node gets more than its memory only when nothing else was possible', () => {
  forSeeds((input, placement) => {
    const used = usedMiB(input, placement);
    for (const node of input.nodes) {
      const mine = used.get(node.id) ?? 0;
      assert.ok(mine <= node.memoryMiB * 1.5, `${node.id} has ${mine} of ${node.memoryMiB}`);
      if (mine <= node.memoryMiB) continue;
      for (const one of placement.assignments.filter(({ node: on }) => on === node.id)) {
        const wish = wishOf(input, one.app, one.process);
        if (wish.apart || wish.avoid.length > 0) continue;
        if (input.apps.some((app) => app.processes.some(({ avoid }) => avoid.length > 0))) continue;
        const roomy = input.nodes.filter(
          (other) =>
            other.id !== node.id &&
            Object.entries(wish.labels).every(([key, value]) => other.labels[key] === value) &&
            other.memoryMiB - (used.get(other.id) ?? 0) >= wish.memoryMiB,
        );
        assert.deepEqual(roomy, [], `${one.app}/${one.slot} fits there`);
      }
    }
  });
});

test('placing twice changes nothing, whatever has happened in between', () => {
  forSeeds((input, placement, random) => {
    let now = again(input, placement);
    for (let round = 0; round < 4; round++) {
      now = shaken(now, random);
      const once = place(now);
      const twice = place(again(now, once));
      assert.deepEqual(twice.moves, []);
      assert.deepEqual(twice.assignments, once.assignments);
      assert.equal(twice.unplaced.length, once.unplaced.length);
      now = again(now, once);
    }
  });
});

test('the order in which things are told does not matter', () => {
  forSeeds((input, placement) => {
    const reversed = {
      nodes: input.nodes.toReversed(),
      apps: input.apps.toReversed(),
      current: [],
    };
    assert.deepEqual(place(reversed), placement);
  });
});

test('a new node moves nothing and leaves nothing less placed', () => {
  forSeeds((input, placement, random) => {
    const nodes = [...input.nodes, ...randomNodes(random, 2, 100)];
    const next = place({ ...again(input, placement), nodes });
    const used = usedMiB(input, placement);
    const overfull = input.nodes.filter(({ id, memoryMiB }) => (used.get(id) ?? 0) > memoryMiB);
    const moved = next.moves.filter((move) => move.kind === 'move');
    for (const move of moved) assert.ok(overfull.some(({ id }) => id === move.from));
    assert.equal(
      next.moves.some(({ kind }) => kind === 'stop'),
      false,
    );
    assert.ok(next.unplaced.length <= placement.unplaced.length);
  });
});

test('a lost node moves only its own, and its return moves nothing', () => {
  forSeeds((input, placement, random) => {
    const victim = random.pick(input.nodes);
    const nodes = input.nodes.map((node) =>
      node.id === victim.id ? { ...node, state: 'lost' as const } : node,
    );
    const next = place({ ...again(input, placement), nodes });
    for (const move of next.moves) {
      // Filling up the others may push something small from an overfull one to where it fits.
      if (move.kind === 'move' && move.from !== victim.id) {
        assert.match(move.reason, /over its memory/);
      } else if (move.kind !== 'start') assert.equal(move.from, victim.id);
    }
    const back = place({ ...again(input, next), nodes: input.nodes });
    const overfull = (reason: string): boolean => /over its memory/.test(reason);
    const needless = back.moves.filter(({ kind, reason }) => kind === 'move' && !overfull(reason));
    assert.deepEqual(needless, []);
  });
});

test('equal nodes get equal shares, in every region and in all', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seeded(seed);
    const perRegion = 1 + random.below(4);
    const regions = ['east', 'west', 'north'].slice(0, 1 + random.below(3));
    const nodes = regions.flatMap((region) =>
      randomNodes(random, perRegion).map((node) => ({
        ...node,
        id: `${region}-${node.id}`,
        region,
        memoryMiB: 1_000_000,
        load: 0,
      })),
    );
    const wanted = random.below(40);
    const app: PlacementApp = {
      name: 'a',
      restart: 'elsewhere',
      processes: [
        {
          name: 'web',
          wanted,
          singleton: false,
          memoryMiB: 1,
          labels: {},
          apart: false,
          avoid: [],
        },
      ],
    };
    const { assignments } = place({ nodes, apps: [app], current: [] });
    const count = (of: (id: string) => boolean): number =>
      assignments.filter(({ node }) => of(node)).length;
    const perNode = nodes.map(({ id }) => count((node) => node === id));
    const each = regions.map((region) => count((node) => node.startsWith(`${region}-`)));
    assert.ok(Math.max(...perNode) - Math.min(...perNode) <= 1, `seed ${seed}: ${perNode.join()}`);
    assert.ok(Math.max(...each) - Math.min(...each) <= 1, `seed ${seed}: ${each.join()}`);
  }
});
