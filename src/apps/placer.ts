/**
 * The leader's part in where instances are: looks at nodes, wishes and assignments whenever one of them changes, and commits
 * what `place` says is different. An ordinary instance leaves a living node only when its successor is healthy; a singleton
 * ends first. Every commit stands on what it was decided by: a check-in of the lost node, or another change, stops it.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, untilSecond } from '../base/time.ts';
import {
  type LeaderTerm,
  noMember,
  type Peers,
  place,
  type PlacementNode,
} from '../cluster/cluster.ts';
import type { Condition, Operation, Registry } from '../registry/registry.ts';
import { placementNodeOf } from './coordinator.ts';
import type { FollowedApp, FollowedApps } from './followed-apps.ts';
import type { App, Release } from './model.ts';
import { mayRun, type NodeReport, reportRecords } from './reporter.ts';
import { assignmentRecords, placementAppOf, type Slot } from './slots.ts';

export interface PlacerOptions {
  readonly followed: FollowedApps;
  readonly peers: Peers;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Logger;
}

/** While a node is silent: clocks of apps run down without an event. */
const LOOK_EVERY_MS = 1000;
/** Whatever else is to be moved has an event. */
const LOOK_SELDOM_MS = 30_000;

/** Each node that something is taken from is a condition of the commit (`CONDITIONS_MAX`); the next look takes on the others. */
const LOST_AT_ONCE = 100;

/** One change of where an app's instances are. */
export interface Shift {
  readonly slots: readonly Slot[];
  /** Nodes that something is taken from because they are lost: they must not have been heard meanwhile. */
  readonly lost: readonly string[];
}

export class Placer {
  readonly name = 'placement';
  readonly #options: PlacerOptions;

  constructor(options: PlacerOptions) {
    this.#options = options;
  }

  async lead(term: LeaderTerm): Promise<void> {
    const { peers, followed, clock, log } = this.#options;
    let pause = new AbortController();
    using _peers = peers.onChange(() => pause.abort());
    using _apps = followed.onChange(() => pause.abort());
    while (!term.signal.aborted) {
      // Before the look: what changes during it is looked at again.
      pause = new AbortController();
      let everyMs = LOOK_EVERY_MS;
      try {
        await this.look(term);
        if (peers.all().every(({ state }) => isThere(state))) everyMs = LOOK_SELDOM_MS;
      } catch (error) {
        if (term.signal.aborted || isMolnError(error, 'CLUSTER_DEPOSED')) return;
        log.warn('The leader could not look after the placement', { reason: messageOf(error) });
      }
      const both = AbortSignal.any([term.signal, pause.signal]);
      await clock.sleep(untilSecond(clock, everyMs), both).catch(() => undefined);
    }
  }

  /** One look at all apps. */
  async look(term: LeaderTerm): Promise<void> {
    const { followed, peers } = this.#options;
    const nodes = peers.all().map(placementNodeOf);
    for (const { name } of await followed.list()) {
      if (term.signal.aborted) return;
      const found = await followed.of(name);
      if (shiftAmong(nodes, found) !== undefined) await this.#tend(term, name, nodes);
      await this.#sweep(term, found);
    }
  }

  /** By what is true now. */
  async #tend(term: LeaderTerm, app: string, nodes: readonly PlacementNode[]): Promise<void> {
    const { followed, registry, log } = this.#options;
    const found = await followed.read(app);
    const shift = shiftAmong(nodes, found);
    if (shift === undefined) return;
    const records = assignmentRecords(registry);
    const conditions: Condition[] = [{ key: records.keyOf(app), revision: found.slotsRevision }];
    for (const node of shift.lost) {
      const entry = await registry.get(`/presence/${node}`);
      if (this.#isHeard(node)) return;
      conditions.push({ key: `/presence/${node}`, revision: entry?.revision ?? 0 });
    }
    const operations: Operation[] = [records.putOperation(app, { slots: shift.slots })];
    const result = await term.commit(conditions, operations);
    if (result.kind === 'conflict') return;
    log.info('Instances are placed anew', { app, slots: shift.slots });
  }

  /** What forgotten nodes reported goes when nothing of it can run any more. */
  async #sweep(term: LeaderTerm, found: FollowedApp): Promise<void> {
    const gone = outlived(this.#options.peers, found).slice(0, LOST_AT_ONCE);
    if (found.app === undefined || gone.length === 0) return;
    const records = reportRecords(this.#options.registry, found.app.name);
    await term.commit(
      gone.map(noMember),
      gone.map((id) => ({ kind: 'delete', key: records.keyOf(id) })),
    );
  }

  #isHeard(node: string): boolean {
    const state = this.#options.peers.get(node)?.state;
    return state !== undefined && isThere(state);
  }
}

/** Ids of forgotten nodes whose reports nobody needs any more. */
export function outlived(
  peers: Pick<Peers, 'get' | 'goneMs'>,
  { release, reports }: Pick<FollowedApp, 'release' | 'reports'>,
): readonly string[] {
  if (release === undefined) return [];
  return reports
    .map(({ nodeId }) => nodeId)
    .filter((id) => peers.get(id) === undefined && !mayRun(peers, id, release));
}

export function shiftAmong(nodes: readonly PlacementNode[], found: FollowedApp): Shift | undefined {
  const { app, release, slots, reports } = found;
  if (app === undefined || release === undefined || !app.running) return undefined;
  return shiftOf({ app, release, slots, reports, nodes: notTooManyLost(nodes, slots) });
}

/** Those beyond what one commit has room for are left alone for now, as if they had just fallen silent. */
function notTooManyLost(
  nodes: readonly PlacementNode[],
  slots: readonly Slot[],
): readonly PlacementNode[] {
  const used = new Set(slots.map(({ node }) => node));
  const silent = nodes
    .filter(({ id, state }) => used.has(id) && !isThere(state))
    .toSorted((a, b) => b.silentMs - a.silentMs);
  const later = new Set(silent.slice(LOST_AT_ONCE).map(({ id }) => id));
  if (later.size === 0) return nodes;
  return nodes.map((node) =>
    later.has(node.id) ? { ...node, state: 'suspect', silentMs: 0 } : node,
  );
}

function isThere(state: PlacementNode['state']): boolean {
  return state === 'ready' || state === 'draining';
}

/** Pure. Undefined when everything is where it should be. */
export function shiftOf(input: {
  readonly app: App;
  readonly release: Release;
  readonly slots: readonly Slot[];
  readonly reports: readonly NodeReport[];
  readonly nodes: readonly PlacementNode[];
}): Shift | undefined {
  const { app, release, slots, reports, nodes } = input;
  const wish = placementAppOf(app, release);
  const current = slots.flatMap(({ process, slot, node, reason }) =>
    node === undefined ? [] : [{ app: app.name, process, slot, node, reason }],
  );
  const { assignments, unplaced } = place({ nodes, apps: [wish], current });
  const { singletons } = release.plan.placement;
  const lost = new Set<string>();
  const known = new Map(slots.map((slot) => [`${slot.process}/${slot.slot}`, slot]));
  const next: Slot[] = assignments.map(({ process, slot, node, reason }) => {
    const before = known.get(`${process}/${slot}`);
    if (before === undefined || before.node === undefined) {
      // Of a singleton, nothing is left anywhere that can be heard: the reconciler looks again.
      return { process, slot, node, reason };
    }
    if (before.node === node) return settled(before, { app, reports, nodes });
    const from = nodes.find(({ id }) => id === before.node);
    const moved = { process, slot, node, reason };
    if (from === undefined || from.state === 'lost' || from.state === 'suspect') {
      if (from !== undefined) lost.add(from.id);
      if (singletons.includes(process)) return moved;
      // What that one was to replace may be all that serves.
      return without(node, { ...moved, leaving: there(before.leaving, nodes) });
    }
    // The reconcilers of both nodes see to it that a singleton ends before the next one starts.
    if (singletons.includes(process)) return moved;
    const { leaving = before.node } = settled(before, { app, reports, nodes });
    return without(node, { ...moved, leaving });
  });
  for (const { process, slot, reason } of unplaced) next.push({ process, slot, reason });
  const isSame = JSON.stringify(sorted(next)) === JSON.stringify(sorted(slots));
  return isSame ? undefined : { slots: sorted(next), lost: [...lost] };
}

/** Its predecessor may go when as many as are assigned here are healthy, or when its node is not there any more. */
function settled(
  slot: Slot,
  given: {
    readonly app: App;
    readonly reports: readonly NodeReport[];
    readonly nodes: readonly PlacementNode[];
  },
): Slot {
  const { leaving, node, process } = slot;
  if (leaving === undefined) return slot;
  const { app, reports, nodes } = given;
  const here = reports.find(({ nodeId }) => nodeId === node)?.report.instances ?? [];
  const isHealthy = here.some(
    (one) =>
      one.process === process && one.generation === app.generation && one.state === 'healthy',
  );
  if (!isHealthy && there(leaving, nodes) !== undefined) return slot;
  const { leaving: _left, ...rest } = slot;
  return rest;
}

/** The node, unless it is not there any more. */
function there(node: string | undefined, nodes: readonly PlacementNode[]): string | undefined {
  const state = nodes.find(({ id }) => id === node)?.state;
  return state === undefined || state === 'lost' ? undefined : node;
}

/** Nobody leaves a node for itself. */
function without(node: string, slot: Slot): Slot {
  return slot.leaving === node ? { ...slot, leaving: undefined } : slot;
}

function sorted(slots: readonly Slot[]): Slot[] {
  return slots
    .map(({ process, slot, node, leaving, reason }) => ({ process, slot, node, leaving, reason }))
    .toSorted((a, b) => (a.process < b.process ? -1 : a.process > b.process ? 1 : a.slot - b.slot));
}
