/**
 * A cluster without processes: the real deciders (presence, fence, placement) of many nodes under one seeded clock, with a
 * network that delays, cuts and loses, nodes that stop and die, and clocks that run unevenly. The registry is simple and
 * never wrong, as etcd's compare-and-swap is. It checks two invariants at every tick and throws when one breaks.
 */
import type { Clock } from '../src/base/time.ts';
import { Fence } from '../src/cluster/fence.ts';
import { place } from '../src/cluster/placement.ts';
import type { Assignment, PlacementApp, PlacementNode } from '../src/cluster/placement-model.ts';
import { type CheckIn, Presence } from '../src/cluster/presence.ts';
import { type Seeded, seeded } from './seeded.ts';

export const TICK_MS = 100;
export const LOST_AFTER_MS = 10_000;
const CLOCKS = { suspectAfterMs: 2000, lostAfterMs: LOST_AFTER_MS };
const CHECK_IN_MS = 700;
const PLAN_EVERY_MS = 500;
const ANSWER_WITHIN_MS = 2000;
const LEADER_TTL_MS = 3000;
const LEADER_BELIEF_RATIO = 0.8;
const DELAY_MAX_MS = 300;
const RECONNECT_MAX_MS = 4000;
/** Clocks gain or lose up to half a percent, far more than real ones. */
const DRIFT_MAX = 0.005;
const MANAGERS = 5;

interface Change {
  readonly key: string;
  /** Undefined: deleted. */
  readonly value: unknown;
  readonly revision: number;
  readonly atMs: number;
}
type Conditions = readonly (readonly [key: string, revision: number])[];
interface Put {
  readonly key: string;
  readonly value: unknown;
  readonly ttlMs?: number;
}

class SimRegistry {
  readonly log: Change[] = [];
  readonly #now = new Map<string, { revision: number; ttlMs: number; endsMs: number }>();

  revisionOf(key: string): number {
    return this.#now.get(key)?.revision ?? 0;
  }

  /** The new revision, shared by all puts, or undefined when a condition does not hold. A put extends its own lease. */
  commit(conditions: Conditions, puts: readonly Put[], atMs: number): number | undefined {
    if (conditions.some(([key, revision]) => this.revisionOf(key) !== revision)) return undefined;
    const revision = this.log.length + 1;
    for (const { key, value, ttlMs = Infinity } of puts) {
      this.#now.set(key, { revision, ttlMs, endsMs: atMs + ttlMs });
      this.log.push({ key, value, revision, atMs });
    }
    return revision;
  }

  renew(key: string, revision: number, atMs: number): boolean {
    const entry = this.#now.get(key);
    if (entry === undefined || entry.revision !== revision) return false;
    entry.endsMs = atMs + entry.ttlMs;
    return true;
  }

  expire(atMs: number): void {
    for (const [key, { endsMs }] of this.#now) {
      if (endsMs > atMs) continue;
      this.#now.delete(key);
      this.log.push({ key, value: undefined, revision: this.log.length + 1, atMs });
    }
  }
}

export interface SimOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly apps: readonly PlacementApp[];
}

class SimNode {
  readonly presence: Presence;
  readonly fence: Fence;
  readonly running: Set<string> = new Set();
  readonly assigned: Map<string, { value: Assignment; revision: number }> = new Map();
  readonly startRevisions: Map<number, number> = new Map();
  readonly incarnation: string;
  cursor = 0;
  seenRevision = 0;
  count = 0;
  nextCheckInMs = 0;
  leaderRevision = 0;
  term: { token: number; untilMs: number } | undefined;
  nextPlanMs = 0;
  waitsUntilMs = 0;

  constructor(id: string, life: number, clock: Clock, clocks: readonly number[]) {
    this.incarnation = `${id}-${life}`;
    this.presence = new Presence(id, CLOCKS);
    this.fence = new Fence(clock);
    for (const lostAfterMs of clocks) {
      this.fence.guard({
        lostAfterMs,
        onFenced: () => this.startRevisions.delete(lostAfterMs),
        onReturned: (revision) => this.startRevisions.set(lostAfterMs, revision),
      });
    }
  }
}

interface Machine {
  readonly id: string;
  readonly rate: number;
  readonly offsetMs: number;
  /** How late it hears of changes. */
  readonly lagMs: number;
  /** How long its watch takes to come back after a cut; calls come back at once. */
  readonly reconnectMs: number;
  watchesFromMs: number;
  node: SimNode | undefined;
  life: number;
  pausedUntilMs: number;
  cutUntilMs: number;
  heardAtMs: number;
}

export class ClusterSimulator {
  readonly random: Seeded;
  readonly registry: SimRegistry = new SimRegistry();
  readonly machines: Machine[];
  nowMs = 0;
  /** Instances that were moved to another node. */
  moves = 0;
  lastMoveMs = 0;
  terms = 0;
  readonly #apps: readonly PlacementApp[];
  readonly #clocks: readonly number[];
  #events: { readonly atMs: number; readonly call: () => void }[] = [];

  constructor({ seed, nodes, apps }: SimOptions) {
    this.random = seeded(seed);
    this.#apps = apps;
    this.#clocks = [...new Set(apps.map(({ lostAfterMs = LOST_AFTER_MS }) => lostAfterMs))];
    this.machines = Array.from({ length: nodes }, (_, index) => ({
      id: `n${String(index).padStart(2, '0')}`,
      rate: 1 + (this.random.next() * 2 - 1) * DRIFT_MAX,
      offsetMs: this.random.below(1_000_000),
      lagMs: this.random.below(DELAY_MAX_MS),
      reconnectMs: this.random.below(RECONNECT_MAX_MS),
      watchesFromMs: 0,
      node: undefined,
      life: 0,
      pausedUntilMs: 0,
      cutUntilMs: 0,
      heardAtMs: -Infinity,
    }));
    for (const machine of this.machines) this.boot(machine);
  }

  /** A new agent on the machine, with nothing of what the last one knew. */
  boot(machine: Machine): void {
    const none: Disposable = { [Symbol.dispose]: () => {} };
    const clock: Clock = {
      now: () => 0,
      monotonicMs: () => this.#localMs(machine),
      // Timers never fire: the fence has to do without them, as in a process that was stopped.
      after: () => none,
      every: () => none,
      sleep: () => Promise.resolve(),
    };
    machine.life++;
    machine.pausedUntilMs = 0;
    machine.node = new SimNode(machine.id, machine.life, clock, this.#clocks);
    machine.node.nextCheckInMs = this.#localMs(machine) + this.random.below(CHECK_IN_MS);
    const nodes = this.machines.map(({ id }) => id);
    machine.node.presence.apply({ kind: 'members', nodes }, this.#localMs(machine));
  }

  run(ms: number, each: () => void = () => {}): void {
    for (const end = this.nowMs + ms; this.nowMs < end;) {
      this.nowMs += TICK_MS;
      each();
      const due = this.#events.filter(({ atMs }) => atMs <= this.nowMs);
      this.#events = this.#events.filter(({ atMs }) => atMs > this.nowMs);
      for (const { call } of due.toSorted((a, b) => a.atMs - b.atMs)) call();
      this.registry.expire(this.nowMs);
      for (const machine of this.machines) if (this.isAwake(machine)) this.#step(machine);
      this.#checkSingletons();
    }
  }

  isAwake({ node, pausedUntilMs }: Machine): boolean {
    return node !== undefined && pausedUntilMs <= this.nowMs;
  }

  isCut({ cutUntilMs }: Machine): boolean {
    return cutUntilMs > this.nowMs;
  }

  /** Where each slot runs at this moment, by nodes that are awake and not fenced. */
  running(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const machine of this.machines) {
      if (machine.node === undefined || !this.isAwake(machine)) continue;
      for (const slot of machine.node.running) {
        found.set(slot, [...(found.get(slot) ?? []), machine.id]);
      }
    }
    return found;
  }

  #localMs({ rate, offsetMs }: Machine): number {
    return offsetMs + this.nowMs * rate;
  }

  #delay(): number {
    return this.random.below(DELAY_MAX_MS);
  }

  /** A call to the registry: lost on the way there or back when the machine is cut, and heard when it is awake. */
  #ask<T>(machine: Machine, call: () => T, answer: (result: T) => void): void {
    const { node } = machine;
    this.#at(this.nowMs + this.#delay(), () => {
      if (this.isCut(machine)) return;
      const result = call();
      const deliver = (): void => {
        if (this.isCut(machine) || machine.node !== node) return;
        if (!this.isAwake(machine)) this.#at(machine.pausedUntilMs + TICK_MS, deliver);
        else answer(result);
      };
      this.#at(this.nowMs + this.#delay(), deliver);
    });
  }

  #at(atMs: number, call: () => void): void {
    this.#events.push({ atMs, call });
  }

  #step(machine: Machine): void {
    const { node } = machine;
    if (node === undefined) return;
    const localMs = this.#localMs(machine);
    node.fence.wake();
    if (this.isCut(machine)) machine.watchesFromMs = this.nowMs + machine.reconnectMs;
    else if (this.nowMs >= machine.watchesFromMs) this.#hear(machine, node, localMs);
    node.presence.apply({ kind: 'tick' }, localMs);
    if (localMs >= node.nextCheckInMs) this.#checkIn(machine, node, localMs);
    this.#lead(machine, node, localMs);
    this.#supervise(machine, node);
  }

  #hear(machine: Machine, node: SimNode, localMs: number): void {
    for (;;) {
      const change = this.registry.log[node.cursor];
      // A commit is heard whole, and everything in the order in which it happened.
      if (change === undefined || change.atMs + machine.lagMs > this.nowMs) return;
      node.cursor++;
      node.seenRevision = change.revision;
      const [kind = '', id = ''] = change.key.split(':');
      if (kind === 'leader') node.leaderRevision = change.value === undefined ? 0 : change.revision;
      if (kind === 'slot') {
        node.assigned.set(id, { value: change.value as Assignment, revision: change.revision });
      }
      if (kind !== 'presence') continue;
      const { revision } = change;
      const checkIn = change.value as CheckIn | undefined;
      if (checkIn === undefined) node.presence.apply({ kind: 'ended', node: id }, localMs);
      else node.presence.apply({ kind: 'checkIn', node: id, checkIn, revision }, localMs);
    }
  }

  #checkIn(machine: Machine, node: SimNode, sentAtMs: number): void {
    node.nextCheckInMs = sentAtMs + CHECK_IN_MS;
    const value: CheckIn = { incarnation: node.incarnation, count: ++node.count, wish: 'stay' };
    this.#ask(
      machine,
      () => {
        const put = { key: `presence:${machine.id}`, value, ttlMs: LOST_AFTER_MS };
        const revision = this.registry.commit([], [put], this.nowMs);
        if (revision === undefined) throw new Error('A check-in has no condition');
        machine.heardAtMs = this.nowMs;
        return revision;
      },
      (revision) => node.fence.confirm(sentAtMs, revision),
    );
  }

  #lead(machine: Machine, node: SimNode, localMs: number): void {
    if (this.machines.indexOf(machine) >= MANAGERS || localMs < node.nextPlanMs) return;
    node.nextPlanMs = localMs + PLAN_EVERY_MS;
    const { term } = node;
    if (term !== undefined && localMs < term.untilMs) {
      this.#renew(machine, node, term, localMs);
      if (localMs >= node.waitsUntilMs) this.#plan(machine, node, term.token, localMs);
      return;
    }
    node.term = undefined;
    if (node.leaderRevision !== 0) return;
    const put = { key: 'leader:now', value: machine.id, ttlMs: LEADER_TTL_MS };
    this.#ask(
      machine,
      () => this.registry.commit([['leader:now', 0]], [put], this.nowMs),
      (token) => {
        if (token === undefined) return;
        this.terms++;
        node.term = { token, untilMs: localMs + LEADER_TTL_MS * LEADER_BELIEF_RATIO };
      },
    );
  }

  #renew(
    machine: Machine,
    node: SimNode,
    term: { readonly token: number; untilMs: number },
    sentAtMs: number,
  ): void {
    this.#ask(
      machine,
      () => this.registry.renew('leader:now', term.token, this.nowMs),
      (isMine) => {
        if (isMine) term.untilMs = sentAtMs + LEADER_TTL_MS * LEADER_BELIEF_RATIO;
        else if (node.term === term) node.term = undefined;
      },
    );
  }

  /** Places and commits app by app: on the token, on what was seen, and on the silence of those who lose something. */
  #plan(machine: Machine, node: SimNode, token: number, localMs: number): void {
    const nodes: PlacementNode[] = this.machines.map(({ id }, index) => {
      const { state, silentMs } = node.presence.get(id);
      const region = ['east', 'west', 'north'][index % 3] ?? '';
      return { id, name: id, region, labels: {}, memoryMiB: 1e6, load: 0, state, silentMs };
    });
    if (node.presence.isDeaf) return;
    const current = [...node.assigned.values()].map(({ value }) => value);
    const { moves, assignments } = place({ nodes, apps: this.#apps, current });
    for (const app of this.#apps) {
      const conditions = new Map<string, number>([['leader:now', token]]);
      const puts: Put[] = [];
      const losers: string[] = [];
      for (const move of moves) {
        if (move.slot.app !== app.name || move.kind === 'stop') continue;
        const { process, slot } = move.slot;
        const id = `${app.name}/${process}/${slot}`;
        const value = assignments.find(
          (one) => one.app === app.name && one.process === process && one.slot === slot,
        );
        conditions.set(`slot:${id}`, node.assigned.get(id)?.revision ?? 0);
        puts.push({ key: `slot:${id}`, value });
        if (move.kind !== 'move') continue;
        conditions.set(`presence:${move.from}`, node.presence.get(move.from).revision);
        losers.push(move.from);
      }
      if (puts.length === 0) continue;
      node.waitsUntilMs = localMs + ANSWER_WITHIN_MS;
      this.#ask(
        machine,
        () => {
          const revision = this.registry.commit([...conditions], puts, this.nowMs);
          if (revision !== undefined) this.#moved(app, losers);
        },
        () => {},
      );
    }
  }

  /** Nothing may be taken from a node that the registry has heard shortly before. */
  #moved(app: PlacementApp, losers: readonly string[]): void {
    const { lostAfterMs = LOST_AFTER_MS } = app;
    for (const id of losers) {
      const silentMs = this.nowMs - (this.machines.find((one) => one.id === id)?.heardAtMs ?? 0);
      // Half a percent for the leader's clock.
      if (silentMs < lostAfterMs * (1 - DRIFT_MAX) - TICK_MS) {
        throw new Error(`${app.name} was taken from ${id}, which was heard ${silentMs} ms before`);
      }
      this.moves++;
      this.lastMoveMs = this.nowMs;
    }
  }

  /** Runs what the registry gives to this node, as far as it may. */
  #supervise(machine: Machine, node: SimNode): void {
    for (const app of this.#apps) {
      const { lostAfterMs = LOST_AFTER_MS } = app;
      const from = node.startRevisions.get(lostAfterMs);
      const mayRun = from !== undefined && !node.fence.isFenced(lostAfterMs);
      for (const [id, { value }] of node.assigned) {
        if (value.app !== app.name) continue;
        if (!mayRun || value.node !== machine.id) node.running.delete(id);
        else if (node.seenRevision >= from) node.running.add(id);
      }
    }
  }

  #checkSingletons(): void {
    for (const [slot, nodes] of this.running()) {
      if (nodes.length > 1) {
        throw new Error(`${slot} runs on ${nodes.join(' and ')} after ${this.nowMs} ms`);
      }
    }
  }

  /** Where the registry says that everything is, and whether that is on living nodes only. */
  unsettled(): string[] {
    const view = this.machines.find((machine) => this.isAwake(machine))?.node;
    const running = this.running();
    const problems: string[] = [];
    for (const [id, { value }] of view?.assigned ?? []) {
      const on = running.get(id)?.join();
      if (on !== value.node) problems.push(`${id} is meant for ${value.node}, runs on ${on}`);
    }
    return problems;
  }
}
