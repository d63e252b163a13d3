/** What the API says of the file store. */

/** A folder of a node in which files lie. Space is unknown while it has never answered. */
export interface StoragePlace {
  readonly id: string;
  /** Name of its node. */
  readonly node: string;
  readonly name: string;
  readonly path: string;
  readonly state: 'good' | 'full' | 'drain' | 'away' | 'lost';
  /** Why it is so, unless it is good. */
  readonly reason: string | undefined;
  /** Of the whole disk, whoever uses it. Places of one disk share it. */
  readonly diskBytes: number | undefined;
  /** What files may take of it now. */
  readonly limitBytes: number | undefined;
  readonly usedBytes: number | undefined;
  /** What may still be put there. */
  readonly freeBytes: number | undefined;
  readonly blocks: number | undefined;
}

export interface BucketRow {
  readonly name: string;
  readonly owner: string;
  readonly createdAt: number;
  readonly bytes: number;
  readonly objects: number;
  /** One line, such as `2 copies`. */
  readonly policy: string;
  readonly quotaBytes: number | undefined;
  readonly versioning: 'off' | 'enabled' | 'suspended';
}

/** Blocks that want and have the same number of copies, or of shares. */
export interface CopyCount {
  /** `4+2`: these lie as shares, and shares are counted. */
  readonly code?: string;
  readonly wanted: number;
  /** In places that are not lost, and not being emptied. */
  readonly valid: number;
  readonly blocks: number;
  readonly bytes: number;
}

export interface StorageDetail {
  /** unused: nothing was ever stored, and no process runs for it. */
  readonly state: 'unused' | 'away' | 'open';
  /** What is missing, in one sentence. */
  readonly sentence: string;
  readonly places: readonly StoragePlace[];
  /** The largest, in order of bytes. */
  readonly buckets: readonly BucketRow[];
  /** Of all buckets; each byte counts once. */
  readonly totals: { readonly buckets: number; readonly bytes: number; readonly objects: number };
  /** Undefined while they are counted for the first time. */
  readonly copies:
    | {
        readonly countedAt: number;
        readonly counts: readonly CopyCount[];
        /** Blocks whose policy is not met: what waits for repair. */
        readonly lacking: { readonly blocks: number; readonly bytes: number };
      }
    | undefined;
  readonly repair: {
    /** Name of the node that does it. */
    readonly node: string | undefined;
    /** Known on that node only. */
    readonly done:
      | {
          readonly isRunning: boolean;
          /** In words. */
          readonly doing: string;
          /** Copies that are due now. */
          readonly queued: number;
          readonly queuedBytes: number;
          readonly copied: number;
          readonly failed: number;
          /** Of the last copies; absent before the first. */
          readonly bytesPerSecond: number | undefined;
          /** At most so many bytes in a second; absent: no limit. */
          readonly rate: number | undefined;
          /** Of the last copy that could not be made. */
          readonly why: string | undefined;
        }
      | undefined;
  };
}

/** What the API needs of the node for it. */
export interface StorageCloud {
  /** Starts nothing. */
  showStorage(): Promise<StorageDetail>;
}
