/**
 * What every engine of the registry promises. Keys are `/`-separated paths, values are bytes. The words mean what
 * etcd 3.4 can keep: a revision is etcd's, created is its create_revision.
 */

/**
 * Revisions are whole numbers, one for the whole registry, growing with each commit that changes something: by one, unless
 * others write to the same etcd. Never count on the next number; what is below one that was seen is in the past.
 */
export type Revision = number;

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision of the commit that last wrote the key. */
  readonly revision: Revision;
  /** Revision of the commit that created it. */
  readonly created: Revision;
  /** The lease it dies with, if any. */
  readonly leaseId: string | undefined;
}

/** `revision: 0` means "the key does not exist". */
export interface Condition {
  readonly key: string;
  readonly revision: Revision;
}

export type Operation =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly value: Uint8Array;
      readonly leaseId?: string;
    }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'deletePrefix'; readonly prefix: string };

export type CommitResult =
  | { readonly kind: 'committed'; readonly revision: Revision }
  /** A condition did not hold and nothing was changed; `failed` are the keys whose revision differed. */
  | {
      readonly kind: 'conflict';
      readonly revision: Revision;
      readonly failed: readonly string[];
    };

/** All changes of one commit under the watched prefix, in order; never split over two batches. */
export interface WatchBatch {
  readonly revision: Revision;
  readonly changes: readonly Change[];
}

export type Change =
  | { readonly kind: 'put'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly key: string };

export interface ListResult {
  /** Sorted by key, bytewise. */
  readonly entries: readonly Entry[];
  /** The revision at which the list is true; `watch(prefix, revision + 1)` misses nothing. */
  readonly revision: Revision;
}

/** Keys attached to a lease are deleted when it ends. */
export interface Lease {
  readonly id: string;
  readonly ttlMs: number;
  /** Extends it by `ttlMs` from now; throws `REGISTRY_LEASE_LOST` when it has ended. */
  renew(): Promise<void>;
  /** Ends it now. */
  revoke(): Promise<void>;
}

/** Reads only: for parts that must not change anything. */
export interface RegistryReader {
  get(key: string): Promise<Entry | undefined>;
  list(prefix: string): Promise<ListResult>;
  /**
   * Every commit that touches `prefix` from `fromRevision` on, in order, until the signal aborts (the iteration then
   * ends without an error). Throws `REGISTRY_COMPACTED` when that revision is no longer kept: list again. At least 1.
   */
  watch(prefix: string, fromRevision: Revision, signal: AbortSignal): AsyncIterable<WatchBatch>;
}

export interface Registry extends RegistryReader, AsyncDisposable {
  /** `sqlite` or `etcd`, for status pages. */
  readonly engine: string;
  /**
   * All operations or none, durable when it resolves. At most `OPERATIONS_MAX` operations on distinct keys and
   * `VALUE_BYTES_MAX` a value; values must not be changed before. Throws `REGISTRY_LEASE_LOST` when a lease that it
   * names has ended. `REGISTRY_OUTCOME_UNKNOWN`, and any error whose code is not the registry's own, leave the outcome
   * unknown: read again before repeating it. After all others nothing was changed.
   */
  commit(conditions: readonly Condition[], operations: readonly Operation[]): Promise<CommitResult>;
  lease(ttlMs: number): Promise<Lease>;
  /** Of engines that are elsewhere: their user is about to end, what does not answer soon is given up. */
  hurry?(): void;
  /** Of engines that are elsewhere: where, from now on. */
  setEndpoints?(endpoints: readonly string[]): void;
}
