/**
 * One blob as bytes, format 1. Payload first, so that a range needs no arithmetic and `cat` rescues it; then all that checks and
 * names it:
 *
 *     payload · one CRC32 per 64 KiB block, 4 bytes each · names, JSON · trailer, 160 bytes
 *
 * The trailer, numbers little-endian:
 *
 *     0 magic "MOLNBLOB"   8 format   9 algorithms (1 = CRC32 and SHA-256)   10 flags (2)   12 block bytes (4)   16 id (16)
 *     32 index (4)   36 bytes of names (4)   40 allocSeq (8)   48 payload bytes (8)   56 offset of the CRCs (8)
 *     64 offset of the names (8)   72 createdAt, ms (8)   80 SHA-256 of the payload (32)   112 CRC32 of the names (4)
 *     116 CRC32 of the CRCs (4)   120 zeros   156 CRC32 of the 156 bytes before (4)
 */
import { crc32 } from 'node:zlib';
import {
  ABOUT_BYTES_MAX,
  BLOCK_BYTES,
  FID_CHARACTERS_MAX,
  META_BYTES_MAX,
  NAME_BYTES_MAX,
  POLICY_CHARACTERS_MAX,
} from './limits.ts';
import { invalid } from './errors.ts';
import { type BlobId, type BlobMeta, isBlobId } from './model.ts';

export const TRAILER_BYTES = 160;
const MAGIC: Buffer = Buffer.from('MOLNBLOB', 'latin1');
const FORMAT = 1;
/** CRC32 per block, SHA-256 over all; leaves room for others. */
const ALGORITHMS = 1;
const CRC_BYTES = 4;
const CRC_AT = TRAILER_BYTES - CRC_BYTES;

/** What lies behind the payload, without the CRCs themselves. */
export interface Trailer {
  readonly id: BlobId;
  readonly length: number;
  readonly sha256: string;
  readonly index: number;
  readonly allocSeq: number;
  readonly createdAt: number;
  readonly namesBytes: number;
  readonly namesCrc: number;
  readonly tableCrc: number;
}

/** What is kept as JSON. */
export type Names = Pick<BlobMeta, 'fid' | 'name' | 'policy' | 'about'>;

/** What the payload is, as it is known when all of it has been seen. */
export interface Payload {
  readonly length: number;
  /** Raw. */
  readonly sha256: Uint8Array;
  readonly crcs: readonly number[];
}

export function blockCount(length: number): number {
  return Math.ceil(length / BLOCK_BYTES);
}

/** Bytes of the whole image in its file. */
export function imageBytes(trailer: Pick<Trailer, 'length' | 'namesBytes'>): number {
  return tableAt(trailer) + tableBytes(trailer) + trailer.namesBytes + TRAILER_BYTES;
}

/** Where the CRCs begin, from the start of the image. */
export function tableAt(trailer: Pick<Trailer, 'length'>): number {
  return trailer.length;
}

export function tableBytes(trailer: Pick<Trailer, 'length'>): number {
  return blockCount(trailer.length) * CRC_BYTES;
}

/** The most that a blob of so many bytes takes beside its payload: what has to be reserved. */
export function overheadBytes(length: number, meta: BlobMeta): number {
  return blockCount(length) * CRC_BYTES + encodeNames(meta).length + TRAILER_BYTES;
}

/** Throws `BLOBS_INVALID` for what cannot be kept. */
export function checkMeta(meta: BlobMeta): void {
  const { fid, index, allocSeq, name, policy, about, createdAt } = meta;
  if (fid.length === 0 || fid.length > FID_CHARACTERS_MAX) {
    throw invalid(`A fid has ${fid.length} characters, want 1 to ${FID_CHARACTERS_MAX}`);
  }
  if (!Number.isSafeInteger(index) || index < 0 || index > 0xff_ff_ff_ff) {
    throw invalid(`The index of a blob is ${index}, want 0 to 4294967295`);
  }
  if (!Number.isSafeInteger(allocSeq) || allocSeq < 0) {
    throw invalid(`The allocSeq of a blob is ${allocSeq}, want a whole number`);
  }
  if (!Number.isSafeInteger(createdAt) || createdAt < 0) {
    throw invalid(`The time of a blob is ${createdAt}, want milliseconds since 1970`);
  }
  if (name !== undefined && Buffer.byteLength(name) > NAME_BYTES_MAX) {
    throw invalid(`The name of a blob has more than ${NAME_BYTES_MAX} bytes`);
  }
  if (policy !== undefined && policy.length > POLICY_CHARACTERS_MAX) {
    throw invalid(`The policy of a blob has more than ${POLICY_CHARACTERS_MAX} characters`);
  }
  if (about !== undefined && Buffer.byteLength(about) > ABOUT_BYTES_MAX) {
    throw invalid(`What is said about a blob has more than ${ABOUT_BYTES_MAX} bytes`);
  }
}

/** CRCs, names and trailer: what is written behind the payload. */
export function encodeTail(id: BlobId, meta: BlobMeta, payload: Payload): Buffer {
  const names = encodeNames(meta);
  const crcsBytes = payload.crcs.length * CRC_BYTES;
  const tail = Buffer.alloc(crcsBytes + names.length + TRAILER_BYTES);
  for (let i = 0; i < payload.crcs.length; i++) {
    tail.writeUInt32LE(payload.crcs[i] ?? 0, i * CRC_BYTES);
  }
  names.copy(tail, crcsBytes);
  const trailer = tail.subarray(crcsBytes + names.length);
  MAGIC.copy(trailer);
  trailer[8] = FORMAT;
  trailer[9] = ALGORITHMS;
  trailer.writeUInt32LE(BLOCK_BYTES, 12);
  trailer.write(id, 16, 'hex');
  trailer.writeUInt32LE(meta.index, 32);
  trailer.writeUInt32LE(names.length, 36);
  writeUInt53(trailer, meta.allocSeq, 40);
  writeUInt53(trailer, payload.length, 48);
  writeUInt53(trailer, payload.length, 56);
  writeUInt53(trailer, payload.length + crcsBytes, 64);
  writeUInt53(trailer, meta.createdAt, 72);
  trailer.set(payload.sha256, 80);
  trailer.writeUInt32LE(crc32(names), 112);
  trailer.writeUInt32LE(crc32(tail.subarray(0, crcsBytes)), 116);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, CRC_AT)), CRC_AT);
  return tail;
}

/** Undefined for bytes that are not a whole, good trailer. */
export function decodeTrailer(bytes: Buffer): Trailer | undefined {
  if (bytes.length !== TRAILER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    return undefined;
  }
  if (bytes.readUInt32LE(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT))) return undefined;
  // A later format has another number, and this program must not guess what it means.
  if (bytes[8] !== FORMAT || bytes[9] !== ALGORITHMS || bytes.readUInt16LE(10) !== 0) {
    return undefined;
  }
  const trailer: Trailer = {
    id: bytes.toString('hex', 16, 32),
    index: bytes.readUInt32LE(32),
    namesBytes: bytes.readUInt32LE(36),
    allocSeq: readUInt53(bytes, 40),
    length: readUInt53(bytes, 48),
    createdAt: readUInt53(bytes, 72),
    sha256: bytes.toString('hex', 80, 112),
    namesCrc: bytes.readUInt32LE(112),
    tableCrc: bytes.readUInt32LE(116),
  };
  return trailer.namesBytes <= META_BYTES_MAX ? trailer : undefined;
}

function encodeNames({ fid, name, policy, about }: BlobMeta): Buffer {
  return Buffer.from(JSON.stringify({ fid, name, policy, about }));
}

/** Undefined for bytes that are not what was written. */
export function decodeNames(bytes: Buffer, trailer: Trailer): Names | undefined {
  if (bytes.length !== trailer.namesBytes || crc32(bytes) !== trailer.namesCrc) return undefined;
  return JSON.parse(bytes.toString('utf8')) as Names;
}

export function metaOf(trailer: Trailer, names: Names): BlobMeta {
  const { index, allocSeq, createdAt } = trailer;
  return { ...names, index, allocSeq, createdAt };
}

/** Undefined for bytes that are not what was written. */
export function decodeTable(bytes: Buffer, trailer: Trailer): readonly number[] | undefined {
  if (bytes.length !== tableBytes(trailer) || crc32(bytes) !== trailer.tableCrc) return undefined;
  const crcs: number[] = [];
  for (let at = 0; at < bytes.length; at += CRC_BYTES) crcs.push(bytes.readUInt32LE(at));
  return crcs;
}

export function requireBlobId(id: string): void {
  if (!isBlobId(id)) throw invalid(`"${id}" is no id of a blob, want 32 hex digits in lower case`);
}

export function writeUInt53(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32LE(value % 2 ** 32, at);
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

export function readUInt53(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32;
}
