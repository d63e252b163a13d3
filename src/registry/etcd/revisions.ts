/**
 * Between etcd's revisions and the registry's. Each etcd that a cluster has had counts from one, the registry never counts
 * back: so etcd's numbers get a base, which is higher with every etcd that takes the place of another. Pure.
 */
import type { Revision } from '../contract.ts';

/** Times the epoch is added to etcd's own. The embedded registry never gets that far, and no etcd counts over it. */
export const ETCD_REVISION_BASE: Revision = 2 ** 40;
/** The first etcd of a cluster; each takeover makes it one more. */
export const EPOCH_FIRST = 1;
/** Beyond it numbers would not be exact. */
const EPOCH_MAX = 4096;
/** What no key of etcd ever has. */
const NEVER = -1n;

export class Revisions {
  /** All of this etcd are above, all of those before it are below. */
  readonly base: Revision;

  constructor(epoch: number = EPOCH_FIRST) {
    if (!Number.isInteger(epoch) || epoch < EPOCH_FIRST || epoch > EPOCH_MAX) {
      throw new Error(`The epoch of an etcd is ${EPOCH_FIRST} to ${EPOCH_MAX}, not ${epoch}`);
    }
    this.base = ETCD_REVISION_BASE * epoch;
  }

  /** 0 stays 0: absent. At 1,000 commits a second an etcd gets to the next base in 34 years. */
  ours(value: bigint | undefined): Revision {
    if (value === undefined || value === 0n) return 0;
    const revision = Number(value) + this.base;
    if (!Number.isSafeInteger(revision)) throw new Error(`Revision ${value} is too large`);
    return revision;
  }

  /** The way back. One from before the move to this etcd becomes one that no key has. */
  theirs(revision: Revision): bigint {
    if (revision === 0) return 0n;
    return revision > this.base ? BigInt(revision - this.base) : NEVER;
  }
}
