/**
 * How keys and their variants are written to disk. A segment has two files: `.blocks`, the bytes of bodies and nothing
 * else, and `.keys`, the records read here. A record says all there is under its key; the last one counts, and one without
 * variants removes the key. Lengths and checksums of blocks are in the records, which have checksums of their own.
 */
import { crc32 } from 'node:zlib';
import { Entry, type EntryValues } from './entry.ts';

/** First bytes of a `.keys` file. The digits are the version; a file of another one is thrown away. */
export const KEYS_MAGIC: Buffer = Buffer.from('MOLNCK01', 'latin1');

const RECORD_MAGIC = 0x4b434c4d;
/** Magic, payload's length, payload's checksum, hash of the key (8 bytes), stamp (8), checksum of these. */
export const RECORD_HEADER_BYTES = 32;
/** No honest record is longer. */
export const PAYLOAD_BYTES_MAX: number = 4 * 1024 * 1024;

/** Some bytes of a `.blocks` file. */
export interface BlockPlace {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
  readonly checksum: number;
}

/** A piece of a body: `length` bytes of a block, from `from` on. */
export interface PiecePlace {
  readonly block: BlockPlace;
  readonly from: number;
  readonly length: number;
}

export interface StoredVariant {
  readonly entry: Entry;
  readonly stamp: number;
  readonly pieces: readonly PiecePlace[];
}

export interface RecordHeader {
  readonly payloadBytes: number;
  readonly checksum: number;
  readonly hash: number;
  /** The highest of its variants, or that of the removal. */
  readonly stamp: number;
}

/**
 * A key in 53 bits (cyrb53). Keys that share one lose each other's place and no more: a record tells its whole key.
 */
export function diskHash(key: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}

export function encodeRecord(
  key: string,
  stamp: number,
  variants: readonly StoredVariant[],
): Buffer {
  const text = variants.length === 0 ? '' : JSON.stringify({ key, variants: variants.map(plain) });
  const payload = Buffer.from(text, 'utf8');
  const header = Buffer.alloc(RECORD_HEADER_BYTES);
  header.writeUInt32LE(RECORD_MAGIC, 0);
  header.writeUInt32LE(payload.length, 4);
  header.writeUInt32LE(crc32(payload), 8);
  // As whole numbers below 2^53 these fit into a double exactly.
  header.writeDoubleLE(diskHash(key), 12);
  header.writeDoubleLE(stamp, 20);
  header.writeUInt32LE(crc32(header.subarray(0, 28)), 28);
  return Buffer.concat([header, payload]);
}

function plain({ entry, stamp, pieces }: StoredVariant): unknown {
  return { entry, stamp, pieces: pieces.map(numbersOf) };
}

function numbersOf({ block, from, length }: PiecePlace): readonly number[] {
  return [block.segment, block.offset, block.length, block.checksum, from, length];
}

/** The header at `at`; undefined when there is none that is sound. */
export function decodeHeader(bytes: Buffer, at: number): RecordHeader | undefined {
  if (at + RECORD_HEADER_BYTES > bytes.length) return undefined;
  if (bytes.readUInt32LE(at) !== RECORD_MAGIC) return undefined;
  if (bytes.readUInt32LE(at + 28) !== crc32(bytes.subarray(at, at + 28))) return undefined;
  const header = {
    payloadBytes: bytes.readUInt32LE(at + 4),
    checksum: bytes.readUInt32LE(at + 8),
    hash: bytes.readDoubleLE(at + 12),
    stamp: bytes.readDoubleLE(at + 20),
  };
  const sound = Number.isSafeInteger(header.hash) && Number.isFinite(header.stamp);
  return sound && header.payloadBytes <= PAYLOAD_BYTES_MAX ? header : undefined;
}

/** Where the next sound header is, from `at` on. */
export function findHeader(bytes: Buffer, at: number): number | undefined {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(RECORD_MAGIC);
  for (let found = at; ; found++) {
    found = bytes.indexOf(magic, found);
    if (found < 0) return undefined;
    if (decodeHeader(bytes, found) !== undefined) return found;
  }
}

/** What a payload says about `key`; undefined when it is damaged or about another key. */
export function decodePayload(
  payload: Buffer,
  header: RecordHeader,
  key: string,
): readonly StoredVariant[] | undefined {
  if (payload.length !== header.payloadBytes || crc32(payload) !== header.checksum)
    return undefined;
  try {
    const record = JSON.parse(payload.toString('utf8')) as {
      readonly key: unknown;
      readonly variants: readonly PlainVariant[];
    };
    return record.key === key ? record.variants.map(revived) : undefined;
  } catch {
    // The checksum holds, but nobody of this version wrote it: as good as not there.
    return undefined;
  }
}

interface PlainVariant {
  readonly entry: EntryValues;
  readonly stamp: number;
  readonly pieces: readonly (readonly number[])[];
}

function revived({ entry, stamp, pieces }: PlainVariant): StoredVariant {
  return {
    entry: new Entry(entry),
    stamp,
    pieces: pieces.map(
      ([segment = 0, offset = 0, length = 0, checksum = 0, from = 0, bytes = 0]) => ({
        block: { segment, offset, length, checksum },
        from,
        length: bytes,
      }),
    ),
  };
}
