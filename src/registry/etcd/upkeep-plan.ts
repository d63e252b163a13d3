/** What etcd needs next, decided from what its members say. Pure, so that it can be tested by tables. */
import type { EtcdAlarm, EtcdStatus } from './admin.ts';

export interface UpkeepView {
  /** Of every member, undefined for one that does not answer. */
  readonly statuses: readonly (EtcdStatus | undefined)[];
  readonly alarms: readonly EtcdAlarm[];
  /** The member on the node that looks after etcd, which is the one that leads the cluster; undefined when it has none. */
  readonly ownId?: string | undefined;
  readonly quotaBytes: number;
  /** What was forgotten last, and how long ago; Infinity when never. */
  readonly compactedTo: number;
  readonly compactedAgoMs: number;
  /** How long ago a member was defragmented, by endpoint; absent when never. */
  readonly defragmentedAgoMs: ReadonlyMap<string, number>;
}

export type UpkeepStep =
  | { readonly kind: 'compact'; readonly revision: number }
  | { readonly kind: 'defragment'; readonly endpoint: string }
  | { readonly kind: 'disarm'; readonly memberId: string }
  | { readonly kind: 'moveLeader'; readonly from: string; readonly toId: string }
  | { readonly kind: 'nothing'; readonly why: string };

export const COMPACT_EVERY_MS = 60_000;
/** What watchers may be behind before they have to list again. */
export const KEEP_REVISIONS = 1000;
/** Smaller files are not worth a deaf moment. */
export const DEFRAGMENT_BYTES_MIN: number = 64 * 1024 * 1024;
export const DEFRAGMENT_FREE_RATIO = 0.5;
/** A file that does not get smaller must not be tried for ever. */
export const DEFRAGMENT_EVERY_MS: number = 10 * 60_000;
/** Entries of the log that a member may be behind the first and still count as caught up. */
const LAG_ENTRIES_MAX = 1000;
/** Disarmed above this share of the quota, the alarm would be back at once. */
const DISARM_BELOW_RATIO = 0.9;

export function planUpkeep(view: UpkeepView): UpkeepStep {
  const known = view.statuses.filter((status) => status !== undefined);
  const leader = known.find((status) => status.isLeader);
  if (leader === undefined) return { kind: 'nothing', why: 'there is no leader' };
  const alarm = view.alarms.find(({ kind }) => kind === 'noSpace');
  if (alarm !== undefined) return planRoom(view, known, leader, alarm);
  const target = leader.revision - KEEP_REVISIONS;
  if (view.compactedAgoMs >= COMPACT_EVERY_MS && target > view.compactedTo) {
    return { kind: 'compact', revision: target };
  }
  const heir = leader.id === view.ownId ? heirOf(view, known) : undefined;
  if (heir !== undefined) return { kind: 'moveLeader', from: leader.endpoint, toId: heir.id };
  const next = defragmentable(view, known).find((one) => isWorthIt(view, one));
  if (next !== undefined) return { kind: 'defragment', endpoint: next.endpoint };
  return { kind: 'nothing', why: 'all is well' };
}

/**
 * Writers wait: forget all history, give the pages back, let them in again. What a member says of its free pages is no
 * help here: etcd counts those of the last compaction only with the next write, and there are none.
 */
function planRoom(
  view: UpkeepView,
  known: readonly EtcdStatus[],
  leader: EtcdStatus,
  alarm: EtcdAlarm,
): UpkeepStep {
  if (leader.revision > view.compactedTo) return { kind: 'compact', revision: leader.revision };
  const next = defragmentable(view, known).find((one) => {
    return (view.defragmentedAgoMs.get(one.endpoint) ?? Infinity) > view.compactedAgoMs;
  });
  if (next !== undefined) return { kind: 'defragment', endpoint: next.endpoint };
  const used = Math.max(...known.map((status) => status.dbBytes));
  if (used < view.quotaBytes * DISARM_BELOW_RATIO)
    return { kind: 'disarm', memberId: alarm.memberId };
  return { kind: 'nothing', why: 'etcd is full of data that is in use' };
}

/**
 * Who leads etcd instead of the node that leads the cluster: with both on one node its death would cost two elections in a
 * row, for after its own etcd gives all leases a new life. Two members cannot do without either of them anyway.
 */
function heirOf(view: UpkeepView, known: readonly EtcdStatus[]): EtcdStatus | undefined {
  const others = settled(view, known).filter(({ isLeader }) => !isLeader);
  return others.length < 2 ? undefined : others.toSorted((a, b) => b.raftIndex - a.raftIndex)[0];
}

/**
 * One member at a time, the leader last. Never while one is away, catches up or learns: etcd 3.4 damages its data when
 * a snapshot arrives during a defragmentation (fixed in 3.4.38).
 */
function defragmentable(view: UpkeepView, known: readonly EtcdStatus[]): readonly EtcdStatus[] {
  return settled(view, known).toSorted((a, b) => Number(a.isLeader) - Number(b.isLeader));
}

/** All members; none while one is away, catches up or learns. */
function settled(view: UpkeepView, known: readonly EtcdStatus[]): readonly EtcdStatus[] {
  const newest = Math.max(...known.map((status) => status.raftIndex));
  const isSettled =
    known.length === view.statuses.length &&
    known.every((one) => !one.isLearner && newest - one.raftIndex <= LAG_ENTRIES_MAX);
  return isSettled ? known : [];
}

function isWorthIt(view: UpkeepView, { endpoint, dbBytes, dbBytesInUse }: EtcdStatus): boolean {
  return (
    dbBytes > DEFRAGMENT_BYTES_MIN &&
    dbBytes - dbBytesInUse > dbBytes * DEFRAGMENT_FREE_RATIO &&
    (view.defragmentedAgoMs.get(endpoint) ?? Infinity) >= DEFRAGMENT_EVERY_MS
  );
}
