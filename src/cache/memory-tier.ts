/**
 * Stored answers in this process's memory, as records in slabs; what is large is kept beside them by reference. S3-FIFO
 * decides what stays. The budget is of all that is taken: records and their holes, bodies, index, and what is remembered.
 */
import { randomShare } from '../base/ids.ts';
import { isSmall, PieceBody, type Body } from './body.ts';
import { KeyBytes } from './key-bytes.ts';
import { KeyIndex } from './key-index.ts';
import { OutsideBodies } from './outside-bodies.ts';
import { isKeyAt, outsideNumbers, Packing, unpacked } from './packed-variants.ts';
import { RecentVariants } from './recent-variants.ts';
import { RECORD } from './record-log.ts';
import { S3Fifo } from './s3-fifo.ts';
import { Slabs, SLABS_BYTES_MAX } from './slabs.ts';
import { asVariants, Stored, type Tier, type TierStats, type Variants } from './tier.ts';

/** What a buffer costs besides its bytes, measured by `npm run bench -- cache`. */
const BUFFER_OVERHEAD_BYTES = 280;
/** What a piece of a large body costs besides its bytes. */
const PIECE_OVERHEAD_BYTES = 350;
/** What an answer costs that was taken out, besides its text. */
const TAKEN_OVERHEAD_BYTES = 700;
/** A key that would take a larger share of all is not worth what it would displace. */
const KEY_SHARE_MAX = 1 / 8;
/** Slabs that are taken for copies before what they replace is free. */
const SLABS_IN_HAND = 3;

export class MemoryTier implements Tier {
  readonly name = 'memory';
  /** A key whose bodies are larger keeps them only where they are outside of memory. */
  readonly keyBytesMax: number;
  readonly #bytesMax: number;
  /** What is asked for now. */
  readonly #key = new KeyBytes(Math.floor(randomShare() * 2 ** 32));
  readonly #slabs: Slabs;
  readonly #fifo: S3Fifo;
  readonly #index: KeyIndex;
  readonly #bodies = new OutsideBodies();
  readonly #recent: RecentVariants;
  #hits = 0;
  #misses = 0;
  #evicted = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = Math.min(bytesMax, SLABS_BYTES_MAX);
    this.keyBytesMax = Math.floor(this.#bytesMax * KEY_SHARE_MAX);
    this.#slabs = new Slabs(this.#bytesMax);
    this.#recent = new RecentVariants(this.#bytesMax);
    this.#index = new KeyIndex({
      isKey: (place, key) => isKeyAt(this.#slabs.slabAt(place), this.#slabs.offsetOf(place), key),
    });
    this.#fifo = new S3Fifo(this.#slabs, {
      evict: (place) => {
        this.#evicted++;
        this.#let(place);
      },
      moved: (from, to) => {
        const hash = this.#hashAt(to);
        this.#index.move(hash, from, to);
        this.#recent.moved(hash, from, to);
      },
    });
  }

  get stats(): TierStats {
    return {
      keys: this.#fifo.count,
      bytes: this.#fifo.bytes + this.#index.bytes + this.#recent.bytes,
      bytesMax: this.#bytesMax,
      hits: this.#hits,
      misses: this.#misses,
      evicted: this.#evicted,
      failures: 0,
    };
  }

  mayHold(key: string): boolean {
    return this.#key.read(key) && this.#index.find(this.#key) !== undefined;
  }

  find(key: string): Variants | undefined {
    if (!this.#key.read(key)) return undefined;
    const recent = this.#recent.find(this.#key.hash);
    if (recent !== undefined && this.#isKey(recent.place)) {
      this.#hits++;
      this.#fifo.hit(recent.place);
      return recent.variants;
    }
    const place = this.#index.find(this.#key);
    if (place === undefined) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    return this.#takenOut(place);
  }

  set(key: string, variants: readonly Stored[]): void {
    if (!this.#key.read(key)) return;
    const known = this.#index.find(this.#key);
    const packing = this.#packed(variants);
    if (packing === undefined) {
      if (known !== undefined) this.#forget(known);
      return;
    }
    const { hash } = this.#key;
    const sizes = { hash, size: packing.size, outside: outsideBytes(packing.outside) };
    let place: number;
    if (known === undefined) place = this.#fifo.add(sizes, this.#room);
    else {
      this.#let(known);
      place = this.#fifo.resize(known, sizes, this.#room);
    }
    const at = { slab: this.#slabs.slabAt(place), offset: this.#slabs.offsetOf(place) };
    packing.write(this.#key, at, this.#bodies);
    this.#index.add(hash, place);
    // What is outside may have grown, and the index.
    this.#fifo.makeRoom(0, this.#room);
  }

  clear(): void {
    this.#fifo.clear();
    this.#index.clear();
    this.#recent.clear();
    this.#bodies.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.clear();
    return Promise.resolve();
  }

  /** For records, bodies outside, and what the policy remembers. */
  get #room(): number {
    const inHand = SLABS_IN_HAND * this.#slabs.slabBytes;
    return this.#bytesMax - this.#index.bytes - this.#recent.bytesMax - inHand;
  }

  #isKey(place: number): boolean {
    return isKeyAt(this.#slabs.slabAt(place), this.#slabs.offsetOf(place), this.#key);
  }

  #takenOut(place: number): Variants | undefined {
    const slab = this.#slabs.slabAt(place);
    const offset = this.#slabs.offsetOf(place);
    const list = unpacked(slab, offset, this.#bodies);
    const variants = asVariants(list);
    const isAskedAgain = this.#fifo.hit(place) > 0;
    if (isAskedAgain && variants !== undefined) {
      const bytes = slab.word(offset, RECORD.size) + list.length * TAKEN_OVERHEAD_BYTES;
      this.#recent.add({ hash: this.#key.hash, variants, place, bytes });
    }
    return variants;
  }

  /** Undefined when they are not to be kept. */
  #packed(variants: readonly Stored[]): Packing | undefined {
    const fitted = variants.map((one) => this.#fitted(one));
    if (fitted.length === 0 || !fitted.every(({ body }) => body.alive)) return undefined;
    const { slabBytes } = this.#slabs;
    let packing = new Packing(this.#key, fitted);
    if (packing.size > slabBytes) packing = new Packing(this.#key, fitted, false);
    const bytes = packing.size + outsideBytes(packing.outside);
    return packing.size > slabBytes || bytes > this.keyBytesMax ? undefined : packing;
  }

  /** A large body stays where it is outside of memory, if it is there; its head is kept here. */
  #fitted(stored: Stored): Stored {
    const { body } = stored;
    if (body.memoryBytes <= this.keyBytesMax) return stored;
    const pieces = body.pieces({ from: 0, to: body.bytes });
    const outside = pieces.map((piece) =>
      piece.block === undefined ? piece : { ...piece, bytes: undefined },
    );
    return new Stored(stored.key, stored.entry, PieceBody.of(outside), stored.stamp);
  }

  #forget(place: number): void {
    this.#let(place);
    this.#fifo.remove(place);
  }

  /** What is in the record is not found any more, and not needed. */
  #let(place: number): void {
    const hash = this.#hashAt(place);
    this.#index.remove(hash, place);
    this.#recent.remove(hash, place);
    const numbers = outsideNumbers(this.#slabs.slabAt(place), this.#slabs.offsetOf(place));
    for (const number of numbers) this.#bodies.remove(number);
  }

  #hashAt(place: number): number {
    return this.#slabs.slabAt(place).word(this.#slabs.offsetOf(place), RECORD.hash) >>> 0;
  }
}

function outsideBytes(bodies: readonly Body[]): number {
  let bytes = 0;
  for (const body of bodies) bytes += body.memoryBytes + overheadOf(body);
  return bytes;
}

function overheadOf(body: Body): number {
  if (isSmall(body)) return BUFFER_OVERHEAD_BYTES;
  return body.pieces({ from: 0, to: body.bytes }).length * PIECE_OVERHEAD_BYTES;
}
