/**
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023) over logs of records, bounded
 * by bytes. What is new waits in a small log; what is not asked for there falls out, so a scan passes through without touching the main
 * one. A hit adds one to a number; what is to stay when its turn comes is copied to the end of the main log, which also closes holes.
 */
import { outsideOf, RECORD, RecordLog, STATE } from './record-log.ts';
import type { Slabs } from './slabs.ts';

/** Share of the bytes that what is new may take. */
const SMALL_SHARE = 0.1;
/** Hits in the small log that lead to the main one. With two, as in the paper, long scans cost more (see the bench). */
const PROMOTED_HITS = 1;
/** When holes are more than this share of all slabs, they are closed before anything has to go. */
const HOLE_SHARE: number = 1 / 8;
/** Bytes copied for one record that comes in, after which one hit less counts: a bound on the time that takes. */
const ROUND_BYTES: number = 1024 * 1024;
/** Rounds after which holes are closed no more, and even what was asked for most goes. */
const ROUNDS_MAX: number = STATE.hits + 1;

/** Who has the records. */
export interface RecordOwner {
  /** It has to go; its place is somebody else's afterwards. */
  evict(place: number): void;
  moved(from: number, to: number): void;
}

/** Numbers that are kept to remember one that fell out: the more, the longer it stays before another one takes its place. */
const GHOST_SLOTS = 2;

/** Of keys that fell out lately, the hashes, each in the only place where it can be. */
class Ghosts {
  #hashes = new Uint32Array(64);

  get bytes(): number {
    return this.#hashes.byteLength;
  }

  /** Remembers about as many as `count`. */
  add(hash: number, count: number): void {
    if (count * GHOST_SLOTS > this.#hashes.length) this.#grow();
    this.#hashes[hash & (this.#hashes.length - 1)] = hash;
  }

  /** Whether it was there; it is no more. */
  take(hash: number): boolean {
    const at = hash & (this.#hashes.length - 1);
    if (hash === 0 || this.#hashes[at] !== hash) return false;
    this.#hashes[at] = 0;
    return true;
  }

  #grow(): void {
    const old = this.#hashes;
    this.#hashes = new Uint32Array(old.length * 2);
    for (const hash of old) this.#hashes[hash & (this.#hashes.length - 1)] = hash;
  }
}

export class S3Fifo {
  readonly #slabs: Slabs;
  readonly #owner: RecordOwner;
  readonly #small: RecordLog;
  readonly #main: RecordLog;
  readonly #ghosts = new Ghosts();
  /** Records. */
  count = 0;
  #outside = 0;
  /** Bytes that were copied for what comes in now. */
  #copied = 0;

  constructor(slabs: Slabs, owner: RecordOwner) {
    this.#slabs = slabs;
    this.#owner = owner;
    this.#small = new RecordLog(slabs);
    this.#main = new RecordLog(slabs);
  }

  /** All that it takes. */
  get bytes(): number {
    return this.#slabs.bytes + this.#outside + this.#ghosts.bytes;
  }

  /** Says how often it was asked for before. */
  hit(place: number): number {
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    const state = slab.word(offset, RECORD.state);
    const hits = state & STATE.hits;
    if (hits < STATE.hits) slab.setWord(offset, RECORD.state, state + 1);
    return hits;
  }

  /** The place of a new record. `bytesMax` of all; others may have to go. */
  add(
    {
      hash,
      size,
      outside,
    }: { readonly hash: number; readonly size: number; readonly outside: number },
    bytesMax: number,
  ): number {
    const state = this.#ghosts.take(hash) ? STATE.main : 0;
    return this.#append({ hash, state, size, outside }, bytesMax);
  }

  /** A place with another number of bytes, for the same key: it keeps its rank. */
  resize(
    place: number,
    { size, outside }: { readonly size: number; readonly outside: number },
    bytesMax: number,
  ): number {
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    const state = slab.word(offset, RECORD.state);
    if (size > slab.word(offset, RECORD.size)) {
      const hash = slab.word(offset, RECORD.hash) >>> 0;
      this.remove(place);
      return this.#append({ hash, state, size, outside }, bytesMax);
    }
    this.#outside += outside - outsideOf(slab, offset);
    this.#logOf(state).setOutside(place, outside);
    return place;
  }

  remove(place: number): void {
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    this.#outside -= outsideOf(slab, offset);
    this.#logOf(slab.word(offset, RECORD.state)).leave(place);
    this.count--;
    if (this.count === 0) this.clear();
  }

  /** Until all that it takes is `bytes` less than `bytesMax`, or nothing is left. */
  makeRoom(bytes: number, bytesMax: number): void {
    this.#copied = 0;
    while (this.bytes + bytes > bytesMax) {
      if (this.#slabs.free()) continue;
      const isSmallsTurn = this.#small.bytes > bytesMax * SMALL_SHARE || this.#main.bytes === 0;
      if (!this.#shift(isSmallsTurn ? this.#small : this.#main) && !this.#slabs.free()) return;
    }
  }

  clear(): void {
    this.#small.clear();
    this.#main.clear();
    while (this.#slabs.free());
    this.#outside = 0;
    this.count = 0;
  }

  #append(
    start: {
      readonly hash: number;
      readonly state: number;
      readonly size: number;
      readonly outside: number;
    },
    bytesMax: number,
  ): number {
    const log = this.#logOf(start.state);
    const isEnough = log.hasRoomFor(start.size) || this.#slabs.hasUnused;
    this.makeRoom(start.outside + (isEnough ? 0 : this.#slabs.slabBytes), bytesMax);
    this.count++;
    this.#outside += start.outside;
    return log.append(start);
  }

  #logOf(state: number): RecordLog {
    return (state & STATE.main) === 0 ? this.#small : this.#main;
  }

  /** Decides about the oldest record of a log; false when there is none. */
  #shift(log: RecordLog): boolean {
    const place = log.oldest();
    if (place === undefined) return false;
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    const state = slab.word(offset, RECORD.state);
    const hits = state & STATE.hits;
    const rounds = Math.floor(this.#copied / ROUND_BYTES);
    const closesHoles = this.#holeBytes > this.#slabs.bytes * HOLE_SHARE && rounds < ROUNDS_MAX;
    if (log === this.#small && hits >= PROMOTED_HITS) this.#move(place, STATE.main);
    else if (log === this.#main && hits > rounds) this.#move(place, state - 1);
    else if (closesHoles) this.#move(place, state);
    else this.#drop(log, place);
    return true;
  }

  get #holeBytes(): number {
    return this.#small.holeBytes + this.#main.holeBytes;
  }

  /** To the end of the log that `state` says. */
  #move(place: number, state: number): void {
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    const size = slab.word(offset, RECORD.size);
    const hash = slab.word(offset, RECORD.hash) >>> 0;
    const start = { hash, state, size, outside: outsideOf(slab, offset) };
    const from = this.#logOf(slab.word(offset, RECORD.state));
    const to = this.#logOf(state).append(start);
    const target = this.#slabs.slabAt(to);
    slab.bytes.copy(target.bytes, this.#slabs.offsetOf(to), offset, offset + size);
    target.setWord(this.#slabs.offsetOf(to), RECORD.state, state);
    from.leave(place);
    this.#copied += size;
    this.#owner.moved(place, to);
  }

  #drop(log: RecordLog, place: number): void {
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    this.#ghosts.add(slab.word(offset, RECORD.hash) >>> 0, this.count);
    this.#outside -= outsideOf(slab, offset);
    this.#owner.evict(place);
    log.leave(place);
    this.count--;
  }
}
