/**
 * A file that many small blobs share, format 1; numbers little-endian. It begins with 64 bytes:
 *
 *     0 magic "MOLNPACK"   8 format   16 nonce (16)   60 CRC32 of the 60 bytes before
 *
 * and then has records: 64 bytes of head, and a closed blob as `format.ts` has it.
 *
 *     0 magic "MREC"   4 kind (1 there, 2 deleted)   8 bytes of the blob's image (4)   16 id (16)   32 nonce of the file (16)
 *     48 time of deletion, ms (8)   60 CRC32 of the 60 bytes before
 *
 * A record is deleted in place, which takes no room on a full disk. The nonce, random for each file, finds the next record
 * behind a damaged one; nobody who puts blobs knows it, so none can pose as a record.
 */
import { crc32 } from 'node:zlib';
import { readUInt53, writeUInt53 } from './format.ts';
import { PACKED_BYTES_MAX } from './limits.ts';
import type { BlobId } from './model.ts';

export const PACK_HEAD_BYTES = 64;
export const RECORD_HEAD_BYTES = 64;
export const NONCE_BYTES = 16;
/** Of the nonce in a record's head. */
export const NONCE_AT = 32;
const FORMAT = 1;
const CRC_AT = 60;
const PACK_MAGIC: Buffer = Buffer.from('MOLNPACK', 'latin1');
const RECORD_MAGIC: Buffer = Buffer.from('MREC', 'latin1');
/** Its payload, CRCs, names and trailer. */
const IMAGE_BYTES_MAX = PACKED_BYTES_MAX * 2;
const LIVE = 1;
const DELETED = 2;

export interface RecordHead {
  readonly id: BlobId;
  readonly imageBytes: number;
  /** Milliseconds since the epoch; undefined while it is there. */
  readonly deletedAt: number | undefined;
}

export function encodePackHead(nonce: Buffer): Buffer {
  const bytes = Buffer.alloc(PACK_HEAD_BYTES);
  PACK_MAGIC.copy(bytes);
  bytes[8] = FORMAT;
  nonce.copy(bytes, 16);
  return signed(bytes);
}

/** The nonce; undefined for bytes that are no such head. */
export function decodePackHead(bytes: Buffer): Buffer | undefined {
  if (bytes.length !== PACK_HEAD_BYTES || !isSigned(bytes)) return undefined;
  if (!bytes.subarray(0, PACK_MAGIC.length).equals(PACK_MAGIC)) return undefined;
  return bytes[8] === FORMAT ? Buffer.from(bytes.subarray(16, 16 + NONCE_BYTES)) : undefined;
}

export function encodeRecordHead(head: RecordHead, nonce: Buffer): Buffer {
  const bytes = Buffer.alloc(RECORD_HEAD_BYTES);
  RECORD_MAGIC.copy(bytes);
  bytes[4] = head.deletedAt === undefined ? LIVE : DELETED;
  bytes.writeUInt32LE(head.imageBytes, 8);
  bytes.write(head.id, 16, 'hex');
  nonce.copy(bytes, NONCE_AT);
  writeUInt53(bytes, head.deletedAt ?? 0, 48);
  return signed(bytes);
}

/** Undefined for bytes that are no record's head of this file. */
export function decodeRecordHead(bytes: Buffer, nonce: Buffer): RecordHead | undefined {
  if (bytes.length !== RECORD_HEAD_BYTES || !isSigned(bytes)) return undefined;
  if (!bytes.subarray(0, RECORD_MAGIC.length).equals(RECORD_MAGIC)) return undefined;
  if (!bytes.subarray(NONCE_AT, NONCE_AT + NONCE_BYTES).equals(nonce)) return undefined;
  const imageBytes = bytes.readUInt32LE(8);
  if (imageBytes > IMAGE_BYTES_MAX) return undefined;
  return {
    id: bytes.toString('hex', 16, 32),
    imageBytes,
    deletedAt: bytes[4] === DELETED ? readUInt53(bytes, 48) : undefined,
  };
}

function signed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

function isSigned(bytes: Buffer): boolean {
  return bytes.readUInt32LE(CRC_AT) === crc32(bytes.subarray(0, CRC_AT));
}
