/** What a storage node is, for those who use one: the words, and the verbs that a near and a far one have alike. */
import type { Sums } from './sums.ts';

/** 32 lower-case hex digits (16 bytes). Whoever writes a blob chooses it, and never uses it again for other bytes. */
export type BlobId = string;

const BLOB_ID = /^[0-9a-f]{32}$/;

export function isBlobId(text: string): boolean {
  return BLOB_ID.test(text);
}

/** What is kept with a blob for the day on which only disks are left. */
export interface BlobMeta {
  /** The content that it is a piece of, at most `FID_CHARACTERS_MAX` characters. */
  readonly fid: string;
  /** Which piece, from 0. */
  readonly index: number;
  /** The catalogue's number of this placement; what collects garbage compares it. */
  readonly allocSeq: number;
  /** `bucket/key`, with piece 0 only. */
  readonly name?: string;
  readonly policy?: string;
  /** What else its owner wants to find when only disks are left, at most `ABOUT_BYTES_MAX`; nothing here reads it. */
  readonly about?: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

export interface Written {
  readonly length: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

export interface PutOptions extends BlobMeta {
  /** So much is reserved when `length` is not said, and more is refused while it comes. */
  readonly maxBytes: number;
  /** Exactly so many bytes will come. */
  readonly length?: number;
  /** Lower-case hex; other content is refused with `BLOBS_HASH`, and nothing is kept. */
  readonly sha256?: string;
  /** Nobody else has the pieces of the body: once written they are given back (`src/base/piece-pool.ts`). */
  readonly givesPieces?: boolean;
  /** Of this body, taken by whoever gives it to several storages of this process: all of it when the body ends. It is not taken again then. */
  readonly sums?: Sums;
  /** CRC32 of each of its blocks, as whoever has the same blob says: believed, and not taken again, if `length` and `sha256` are said and right. */
  readonly crcs?: readonly number[];
}

export interface AppendOptions extends BlobMeta {
  /** The blob never gets longer than this. */
  readonly maxBytes: number;
}

export interface BlobRange {
  readonly start: number;
  /** Exclusive; beyond the end means to the end. */
  readonly end: number;
}

export interface GetOptions {
  /** All of it is for a copy: whoever reads it checks its SHA-256, so that its blocks need not be checked. */
  readonly forCopy?: boolean;
}

/** What a copy of a closed blob has, too. */
export interface Original {
  readonly meta: BlobMeta;
  /** CRC32 of each of its blocks; absent where it takes them anew. */
  readonly crcs?: readonly number[];
}

export interface BlobContent {
  /** Of the whole blob. */
  readonly length: number;
  /** Of the whole blob; absent while it is open. */
  readonly sha256?: string;
  /** Each byte was checked before it is given on, unless that was left to the reader; fails with `BLOBS_CORRUPT` at the first block that is not what was written. */
  readonly body: AsyncIterable<Uint8Array>;
  /** For a copy, where it is known. */
  readonly original?: Original;
}

export interface BlobStat {
  readonly length: number;
  /** Empty while it is open. */
  readonly sha256: string;
  readonly meta: BlobMeta;
  readonly sealed: boolean;
}

export interface BlobEntry {
  readonly id: BlobId;
  readonly length: number;
  readonly allocSeq: number;
}

/**
 * `full`: nothing more fits into the promise · `shrinking`: the owner needs the room, blobs have to go · `read-only`: the
 * disk refuses writes · `away`: the folder is not there, or not the one that it was.
 */
export type BackendState = 'good' | 'full' | 'shrinking' | 'read-only' | 'away';

export interface BackendUsage {
  readonly path: string;
  /** As its folder says; absent while it has never been seen. */
  readonly id?: string;
  readonly usedBytes: number;
  /** What the owner allows now: `min(limit, used + free - keepFree)`. */
  readonly limitBytes: number;
  /** What may still be put here. */
  readonly freeBytes: number;
  /** Of the whole disk, whoever uses it; absent while it is away. */
  readonly diskBytes?: number;
  readonly blobs: number;
  readonly state: BackendState;
  /** One sentence, when the state is not `good`. */
  readonly reason?: string;
}

export interface BlobUsage {
  readonly backends: readonly BackendUsage[];
}

export interface ListOptions {
  /** List what is there although a back end is away; without it that is an error, or what is there would look like all. */
  readonly skipAway?: boolean;
}

/** One storage node. Errors are `MolnError`s with codes of `errors.ts`. */
export interface BlobStore {
  /** Durable when it resolves. `BLOBS_FULL` is thrown before anything of the body is read. An id that is there is replaced. */
  put(id: BlobId, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<Written>;
  /** `BLOBS_MISSING`, or `BLOBS_AWAY` when it may be on a back end that is away. */
  get(id: BlobId, range?: BlobRange, options?: GetOptions): Promise<BlobContent>;
  /**
   * Adds to an open blob; durable when it resolves. At offset 0 it begins one, for which `options` are needed.
   * `BLOBS_OFFSET` with `details.length` when the blob has another length, `BLOBS_SEALED` when it is closed.
   */
  append(
    id: BlobId,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    options?: AppendOptions,
  ): Promise<{ readonly length: number }>;
  /** Closes an open blob; a closed one answers the same again. */
  seal(id: BlobId): Promise<Written>;
  /** Cuts an open blob to a length that it has had. */
  truncate(id: BlobId, length: number): Promise<void>;
  /** Whether it was there. It is kept aside for 24 h. */
  delete(id: BlobId): Promise<boolean>;
  stat(id: BlobId): Promise<BlobStat | undefined>;
  /** In the order of ids, those behind `after`. */
  list(
    after: BlobId | undefined,
    limit: number,
    options?: ListOptions,
  ): Promise<readonly BlobEntry[]>;
  /** Reads all of it; what is corrupt is put aside and is `missing` from then on. */
  verify(id: BlobId): Promise<'good' | 'corrupt' | 'missing'>;
  usage(): Promise<BlobUsage>;
}
