/**
 * The checksums that S3 knows beside MD5: of a stream, and of an object out of those of its parts. CRC-32 and the SHAs are Node's; CRC-32C
 * and CRC-64/NVME are tables, eight bytes a step.
 */
import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export type ChecksumName = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256';

export const CHECKSUM_NAMES: readonly ChecksumName[] = [
  'crc32',
  'crc32c',
  'crc64nvme',
  'sha1',
  'sha256',
];

/** Bytes of a digest. */
export const DIGEST_BYTES: Readonly<Record<ChecksumName, number>> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
};

export function isChecksumName(text: string): text is ChecksumName {
  return (CHECKSUM_NAMES as readonly string[]).includes(text);
}

export interface Checksum {
  readonly name: ChecksumName;
  update(bytes: Uint8Array): void;
  /** Base64; once. */
  digest(): string;
}

export function checksumOf(name: ChecksumName): Checksum {
  switch (name) {
    case 'crc32':
      return new Crc32();
    case 'crc32c':
      return new Crc32c();
    case 'crc64nvme':
      return new Crc64Nvme();
    case 'sha1':
    case 'sha256':
      return new Digest(name);
  }
}

class Digest implements Checksum {
  readonly name: ChecksumName;
  readonly #hash: Hash;

  constructor(name: 'sha1' | 'sha256') {
    this.name = name;
    this.#hash = createHash(name);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): string {
    return this.#hash.digest('base64');
  }
}

class Crc32 implements Checksum {
  readonly name = 'crc32';
  #value = 0;

  update(bytes: Uint8Array): void {
    this.#value = crc32(bytes, this.#value);
  }

  digest(): string {
    return base64OfWords(this.#value);
  }
}

const STEP = 8;
/** Reflected: x^32 + … of Castagnoli (RFC 3720, B.4). */
const CASTAGNOLI = 0x82f63b78;
/** Reflected 0xad93d23594c93659 (NVM Express, 64-bit checksum). */
const NVME_HIGH = 0x9a6c9329;
const NVME_LOW = 0xac4bc9b5;

/** Table `t` is at `t * 256`: what a byte is worth with `t` bytes after it. */
function castagnoliTables(): Uint32Array {
  const tables = new Uint32Array(STEP * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ ((value & 1) * CASTAGNOLI);
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] ?? 0;
    tables[at] = (before >>> 8) ^ (tables[before & 255] ?? 0);
  }
  return tables;
}

let castagnoli: Uint32Array | undefined;

class Crc32c implements Checksum {
  readonly name = 'crc32c';
  readonly #tables: Uint32Array = (castagnoli ??= castagnoliTables());
  #value = -1;

  update(bytes: Uint8Array): void {
    const t = this.#tables as unknown as { readonly [at: number]: number };
    const b = bytes as unknown as { readonly [at: number]: number };
    let value = this.#value;
    let at = 0;
    for (const end = bytes.length - (STEP - 1); at < end; at += STEP) {
      value ^= word(b, at);
      const next = word(b, at + 4);
      value =
        at8(t, 1792 + (value & 255)) ^
        at8(t, 1536 + ((value >>> 8) & 255)) ^
        at8(t, 1280 + ((value >>> 16) & 255)) ^
        at8(t, 1024 + (value >>> 24)) ^
        at8(t, 768 + (next & 255)) ^
        at8(t, 512 + ((next >>> 8) & 255)) ^
        at8(t, 256 + ((next >>> 16) & 255)) ^
        at8(t, next >>> 24);
    }
    for (; at < bytes.length; at++) {
      value = (value >>> 8) ^ at8(t, (value ^ at8(b, at)) & 255);
    }
    this.#value = value;
  }

  digest(): string {
    return base64OfWords(~this.#value);
  }
}

type Numbers = { readonly [at: number]: number };

function at8(numbers: Numbers, at: number): number {
  return numbers[at] as number;
}

/** Four bytes, the lowest first. */
function word(bytes: Numbers, at: number): number {
  return (
    at8(bytes, at) |
    (at8(bytes, at + 1) << 8) |
    (at8(bytes, at + 2) << 16) |
    (at8(bytes, at + 3) << 24)
  );
}

interface Tables64 {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

function nvmeTables(): Tables64 {
  const high = new Uint32Array(STEP * 256);
  const low = new Uint32Array(STEP * 256);
  for (let byte = 0; byte < 256; byte++) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (odd === 1) {
        h ^= NVME_HIGH;
        l ^= NVME_LOW;
      }
    }
    high[byte] = h;
    low[byte] = l;
  }
  for (let at = 256; at < high.length; at++) {
    const h = high[at - 256] ?? 0;
    const l = low[at - 256] ?? 0;
    high[at] = (h >>> 8) ^ (high[l & 255] ?? 0);
    low[at] = ((l >>> 8) | (h << 24)) ^ (low[l & 255] ?? 0);
  }
  return { high, low };
}

let nvme: Tables64 | undefined;

class Crc64Nvme implements Checksum {
  readonly name = 'crc64nvme';
  readonly #tables: Tables64 = (nvme ??= nvmeTables());
  #high = -1;
  #low = -1;

  update(bytes: Uint8Array): void {
    const high = this.#tables.high as unknown as Numbers;
    const low = this.#tables.low as unknown as Numbers;
    const b = bytes as unknown as Numbers;
    let h = this.#high;
    let l = this.#low;
    let at = 0;
    for (const end = bytes.length - (STEP - 1); at < end; at += STEP) {
      l ^= word(b, at);
      h ^= word(b, at + 4);
      const i0 = 1792 + (l & 255);
      const i1 = 1536 + ((l >>> 8) & 255);
      const i2 = 1280 + ((l >>> 16) & 255);
      const i3 = 1024 + (l >>> 24);
      const i4 = 768 + (h & 255);
      const i5 = 512 + ((h >>> 8) & 255);
      const i6 = 256 + ((h >>> 16) & 255);
      const i7 = h >>> 24;
      h =
        at8(high, i0) ^
        at8(high, i1) ^
        at8(high, i2) ^
        at8(high, i3) ^
        at8(high, i4) ^
        at8(high, i5) ^
        at8(high, i6) ^
        at8(high, i7);
      l =
        at8(low, i0) ^
        at8(low, i1) ^
        at8(low, i2) ^
        at8(low, i3) ^
        at8(low, i4) ^
        at8(low, i5) ^
        at8(low, i6) ^
        at8(low, i7);
    }
    for (; at < bytes.length; at++) {
      const index = (l ^ at8(b, at)) & 255;
      l = ((l >>> 8) | (h << 24)) ^ at8(low, index);
      h = (h >>> 8) ^ at8(high, index);
    }
    this.#high = h;
    this.#low = l;
  }

  digest(): string {
    return base64OfWords(~this.#high, ~this.#low);
  }
}

/** 32-bit words, the highest byte first. */
function base64OfWords(...words: readonly number[]): string {
  const out = Buffer.allocUnsafe(words.length * 4);
  words.forEach((value, at) => out.writeUInt32BE(value >>> 0, at * 4));
  return out.toString('base64');
}

/** Reflected polynomials of the CRCs, for putting those of parts together. */
const POLYNOMIALS: Readonly<
  Record<string, { readonly bits: bigint; readonly polynomial: bigint }>
> = {
  crc32: { bits: 32n, polynomial: 0xedb88320n },
  crc32c: { bits: 32n, polynomial: 0x82f63b78n },
  crc64nvme: { bits: 64n, polynomial: 0x9a6c9329ac4bc9b5n },
};

export interface PartChecksum {
  /** Base64. */
  readonly value: string;
  readonly bytes: number;
}

/** The CRC of the whole, of those of its parts (as crc32_combine of zlib); undefined where there is no such way. */
export function fullObjectChecksum(
  name: ChecksumName,
  parts: readonly PartChecksum[],
): string | undefined {
  const field = POLYNOMIALS[name];
  if (field === undefined) return undefined;
  const shifts = new Map<number, bigint>();
  let value = 0n;
  for (const part of parts) {
    let shift = shifts.get(part.bytes);
    if (shift === undefined) {
      shift = powerOfX(BigInt(part.bytes) * 8n, field);
      shifts.set(part.bytes, shift);
    }
    value =
      multiply(shift, value, field) ^
      BigInt(`0x${Buffer.from(part.value, 'base64').toString('hex')}`);
  }
  const hex = value.toString(16).padStart(Number(field.bits) / 4, '0');
  return Buffer.from(hex, 'hex').toString('base64');
}

/** The digest of the parts' digests, with their number. */
export function compositeChecksum(name: ChecksumName, parts: readonly PartChecksum[]): string {
  const sum = checksumOf(name);
  for (const part of parts) sum.update(Buffer.from(part.value, 'base64'));
  return `${sum.digest()}-${parts.length}`;
}

type Field = { readonly bits: bigint; readonly polynomial: bigint };

/** a · b modulo the polynomial, reflected: the highest bit is x^0. */
function multiply(a: bigint, b: bigint, { bits, polynomial }: Field): bigint {
  let product = 0n;
  let factor = b;
  for (let mask = 1n << (bits - 1n); mask !== 0n; mask >>= 1n) {
    if ((a & mask) !== 0n) product ^= factor;
    factor = (factor & 1n) === 1n ? (factor >> 1n) ^ polynomial : factor >> 1n;
  }
  return product;
}

function powerOfX(exponent: bigint, field: Field): bigint {
  let result = 1n << (field.bits - 1n);
  let square = 1n << (field.bits - 2n);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = multiply(square, result, field);
    square = multiply(square, square, field);
  }
  return result;
}
