/**
 * One entry of a stripe's commit log as bytes, format 1. All numbers are big-endian:
 *
 *     1 format   1 kind   1 codec   1 flags   8 index   8 epoch   4 schema version   4 transactions   4 changes
 *     16 group   32 hash of the entry before   4 body length, unpacked   32 SHA-256 of the body, packed   body, packed
 *
 * The hash of an entry is the SHA-256 of its first 116 bytes, which cover the body by its own hash; so an entry whose body lies in
 * chunks has the same hash. The body is a list of parts, applied in order in one transaction:
 *
 *     1 kind   4 length   bytes
 */
import { createHash } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { corrupt } from './errors.ts';
import { TRANSACTION_BYTES_MAX } from './limits.ts';

export type EntryKind = 'data' | 'ddl' | 'barrier';

export type Part =
  /** A changeset of SQLite's session extension. */
  | { readonly kind: 'changes'; readonly changeset: Uint8Array }
  /** A statement that every copy runs by itself. */
  | { readonly kind: 'ddl'; readonly sql: string }
  /** What `sqlite_sequence` holds after the entry; sessions do not see that table. */
  | { readonly kind: 'sequences'; readonly values: readonly (readonly [string, bigint])[] }
  /** SHA-256 of the schema after the entry. */
  | { readonly kind: 'schema'; readonly digest: Uint8Array };

export interface EntryHeader {
  readonly kind: EntryKind;
  /** The entry belongs to a transaction over several stripes. */
  readonly cross: boolean;
  readonly index: number;
  readonly epoch: number;
  /** Of the schema that the stripe has after this entry. */
  readonly schemaVersion: number;
  readonly transactions: number;
  /** Rows that applying it changes; see `changeset.ts`. */
  readonly changes: number;
  /** Names the attempt, 16 bytes: tells a lost answer's entry from another one's. */
  readonly group: Uint8Array;
  readonly previousHash: Uint8Array;
}

export interface Entry extends EntryHeader {
  readonly hash: Uint8Array;
  readonly parts: readonly Part[];
}

/** An entry ready for the log. */
export interface EncodedEntry {
  readonly index: number;
  readonly hash: Uint8Array;
  readonly group: Uint8Array;
  readonly cross: boolean;
  /** `HEADER_BYTES` bytes. */
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

export const HASH_BYTES = 32;
export const GROUP_ID_BYTES = 16;
export const HEADER_BYTES = 116;
/** Before the first entry of a log. */
export const NO_HASH: Uint8Array = new Uint8Array(HASH_BYTES);

const FORMAT = 1;
const KINDS: readonly EntryKind[] = ['data', 'ddl', 'barrier'];
const PART_KINDS: readonly Part['kind'][] = ['changes', 'ddl', 'sequences', 'schema'];
const CODEC_NONE = 0;
const CODEC_ZSTD = 1;
const FLAG_CROSS = 1;
/** Below this packing gains nothing that a disk block would notice. */
const PACK_FROM_BYTES = 512;
const PART_HEAD_BYTES = 5;

export function encodeEntry(header: EntryHeader, parts: readonly Part[]): EncodedEntry {
  const plain = Buffer.concat(parts.map((part) => encodePart(part)));
  const packed = plain.length >= PACK_FROM_BYTES ? zstdCompressSync(plain) : plain;
  const codec = packed.length < plain.length ? CODEC_ZSTD : CODEC_NONE;
  const body = codec === CODEC_ZSTD ? packed : plain;
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes[0] = FORMAT;
  bytes[1] = KINDS.indexOf(header.kind);
  bytes[2] = codec;
  bytes[3] = header.cross ? FLAG_CROSS : 0;
  bytes.writeBigUInt64BE(BigInt(header.index), 4);
  bytes.writeBigUInt64BE(BigInt(header.epoch), 12);
  bytes.writeUInt32BE(header.schemaVersion, 20);
  bytes.writeUInt32BE(header.transactions, 24);
  bytes.writeUInt32BE(header.changes, 28);
  bytes.set(header.group, 32);
  bytes.set(header.previousHash, 48);
  bytes.writeUInt32BE(plain.length, 80);
  bytes.set(sha256(body), 84);
  const { index, group, cross } = header;
  return { index, hash: sha256(bytes), group, cross, header: bytes, body };
}

/** Throws `DATABASE_CORRUPT` for anything that `encodeEntry` could not have made. */
export function decodeEntry(header: Uint8Array, body: Uint8Array): Entry {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  if (bytes.length !== HEADER_BYTES || bytes[0] !== FORMAT) {
    throw corrupt(
      `An entry of the log has format ${String(bytes[0])} and ${bytes.length} bytes of header, want ${FORMAT} and ${HEADER_BYTES}`,
    );
  }
  const kind = KINDS[bytes[1] ?? KINDS.length];
  const index = Number(bytes.readBigUInt64BE(4));
  const codec = bytes[2] ?? -1;
  const length = bytes.readUInt32BE(80);
  if (kind === undefined || codec > CODEC_ZSTD || (bytes[3] ?? 0) > FLAG_CROSS) {
    throw corrupt(`Entry ${index} of the log has a kind, codec or flag that is not known`);
  }
  if (length > TRANSACTION_BYTES_MAX * 2) throw corrupt(`Entry ${index} claims ${length} bytes`);
  if (!bytes.subarray(84, HEADER_BYTES).equals(sha256(body))) {
    throw corrupt(`The body of entry ${index} does not match its checksum`);
  }
  const plain =
    codec === CODEC_ZSTD
      ? zstdDecompressSync(body, { maxOutputLength: Math.max(1, length) })
      : body;
  if (plain.length !== length)
    throw corrupt(`The body of entry ${index} has ${plain.length} bytes, want ${length}`);
  return {
    kind,
    cross: bytes[3] === FLAG_CROSS,
    index,
    epoch: Number(bytes.readBigUInt64BE(12)),
    schemaVersion: bytes.readUInt32BE(20),
    transactions: bytes.readUInt32BE(24),
    changes: bytes.readUInt32BE(28),
    group: Uint8Array.from(bytes.subarray(32, 48)),
    previousHash: Uint8Array.from(bytes.subarray(48, 80)),
    hash: sha256(bytes),
    parts: decodeParts(Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength), index),
  };
}

/** Of the entry that it was made to follow. */
export function previousHashOf({ header }: EncodedEntry): Uint8Array {
  return header.subarray(48, 80);
}

export function sameHash(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(bytes).digest());
}

function encodePart(part: Part): Buffer {
  const bytes = partBytes(part);
  const head = Buffer.alloc(PART_HEAD_BYTES);
  head[0] = PART_KINDS.indexOf(part.kind);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function partBytes(part: Part): Uint8Array {
  switch (part.kind) {
    case 'changes':
      return part.changeset;
    case 'ddl':
      return Buffer.from(part.sql);
    case 'sequences':
      return Buffer.from(
        JSON.stringify(part.values.map(([table, value]) => [table, String(value)])),
      );
    case 'schema':
      return part.digest;
  }
}

function decodeParts(body: Buffer, index: number): readonly Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < body.length;) {
    const kind = PART_KINDS[body[at] ?? PART_KINDS.length];
    const from = at + PART_HEAD_BYTES;
    if (kind === undefined || from > body.length)
      throw corrupt(`Entry ${index} has a part that is not known`);
    const to = from + body.readUInt32BE(at + 1);
    if (to > body.length) throw corrupt(`Entry ${index} ends within a part`);
    parts.push(decodePart(kind, body.subarray(from, to)));
    at = to;
  }
  return parts;
}

function decodePart(kind: Part['kind'], bytes: Buffer): Part {
  switch (kind) {
    case 'changes':
      return { kind, changeset: bytes };
    case 'ddl':
      return { kind, sql: bytes.toString() };
    case 'sequences': {
      const values = JSON.parse(bytes.toString()) as readonly (readonly [string, string])[];
      return { kind, values: values.map(([table, value]) => [table, BigInt(value)]) };
    }
    case 'schema':
      return { kind, digest: Uint8Array.from(bytes) };
  }
}
