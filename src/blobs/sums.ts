/** The sums of a payload, taken while it streams by: one CRC32 per block, one SHA-256 over all. */
import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES } from './limits.ts';
import type { Payload } from './format.ts';

/** CRCs of blocks alone, for payloads whose end is not known yet. */
export class BlockSums {
  /** Of full blocks, and of the one that is being filled. */
  readonly #crcs: number[];
  #length: number;

  /** Goes on behind a payload of `length` bytes with these CRCs. */
  constructor(crcs: readonly number[] = [], length = 0) {
    this.#crcs = [...crcs];
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  get crcs(): readonly number[] {
    return this.#crcs;
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const filled = this.#length % BLOCK_BYTES;
      const take = Math.min(BLOCK_BYTES - filled, bytes.length - at);
      const part = bytes.subarray(at, at + take);
      const before = filled === 0 ? 0 : (this.#crcs.pop() ?? 0);
      this.#crcs.push(crc32(part, before));
      this.#length += take;
      at += take;
    }
  }
}

/** Taken by somebody else. */
class KnownSums {
  readonly crcs: readonly number[];
  length = 0;

  constructor(crcs: readonly number[]) {
    this.crcs = crcs;
  }

  update(bytes: Uint8Array): void {
    this.length += bytes.length;
  }
}

export class Sums {
  readonly #blocks: Pick<BlockSums, 'length' | 'crcs' | 'update'>;
  readonly #hash = createHash('sha256');
  #payload: Payload | undefined;

  /** `crcs`: of blocks, where they are known. */
  constructor(crcs?: readonly number[]) {
    this.#blocks = crcs === undefined ? new BlockSums() : new KnownSums(crcs);
  }

  get length(): number {
    return this.#blocks.length;
  }

  update(bytes: Uint8Array): void {
    this.#blocks.update(bytes);
    this.#hash.update(bytes);
  }

  /** SHA-256 of what has come so far, for whoever takes it of more than this. Not after the end. */
  sha256(): Hash {
    return this.#hash.copy();
  }

  /** At the end; of no more bytes afterwards. */
  finish(): Payload {
    const { length, crcs } = this.#blocks;
    return (this.#payload ??= { length, crcs, sha256: this.#hash.digest() });
  }
}
