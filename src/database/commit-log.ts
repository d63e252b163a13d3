/**
 * What the commit log of the stripes promises. Each stripe has entries 1, 2, 3 …, chained by hash, and a key that names its
 * primary. The log decides order, fencing and durability: what was appended has happened, what was not has not.
 */
import type { Revision } from '../registry/registry.ts';
import type { EncodedEntry, Entry } from './entry.ts';

/** The newest entry of a stripe's log. */
export interface Head {
  /** 0 when the log is empty. */
  readonly index: number;
  readonly hash: Uint8Array;
  /** Whose attempt it was; see `EntryHeader.group`. */
  readonly group: Uint8Array;
  /** Of the last append; what the next one compares. 0 when the log is empty. */
  readonly revision: Revision;
}

/** Who leads a stripe. */
export interface PrimaryRecord {
  readonly node: string;
  /** Tells two lives of one node apart. */
  readonly life: string;
  /** Where it answers other nodes, if it does. */
  readonly address?: string;
  /** Why it leads, for people: not what anything is decided by. */
  readonly why?: string | undefined;
  /** The life that it took the place of, because that one did not answer. */
  readonly displaced?: string | undefined;
}

export interface Primary extends PrimaryRecord {
  /** The revision at which it was claimed. Never the same for two terms. */
  readonly epoch: Revision;
}

export interface Append {
  readonly stripe: string;
  readonly epoch: Revision;
  /** The head that the entry follows. */
  readonly after: Head;
  readonly entry: EncodedEntry;
}

/** A stripe that a transaction has only read: nothing may have been appended since. */
export interface ReadStripe {
  readonly stripe: string;
  readonly epoch: Revision;
  readonly at: Head;
}

export type AppendResult =
  /** All entries are in their logs, durably, at one revision. `heads` in the order of the appends. */
  | { readonly kind: 'appended'; readonly revision: Revision; readonly heads: readonly Head[] }
  /** Nothing was changed: these stripes have another primary, those have another head. */
  | {
      readonly kind: 'refused';
      readonly fenced: readonly string[];
      readonly moved: readonly string[];
    };

/** The newest snapshot of a stripe. */
export interface SnapshotRecord {
  readonly id: string;
  /** The last entry that it contains. */
  readonly index: number;
  readonly hash: string;
  readonly schemaVersion: number;
  readonly sha256: string;
  readonly bytes: number;
  /** When it was made, in milliseconds since the epoch. */
  readonly at?: number | undefined;
  /** Nodes that keep it. */
  readonly nodes: readonly string[];
  /** What was before it, the oldest first; each goes on where the one before ends, the last one ends with this snapshot. */
  readonly past?: readonly PastPiece[];
}

/** A file that is kept with the snapshots. */
export interface KeptFile {
  readonly id: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly nodes: readonly string[];
}

/** A stretch of a log that has been trimmed: what leads to every entry from `from` to `to`. */
export interface PastPiece {
  readonly from: number;
  readonly to: number;
  /** When it was kept, in milliseconds since the epoch. */
  readonly at: number;
  /** The stripe at entry `from`; undefined: an empty one, at 0. */
  readonly base: KeptFile | undefined;
  /** Entries `from` + 1 to `to`; see `past.ts`. */
  readonly entries: KeptFile;
}

/** A lease on the primary's key. `renew` throws when it has ended. */
export interface Term extends AsyncDisposable {
  readonly epoch: Revision;
  readonly ttlMs: number;
  renew(): Promise<void>;
}

/** Of a stripe; see `CommitLog.watch`. */
export type Watched = 'head' | 'primary';

export interface CommitLog {
  /**
   * All entries or none. At most `TRANSACTION_STRIPES_MAX` stripes. Throws `REGISTRY_OUTCOME_UNKNOWN`, or what is no error of
   * the registry's own, when it is unknown whether it happened; any other error changed nothing.
   */
  append(appends: readonly Append[], reads?: readonly ReadStripe[]): Promise<AppendResult>;
  head(stripe: string): Promise<Head>;
  /** Of several at once: each is the newest at some moment after the call. */
  heads(stripes: readonly string[]): Promise<readonly Head[]>;
  /**
   * Entries from `from` on, in order and without a gap, as many as there are up to limits of its own; empty when there is none
   * yet. Throws `DATABASE_TRIMMED` when the log does not reach back so far, `DATABASE_CORRUPT` when one is not what it should be.
   * `to`: the log was there at least, by its head, and no more is wanted.
   */
  read(stripe: string, from: number, to?: number): Promise<readonly Entry[]>;
  /** Wakes whoever follows a stripe: something may have been appended (`head`), or its primary changed. A hint that may come twice, late or not at all. */
  watch(stripe: string, what: Watched, signal: AbortSignal): AsyncIterable<void>;

  primary(stripe: string): Promise<Primary | undefined>;
  /**
   * Makes `record` the primary: undefined when there is one already, but for `replaces`, whose term ends by it. The term ends
   * too when its lease is not renewed.
   */
  claim(
    stripe: string,
    record: PrimaryRecord,
    options?: { readonly replaces?: Revision; readonly ttlMs?: number },
  ): Promise<Term | undefined>;

  snapshot(stripe: string): Promise<SnapshotRecord | undefined>;
  /** Makes `next` the snapshot if the newest is still `before`, by id. False when it is not, or `epoch` is over. */
  recordSnapshot(
    stripe: string,
    next: SnapshotRecord,
    before: SnapshotRecord | undefined,
    epoch: Revision,
  ): Promise<boolean>;
  /** Forgets entries up to and including `index`, which a snapshot contains; tells from where it still has all. */
  trim(stripe: string, index: number, epoch: Revision): Promise<number>;
}
