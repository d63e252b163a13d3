/**
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023), bounded by bytes.
 * What is new waits in a small queue; what is not asked for there falls out, so a scan passes through without touching the main queue.
 * A hit is one comparison and at most one addition: nothing is moved.
 */

/** Share of the bytes that what is new may take. */
const SMALL_SHARE = 0.1;
/** A hit counts up to this. */
const HITS_MAX = 3;
/** Hits in the small queue that lead to the main one. With two, as in the paper, long scans cost more (see the bench). */
const PROMOTED_HITS = 1;

/** What the policy keeps about an item; items extend it. */
export class Queued {
  readonly key: string;
  bytes = 0;
  hits = 0;
  queue: Queue | undefined;
  newer: Queued | undefined;

  constructor(key: string) {
    this.key = key;
  }
}

/** First in, first out. An item that left before its turn is skipped when that comes. */
class Queue {
  bytes = 0;
  #oldest: Queued | undefined;
  #newest: Queued | undefined;
  /** Items in the chain, those that left included. */
  #length = 0;
  #left = 0;

  push(item: Queued): void {
    item.queue = this;
    item.newer = undefined;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
    this.#length++;
    this.bytes += item.bytes;
  }

  /** The oldest item, taken off. */
  shift(): Queued | undefined {
    for (;;) {
      const item = this.#oldest;
      if (item === undefined) return undefined;
      this.#oldest = item.newer;
      if (this.#oldest === undefined) this.#newest = undefined;
      this.#length--;
      item.newer = undefined;
      if (item.queue === this) {
        item.queue = undefined;
        this.bytes -= item.bytes;
        return item;
      }
      this.#left--;
    }
  }

  leave(item: Queued): void {
    item.queue = undefined;
    this.bytes -= item.bytes;
    this.#left++;
    if (this.#left > 64 && this.#left * 2 > this.#length) this.#sweep();
  }

  /** Lets go of those that left, when they are most of the chain. */
  #sweep(): void {
    const kept: Queued[] = [];
    for (let item = this.#oldest; item !== undefined; item = item.newer) {
      if (item.queue === this) kept.push(item);
    }
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#length = 0;
    this.#left = 0;
    this.bytes = 0;
    for (const item of kept) this.push(item);
  }
}

/** Keys that fell out lately, as hashes: two sets, of which the older is dropped when the younger is full. */
class Ghosts {
  #young = new Set<number>();
  #old = new Set<number>();

  add(hash: number, countMax: number): void {
    this.#young.add(hash);
    if (this.#young.size * 2 < countMax) return;
    this.#old = this.#young;
    this.#young = new Set();
  }

  /** Whether it was there; it is no more. */
  take(hash: number): boolean {
    const young = this.#young.delete(hash);
    return this.#old.delete(hash) || young;
  }
}

/** FNV-1a. Equal hashes of different keys only let one of them into the main queue early. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  }
  // A small integer, which a set holds without a box.
  return hash & 0x3fffffff;
}

export class S3Fifo<Item extends Queued> {
  readonly bytesMax: number;
  readonly #evict: (item: Item) => void;
  readonly #small = new Queue();
  readonly #main = new Queue();
  readonly #ghosts = new Ghosts();
  #count = 0;

  /** `evict` is told of each item that has to go; it is in no queue any more. */
  constructor(bytesMax: number, evict: (item: Item) => void) {
    this.bytesMax = bytesMax;
    this.#evict = evict;
  }

  get bytes(): number {
    return this.#small.bytes + this.#main.bytes;
  }

  hit(item: Item): void {
    if (item.hits < HITS_MAX) item.hits++;
  }

  /** Takes an item of `bytes`, at most `bytesMax`, in; others may have to go for it. */
  add(item: Item, bytes: number): void {
    item.bytes = bytes;
    item.hits = 0;
    const known = this.#ghosts.take(hashOf(item.key));
    (known ? this.#main : this.#small).push(item);
    this.#count++;
    this.#makeRoom();
  }

  /** The same item with another number of bytes, in its place. */
  resize(item: Item, bytes: number): void {
    if (item.queue === undefined) return;
    item.queue.bytes += bytes - item.bytes;
    item.bytes = bytes;
    this.#makeRoom();
  }

  remove(item: Item): void {
    if (item.queue === undefined) return;
    item.queue.leave(item);
    this.#count--;
  }

  #makeRoom(): void {
    while (this.bytes > this.bytesMax) {
      const small = this.#small.bytes > this.bytesMax * SMALL_SHARE || this.#main.bytes === 0;
      if (small) this.#shiftSmall();
      else this.#shiftMain();
    }
  }

  #shiftSmall(): void {
    const item = this.#small.shift();
    if (item === undefined) return;
    if (item.hits >= PROMOTED_HITS) {
      item.hits = 0;
      this.#main.push(item);
      return;
    }
    this.#ghosts.add(hashOf(item.key), this.#count);
    this.#drop(item);
  }

  #shiftMain(): void {
    const item = this.#main.shift();
    if (item === undefined) return;
    if (item.hits > 0) {
      item.hits--;
      this.#main.push(item);
    } else this.#drop(item);
  }

  #drop(item: Queued): void {
    this.#count--;
    this.#evict(item as Item);
  }
}
