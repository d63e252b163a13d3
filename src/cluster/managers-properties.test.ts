/** What holds for managers whatever happens, tried on seeded random clusters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputOf, learner, node, pinned, voter, words } from '../../testing/manager-plans.ts';
import { type Seeded, seeded } from '../../testing/seeded.ts';
import {
  AUTOMATIC,
  type ManagerStep,
  planManagers,
  REPLACE_AFTER_MS,
  type RegistryMember,
  wantedManagers,
} from './managers.ts';
import type { PeerNode, PeerState } from './peers.ts';

/** Code point of `a`. */
const FIRST_ID = 0x61;

/** A cluster that does what is planned; nodes come and go meanwhile. */
class Simulated {
  peers: PeerNode[];
  members: RegistryMember[];
  setting = AUTOMATIC;
  avoid = '';
  readonly #random: Seeded;
  #made: number;

  constructor(random: Seeded) {
    this.#random = random;
    this.#made = 1 + random.below(8);
    this.peers = Array.from({ length: this.#made }, (_, index) => this.#node(index));
    this.members = [voter(this.peers[0]?.id ?? '')];
  }

  /** Does one step, and says which. */
  step(): ManagerStep {
    const { peers, members, setting, avoid } = this;
    const step = planManagers(inputOf({ peers, members, setting, avoid, self: this.#leader() }));
    switch (step.kind) {
      case 'add':
        this.members = [...members, learner(step.node.id, 'new')];
        break;
      case 'start':
        this.#become(step.member, learner(step.node.id));
        break;
      case 'promote':
        this.#become(step.member, voter(step.member.nodeId));
        break;
      case 'remove':
        this.members = members.filter(({ id }) => id !== step.member.id);
        break;
      case 'none':
    }
    return step;
  }

  /** Something happens to a node, or somebody decides something. */
  disturb(): void {
    const random = this.#random;
    const at = random.below(this.peers.length);
    const kind = random.below(10);
    const { id } = random.pick(this.peers);
    if (kind === 0) this.peers = [...this.peers, this.#node(this.#made++)];
    else if (kind === 1 && this.peers.length > 1) this.peers = this.peers.toSpliced(at, 1);
    else if (kind === 2) this.setting = pinned(this.#some());
    else if (kind === 3) this.setting = AUTOMATIC;
    else if (kind === 4) this.avoid = this.#some();
    else this.#change(id, this.#anyState());
  }

  /** All are heard again. */
  heal(): void {
    this.avoid = '';
    for (const { id } of this.peers) this.#change(id, { state: 'ready', silentMs: 0 });
  }

  get voters(): readonly RegistryMember[] {
    return this.members.filter(({ isLearner }) => !isLearner);
  }

  isHeard({ nodeId }: RegistryMember): boolean {
    const state = this.peers.find(({ id }) => id === nodeId)?.state;
    return state !== undefined && state !== 'lost';
  }

  /** As etcd would say, while what is heard is what is there. */
  get hasMajority(): boolean {
    return this.voters.filter((one) => this.isHeard(one)).length > this.voters.length / 2;
  }

  #leader(): string {
    return this.voters.find((one) => this.isHeard(one))?.nodeId ?? '';
  }

  #become(from: RegistryMember, to: RegistryMember): void {
    this.members = this.members.map((one) => (one.id === from.id ? to : one));
  }

  #change(nodeId: string, changes: Partial<PeerNode>): void {
    this.peers = this.peers.map((one) => (one.id === nodeId ? { ...one, ...changes } : one));
  }

  /** Ids of one character: tables write several of them as one word. */
  #node(index: number): PeerNode {
    const region = this.#random.pick(['east', 'west']);
    return node(String.fromCodePoint(FIRST_ID + index), { region, ...this.#anyState() });
  }

  #anyState(): { readonly state: PeerState; readonly silentMs: number } {
    const state = this.#random.pick(['ready', 'ready', 'suspect', 'lost', 'draining'] as const);
    if (state === 'lost') return { state, silentMs: this.#random.below(2 * REPLACE_AFTER_MS) };
    return { state, silentMs: 0 };
  }

  #some(): string {
    const some = this.peers.filter(() => this.#random.chance(0.4)).map(({ id }) => id);
    return some.length === 0 ? (this.peers[0]?.id ?? '') : some.join('');
  }
}

const SEEDS = 400;
const EVENTS = 40;
/** For every node one in, one out, and what a member goes through. */
const STEPS_MAX = 100;

function forSeeds(check: (cluster: Simulated, random: Seeded) => void): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seeded(seed);
    try {
      check(new Simulated(random), random);
    } catch (error) {
      throw new Error(`Seed ${seed}`, { cause: error });
    }
  }
}

function settle(cluster: Simulated): readonly string[] {
  const said: string[] = [];
  for (let count = 0; count < STEPS_MAX; count++) {
    const step = cluster.step();
    if (step.kind === 'none') return said;
    said.push(words(step));
  }
  throw new assert.AssertionError({ message: `No end: ${said.join(', ')}` });
}

test('no step costs the majority, nor the last voter', () => {
  let changes = 0;
  forSeeds((cluster, random) => {
    for (let event = 0; event < EVENTS; event++) {
      cluster.disturb();
      for (let count = random.below(6); count > 0; count--) {
        const had = cluster.hasMajority;
        const before = cluster.voters.length;
        const said = words(cluster.step());
        const after = cluster.voters.length;
        assert.ok(after > 0, said);
        if (after === before) continue;
        changes++;
        assert.ok(
          cluster.hasMajority,
          `${said}: ${had ? 'the majority is lost' : 'there is none'}`,
        );
      }
    }
  });
  assert.ok(changes > SEEDS, 'the storms must change something to prove something');
});

test('whatever happened, the steps come to an end', () => {
  forSeeds((cluster) => {
    for (let event = 0; event < EVENTS; event++) {
      cluster.disturb();
      settle(cluster);
    }
  });
});

test('when all are heard again there are as many as there should be', () => {
  forSeeds((cluster) => {
    for (let event = 0; event < EVENTS; event++) {
      cluster.disturb();
      settle(cluster);
    }
    cluster.heal();
    settle(cluster);
    // Nodes that were forgotten while they were needed are what only a person can bring back.
    if (!cluster.hasMajority) return;
    const names = cluster.voters.map(({ nodeId }) => `name-${nodeId}`).toSorted();
    const { mode, pinned: chosen } = cluster.setting;
    const known = cluster.peers.map(({ name }) => name).filter((name) => chosen.includes(name));
    if (mode === 'pinned') {
      assert.deepEqual(
        names.filter((name) => chosen.includes(name)),
        known.toSorted(),
      );
    } else if (cluster.peers.length < 3) {
      assert.equal(names.length, 1);
    } else {
      assert.ok(names.length >= wantedManagers(cluster.peers.length));
    }
    assert.ok(
      cluster.voters.every((one) => cluster.isHeard(one)),
      'no voter is forgotten',
    );
  });
});
