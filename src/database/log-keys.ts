/**
 * Keys and small values of a commit log in the registry, format 1. Below `/db/<database>/s/<stripe>/`:
 *
 *     primary     JSON of a `PrimaryRecord`, on a lease; its revision is the epoch
 *     head        1 format   8 index   32 hash   16 group
 *     start       8 index: the log has every entry from here on
 *     snapshot    JSON of a `SnapshotRecord`
 *     log/BUCKET/LOW          1 place   116 header   body, or the number of its chunks (4)
 *     chunk/BUCKET/LOW/HASH/N a piece of a large body
 *
 * BUCKET and LOW are the index as 14 and 2 hexadecimal digits, so that 256 entries are read or removed by one prefix.
 */
import { corrupt } from './errors.ts';
import { GROUP_ID_BYTES, HASH_BYTES, HEADER_BYTES, NO_HASH } from './entry.ts';
import type { Head } from './commit-log.ts';

export const BUCKET_ENTRIES = 256;

const FORMAT = 1;
const HEAD_BYTES: number = 1 + 8 + HASH_BYTES + GROUP_ID_BYTES;
const INLINE = 0;
const CHUNKED = 1;
const BUCKET_DIGITS = 14;

export class LogKeys {
  /** Of all of them. */
  readonly root: string;

  /** Names are checked by whoever makes databases. */
  constructor(database: string, stripe: string) {
    this.root = `/db/${database}/s/${stripe}/`;
  }

  get primary(): string {
    return `${this.root}primary`;
  }

  get head(): string {
    return `${this.root}head`;
  }

  get start(): string {
    return `${this.root}start`;
  }

  get snapshot(): string {
    return `${this.root}snapshot`;
  }

  entry(index: number): string {
    return `${this.bucket(bucketOf(index))}${lowOf(index)}`;
  }

  bucket(bucket: number): string {
    return `${this.root}log/${digits(bucket)}/`;
  }

  chunkBucket(bucket: number): string {
    return `${this.root}chunk/${digits(bucket)}/`;
  }

  /** All chunks of all attempts at an entry. */
  chunks(index: number): string {
    return `${this.chunkBucket(bucketOf(index))}${lowOf(index)}/`;
  }

  chunk(index: number, hash: string, at: number): string {
    return `${this.chunks(index)}${hash}/${at}`;
  }
}

export function bucketOf(index: number): number {
  return Math.floor(index / BUCKET_ENTRIES);
}

export function encodeHead(head: Omit<Head, 'revision'>): Uint8Array {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes[0] = FORMAT;
  bytes.writeBigUInt64BE(BigInt(head.index), 1);
  bytes.set(head.hash, 9);
  bytes.set(head.group, 9 + HASH_BYTES);
  return bytes;
}

/** `value` undefined: the log is empty. */
export function decodeHead(value: Uint8Array | undefined, revision: number): Head {
  if (value === undefined) {
    return { index: 0, hash: NO_HASH, group: new Uint8Array(GROUP_ID_BYTES), revision: 0 };
  }
  const bytes = Buffer.from(value);
  if (bytes.length !== HEAD_BYTES || bytes[0] !== FORMAT) {
    throw corrupt(`The head of a log has ${bytes.length} bytes of format ${String(bytes[0])}`);
  }
  return {
    index: Number(bytes.readBigUInt64BE(1)),
    hash: Uint8Array.from(bytes.subarray(9, 9 + HASH_BYTES)),
    group: Uint8Array.from(bytes.subarray(9 + HASH_BYTES)),
    revision,
  };
}

export function encodeIndex(index: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(index));
  return bytes;
}

export function decodeIndex(value: Uint8Array): number {
  if (value.byteLength !== 8) throw corrupt('The start of a log is not a number');
  return Number(Buffer.from(value).readBigUInt64BE(0));
}

export type StoredEntry =
  | { readonly header: Uint8Array; readonly body: Uint8Array }
  | { readonly header: Uint8Array; readonly chunks: number };

export function encodeStored(entry: StoredEntry): Uint8Array {
  if ('body' in entry) return Buffer.concat([Buffer.of(INLINE), entry.header, entry.body]);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(entry.chunks);
  return Buffer.concat([Buffer.of(CHUNKED), entry.header, count]);
}

export function decodeStored(value: Uint8Array): StoredEntry {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const header = bytes.subarray(1, 1 + HEADER_BYTES);
  const rest = bytes.subarray(1 + HEADER_BYTES);
  if (bytes[0] === INLINE && header.length === HEADER_BYTES) return { header, body: rest };
  if (bytes[0] === CHUNKED && rest.length === 4) return { header, chunks: rest.readUInt32BE(0) };
  throw corrupt(`A key of a log has ${bytes.length} bytes of kind ${String(bytes[0])}`);
}

function digits(bucket: number): string {
  return bucket.toString(16).padStart(BUCKET_DIGITS, '0');
}

function lowOf(index: number): string {
  return (index % BUCKET_ENTRIES).toString(16).padStart(2, '0');
}
