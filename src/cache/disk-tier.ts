/**
 * Stored answers on disk: a log in segments, of which the oldest goes when room is needed. What is written is never
 * changed, so a crash leaves at most an unfinished end; nothing read is believed without its checksum. There is no fsync
 * but that of `sync`: what a power failure takes is only a miss.
 */
import { readdir } from 'node:fs/promises';
import { ensureFolder, syncFolder } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import { BufferBody, PieceBody, type Body, type Piece } from './body.ts';
import {
  decodeHeader,
  decodePayload,
  diskHash,
  encodeRecord,
  RECORD_HEADER_BYTES,
  type PiecePlace,
  type StoredVariant,
} from './disk-format.ts';
import { scanKeys } from './disk-scan.ts';
import { DiskBlock, removeSegment, Segment, segmentOf } from './disk-segment.ts';
import { claimFolder } from './folder-claim.ts';
import type { ColdTier } from './cold-tier.ts';
import { readPurges, writePurges } from './purge-file.ts';
import type { Purges } from './purges.ts';
import { asVariants, Stored, type TierStats, type Variants } from './tier.ts';

const SEGMENTS = 32;
const SEGMENT_BYTES_MIN: number = 1024 * 1024;
const SEGMENT_BYTES_MAX: number = 256 * 1024 * 1024;
/** Segment and offset of a record are one number in the index: 21 and 32 bits. */
const OFFSETS = 2 ** 32;
const SEGMENT_NUMBER_MAX: number = 2 ** 21 - 1;
/** Read at once: most records are shorter. */
const RECORD_READ_BYTES = 4096;
/** Bytes that wait to be written, beyond which new ones are not taken. */
const QUEUE_BYTES_MAX: number = 16 * 1024 * 1024;

export interface DiskTierOptions {
  readonly folder: string;
  readonly bytesMax: number;
  /** Told of what the disk refuses, each time. */
  readonly onTrouble?: (error: unknown) => void;
}

/** Something that is asked for; `done` when it, or what took its place, is written. */
interface Turn {
  done: Promise<void> | undefined;
}

export class DiskTier implements ColdTier {
  readonly name = 'disk';
  readonly #folder: string;
  readonly #bytesMax: number;
  readonly #segmentBytesMax: number;
  readonly #onTrouble: (error: unknown) => void;
  readonly #claim: AsyncDisposable;
  /** In the order in which they were written. */
  readonly #segments = new Map<number, Segment>();
  /** Where the last record of a key is, by its hash. */
  readonly #index = new Map<number, number>();
  /** The last thing asked for a key, while it is not written: until then the key is not found. */
  readonly #underWay = new Map<number, Turn>();
  #current: Segment | undefined;
  #lastNumber = 0;
  #lastStamp = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #queuedBytes = 0;
  #syncing: Promise<void> | undefined;
  #closed = false;
  #hits = 0;
  #misses = 0;
  #evicted = 0;
  #failures = 0;

  private constructor(options: DiskTierOptions, claim: AsyncDisposable) {
    this.#folder = options.folder;
    this.#bytesMax = options.bytesMax;
    this.#segmentBytesMax = Math.min(
      Math.max(Math.floor(options.bytesMax / SEGMENTS), SEGMENT_BYTES_MIN),
      SEGMENT_BYTES_MAX,
    );
    this.#onTrouble = options.onTrouble ?? (() => undefined);
    this.#claim = claim;
  }

  /** Reads what an earlier run left. Throws when the folder cannot be used, or is another process's. */
  static async open(options: DiskTierOptions): Promise<DiskTier> {
    await ensureFolder(options.folder);
    const claim = await claimFolder(options.folder);
    const tier = new DiskTier(options, claim);
    try {
      await tier.#rebuild();
    } catch (error) {
      await tier[Symbol.asyncDispose]();
      throw error;
    }
    return tier;
  }

  get stats(): TierStats {
    return {
      keys: this.#index.size,
      bytes: this.#bytes,
      bytesMax: this.#bytesMax,
      hits: this.#hits,
      misses: this.#misses,
      evicted: this.#evicted,
      failures: this.#failures,
    };
  }

  /** The highest stamp that was ever stored: those of this run must be higher. */
  get lastStamp(): number {
    return this.#lastStamp;
  }

  mayHold(key: string): boolean {
    const hash = diskHash(key);
    return this.#index.has(hash) && !this.#underWay.has(hash);
  }

  find(key: string): undefined | Promise<Variants | undefined> {
    const hash = diskHash(key);
    const place = this.#index.get(hash);
    if (place !== undefined && !this.#underWay.has(hash)) return this.#find(key, hash, place);
    this.#misses++;
    return undefined;
  }

  set(key: string, variants: readonly Stored[]): void | Promise<void> {
    const hash = diskHash(key);
    const known = this.#index.has(hash) || this.#underWay.has(hash);
    let kept = variants;
    let bytes = variants.reduce((sum, { body }) => sum + body.memoryBytes, 0);
    if (this.#queuedBytes + bytes > QUEUE_BYTES_MAX) {
      kept = [];
      bytes = 0;
    }
    if (this.#closed || (kept.length === 0 && !known)) return undefined;
    this.#queuedBytes += bytes;
    const turn: Turn = { done: undefined };
    this.#underWay.set(hash, turn);
    const written = this.#enqueue(async () => {
      this.#queuedBytes -= bytes;
      const last = this.#underWay.get(hash);
      // What is asked for later says all there is to say.
      if (last !== turn) return last;
      await this.#write(key, hash, kept);
      if (this.#underWay.get(hash) === turn) this.#underWay.delete(hash);
      return undefined;
    });
    turn.done = written.then((last) => last?.done);
    return turn.done;
  }

  clear(): Promise<void> {
    this.#index.clear();
    return this.#enqueue(async () => {
      for (const segment of this.#segments.values()) await this.#drop(segment);
    });
  }

  /** Takes bytes of a body that is still on its way; undefined when there is no room for them. */
  spill(bytes: Buffer): Promise<DiskBlock | undefined> {
    return this.#enqueue(() =>
      this.#tryTo(async () => (await this.#segmentFor(bytes.length)).appendBlock(bytes)),
    );
  }

  /** Resolves when what was set before would survive a power failure. Calls while one runs share the next. */
  sync(): Promise<void> {
    return (this.#syncing ??= this.#enqueue(async () => {
      this.#syncing = undefined;
      await this.#tryTo(async () => {
        for (const segment of this.#segments.values()) await segment.sync();
        await syncFolder(this.#folder);
      });
    }));
  }

  readPurges(): Promise<Purges> {
    return readPurges(this.#folder, this.#lastStamp);
  }

  /** Throws what the disk says. */
  writePurges(purges: Purges): Promise<void> {
    return writePurges(this.#folder, purges);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#queue;
    for (const segment of this.#segments.values()) await segment.close();
    await this.#claim[Symbol.asyncDispose]();
  }

  // Reading -------------------------------------------------------------------------------------------------------

  async #find(key: string, hash: number, place: number): Promise<Variants | undefined> {
    const record = await this.#readRecord(key, place);
    // Another record may have come meanwhile, and this one must not be found any more.
    if (this.#index.get(hash) !== place || this.#underWay.has(hash)) {
      this.#misses++;
      return undefined;
    }
    const found = record?.flatMap((variant) => this.#revive(key, variant) ?? []) ?? [];
    if (record === undefined) this.#failures++;
    if (found.length === 0) {
      this.#index.delete(hash);
      this.#misses++;
    } else this.#hits++;
    return asVariants(found);
  }

  /** Undefined when it cannot be read, or not be trusted. */
  async #readRecord(key: string, place: number): Promise<readonly StoredVariant[] | undefined> {
    const segment = this.#segments.get(Math.floor(place / OFFSETS));
    if (segment === undefined) return undefined;
    const offset = place % OFFSETS;
    segment.pin();
    try {
      const start = await segment.readKeys(offset, RECORD_READ_BYTES);
      const header = decodeHeader(start, 0);
      if (header === undefined) return undefined;
      const end = RECORD_HEADER_BYTES + header.payloadBytes;
      const payload =
        end <= start.length
          ? start.subarray(RECORD_HEADER_BYTES, end)
          : await segment.readKeys(offset + RECORD_HEADER_BYTES, header.payloadBytes);
      return decodePayload(payload, header, key);
    } catch (error) {
      this.#onTrouble(error);
      return undefined;
    } finally {
      segment.unpin();
    }
  }

  /** Undefined when a piece of it went with its segment. */
  #revive(key: string, { entry, stamp, pieces }: StoredVariant): Stored | undefined {
    const revived: Piece[] = [];
    let bytes = 0;
    for (const { block, from, length } of pieces) {
      const segment = this.#segments.get(block.segment);
      if (segment === undefined || from + length > block.length) return undefined;
      bytes += length;
      revived.push({ bytes: undefined, block: new DiskBlock(segment, block), from, length });
    }
    if (bytes !== entry.bodyBytes) return undefined;
    return new Stored(key, entry, PieceBody.of(revived), stamp);
  }

  // Writing -------------------------------------------------------------------------------------------------------

  /** One at a time, in order: a record that is there says that all before it are. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done;
    return done;
  }

  async #write(key: string, hash: number, variants: readonly Stored[]): Promise<void> {
    const written = variants.length > 0 && (await this.#tryTo(() => this.#put(key, variants)));
    if (written === true) return;
    const old = this.#index.get(hash);
    if (old === undefined) return;
    this.#index.delete(hash);
    const removed = await this.#tryTo(() =>
      this.#append(encodeRecord(key, this.#lastStamp, []), hash),
    );
    if (removed !== undefined) return;
    // Nothing can be written, not even that the old record does not count; files can be removed even then. All older ones
    // go too, since a segment also says what in them does not count.
    const last = Math.floor(old / OFFSETS);
    for (const segment of this.#segments.values()) {
      if (segment.number <= last) await this.#drop(segment);
    }
  }

  async #put(key: string, variants: readonly Stored[]): Promise<true | undefined> {
    const plain: StoredVariant[] = [];
    for (const { entry, body, stamp } of variants) {
      const pieces: PiecePlace[] = [];
      for (const piece of ownPieces(body)) {
        const block = await this.#blockOf(piece);
        if (block === undefined) return undefined;
        piece.block = block;
        if (body instanceof BufferBody) body.block = block;
        pieces.push({ block: block.place, from: piece.from, length: piece.length });
      }
      plain.push({ entry, stamp, pieces });
      this.#lastStamp = Math.max(this.#lastStamp, stamp);
    }
    const record = encodeRecord(key, this.#lastStamp, plain);
    const hash = diskHash(key);
    this.#index.set(hash, await this.#append(record, hash));
    return true;
  }

  /** Where the bytes are here; written now if they were not. */
  async #blockOf(piece: Piece): Promise<DiskBlock | undefined> {
    const { bytes, block } = piece;
    const own =
      block instanceof DiskBlock && this.#segments.get(block.segment.number) === block.segment;
    if (own) return block;
    return bytes === undefined
      ? undefined
      : (await this.#segmentFor(bytes.length)).appendBlock(bytes);
  }

  async #append(record: Buffer, hash: number): Promise<number> {
    const segment = await this.#segmentFor(record.length);
    return segment.number * OFFSETS + (await segment.appendRecord(record, hash));
  }

  get #bytes(): number {
    let bytes = 0;
    for (const segment of this.#segments.values()) bytes += segment.bytes;
    return bytes;
  }

  /** The segment that `bytes` more are written to; makes room for them. */
  async #segmentFor(bytes: number): Promise<Segment> {
    let current = this.#current;
    if (current !== undefined && current.bytes + bytes > this.#segmentBytesMax) current = undefined;
    const bytesMax = this.#bytesMax - bytes;
    for (const segment of this.#segments.values()) {
      if (this.#bytes <= bytesMax) break;
      if (segment !== current) await this.#drop(segment);
    }
    if (current === undefined) {
      current = await Segment.create(this.#folder, ++this.#lastNumber);
      this.#segments.set(current.number, current);
      this.#current = current;
    }
    return current;
  }

  async #drop(segment: Segment): Promise<void> {
    this.#segments.delete(segment.number);
    if (this.#current === segment) this.#current = undefined;
    for (const hash of segment.hashes) {
      const place = this.#index.get(hash);
      if (place === undefined || Math.floor(place / OFFSETS) !== segment.number) continue;
      this.#index.delete(hash);
      this.#evicted++;
    }
    await this.#tryTo(() => segment.drop());
  }

  /** Undefined when the disk refuses. A full one gets room for the next time. */
  async #tryTo<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#failures++;
      this.#onTrouble(error);
      const code = systemCode(error);
      const [oldest] = this.#segments.values();
      if ((code === 'ENOSPC' || code === 'EDQUOT') && oldest !== undefined)
        await this.#drop(oldest);
      return undefined;
    }
  }

  // Starting ------------------------------------------------------------------------------------------------------

  async #rebuild(): Promise<void> {
    const numbers = new Set<number>();
    for (const name of await readdir(this.#folder)) {
      const number = segmentOf(name);
      if (number !== undefined) numbers.add(number);
    }
    const ascending = [...numbers].sort((a, b) => a - b);
    const exhausted = (ascending.at(-1) ?? 0) >= SEGMENT_NUMBER_MAX;
    for (const number of ascending) {
      if (exhausted || !(await this.#reopen(number))) await removeSegment(this.#folder, number);
      else this.#lastNumber = number;
    }
    for (const segment of this.#segments.values()) {
      if (this.#bytes > this.#bytesMax) await this.#drop(segment);
    }
  }

  /** False when nothing in it can be used. */
  async #reopen(number: number): Promise<boolean> {
    let segment: Segment;
    try {
      segment = await Segment.reopen(this.#folder, number);
    } catch (error) {
      // One of the two files is missing after a crash between their creations.
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    }
    const bytes = await segment.readKeys(0, segment.keysBytes);
    const scan = scanKeys(bytes);
    // A lost record may have been the one that removed an older one.
    if (scan.gap) this.#index.clear();
    if (scan.records.length === 0) {
      await segment.close();
      return false;
    }
    this.#segments.set(number, segment);
    for (const { hash, stamp, offset, removes } of scan.records) {
      this.#lastStamp = Math.max(this.#lastStamp, stamp);
      segment.hashes.push(hash);
      if (removes) this.#index.delete(hash);
      else this.#index.set(hash, number * OFFSETS + offset);
    }
    return true;
  }
}

/** The pieces themselves where there are any, so that they learn where they are. */
function ownPieces(body: Body): readonly Piece[] {
  return body instanceof PieceBody ? body.list : body.pieces({ from: 0, to: body.bytes });
}
