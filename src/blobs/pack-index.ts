/**
 * Where each packed blob is, in memory: 28 bytes a place in 256 open-addressed tables (linear probing) that grow by a quarter, so
 * that a blob takes 33 to 45 bytes, and growing never holds the process up for long.
 */
import type { BlobId } from './model.ts';

export interface PackPlace {
  /** Number of the file. */
  readonly pack: number;
  /** Of the record's head. */
  readonly offset: number;
  /** Of the image behind the head; never 0. */
  readonly imageBytes: number;
}

const SHARDS = 256;
/** Words of 32 bits: 4 of the id, pack, offset, bytes. */
const WORDS = 7;
const FIRST_PLACES = 8;
const FILL_MAX = 0.8;
const GROWTH = 1.25;

export class PackIndex {
  readonly #shards = Array.from({ length: SHARDS }, () => new Shard(FIRST_PLACES));

  get size(): number {
    return this.#shards.reduce((sum, { size }) => sum + size, 0);
  }

  /** Of the tables. */
  get bytes(): number {
    return this.#shards.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get(id: BlobId): PackPlace | undefined {
    return this.#shard(id).get(keyOf(id));
  }

  set(id: BlobId, place: PackPlace): void {
    const at = Number.parseInt(id.slice(0, 2), 16);
    let shard = this.#shards[at] ?? new Shard(FIRST_PLACES);
    if (shard.isFull) {
      shard = shard.grown();
      this.#shards[at] = shard;
    }
    shard.set(keyOf(id), place);
  }

  delete(id: BlobId): boolean {
    return this.#shard(id).delete(keyOf(id));
  }

  /** Those that begin with two hex digits, in no order. */
  ids(prefix: string): BlobId[] {
    return this.#shard(prefix).ids();
  }

  #shard(id: string): Shard {
    const shard = this.#shards[Number.parseInt(id.slice(0, 2), 16)];
    if (shard === undefined) throw new Error(`"${id}" is no id of a blob`);
    return shard;
  }
}

type Key = readonly [number, number, number, number];

function keyOf(id: BlobId): Key {
  return [wordOf(id, 0), wordOf(id, 8), wordOf(id, 16), wordOf(id, 24)];
}

function wordOf(id: BlobId, at: number): number {
  return Number.parseInt(id.slice(at, at + 8), 16);
}

class Shard {
  readonly #places: number;
  readonly #words: Uint32Array;
  #size = 0;

  constructor(places: number) {
    this.#places = places;
    this.#words = new Uint32Array(places * WORDS);
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  get isFull(): boolean {
    return this.#size + 1 > this.#places * FILL_MAX;
  }

  grown(): Shard {
    const larger = new Shard(Math.ceil(this.#places * GROWTH));
    for (let place = 0; place < this.#places; place++) {
      if (!this.#isFree(place)) larger.set(this.#key(place), this.#value(place));
    }
    return larger;
  }

  get(key: Key): PackPlace | undefined {
    const place = this.#find(key);
    return this.#isFree(place) ? undefined : this.#value(place);
  }

  set(key: Key, { pack, offset, imageBytes }: PackPlace): void {
    const place = this.#find(key);
    if (this.#isFree(place)) this.#size++;
    this.#words.set([...key, pack, offset, imageBytes], place * WORDS);
  }

  delete(key: Key): boolean {
    let free = this.#find(key);
    if (this.#isFree(free)) return false;
    this.#size--;
    // Those behind move up into the gap, unless they would come before where they belong.
    for (let place = this.#next(free); !this.#isFree(place); place = this.#next(place)) {
      const home = this.#home(this.#key(place));
      const fromHome = (place - home + this.#places) % this.#places;
      const fromFree = (place - free + this.#places) % this.#places;
      if (fromHome < fromFree) continue;
      this.#words.copyWithin(free * WORDS, place * WORDS, (place + 1) * WORDS);
      free = place;
    }
    this.#words.fill(0, free * WORDS, (free + 1) * WORDS);
    return true;
  }

  ids(): BlobId[] {
    const found: BlobId[] = [];
    for (let place = 0; place < this.#places; place++) {
      if (this.#isFree(place)) continue;
      found.push(
        this.#key(place)
          .map((word) => word.toString(16).padStart(8, '0'))
          .join(''),
      );
    }
    return found;
  }

  /** Of the key, or the free place where it belongs. */
  #find(key: Key): number {
    let place = this.#home(key);
    while (!this.#isFree(place) && !this.#holds(place, key)) place = this.#next(place);
    return place;
  }

  /** Ids need not be random. */
  #home([a, b, c, d]: Key): number {
    let mixed = a;
    for (const word of [b, c, d]) {
      mixed = Math.imul(mixed ^ word, 0x9e3779b1);
      mixed ^= mixed >>> 15;
    }
    return (mixed >>> 0) % this.#places;
  }

  #next(place: number): number {
    return place + 1 === this.#places ? 0 : place + 1;
  }

  #holds(place: number, key: Key): boolean {
    const at = place * WORDS;
    const words = this.#words;
    return (
      words[at] === key[0] &&
      words[at + 1] === key[1] &&
      words[at + 2] === key[2] &&
      words[at + 3] === key[3]
    );
  }

  #isFree(place: number): boolean {
    return this.#words[place * WORDS + 6] === 0;
  }

  #key(place: number): Key {
    const at = place * WORDS;
    const [a = 0, b = 0, c = 0, d = 0] = this.#words.subarray(at, at + 4);
    return [a, b, c, d];
  }

  #value(place: number): PackPlace {
    const at = place * WORDS;
    const [pack = 0, offset = 0, imageBytes = 0] = this.#words.subarray(at + 4, at + WORDS);
    return { pack, offset, imageBytes };
  }
}
