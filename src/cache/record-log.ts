/**
 * Records in slabs, first in, first out. What is removed before its turn leaves a hole until that comes. Knows how a
 * record begins, and nothing of what follows.
 */
import { RECORD_ALIGNMENT, type Slab, type Slabs } from './slabs.ts';

/** Words at the start of a record. The last is its owner's. */
export const RECORD = { size: 0, hash: 1, state: 2, own: 3 } as const;
/** Behind them a double: bytes that are kept for the record outside of the slabs. */
const OUTSIDE_DOUBLE = 2;
/** Where the owner's part begins. */
export const RECORD_START_BYTES = 24;

/** Bits of the word `state`. */
export const STATE = {
  /** So often asked for, up to 3. */
  hits: 3,
  /** A hole. */
  gone: 4,
  /** In the main log, else in the small one. */
  main: 8,
} as const;

export interface RecordStart {
  readonly hash: number;
  readonly state: number;
  /** Bytes in the slab. */
  readonly size: number;
  /** Bytes outside of it. */
  readonly outside: number;
}

export function alignedSize(bytes: number): number {
  return Math.ceil(bytes / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

export function outsideOf(slab: Slab, offset: number): number {
  return slab.double(offset, OUTSIDE_DOUBLE);
}

export class RecordLog {
  /** Of what is in it, inside and outside of slabs, and of holes. */
  bytes = 0;
  /** Of these, holes. */
  holeBytes = 0;
  readonly #slabs: Slabs;
  #oldest: Slab | undefined;
  #newest: Slab | undefined;

  constructor(slabs: Slabs) {
    this.#slabs = slabs;
  }

  /** Without another slab. */
  hasRoomFor(size: number): boolean {
    const { slabBytes } = this.#slabs;
    return this.#newest !== undefined && this.#newest.end + size <= slabBytes;
  }

  /** The place of a record that is to be written now. */
  append({ hash, state, size, outside }: RecordStart): number {
    const slab = this.#slabFor(size);
    const offset = slab.end;
    slab.end += size;
    slab.setWord(offset, RECORD.size, size);
    slab.setWord(offset, RECORD.hash, hash);
    slab.setWord(offset, RECORD.state, state);
    slab.setDouble(offset, OUTSIDE_DOUBLE, outside);
    this.bytes += size + outside;
    return this.#slabs.placeOf(slab, offset);
  }

  oldest(): number | undefined {
    const slab = this.#oldest;
    return slab === undefined ? undefined : this.#slabs.placeOf(slab, slab.begin);
  }

  /** A hole in its place, now or when its turn comes. */
  leave(place: number): void {
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    slab.setWord(offset, RECORD.state, slab.word(offset, RECORD.state) | STATE.gone);
    this.holeBytes += slab.word(offset, RECORD.size);
    this.bytes -= outsideOf(slab, offset);
    this.#passHoles();
  }

  setOutside(place: number, outside: number): void {
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    this.bytes += outside - outsideOf(slab, offset);
    slab.setDouble(offset, OUTSIDE_DOUBLE, outside);
  }

  clear(): void {
    for (let slab = this.#oldest; slab !== undefined;) {
      const { newer } = slab;
      this.#slabs.give(slab);
      slab = newer;
    }
    this.#oldest = undefined;
    this.#newest = undefined;
    this.bytes = 0;
    this.holeBytes = 0;
  }

  #slabFor(size: number): Slab {
    const newest = this.#newest;
    if (newest !== undefined && newest.end + size <= this.#slabs.slabBytes) return newest;
    const slab = this.#slabs.take();
    if (newest === undefined) this.#oldest = slab;
    else newest.newer = slab;
    this.#newest = slab;
    return slab;
  }

  /** The oldest slab begins with a record that is there, or is nobody's any more. */
  #passHoles(): void {
    for (let slab = this.#oldest; slab !== undefined; slab = this.#oldest) {
      while (slab.begin < slab.end && isHole(slab, slab.begin)) {
        const size = slab.word(slab.begin, RECORD.size);
        slab.begin += size;
        this.bytes -= size;
        this.holeBytes -= size;
      }
      if (slab.begin < slab.end) return;
      this.#oldest = slab.newer;
      if (slab.newer === undefined) this.#newest = undefined;
      this.#slabs.give(slab);
    }
  }
}

function isHole(slab: Slab, offset: number): boolean {
  return (slab.word(offset, RECORD.state) & STATE.gone) !== 0;
}
