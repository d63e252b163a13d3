/**
 * Where the instances of an app belong: `/assignments/<app>`, format 1. Written in the same commit as the wish that they come
 * from, and by the leader when a node is lost or drained. Each node runs what is assigned to it and nothing else.
 */
import { array, integer, object, optional, type Schema, string } from '../base/schema.ts';
import {
  type Assignment,
  place,
  type PlacementApp,
  type PlacementNode,
} from '../cluster/cluster.ts';
import { Collection, type Registry } from '../registry/registry.ts';
import type { App, Release } from './model.ts';
import { wantedCount } from './plan-actions.ts';

/** One wished instance. Nodes go by id. */
export interface Slot {
  readonly process: string;
  readonly slot: number;
  /** Runs it; undefined while it has no place. */
  readonly node?: string | undefined;
  /** Runs it still, until the new one is healthy. */
  readonly leaving?: string | undefined;
  readonly reason: string;
}

export interface Slots {
  readonly slots: readonly Slot[];
}

const slotsSchema: Schema<Slots> = object({
  slots: array(
    object({
      process: string(),
      slot: integer({ min: 0, max: 1_000_000 }),
      node: optional(string()),
      leaving: optional(string()),
      reason: string(),
    }),
  ),
});

export const ASSIGNMENTS_PREFIX = '/assignments/';

export function assignmentRecords(registry: Registry): Collection<Slots> {
  return new Collection({ registry, prefix: ASSIGNMENTS_PREFIX, schema: slotsSchema });
}

/** Instances that a node is to run, by process type. */
export function countsOf(slots: readonly Slot[], nodeId: string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { process, node, leaving } of slots) {
    if (node !== nodeId && leaving !== nodeId) continue;
    counts[process] = (counts[process] ?? 0) + 1;
  }
  return counts;
}

/** Ids of the nodes that run something of it. */
export function nodesOf(slots: readonly Slot[]): readonly string[] {
  const all = slots.flatMap(({ node, leaving }) => [node, leaving]);
  return [...new Set(all.filter((node) => node !== undefined))];
}

/** What placement has to know of an app. */
export function placementAppOf(app: App, release: Release): PlacementApp {
  const { placement, processes } = release.plan;
  return {
    name: app.name,
    restart: placement.restart,
    ...(placement.lostAfterMs === undefined ? {} : { lostAfterMs: placement.lostAfterMs }),
    processes: Object.keys(processes).map((name) => ({
      name,
      wanted: app.running ? wantedCount(app, name) : 0,
      singleton: placement.singletons.includes(name),
      memoryMiB: placement.memoryMiB,
      labels: placement.labels,
      apart: false,
      avoid: [],
    })),
  };
}

/** Where they should be: anew, or with what is placed kept where it is. */
export function placed(
  nodes: readonly PlacementNode[],
  app: PlacementApp,
  current: readonly Slot[],
): readonly Slot[] {
  const known: Assignment[] = current.flatMap(({ process, slot, node, reason }) =>
    node === undefined ? [] : [{ app: app.name, process, slot, node, reason }],
  );
  const result = place({ nodes, apps: [app], current: known });
  const slots: Slot[] = result.assignments.map(({ process, slot, node, reason }) => ({
    process,
    slot,
    node,
    reason,
  }));
  for (const { process, slot, reason } of result.unplaced) {
    slots.push({ process, slot, reason });
  }
  return slots;
}
