/**
 * How forgotten nodes lose the connections to etcd that they have: etcd goes by its list of revoked certificates only when a
 * connection begins, so each member has to be started anew with the list. Pure: one member at a time, and never one whose
 * absence costs the majority.
 */

/** One member of etcd, as the leader sees it. */
export interface RegistryHolder {
  readonly nodeId: string;
  /** It serves and knows who leads. */
  readonly isAnswering: boolean;
  /** Of etcd itself. */
  readonly isLeading: boolean;
  /** The revoked serials that it knew when its process started; undefined: its node does not say. */
  readonly startedWith: readonly string[] | undefined;
}

export type CutOffStep =
  | { readonly kind: 'restart'; readonly nodeId: string }
  /** Not now: for a node, or for members to come back. */
  | { readonly kind: 'wait' }
  /** Every member was started with all these serials. */
  | { readonly kind: 'done' };

export function planCutOff(
  holders: readonly RegistryHolder[],
  serials: readonly string[],
): CutOffStep {
  const isBehind = ({ startedWith }: RegistryHolder): boolean =>
    startedWith === undefined || serials.some((serial) => !startedWith.includes(serial));
  const behind = holders.filter(isBehind);
  if (behind.length === 0) return { kind: 'done' };
  const next = behind
    .filter(({ startedWith }) => startedWith !== undefined)
    .toSorted((a, b) => cost(a) - cost(b))
    .find((holder) => canSpare(holder, holders));
  return next === undefined ? { kind: 'wait' } : { kind: 'restart', nodeId: next.nodeId };
}

/** What does not serve comes first, and what leads etcd last, so that the lead moves once. */
function cost({ isLeading, isAnswering }: RegistryHolder): number {
  return isLeading ? 2 : Number(isAnswering);
}

/** One or two members have no majority without each other: a restart is a short pause, and wants all others there. */
function canSpare(holder: RegistryHolder, holders: readonly RegistryHolder[]): boolean {
  const others = holders.filter((other) => other !== holder && other.isAnswering).length;
  const most = holders.length - 1;
  return others >= Math.min(most, Math.floor(holders.length / 2) + 1);
}
