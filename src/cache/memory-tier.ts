/** Stored answers in this process's memory, shared by reference. S3-FIFO decides what stays. */
import { BufferBody, isSmall, PieceBody, type Body } from './body.ts';
import { isList } from './decide.ts';
import { Queued, S3Fifo } from './s3-fifo.ts';
import { asVariants, Stored, type Tier, type TierStats, type Variants } from './tier.ts';

/** What a key costs besides its text, measured by `npm run bench -- cache`: map, queue and list. */
const KEY_OVERHEAD_BYTES = 180;
/** What a variant costs besides its head and body. */
const VARIANT_OVERHEAD_BYTES = 220;
/** What a buffer costs besides its bytes. */
const BUFFER_OVERHEAD_BYTES = 280;
/** What a piece of a large body costs besides its bytes. */
const PIECE_OVERHEAD_BYTES = 350;
/** What a tag costs besides its text. */
const TAG_OVERHEAD_BYTES = 32;
/** A key that would take a larger share of all is not worth what it would displace. */
const KEY_SHARE_MAX = 1 / 8;

class Kept extends Queued {
  variants: Variants;

  constructor(key: string, variants: Variants) {
    super(key);
    this.variants = variants;
  }
}

export class MemoryTier implements Tier {
  readonly name = 'memory';
  /** A key whose bodies are larger keeps them only where they are outside of memory. */
  readonly keyBytesMax: number;
  readonly #kept = new Map<string, Kept>();
  readonly #queues: S3Fifo<Kept>;
  #hits = 0;
  #misses = 0;
  #evicted = 0;

  constructor(bytesMax: number) {
    this.keyBytesMax = Math.floor(bytesMax * KEY_SHARE_MAX);
    this.#queues = new S3Fifo(bytesMax, ({ key }) => {
      this.#kept.delete(key);
      this.#evicted++;
    });
  }

  get stats(): TierStats {
    return {
      keys: this.#kept.size,
      bytes: this.#queues.bytes,
      bytesMax: this.#queues.bytesMax,
      hits: this.#hits,
      misses: this.#misses,
      evicted: this.#evicted,
      failures: 0,
    };
  }

  mayHold(key: string): boolean {
    return this.#kept.has(key);
  }

  find(key: string): Variants | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    this.#queues.hit(kept);
    return kept.variants;
  }

  set(key: string, variants: readonly Stored[]): void {
    const known = this.#kept.get(key);
    const made = asVariants(variants.map((one) => this.#fitted(one)));
    const bytes = made === undefined ? 0 : bytesOf(key, made);
    if (made === undefined || bytes > this.keyBytesMax || !isComplete(made)) {
      if (known !== undefined) this.#forget(known);
      return;
    }
    if (known !== undefined) {
      known.variants = made;
      this.#queues.resize(known, bytes);
      return;
    }
    const kept = new Kept(key, made);
    this.#kept.set(key, kept);
    this.#queues.add(kept, bytes);
  }

  clear(): void {
    for (const kept of this.#kept.values()) this.#forget(kept);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.clear();
    return Promise.resolve();
  }

  #forget(kept: Kept): void {
    this.#kept.delete(kept.key);
    this.#queues.remove(kept);
    // Its place in the queue may outlive it for a while, its bytes may not.
    kept.variants = [];
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
}

function isComplete(variants: Variants): boolean {
  return isList(variants) ? variants.every(({ body }) => body.alive) : variants.body.alive;
}

function bytesOf(key: string, variants: Variants): number {
  let bytes = KEY_OVERHEAD_BYTES + key.length;
  for (const { entry, body } of isList(variants) ? variants : [variants]) {
    bytes += VARIANT_OVERHEAD_BYTES + entry.head.length + entry.varyValues.length;
    bytes += entry.etag.length + entry.cacheStatus.length + body.memoryBytes + overheadOf(body);
    for (const tag of entry.tags) bytes += tag.length + TAG_OVERHEAD_BYTES;
  }
  return bytes;
}

function overheadOf(body: Body): number {
  if (isSmall(body)) return body instanceof BufferBody ? BUFFER_OVERHEAD_BYTES : 0;
  return body.pieces({ from: 0, to: body.bytes }).length * PIECE_OVERHEAD_BYTES;
}
