/**
 * Small blobs of one folder, many to a file (`pack-format.ts`). The index is in memory and is built anew from the files when the
 * folder is opened. The caller lets one at a time work on an id.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../base/disk.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { writeAll } from './file-writer.ts';
import { decodeTrailer, encodeTail, type Trailer, TRAILER_BYTES } from './format.ts';
import { wrongLength } from './errors.ts';
import { GroupSync } from './group-sync.ts';
import { checkBlocks, checkTrailer, type Image, imageOf, readFully } from './image.ts';
import { PACKS_FOLDER } from './layout.ts';
import { GARBAGE_MS, MOVES_MAX, PACK_BYTES } from './limits.ts';
import type { BlobId, PutOptions, Written } from './model.ts';
import { PackAppender } from './pack-appender.ts';
import {
  encodePackHead,
  encodeRecordHead,
  NONCE_BYTES,
  PACK_HEAD_BYTES,
  RECORD_HEAD_BYTES,
} from './pack-format.ts';
import { PackHandles } from './pack-handles.ts';
import { PackIndex, type PackPlace } from './pack-index.ts';
import { type PackRecord, scanPack } from './pack-scan.ts';
import { Sums } from './sums.ts';

export interface PacksOptions {
  readonly root: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
  readonly isReadOnly: () => boolean;
  /** Files have become longer, or shorter, by so much. */
  readonly onBytes: (bytes: number) => void;
}

export interface RewriteOptions {
  /** Also what was deleted a moment ago: the room is needed. */
  readonly all: boolean;
  /** For so many bytes; undefined when there is none. */
  readonly room: (bytes: number) => Disposable | undefined;
  /** Lets one at a time work on an id. */
  readonly alone: (id: BlobId, work: () => Promise<void>) => Promise<void>;
}

interface Pack {
  readonly pack: number;
  readonly nonce: Buffer;
  bytes: number;
  /** Of records that are deleted or replaced. */
  deadBytes: number;
  /** When the newest of them was deleted. */
  lastDeathMs: number;
  /** Nothing is added any more. */
  retired: boolean;
}

export interface PackedBlob {
  readonly image: Image;
  /** The whole image: the payload is its beginning. Checked. */
  readonly bytes: Buffer;
}

const PACK_NAME = /^(\d{1,10})\.pack$/;

export class Packs implements AsyncDisposable {
  readonly #options: PacksOptions;
  readonly #index = new PackIndex();
  readonly #packs = new Map<number, Pack>();
  readonly #handles: PackHandles;
  readonly #appender: PackAppender;
  /** Deletions of one file share its sync. */
  readonly #syncs: GroupSync;

  private constructor(options: PacksOptions) {
    this.#options = options;
    this.#handles = new PackHandles({
      pathOf: (pack) => this.#pathOf(pack),
      flags: () => (options.isReadOnly() ? 'r' : 'r+'),
    });
    this.#syncs = new GroupSync((pack) =>
      this.#handles.use(Number(pack), (file) => file.datasync()),
    );
    this.#appender = new PackAppender({
      handles: this.#handles,
      target: (bytes) => this.#target(bytes),
      retire: async ({ pack }) => await this.#retire(pack),
    });
  }

  static async open(options: PacksOptions): Promise<Packs> {
    const packs = new Packs(options);
    await packs.#load();
    return packs;
  }

  get blobs(): number {
    return this.#index.size;
  }

  has(id: BlobId): boolean {
    return this.#index.get(id) !== undefined;
  }

  /** Those that begin with two hex digits, in no order. */
  ids(prefix: string): readonly BlobId[] {
    return this.#index.ids(prefix);
  }

  async #load(): Promise<void> {
    const numbers = (await readdir(join(this.#options.root, PACKS_FOLDER)))
      .flatMap((name) => PACK_NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    const replaced: { readonly id: BlobId; readonly place: PackPlace }[] = [];
    for (const number of numbers) {
      const found = (record: PackRecord): void => {
        const pack = this.#packs.get(number);
        const { id, offset, imageBytes, deletedAt } = record;
        if (deletedAt !== undefined) {
          if (pack !== undefined) noteDeath(pack, imageBytes, deletedAt);
          return;
        }
        const before = this.#index.get(id);
        // A crash between a move and the deletion of the old one; the later one is whole, or it would not be found.
        if (before !== undefined) replaced.push({ id, place: before });
        this.#index.set(id, { pack: number, offset, imageBytes });
      };
      await this.#loadOne(number, number === numbers.at(-1), found);
    }
    if (this.#options.isReadOnly()) return;
    for (const { id, place } of replaced) await this.#markDeleted(id, place);
  }

  async #loadOne(
    number: number,
    newest: boolean,
    found: (record: PackRecord) => void,
  ): Promise<void> {
    const pack: Pack = {
      pack: number,
      nonce: Buffer.alloc(NONCE_BYTES),
      bytes: 0,
      deadBytes: 0,
      lastDeathMs: 0,
      retired: true,
    };
    this.#packs.set(number, pack);
    await this.#handles.use(number, async (file) => {
      const { nonce, end, damages } = await scanPack(file, newest, found);
      const { size } = await file.stat();
      if (damages > 0 && !(newest && nonce !== undefined)) {
        this.#options.log.error('A file of packed blobs is damaged', { pack: number, damages });
      }
      const usable = newest && nonce !== undefined && !this.#options.isReadOnly();
      // What a crash left behind the last whole record.
      if (usable && size > end) await file.truncate(end);
      this.#packs.set(number, {
        ...pack,
        nonce: nonce ?? pack.nonce,
        bytes: usable ? end : size,
        retired: !usable,
      });
    });
  }

  #pathOf(pack: number): string {
    return join(this.#options.root, PACKS_FOLDER, `${String(pack).padStart(8, '0')}.pack`);
  }

  /** Durable when it resolves. */
  async put(
    id: BlobId,
    pieces: readonly Uint8Array[],
    options: PutOptions,
    check: (written: Written) => void,
  ): Promise<Written> {
    const { sums = sumsOf(pieces) } = options;
    const payload = sums.finish();
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length !== payload.length) throw wrongLength(id, length, payload.length);
    const sha256 = Buffer.from(payload.sha256).toString('hex');
    const written = { length: payload.length, sha256 };
    check(written);
    const tail = encodeTail(id, options, payload);
    await this.#add(id, [...pieces, tail], payload.length + tail.length);
    return written;
  }

  async #add(id: BlobId, pieces: readonly Uint8Array[], imageBytes: number): Promise<void> {
    const place = await this.#appender.append(id, pieces, imageBytes);
    this.#options.onBytes(RECORD_HEAD_BYTES + imageBytes);
    const before = this.#index.get(id);
    this.#index.set(id, place);
    if (before !== undefined) await this.#markDeleted(id, before);
  }

  /** Undefined when it is not here. Throws `BLOBS_CORRUPT`. */
  async read(id: BlobId): Promise<PackedBlob | undefined> {
    const bytes = await this.raw(id);
    if (bytes === undefined) return undefined;
    const image = imageOf(bytes, id);
    checkBlocks(bytes.subarray(0, image.length), 0, image);
    return { image, bytes };
  }

  /** Its end alone. Undefined when it is not here. Throws `BLOBS_CORRUPT`. */
  async trailer(id: BlobId): Promise<Trailer | undefined> {
    const place = this.#index.get(id);
    if (place === undefined) return undefined;
    const { imageBytes } = place;
    const bytes = await this.raw(id, Math.max(0, imageBytes - TRAILER_BYTES));
    return bytes && checkTrailer(decodeTrailer(bytes), id, imageBytes);
  }

  /** What is on disk of it, from there on, good or not; undefined when it is not here. */
  async raw(id: BlobId, from = 0): Promise<Buffer | undefined> {
    // It may be moved to another file between the two steps, and its old one removed.
    for (let tries = 0; ; tries++) {
      const place = this.#index.get(id);
      if (place === undefined) return undefined;
      const { pack, offset, imageBytes } = place;
      try {
        return await this.#handles.use(pack, (file) =>
          readFully(file, id, offset + RECORD_HEAD_BYTES + from, imageBytes - from),
        );
      } catch (error) {
        if (tries > 2 || this.#index.get(id)?.pack === pack) throw error;
      }
    }
  }

  /** Whether it was here. Durable. */
  async delete(id: BlobId): Promise<boolean> {
    const place = this.#index.get(id);
    if (place === undefined) return false;
    await this.#markDeleted(id, place);
    this.#index.delete(id);
    return true;
  }

  /** In place: takes no room. */
  async #markDeleted(id: BlobId, { pack, offset, imageBytes }: PackPlace): Promise<void> {
    const known = this.#packs.get(pack);
    if (known === undefined) return;
    const deletedAt = this.#options.clock.now();
    const head = encodeRecordHead({ id, imageBytes, deletedAt }, known.nonce);
    await this.#handles.use(pack, (file) => writeAll(file, [head], offset));
    await this.#syncs.sync(String(pack));
    noteDeath(known, imageBytes, deletedAt);
  }

  async #target(bytes: number): Promise<Pack> {
    const newest = [...this.#packs.values()].at(-1);
    if (newest !== undefined && !newest.retired && newest.bytes + bytes <= PACK_BYTES) {
      return newest;
    }
    if (newest !== undefined) newest.retired = true;
    return await this.#create((newest?.pack ?? 0) + 1);
  }

  async #create(number: number): Promise<Pack> {
    const nonce = randomBytes(NONCE_BYTES);
    const path = this.#pathOf(number);
    const pack: Pack = {
      pack: number,
      nonce,
      bytes: PACK_HEAD_BYTES,
      deadBytes: 0,
      lastDeathMs: 0,
      retired: false,
    };
    try {
      await using file = await open(path, 'wx', 0o600);
      await writeAll(file, [encodePackHead(nonce)], 0);
      await file.datasync();
      await syncFolder(join(this.#options.root, PACKS_FOLDER));
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined);
      throw error;
    }
    this.#packs.set(number, pack);
    this.#options.onBytes(PACK_HEAD_BYTES);
    return pack;
  }

  async #retire(number: number): Promise<void> {
    const pack = this.#packs.get(number);
    if (pack === undefined) return;
    pack.retired = true;
    // What was not acknowledged shall not show after a restart; on a disk that fails it may.
    await this.#handles
      .use(number, (file) => file.truncate(pack.bytes))
      .catch((error: unknown) => {
        this.#options.log.warn('A file of packed blobs could not be cut', { pack: number, error });
      });
  }

  /** Writes one pack anew without what is deleted, if that frees half of it. Returns whether there was one. */
  async rewriteOne(options: RewriteOptions): Promise<boolean> {
    const before = this.#options.clock.now() - (options.all ? 0 : GARBAGE_MS);
    const due = [...this.#packs.values()].filter(
      (pack) => pack.retired && pack.deadBytes * 2 > pack.bytes && pack.lastDeathMs <= before,
    );
    for (const pack of due) {
      using room = options.room(pack.bytes - pack.deadBytes);
      if (room === undefined) continue;
      await this.#rewrite(pack, options.alone);
      return true;
    }
    return false;
  }

  async #rewrite({ pack, bytes }: Pack, alone: RewriteOptions['alone']): Promise<void> {
    let moves: Promise<void>[] = [];
    for (const id of await this.#idsIn(pack)) {
      moves.push(alone(id, () => this.#move(id, pack)));
      if (moves.length < MOVES_MAX) continue;
      await Promise.all(moves);
      moves = [];
    }
    await Promise.all(moves);
    this.#packs.delete(pack);
    await this.#handles.drop(pack);
    await rm(this.#pathOf(pack), { force: true });
    await syncFolder(join(this.#options.root, PACKS_FOLDER));
    this.#options.onBytes(-bytes);
  }

  async #idsIn(pack: number): Promise<readonly BlobId[]> {
    const ids: BlobId[] = [];
    await this.#handles.use(pack, (file) =>
      scanPack(file, false, ({ id, deletedAt }) => {
        if (deletedAt === undefined && this.#index.get(id)?.pack === pack) ids.push(id);
      }),
    );
    return ids;
  }

  /** Throws `BLOBS_CORRUPT`, so that a file with something damaged in it stays. */
  async #move(id: BlobId, from: number): Promise<void> {
    if (this.#index.get(id)?.pack !== from) return;
    const blob = await this.read(id);
    if (blob === undefined) return;
    await this.#add(id, [blob.bytes], blob.bytes.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#appender.idle();
    await this.#handles[Symbol.asyncDispose]();
  }
}

function sumsOf(pieces: readonly Uint8Array[]): Sums {
  const sums = new Sums();
  for (const piece of pieces) sums.update(piece);
  return sums;
}

function noteDeath(pack: Pack, imageBytes: number, nowMs: number): void {
  pack.deadBytes += RECORD_HEAD_BYTES + imageBytes;
  pack.lastDeathMs = Math.max(pack.lastDeathMs, nowMs);
}
