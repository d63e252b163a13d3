/** The key that is asked for, as numbers, so that four characters at a time are hashed and compared. */
import { writeLatin1 } from '../http/latin1.ts';
import type { Slab } from './slabs.ts';

/** A longer one is not kept. Targets have 8 KiB at most. */
const KEY_CHARACTERS_MAX: number = 16 * 1024;
const WORD_BYTES = 4;

/** What a key takes where it is kept: whole words. */
export function keySize(length: number): number {
  return Math.ceil(length / WORD_BYTES) * WORD_BYTES;
}

/** One of these serves all questions in turn. */
export class KeyBytes {
  /** Of 32 bits. */
  hash = 0;
  length = 0;
  /** It is asked for several times in a row: here, on its way, and by the next request. */
  #key: string | undefined;
  readonly #seed: number;
  readonly #bytes: Buffer;
  readonly #words: Int32Array;
  /** One for each word: with a seed alone there are keys that have one hash whatever the seed is (Aumasson, Bernstein: "SipHash", 2012). */
  readonly #secrets: Int32Array;

  /** Of 32 bits, and nobody else's: then nobody can make keys that have one hash. */
  constructor(seed: number) {
    this.#seed = seed;
    this.#words = new Int32Array(KEY_CHARACTERS_MAX / WORD_BYTES + 1);
    this.#bytes = Buffer.from(this.#words.buffer);
    this.#secrets = this.#words.map((_word, at) => mixed(seed + Math.imul(at + 1, 0x9e3779b9)));
  }

  /** False: it is too long. */
  read(key: string): boolean {
    if (key === this.#key) return true;
    if (key.length > KEY_CHARACTERS_MAX) return false;
    this.#key = key;
    this.length = writeLatin1(this.#bytes, key, 0);
    const words = this.#words;
    const count = keySize(this.length) / WORD_BYTES;
    // The last word has zeros behind the key.
    const over = count * WORD_BYTES - this.length;
    if (over > 0) words[count - 1] = (words[count - 1] ?? 0) & (-1 >>> (over * 8));
    // MurmurHash3 of 32 bits.
    const secrets = this.#secrets;
    let hash = this.#seed ^ this.length;
    for (let at = 0; at < count; at++) {
      const word = Math.imul((words[at] ?? 0) ^ (secrets[at] ?? 0), 0xcc9e2d51);
      hash ^= Math.imul((word << 15) | (word >>> 17), 0x1b873593);
      hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
    }
    this.hash = mixed(hash) >>> 0;
    return true;
  }

  /** Whether it is what is kept at this offset. */
  isAt(slab: Slab, offset: number): boolean {
    const count = keySize(this.length) / WORD_BYTES;
    for (let at = 0; at < count; at++) {
      if (slab.word(offset, at) !== this.#words[at]) return false;
    }
    return true;
  }

  write(slab: Slab, offset: number): void {
    const count = keySize(this.length) / WORD_BYTES;
    for (let at = 0; at < count; at++) slab.setWord(offset, at, this.#words[at] ?? 0);
  }
}

/** The end of MurmurHash3: each bit depends on all. */
function mixed(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
