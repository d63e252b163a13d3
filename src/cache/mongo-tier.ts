/**
 * Stored answers in MongoDB, in place of a disk. What is there is known here by an index, so that a miss asks nobody; the oldest goes when
 * room is needed. A name belongs to one process at a time. What it wrote counts for the next one only if it ended in good order,
 * with everything written: after a crash, or when something could not be removed, the next one begins empty.
 */
import { crc32 } from 'node:zlib';
import { randomId } from '../base/ids.ts';
import type { Clock } from '../base/time.ts';
import { BufferBody, PieceBody, type Body, type Piece } from './body.ts';
import type { ColdTier } from './cold-tier.ts';
import { diskHash } from './disk-format.ts';
import { BEAT_EVERY_MS, MongoClaim } from './mongo-claim.ts';
import { connectMongo, type MongoConnection, type MongoPlace } from './mongo-driver.ts';
import {
  documentOf,
  Held,
  heldOf,
  MongoBlock,
  revive,
  type RecordVariant,
} from './mongo-record.ts';
import { purgesOf, purgesText } from './purge-file.ts';
import { Purges } from './purges.ts';
import { asVariants, type Stored, type TierStats, type Variants } from './tier.ts';

/** Bytes that wait to be written, beyond which new ones are not taken. */
const QUEUE_BYTES_MAX: number = 16 * 1024 * 1024;
/** Of one key: a document of MongoDB has 16 MiB at most. */
const RECORD_CHARACTERS_MAX: number = 4 * 1024 * 1024;
/** Ids in one order to remove. */
const REMOVED_AT_ONCE = 1000;

export interface MongoTierOptions extends MongoPlace {
  /** Of this process alone. */
  readonly name: string;
  readonly bytesMax: number;
  readonly clock: Clock;
  /** Told of what the database refuses, each time. */
  readonly onTrouble?: (error: unknown) => void;
}

export class MongoTier implements ColdTier {
  readonly name = 'mongodb';
  readonly #options: MongoTierOptions;
  readonly #run = randomId();
  /** By the hash of the key, the oldest first. */
  readonly #index = new Map<number, Held>();
  /** The last thing asked for a key, while it is not written: until then the key is not found. */
  readonly #underWay = new Map<number, symbol>();
  /** To be removed from the database: ids, with what they take. */
  readonly #gone = { records: new Map<string, number>(), blocks: new Map<string, number>() };
  #connection: MongoConnection | undefined;
  #claim: MongoClaim | undefined;
  #beat: Disposable | undefined;
  #beating: Promise<void> = Promise.resolve();
  #queue: Promise<unknown> = Promise.resolve();
  #queuedBytes = 0;
  #bytes = 0;
  #number = 0;
  #lastStamp = 0;
  #purges = '';
  #isClosed = false;
  #hits = 0;
  #misses = 0;
  #evicted = 0;
  #failures = 0;

  private constructor(options: MongoTierOptions) {
    this.#options = options;
  }

  /** Never fails: while the database is away, or the name another process's, everything is a miss. */
  static async open(options: MongoTierOptions): Promise<MongoTier> {
    const tier = new MongoTier(options);
    await tier.#tryTo(() => tier.#enter(true));
    tier.#beat = options.clock.every(BEAT_EVERY_MS, () => {
      tier.#beating = tier.#beating.then(() => tier.#keepOn());
    });
    return tier;
  }

  get stats(): TierStats {
    return {
      keys: this.#index.size,
      bytes: this.#bytes,
      bytesMax: this.#options.bytesMax,
      hits: this.#hits,
      misses: this.#misses,
      evicted: this.#evicted,
      failures: this.#failures,
    };
  }

  get lastStamp(): number {
    return this.#lastStamp;
  }

  mayHold(key: string): boolean {
    const hash = diskHash(key);
    return this.#index.has(hash) && !this.#underWay.has(hash);
  }

  find(key: string): undefined | Promise<Variants | undefined> {
    const hash = diskHash(key);
    const held = this.#index.get(hash);
    if (held !== undefined && !this.#underWay.has(hash)) return this.#find(key, hash, held);
    this.#misses++;
    return undefined;
  }

  set(key: string, variants: readonly Stored[]): void | Promise<void> {
    const hash = diskHash(key);
    const isKnown = this.#index.has(hash) || this.#underWay.has(hash);
    let bytes = variants.reduce((sum, { body }) => sum + body.memoryBytes, 0);
    let kept = variants;
    if (this.#connection === undefined || this.#queuedBytes + bytes > QUEUE_BYTES_MAX) {
      kept = [];
      bytes = 0;
    }
    if (this.#isClosed || (kept.length === 0 && !isKnown)) return undefined;
    this.#queuedBytes += bytes;
    const turn = Symbol(key);
    this.#underWay.set(hash, turn);
    return this.#enqueue(async () => {
      this.#queuedBytes -= bytes;
      // What is asked for later says all there is to say.
      if (this.#underWay.get(hash) !== turn) return;
      const made = await this.#tryTo(() => this.#write(key, hash, kept));
      const old = this.#index.get(hash);
      this.#index.delete(hash);
      if (made !== undefined) this.#index.set(hash, made);
      if (old !== undefined) this.#letGo(old, made);
      if (this.#underWay.get(hash) === turn) this.#underWay.delete(hash);
      await this.#tryTo(() => this.#removeGone());
    });
  }

  clear(): Promise<void> {
    const held = [...this.#index.values()];
    this.#index.clear();
    return this.#enqueue(async () => {
      for (const one of [...held, ...this.#index.values()]) this.#letGo(one, undefined);
      this.#index.clear();
      await this.#tryTo(() => this.#removeGone());
    });
  }

  /** Nothing is left to do: what a crash leaves is not believed. */
  async sync(): Promise<void> {
    await this.#queue;
  }

  readPurges(): Promise<Purges> {
    const isNone = this.#purges === '';
    return Promise.resolve(isNone ? new Purges() : purgesOf(this.#purges, this.#lastStamp));
  }

  /** They are written at the end, with the word that everything is in order. */
  writePurges(purges: Purges): Promise<void> {
    this.#purges = purgesText(purges);
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#beat?.[Symbol.dispose]();
    await this.#beating;
    await this.#queue;
    await this.#tryTo(async () => {
      await this.#removeGone();
      await this.#claim?.leave({ lastStamp: this.#lastStamp, purges: this.#purges });
    });
    await this.#connection?.close();
  }

  // Reading -------------------------------------------------------------------------------------------------------

  async #find(key: string, hash: number, held: Held): Promise<Variants | undefined> {
    const found = await this.#tryTo(async () => {
      const document = await this.#connection?.records.findOne({ _id: held.id });
      return revive(key, document, held);
    });
    // Another one may have come meanwhile, and this one must not be found any more.
    if (this.#index.get(hash) !== held || this.#underWay.has(hash)) {
      this.#misses++;
      return undefined;
    }
    if (found === undefined || found.length === 0) {
      this.#failures++;
      this.#misses++;
      this.#index.delete(hash);
      this.#letGo(held, undefined);
      return undefined;
    }
    this.#hits++;
    return asVariants(found);
  }

  // Writing -------------------------------------------------------------------------------------------------------

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work);
    this.#queue = done;
    return done;
  }

  /** Undefined when there is nothing to keep, or no room for it. */
  async #write(key: string, hash: number, variants: readonly Stored[]): Promise<Held | undefined> {
    const connection = this.#connection;
    if (connection === undefined || variants.length === 0) return undefined;
    const made: { block: MongoBlock; bytes: Buffer }[] = [];
    const blocks: MongoBlock[] = [];
    const plain: RecordVariant[] = [];
    for (const { entry, body, stamp } of variants) {
      const pieces = [];
      for (const piece of ownPieces(body)) {
        let block = this.#ownBlock(piece);
        if (block === undefined && piece.bytes !== undefined) {
          block = this.#newBlock(connection, piece.bytes);
          made.push({ block, bytes: piece.bytes });
        }
        if (block === undefined) return undefined;
        blocks.push(block);
        pieces.push({ block, from: piece.from, length: piece.length, piece, body });
      }
      plain.push({ entry, stamp, pieces });
    }
    const stamp = Math.max(...variants.map((one) => one.stamp));
    const held = new Held(`${this.#run}-${++this.#number}`, stamp, blocks);
    const { name } = this.#options;
    const document = documentOf(held, { key, hash, owner: name, variants: plain });
    const newBytes = made.reduce((sum, { block }) => sum + block.takes, 0) + held.takes;
    const isFit =
      document.text.length <= RECORD_CHARACTERS_MAX && (await this.#makeRoom(newBytes, hash));
    if (!isFit) return undefined;
    this.#bytes += newBytes;
    try {
      const documents = made.map(({ block, bytes }) => ({ _id: block.id, owner: name, bytes }));
      if (documents.length > 0) await connection.blocks.insertMany(documents);
      await connection.records.insertMany([document]);
    } catch (error) {
      for (const { block } of made) block.drop();
      this.#gone.records.set(held.id, held.takes);
      throw error;
    }
    for (const { pieces } of plain) {
      for (const { piece, block, body } of pieces) {
        piece.block = block;
        if (body instanceof BufferBody) body.block = block;
      }
    }
    this.#lastStamp = Math.max(this.#lastStamp, stamp);
    return held;
  }

  #ownBlock({ block }: Piece): MongoBlock | undefined {
    const isOwn = block instanceof MongoBlock && block.connection === this.#connection;
    return isOwn && block.alive ? block : undefined;
  }

  #newBlock(connection: MongoConnection, bytes: Buffer): MongoBlock {
    const place = {
      id: `${this.#run}-${++this.#number}`,
      length: bytes.length,
      checksum: crc32(bytes),
    };
    return this.#block(connection, place);
  }

  #block(
    connection: MongoConnection,
    place: { readonly id: string; readonly length: number; readonly checksum: number },
  ): MongoBlock {
    return new MongoBlock(connection, place, {
      freed: (block) => this.#gone.blocks.set(block.id, block.takes),
      trouble: (error) => this.#trouble(error),
    });
  }

  /** Gives up the oldest, but not the one that is being replaced. False: even that does not do. */
  async #makeRoom(bytes: number, hash: number): Promise<boolean> {
    const { bytesMax } = this.#options;
    if (bytes > bytesMax) return false;
    let freed = 0;
    for (const [of, held] of this.#index) {
      if (this.#bytes - freed + bytes <= bytesMax) break;
      if (of === hash) continue;
      freed += held.allTakes;
      this.#index.delete(of);
      this.#letGo(held, undefined);
      this.#evicted++;
    }
    if (freed > 0) await this.#removeGone();
    return this.#bytes + bytes <= bytesMax;
  }

  #letGo(held: Held, next: Held | undefined): void {
    this.#gone.records.set(held.id, held.takes);
    for (const block of held.blocks) if (next?.blocks.includes(block) !== true) block.drop();
  }

  /** Throws what the database says; then it is tried again with the next change. */
  async #removeGone(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    for (const kind of ['records', 'blocks'] as const) {
      const gone = this.#gone[kind];
      while (gone.size > 0) {
        const some = [...gone.keys()].slice(0, REMOVED_AT_ONCE);
        await connection[kind].deleteMany({ _id: { $in: some } });
        for (const id of some) {
          this.#bytes -= gone.get(id) ?? 0;
          gone.delete(id);
        }
      }
    }
  }

  async #tryTo<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#trouble(error);
      return undefined;
    }
  }

  #trouble(error: unknown): void {
    this.#failures++;
    this.#options.onTrouble?.(error);
  }

  // Beginning -----------------------------------------------------------------------------------------------------

  /** `mayAdopt`: nothing was removed or purged yet that what is there does not know of. */
  async #enter(mayAdopt: boolean): Promise<void> {
    const { name, clock } = this.#options;
    const connection = await connectMongo(this.#options);
    try {
      const claim = new MongoClaim(connection.claims, { name, run: this.#run, clock });
      const left = await claim.take();
      if (mayAdopt && left !== undefined) await this.#adopt(connection, left);
      else {
        await connection.records.deleteMany({ owner: name });
        await connection.blocks.deleteMany({ owner: name });
      }
      this.#claim = claim;
      this.#connection = connection;
    } catch (error) {
      this.#index.clear();
      this.#bytes = 0;
      await connection.close();
      throw error;
    }
  }

  async #adopt(
    connection: MongoConnection,
    left: { readonly lastStamp: number; readonly purges: string },
  ): Promise<void> {
    const owner = this.#options.name;
    const found: { readonly hash: number; readonly number: number; readonly held: Held }[] = [];
    const projection = { text: 0 };
    for await (const document of connection.records.find({ owner }, { projection })) {
      const read = heldOf(document, (place) => this.#block(connection, place));
      if (read !== undefined) found.push(read);
    }
    for (const { hash, held } of found.toSorted((a, b) => a.number - b.number)) {
      this.#index.set(hash, held);
      this.#bytes += held.allTakes;
      this.#lastStamp = Math.max(this.#lastStamp, held.stamp);
    }
    this.#lastStamp = Math.max(this.#lastStamp, left.lastStamp);
    this.#purges = left.purges;
    this.#number = found.reduce((most, { number }) => Math.max(most, number), 0);
  }

  /** Says that this process is there; begins anew after a loss. */
  async #keepOn(): Promise<void> {
    if (this.#isClosed) return;
    const isOurs = this.#claim === undefined ? false : await this.#tryTo(() => this.#keepClaim());
    // Undefined: the database is away, and perhaps comes back before others take the name.
    if (isOurs === false) await this.#enqueue(() => this.#beginAnew());
  }

  async #keepClaim(): Promise<boolean> {
    return (await this.#claim?.keep()) ?? false;
  }

  async #beginAnew(): Promise<void> {
    this.#index.clear();
    this.#gone.records.clear();
    this.#gone.blocks.clear();
    this.#bytes = 0;
    await this.#connection?.close();
    this.#connection = undefined;
    this.#claim = undefined;
    await this.#tryTo(() => this.#enter(false));
  }
}

/** The pieces themselves where there are any, so that they learn where they are. */
function ownPieces(body: Body): readonly Piece[] {
  return body instanceof PieceBody ? body.list : body.pieces({ from: 0, to: body.bytes });
}
