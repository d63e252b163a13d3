/**
 * The sums of an open blob, format 1: the file beside its bytes, as long as it has no trailer. Numbers little-endian:
 *
 *     magic "MOLNOPEN"   1 format   3 zeros   4 bytes of JSON   JSON: id, meta, maxBytes   4 CRC32 of all before
 *     and then entries: 8 length of the blob   4 CRC32 of its last block up to there   4 CRC32 of these 12 bytes
 *
 * An entry is written when the bytes are durable, so an entry that is there binds: bytes that do not match are corrupt, and bytes
 * behind the last entry were never acknowledged. A cut (`truncate`) is an entry with a smaller length. An entry that
 * a crash tore can only be the last one.
 */
import { crc32 } from 'node:zlib';
import { readUInt53, writeUInt53 } from './format.ts';
import { BLOCK_BYTES } from './limits.ts';
import type { BlobId, BlobMeta } from './model.ts';

const MAGIC: Buffer = Buffer.from('MOLNOPEN', 'latin1');
const FORMAT = 1;
const JSON_AT = 16;
const CRC_BYTES = 4;
const ENTRY_BYTES = 16;

export interface OpenHead {
  readonly id: BlobId;
  readonly meta: BlobMeta;
  readonly maxBytes: number;
}

export interface OpenState extends OpenHead {
  readonly length: number;
  readonly crcs: readonly number[];
  readonly entries: number;
  /** Bytes of the file that count; the next entry goes here. */
  readonly sumsBytes: number;
}

export interface OpenEntry {
  readonly length: number;
  readonly crc: number;
}

export function encodeOpenHead(head: OpenHead): Buffer {
  const json = Buffer.from(JSON.stringify(head));
  const bytes = Buffer.alloc(JSON_AT + json.length + CRC_BYTES);
  MAGIC.copy(bytes);
  bytes[8] = FORMAT;
  bytes.writeUInt32LE(json.length, 12);
  json.copy(bytes, JSON_AT);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -CRC_BYTES)), bytes.length - CRC_BYTES);
  return bytes;
}

export function encodeOpenEntries(entries: readonly OpenEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * ENTRY_BYTES);
  entries.forEach(({ length, crc }, i) => {
    const entry = bytes.subarray(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES);
    writeUInt53(entry, length, 0);
    entry.writeUInt32LE(crc, 8);
    entry.writeUInt32LE(crc32(entry.subarray(0, 12)), 12);
  });
  return bytes;
}

/** One entry for each block that ends behind `length`, the last one partly: what an append from there adds. */
export function entriesFrom(
  length: number,
  now: { readonly length: number; readonly crcs: readonly number[] },
): readonly OpenEntry[] {
  const entries: OpenEntry[] = [];
  for (let block = Math.floor(length / BLOCK_BYTES); block < now.crcs.length; block++) {
    entries.push({
      length: Math.min((block + 1) * BLOCK_BYTES, now.length),
      crc: now.crcs[block] ?? 0,
    });
  }
  return entries;
}

/** Undefined when the head is damaged. */
export function decodeOpenSums(bytes: Buffer): OpenState | undefined {
  if (bytes.length < JSON_AT || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const headBytes = JSON_AT + bytes.readUInt32LE(12) + CRC_BYTES;
  if (bytes.length < headBytes || bytes[8] !== FORMAT) return undefined;
  const jsonEnd = headBytes - CRC_BYTES;
  if (crc32(bytes.subarray(0, jsonEnd)) !== bytes.readUInt32LE(jsonEnd)) return undefined;
  const head = JSON.parse(bytes.toString('utf8', JSON_AT, jsonEnd)) as OpenHead;
  let crcs: number[] = [];
  let length = 0;
  let at = headBytes;
  for (; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const entry = bytes.subarray(at, at + ENTRY_BYTES);
    if (crc32(entry.subarray(0, 12)) !== entry.readUInt32LE(12)) break;
    length = readUInt53(entry, 0);
    const blocks = Math.ceil(length / BLOCK_BYTES);
    if (blocks < crcs.length) crcs = crcs.slice(0, blocks);
    if (blocks > 0) crcs[blocks - 1] = entry.readUInt32LE(8);
  }
  return { ...head, length, crcs, entries: (at - headBytes) / ENTRY_BYTES, sumsBytes: at };
}
