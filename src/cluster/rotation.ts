/**
 * How a cluster goes from one authority to the next while everything runs. Pure: what each node still lacks, and the one move
 * that comes next. First all trust both, then all are certified by the new one, then all drop the former one; no move
 * before every node that is not forgotten has acknowledged the one before, for a node that missed it would be locked out.
 */

/** `asked`: the leader is to make a new authority. `done`: it is the only one. */
export type RotationStep = 'asked' | 'trust' | 'renew' | 'drop' | 'done';

/** Fingerprints. */
export interface AuthorityPair {
  readonly from: string;
  readonly to: string;
}

/** What a node says of itself; all fingerprints. It is durable there, and its doors and gateways go by it. */
export interface Acknowledgement {
  /** The one that signs first. */
  readonly trusts: readonly string[];
  /** Of the node's certificate. */
  readonly issuer: string;
  /** Authorities whose keys it has. */
  readonly keys: readonly string[];
  /** What its etcd was started with; undefined: there is none. */
  readonly etcd?: readonly string[] | undefined;
}

export interface RotatingNode {
  readonly id: string;
  readonly name: string;
  readonly isManager: boolean;
  /** It is not heard: nothing can be asked of it. */
  readonly isAway: boolean;
  readonly acknowledged: Acknowledgement | undefined;
}

export interface Lack {
  readonly node: string;
  readonly isAway: boolean;
  /** `etcd`: its member has to be started anew. */
  readonly what: 'trust' | 'key' | 'etcd' | 'certificate' | 'drop';
}

export type RotationMove =
  | { readonly kind: 'none' }
  /** One is to be begun. */
  | { readonly kind: 'ask'; readonly why: string }
  /** A new authority is to be made, and proposed to all. */
  | { readonly kind: 'propose' }
  | { readonly kind: 'move'; readonly to: RotationStep }
  | { readonly kind: 'wait'; readonly lacks: readonly Lack[] };

export interface RotationInput {
  readonly step: RotationStep | undefined;
  /** Undefined until there is a new one. */
  readonly pair: AuthorityPair | undefined;
  /** Every member. */
  readonly nodes: readonly RotatingNode[];
  /** The life of the authority that signs now; epoch milliseconds. */
  readonly life: { readonly notBefore: number; readonly notAfter: number };
  readonly nowMs: number;
  /** The leader has not got the key of the new authority, and neither has anybody who could be asked. */
  readonly isKeyLost: boolean;
}

/** A new authority is made when this much of the old one's life is over. */
export const ROTATE_AT_RATIO: number = 2 / 3;

export function rotatesAt({ notBefore, notAfter }: RotationInput['life']): number {
  return notBefore + Math.floor((notAfter - notBefore) * ROTATE_AT_RATIO);
}

export function planRotation(input: RotationInput): RotationMove {
  const { step, pair, nodes, isKeyLost } = input;
  if (step === undefined || step === 'done') {
    const isDue = input.nowMs >= rotatesAt(input.life);
    return isDue ? { kind: 'ask', why: 'a third of its life is left' } : { kind: 'none' };
  }
  if (step === 'asked' || pair === undefined) return { kind: 'propose' };
  // Nobody was certified by it yet: another one does as well.
  if (step === 'trust' && isKeyLost) return { kind: 'propose' };
  const lacks = lacksOf(step, pair, nodes);
  return lacks.length > 0 ? { kind: 'wait', lacks } : { kind: 'move', to: NEXT[step] };
}

const NEXT = { trust: 'renew', renew: 'drop', drop: 'done' } as const;

/** What holds this step up; one entry a node, the first thing that it lacks. */
export function lacksOf(
  step: RotationStep,
  pair: AuthorityPair,
  nodes: readonly RotatingNode[],
): readonly Lack[] {
  return nodes.flatMap((node) => {
    const what = lackOf(step, pair, node);
    return what === undefined ? [] : [{ node: node.name, isAway: node.isAway, what }];
  });
}

function lackOf(
  step: RotationStep,
  { from, to }: AuthorityPair,
  { acknowledged, isManager }: RotatingNode,
): Lack['what'] | undefined {
  const { trusts = [], issuer, keys = [], etcd } = acknowledged ?? {};
  switch (step) {
    case 'trust':
      if (!isSame(trusts, [from, to])) return 'trust';
      if (isManager && !keys.includes(to)) return 'key';
      return etcd === undefined || isSame(etcd, [from, to]) ? undefined : 'etcd';
    case 'renew':
      return trusts[0] === to && issuer === to ? undefined : 'certificate';
    case 'drop':
      if (!isSame(trusts, [to])) return 'drop';
      return etcd === undefined || isSame(etcd, [to]) ? undefined : 'etcd';
    case 'asked':
    case 'done':
      return undefined;
  }
}

/** What an etcd has to be started with in this step; undefined: whatever it was. */
export function wantedOfEtcd(
  step: RotationStep | undefined,
  pair: AuthorityPair | undefined,
): readonly string[] | undefined {
  if (step === undefined || step === 'asked' || pair === undefined) return undefined;
  return step === 'trust' || step === 'renew' ? [pair.from, pair.to] : [pair.to];
}

/** In any order. */
export function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && others.every((each) => some.includes(each));
}
