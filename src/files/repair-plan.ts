/** What repair does next, decided without asking anybody: which copies are made first, what moves to even out disks, how long it rests. Pure. */
import { choose, judge, type Place } from './placement.ts';
import type { Policy } from './policy.ts';
import { MOVE_ABOVE } from './limits.ts';

export interface Block {
  readonly bucket: string;
  readonly fid: string;
  readonly index: number;
  readonly cid: string;
  readonly length: number;
  readonly sha256: string;
}

/** One copy to be made. */
export interface CopyTask {
  readonly block: Block;
  readonly to: string;
  /** Places that have it. */
  readonly from: readonly string[];
  /** A move: this one goes when the new one is there. */
  readonly instead: string | undefined;
  /** Copies that count, so that a block with the fewest comes first; a move comes after all of them. */
  readonly valid: number;
}

export interface BlockPlan {
  readonly copies: readonly CopyTask[];
  /** Places whose copies the policy does not want. */
  readonly surplus: readonly string[];
  /** Places that are lost while there are enough others: their copies count no more. */
  readonly forgotten: readonly string[];
  /** Copies for which there is no place now. */
  readonly lacking: number;
  readonly isLost: boolean;
}

/** What a block needs to be as its policy wants it. `ids`: places that have it. */
export function planOf(
  block: Block,
  {
    policy,
    ids,
    all,
    move,
  }: {
    readonly policy: Policy;
    readonly ids: readonly string[];
    readonly all: readonly Place[];
    readonly move: Move | undefined;
  },
): BlockPlan {
  const have = all.filter(({ id }) => ids.includes(id));
  const good = have.filter(({ state }) => state !== 'lost');
  const verdict = judge(policy, have);
  const task = { block, from: ids, valid: good.filter(({ state }) => state !== 'drain').length };
  if (!verdict.isSatisfied) {
    const wanted = choose(policy, { cid: block.cid, places: all, have });
    return {
      copies: wanted.map(({ id }) => ({ ...task, to: id, instead: undefined })),
      surplus: [],
      forgotten: [],
      lacking: verdict.missing.length - wanted.length,
      isLost: good.length === 0,
    };
  }
  const surplus = verdict.surplus.filter(({ state }) => state !== 'away').map(({ id }) => id);
  const forgotten = ids.filter((id) => !good.some((place) => place.id === id));
  const none = { lacking: 0, isLost: false };
  if (surplus.length > 0 || move === undefined) return { copies: [], surplus, forgotten, ...none };
  const { from, to } = move;
  const target = all.find(({ id }) => id === to);
  const moved = [
    ...have.filter(({ id }) => id !== from),
    ...(target === undefined ? [] : [target]),
  ];
  const fits =
    ids.includes(from) &&
    target !== undefined &&
    !ids.includes(to) &&
    target.freeBytes >= block.length &&
    judge(policy, moved).isSatisfied &&
    judge(policy, moved).survives >= verdict.survives;
  const copies = fits ? [{ ...task, to, instead: from, valid: Infinity }] : [];
  return { copies, surplus, forgotten, ...none };
}

export interface Filled {
  readonly id: string;
  readonly state: Place['state'];
  readonly usedBytes: number;
  readonly limitBytes: number;
}

/** Between the fullest and the emptiest place, when they differ so much that it pays. */
export interface Move {
  readonly from: string;
  readonly to: string;
  /** Then both are as full. */
  readonly bytes: number;
}

export function moveOf(places: readonly Filled[]): Move | undefined {
  const usable = places.filter(
    ({ state, limitBytes }) => (state === 'good' || state === 'full') && limitBytes > 0,
  );
  const fill = ({ usedBytes, limitBytes }: Filled): number => usedBytes / limitBytes;
  const sorted = usable.toSorted((one, other) => fill(one) - fill(other));
  const [to, from] = [sorted.find(({ state }) => state === 'good'), sorted.at(-1)];
  if (from === undefined || to === undefined || fill(from) - fill(to) <= MOVE_ABOVE)
    return undefined;
  // used - x over the one limit is used + x over the other.
  const bytes =
    (from.usedBytes * to.limitBytes - to.usedBytes * from.limitBytes) /
    (from.limitBytes + to.limitBytes);
  return { from: from.id, to: to.id, bytes: Math.floor(bytes) };
}

/** The fewest copies first; those of one kind as they were found. */
export function byUrgency(one: Pick<CopyTask, 'valid'>, other: Pick<CopyTask, 'valid'>): number {
  return one.valid === other.valid ? 0 : one.valid - other.valid;
}

/** So long nothing is copied after `bytes` that took `tookMs`: for the rate that people set. */
export function restMs(given: {
  readonly bytes: number;
  readonly tookMs: number;
  readonly bytesPerSecond: number | undefined;
}): number {
  const { bytes, tookMs, bytesPerSecond } = given;
  if (bytesPerSecond === undefined) return 0;
  return Math.max(0, (bytes / bytesPerSecond) * 1000 - tookMs);
}
