/**
 * Memory in large pieces, the slabs, in which records lie one behind another. A record has a place, which is one number, and the garbage
 * collector sees a few slabs where it would see a million objects. A slab is used again as soon as its records are gone: whoever wants
 * bytes of a record for longer than a moment copies them.
 */

/** Records begin at multiples of it, so that their numbers are read in one step. */
export const RECORD_ALIGNMENT = 8;
/** Of a memory, so that what is half full or about to be freed is little of it. */
const SLAB_SHARE: number = 1 / 128;
const SLAB_BYTES_MIN: number = 4 * 1024;
const SLAB_BYTES_MAX: number = 256 * 1024;
/** A place has 32 bits, of which one value means none. */
export const SLABS_BYTES_MAX: number = 2 ** 32 * RECORD_ALIGNMENT - SLAB_BYTES_MAX;

export class Slab {
  readonly number: number;
  readonly bytes: Buffer;
  /** The same bytes as numbers. */
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  /** Where the first record begins. */
  begin = 0;
  /** Behind the last record. */
  end = 0;
  /** The slab that was filled after it. */
  newer: Slab | undefined;

  constructor(number: number, size: number) {
    this.number = number;
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.#words = new Int32Array(this.bytes.buffer);
    this.#doubles = new Float64Array(this.bytes.buffer);
  }

  /** The integer of 32 bits, `index` of them behind `offset`. */
  word(offset: number, index: number): number {
    return this.#words[(offset >> 2) + index] ?? 0;
  }

  setWord(offset: number, index: number, value: number): void {
    this.#words[(offset >> 2) + index] = value;
  }

  /** The number of 64 bits, `index` of them behind `offset`. */
  double(offset: number, index: number): number {
    return this.#doubles[(offset >> 3) + index] ?? 0;
  }

  setDouble(offset: number, index: number, value: number): void {
    this.#doubles[(offset >> 3) + index] = value;
  }
}

export class Slabs {
  /** A power of two. */
  readonly slabBytes: number;
  /** Of a place, the bits that say where in its slab. */
  readonly #offsetBits: number;
  readonly #offsetMask: number;
  readonly #slabs: (Slab | undefined)[] = [];
  readonly #unused: Slab[] = [];
  /** Numbers of slabs that were freed. */
  readonly #numbers: number[] = [];
  #count = 0;

  /** Sized for a memory of `bytesMax`. */
  constructor(bytesMax: number) {
    const wanted = 2 ** Math.floor(Math.log2(Math.max(bytesMax * SLAB_SHARE, 1)));
    this.slabBytes = Math.min(Math.max(wanted, SLAB_BYTES_MIN), SLAB_BYTES_MAX);
    this.#offsetBits = Math.log2(this.slabBytes / RECORD_ALIGNMENT);
    this.#offsetMask = this.slabBytes / RECORD_ALIGNMENT - 1;
  }

  /** Of all slabs, the unused too. */
  get bytes(): number {
    return this.#count * this.slabBytes;
  }

  get hasUnused(): boolean {
    return this.#unused.length > 0;
  }

  placeOf(slab: Slab, offset: number): number {
    return (slab.number * this.slabBytes + offset) / RECORD_ALIGNMENT;
  }

  slabAt(place: number): Slab {
    const slab = this.#slabs[place >>> this.#offsetBits];
    if (slab === undefined) throw new RangeError('No slab has this place');
    return slab;
  }

  offsetOf(place: number): number {
    return (place & this.#offsetMask) * RECORD_ALIGNMENT;
  }

  /** An empty slab. */
  take(): Slab {
    const unused = this.#unused.pop();
    if (unused !== undefined) return unused;
    const number = this.#numbers.pop() ?? this.#slabs.length;
    const slab = new Slab(number, this.slabBytes);
    this.#slabs[number] = slab;
    this.#count++;
    return slab;
  }

  /** Nobody needs it just now. */
  give(slab: Slab): void {
    slab.begin = 0;
    slab.end = 0;
    slab.newer = undefined;
    this.#unused.push(slab);
  }

  /** Lets go of a slab that nobody needs; says whether there was one. */
  free(): boolean {
    const slab = this.#unused.pop();
    if (slab === undefined) return false;
    this.#slabs[slab.number] = undefined;
    this.#numbers.push(slab.number);
    this.#count--;
    return true;
  }
}
