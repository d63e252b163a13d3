/**
 * Which member of etcd is started anew next. etcd goes by its list of revoked certificates only when a connection begins, so
 * forgotten nodes lose what they have open at a restart only; and the authorities that it trusts it reads at its start alone.
 * Pure: one member at a time, and never one whose absence costs the majority.
 */
import { isSame } from './rotation.ts';

/** What a member knew when its process started. */
export interface StartedWith {
  /** Of revoked certificates. */
  readonly serials: readonly string[];
  /** Fingerprints of the authorities that it trusts. */
  readonly authorities: readonly string[];
  /** Those that it would trust if it were started now. */
  readonly nextAuthorities: readonly string[];
}

/** One member of etcd, as the leader sees it. */
export interface RegistryHolder {
  readonly nodeId: string;
  /** It serves and knows who leads. */
  readonly isAnswering: boolean;
  /** Of etcd itself. */
  readonly isLeading: boolean;
  /** Undefined: its node does not say. */
  readonly startedWith: StartedWith | undefined;
}

export interface CutOffWish {
  /** Revoked ones, all of which each member is to know. */
  readonly serials: readonly string[];
  /** Exactly these are to be trusted; undefined: whichever are. */
  readonly authorities: readonly string[] | undefined;
}

export type CutOffStep =
  | { readonly kind: 'restart'; readonly nodeId: string }
  /** Not now: for a node, or for members to come back. */
  | { readonly kind: 'wait' }
  /** Every member was started with all this. */
  | { readonly kind: 'done' };

export function planCutOff(holders: readonly RegistryHolder[], wish: CutOffWish): CutOffStep {
  const behind = holders.filter(
    ({ startedWith }) => startedWith === undefined || isBehind(startedWith, wish),
  );
  if (behind.length === 0) return { kind: 'done' };
  const next = behind
    .filter(({ startedWith }) => startedWith !== undefined && helps(startedWith, wish))
    .toSorted((a, b) => cost(a) - cost(b))
    .find((holder) => canSpare(holder, holders));
  return next === undefined ? { kind: 'wait' } : { kind: 'restart', nodeId: next.nodeId };
}

function isBehind(startedWith: StartedWith, { serials, authorities }: CutOffWish): boolean {
  return lacksSerial(startedWith, serials) || !trusts(startedWith.authorities, authorities);
}

/** Its node may not have heard of the next authority yet. */
function helps(startedWith: StartedWith, { serials, authorities }: CutOffWish): boolean {
  return lacksSerial(startedWith, serials) || trusts(startedWith.nextAuthorities, authorities);
}

function lacksSerial({ serials }: StartedWith, wanted: readonly string[]): boolean {
  return wanted.some((serial) => !serials.includes(serial));
}

function trusts(these: readonly string[], wanted: readonly string[] | undefined): boolean {
  return wanted === undefined || isSame(these, wanted);
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
