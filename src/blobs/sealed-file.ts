/**
 * A blob as a file on a machine that is not trusted, format 1: each 64 KiB of the payload sealed by itself with AES-256-GCM, 16 bytes longer;
 * then what is kept with it as JSON, sealed. Each file has a key of its own, derived from the storage's, the blob's id and a salt in the
 * file's name, so a nonce is the number of a block and no two writes share a key. The name also has what a list must tell:
 *
 *     ID.SALT.ALLOCSEQ.LENGTH     hex
 *
 * Pure but for the salt.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { corrupt, tooLarge } from './errors.ts';
import { BLOCK_BYTES } from './limits.ts';
import type { BlobId, BlobMeta, BlobRange, PutOptions, Written } from './model.ts';
import { bytesMaxOf, checkWritten } from './receive.ts';

export interface SealedName {
  readonly id: BlobId;
  readonly salt: string;
  readonly allocSeq: number;
  readonly length: number;
}

/** What lies behind the payload. */
export interface SealedMeta extends Written {
  readonly meta: BlobMeta;
}

const NAME = /^([0-9a-f]{32})\.([0-9a-f]{16})\.([0-9a-f]{1,14})\.([0-9a-f]{1,14})$/;
const SALT_BYTES = 8;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const KEY_BYTES = 32;
/** No block of a payload has this number. */
const META_INDEX = 0xffffffff;
export const SEALED_BLOCK_BYTES: number = BLOCK_BYTES + TAG_BYTES;

export function newSalt(): string {
  return randomBytes(SALT_BYTES).toString('hex');
}

export function printName({ id, salt, allocSeq, length }: SealedName): string {
  return `${id}.${salt}.${allocSeq.toString(16)}.${length.toString(16)}`;
}

/** Undefined for what is none. */
export function parseName(text: string): SealedName | undefined {
  const [, id, salt, allocSeq, length] = NAME.exec(text) ?? [];
  if (id === undefined || salt === undefined) return undefined;
  return {
    id,
    salt,
    allocSeq: Number.parseInt(allocSeq ?? '', 16),
    length: Number.parseInt(length ?? '', 16),
  };
}

/** Of the payload as it lies there. */
export function sealedBytes(length: number): number {
  return length + Math.ceil(length / BLOCK_BYTES) * TAG_BYTES;
}

/** Bytes of the file that have this range of the payload, in whole blocks; and the first block's number. */
export function sealedRange(
  { start, end }: BlobRange,
  length: number,
): { readonly first: number; readonly start: number; readonly end: number } {
  const first = Math.floor(start / BLOCK_BYTES);
  const last = Math.ceil(Math.min(end, length) / BLOCK_BYTES);
  return {
    first,
    start: first * SEALED_BLOCK_BYTES,
    end: Math.min(last * SEALED_BLOCK_BYTES, sealedBytes(length)),
  };
}

export class Seal {
  readonly #id: BlobId;
  readonly #key: Uint8Array;

  constructor(storageKey: Uint8Array, { id, salt }: Pick<SealedName, 'id' | 'salt'>) {
    this.#id = id;
    const info = `moln rented blob ${id}`;
    this.#key = new Uint8Array(
      hkdfSync('sha256', storageKey, Buffer.from(salt, 'hex'), info, KEY_BYTES),
    );
  }

  block(index: number, plain: Uint8Array): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(index));
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  /** Throws `BLOBS_CORRUPT` when it is not what was sealed. */
  open(index: number, sealed: Buffer): Buffer {
    if (sealed.length < TAG_BYTES) throw corrupt(this.#id, 'a block is cut');
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonceOf(index));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
    } catch {
      throw corrupt(this.#id, `block ${index} is another one`);
    }
  }

  meta(meta: SealedMeta): Buffer {
    return this.block(META_INDEX, Buffer.from(JSON.stringify(meta)));
  }

  /** Throws `BLOBS_CORRUPT`. */
  openMeta(sealed: Buffer): SealedMeta {
    return JSON.parse(this.open(META_INDEX, sealed).toString()) as SealedMeta;
  }
}

function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt32BE(index, NONCE_BYTES - 4);
  return nonce;
}

/** The payload in sealed blocks, then what is kept with it. Throws when it is not as announced; `seen` is what came. */
export async function* sealing(
  seal: Seal,
  id: BlobId,
  {
    body,
    options,
    meta,
    seen,
  }: {
    readonly body: AsyncIterable<Uint8Array>;
    readonly options: Pick<PutOptions, 'maxBytes'> & {
      readonly length: number | undefined;
      readonly sha256: string | undefined;
    };
    readonly meta: BlobMeta;
    readonly seen: { length: number; sha256: string };
  },
): AsyncGenerator<Uint8Array> {
  const { maxBytes, length, sha256 } = options;
  const asked: PutOptions = {
    ...meta,
    maxBytes,
    ...(length === undefined ? {} : { length }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
  const bytesMax = bytesMaxOf(asked);
  const hash = createHash('sha256');
  const block = Buffer.alloc(BLOCK_BYTES);
  let filled = 0;
  let index = 0;
  for await (const piece of body) {
    seen.length += piece.length;
    if (seen.length > bytesMax) throw tooLarge(id, bytesMax);
    hash.update(piece);
    for (let rest = piece; rest.length > 0;) {
      const some = rest.subarray(0, BLOCK_BYTES - filled);
      block.set(some, filled);
      filled += some.length;
      rest = rest.subarray(some.length);
      if (filled < BLOCK_BYTES) continue;
      yield seal.block(index++, block);
      filled = 0;
    }
  }
  if (filled > 0) yield seal.block(index, block.subarray(0, filled));
  seen.sha256 = hash.digest('hex');
  checkWritten(id, seen, asked);
  yield seal.meta({ ...seen, meta });
}
