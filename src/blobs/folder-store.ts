/**
 * One folder that is there and is ours: the blobs in it, and how much of its disk they take. Knows nothing of other folders, nor
 * of being away; whoever mounts it does (`backend.ts`).
 */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeFileAtomic } from '../base/disk.ts';
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { giveBack } from '../base/piece-pool.ts';
import type { Clock } from '../base/time.ts';
import { BlobFiles } from './blob-files.ts';
import { BlobFolders } from './blob-folders.ts';
import { countFiles } from './count-files.ts';
import { fromDisk, missing, sealed, wrongOffset } from './errors.ts';
import { checkMeta, overheadBytes } from './format.ts';
import { DiskWrites } from './disk-writes.ts';
import { Garbage } from './garbage.ts';
import { GroupSync } from './group-sync.ts';
import { type Checked, type Image, readChecked } from './image.ts';
import {
  GARBAGE_FOLDER,
  OPEN_FOLDER,
  openPath,
  QUARANTINE_FOLDER,
  TEMPORARY_FOLDER,
} from './layout.ts';
import { BLOCK_BYTES, COLLECT_EVERY_MS, GARBAGE_MS, PACK_BYTES } from './limits.ts';
import { KeyedTurns } from './keyed-turns.ts';
import type {
  AppendOptions,
  BlobContent,
  BlobEntry,
  BlobId,
  BlobRange,
  BlobStat,
  GetOptions,
  PutOptions,
  Written,
} from './model.ts';
import { OpenBlobs } from './open-blobs.ts';
import type { OpenState } from './open-sums.ts';
import { type PackedBlob, Packs } from './packs.ts';
import { bytesMaxOf, checkWritten, receiveHead, type Received } from './receive.ts';
import { Reservation, Room } from './room.ts';
import { diskBytes, type SpaceRules } from './space.ts';
import { Sums } from './sums.ts';

export interface FolderStoreOptions {
  readonly path: string;
  readonly rules: SpaceRules;
  readonly clock: Clock;
  readonly log: Logger;
  /** A read has met bytes that are not what was written. */
  readonly onCorrupt: (id: BlobId) => void;
}

export class FolderStore implements AsyncDisposable {
  readonly #options: FolderStoreOptions;
  readonly #syncs = new GroupSync();
  readonly #disk: DiskWrites;
  readonly #files: BlobFiles;
  readonly #open: OpenBlobs;
  #packs!: Packs;
  readonly #garbage: Garbage;
  readonly #quarantine: Garbage;
  readonly #turns = new KeyedTurns();
  readonly room: Room;
  /** Those with a file of their own, closed and open. */
  #fileBlobs = 0;
  #packBytes = 0;
  /** Of deleted blobs with a file of their own: what can be had at once. */
  #garbageBytes = 0;
  #collectedAtMs = -Infinity;

  private constructor(options: FolderStoreOptions) {
    const { path: root } = options;
    this.#options = options;
    this.room = new Room({ path: root, rules: options.rules, clock: options.clock });
    this.#disk = new DiskWrites({ path: root, onFull: () => this.room.look(true) });
    const folders = new BlobFolders(root, this.#syncs);
    this.#files = new BlobFiles(root, this.#syncs, folders);
    this.#open = new OpenBlobs({ root, syncs: this.#syncs, folders });
    this.#garbage = new Garbage(root, GARBAGE_FOLDER);
    this.#quarantine = new Garbage(root, QUARANTINE_FOLDER);
  }

  /** The folder must be a back end (`identity.ts`), and claimed. */
  static async open(options: FolderStoreOptions): Promise<FolderStore> {
    const store = new FolderStore(options);
    await store.#load();
    return store;
  }

  get readOnly(): boolean {
    return this.#disk.readOnly;
  }

  /** Notes whether the disk takes writes. */
  async probe(): Promise<void> {
    await this.#disk.probe();
  }

  get blobs(): number {
    return this.#fileBlobs + this.#packs.blobs;
  }

  /** What may still be put here, with what is deleted out of the way. */
  get freeBytes(): number {
    return this.room.freeBytes + this.#garbageBytes;
  }

  get path(): string {
    return this.#options.path;
  }

  async #load(): Promise<void> {
    const { path, clock, log } = this.#options;
    await this.#disk.probe();
    if (!this.readOnly) await this.#sweep();
    await this.#open.load();
    const counted = await countFiles(path);
    this.room.usedBytes = counted.bytes;
    this.#packs = await Packs.open({
      root: path,
      clock,
      log,
      isReadOnly: () => this.readOnly,
      onBytes: (bytes) => {
        this.room.usedBytes += bytes;
        this.#holdBack(bytes);
      },
    });
    this.#holdBack(counted.packBytes);
    this.#garbageBytes = counted.garbageBytes;
    this.#fileBlobs = counted.blobs + this.#open.ids.size;
    await this.room.look(true);
  }

  #holdBack(morePackBytes: number): void {
    this.#packBytes += morePackBytes;
    this.room.heldBackBytes = Math.ceil(Math.min(PACK_BYTES, this.#packBytes) / 2);
  }

  /** What was being written when the process ended. */
  async #sweep(): Promise<void> {
    const folder = join(this.path, TEMPORARY_FOLDER);
    for (const name of await readdir(folder)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }

  /** Room for a put, before anything of its body is read. Throws `BLOBS_FULL`. */
  async admit(options: PutOptions): Promise<Reservation> {
    checkMeta(options);
    return await this.#writing(async () => {
      const most = bytesMaxOf(options);
      const bytes = diskBytes(most + overheadBytes(most, options));
      return await this.room.reserve(bytes, () => this.#makeRoom());
    });
  }

  /** What was admitted. */
  async put(id: BlobId, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<Written> {
    return await this.#writing(async () => {
      const received = await receiveHead(body, id, options);
      const written =
        received.rest === undefined
          ? await this.#putPacked(id, received.pieces, options)
          : await this.#putFile(id, received, options);
      if (this.#open.ids.has(id)) await this.#replaceOpen(id);
      return written;
    });
  }

  async #putPacked(
    id: BlobId,
    pieces: readonly Uint8Array[],
    options: PutOptions,
  ): Promise<Written> {
    const check = (written: Written): void => checkWritten(id, written, options);
    const written = await this.#turns.run(id, () => this.#packs.put(id, pieces, options, check));
    if (options.givesPieces === true) pieces.forEach(giveBack);
    return written;
  }

  async #putFile(id: BlobId, received: Received, options: PutOptions): Promise<Written> {
    const file = await this.#files.write(id, received, options);
    const { length, sha256, bytes, replacedBytes } = file;
    this.#countIn(bytes, replacedBytes);
    return { length, sha256 };
  }

  /** A node that was away when the blob was closed gets the whole of it as a copy. */
  async #replaceOpen(id: BlobId): Promise<void> {
    await this.#turns.run(id, async () => {
      if (!this.#open.ids.has(id)) return;
      const bytes = await this.#open.bytes(id);
      await this.#open.drop(id);
      this.#fileBlobs--;
      this.room.usedBytes -= diskBytes(bytes);
    });
  }

  #countIn(bytes: number, replacedBytes: number | undefined): void {
    this.room.usedBytes += diskBytes(bytes) - diskBytes(replacedBytes ?? 0);
    if (replacedBytes === undefined) this.#fileBlobs++;
  }

  /** Undefined when it is not here. Throws `BLOBS_CORRUPT`. */
  async get(
    id: BlobId,
    range: BlobRange | undefined,
    { forCopy = false }: GetOptions = {},
  ): Promise<BlobContent | undefined> {
    const packed = await this.#packed(id);
    if (packed !== undefined) {
      const { image, bytes } = packed;
      const { start, end } = range ?? { start: 0, end: image.length };
      const part = bytes.subarray(Math.min(start, image.length), Math.min(end, image.length));
      const { length, sha256, meta } = image;
      return { length, sha256, body: one(part), ...(forCopy ? { original: { meta } } : {}) };
    }
    const open = await this.#checking(id, () => this.#open.state(id));
    const blob: Image | OpenState | undefined = open ?? (await this.#image(id));
    if (blob === undefined) return undefined;
    const { length } = blob;
    const whole = range ?? { start: 0, end: length };
    if (!('sha256' in blob)) return { length, body: this.#read(blob, whole) };
    const { sha256, meta, crcs } = blob;
    if (!forCopy) return { length, sha256, body: this.#read(blob, whole) };
    const body = this.#read({ id, length }, whole);
    return { length, sha256, body, original: { meta, crcs } };
  }

  async #packed(id: BlobId): Promise<PackedBlob | undefined> {
    if (!this.#packs.has(id)) return undefined;
    return await this.#checking(id, () => this.#packs.read(id));
  }

  async #image(id: BlobId): Promise<Image | undefined> {
    return (
      (await this.#packed(id))?.image ?? (await this.#checking(id, () => this.#files.image(id)))
    );
  }

  /** The file is opened when somebody begins to read, so that nobody has to close what was never read. */
  async *#read(blob: Checked, range: BlobRange): AsyncGenerator<Buffer, void, undefined> {
    const { id } = blob;
    // Closed since it was looked at, an open blob has the same bytes, elsewhere.
    await using file =
      (await this.#files.open(id)) ??
      (this.#open.ids.has(id) ? await this.#open.read(id) : undefined);
    if (file === undefined) throw missing(id);
    try {
      yield* readChecked(file, blob, range);
    } catch (error) {
      if (isMolnError(error, 'BLOBS_CORRUPT')) this.#options.onCorrupt(id);
      throw fromDisk(error, this.path);
    }
  }

  async #checking<T>(id: BlobId, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (isMolnError(error, 'BLOBS_CORRUPT')) this.#options.onCorrupt(id);
      throw fromDisk(error, this.path);
    }
  }

  async append(
    id: BlobId,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    options: AppendOptions | undefined,
  ): Promise<{ readonly length: number }> {
    return await this.#alone(id, async () => {
      let state = await this.#open.state(id);
      if (state === undefined) {
        if (await this.has(id)) throw sealed(id);
        if (options === undefined) throw missing(id);
        if (offset !== 0) throw wrongOffset(id, offset, 0);
        using _reserved = await this.room.reserve(diskBytes(BLOCK_BYTES), () => this.#makeRoom());
        await this.#open.begin(id, options);
        this.#fileBlobs++;
        state = await this.#open.state(id);
        if (state === undefined) throw missing(id);
      }
      const { length: before } = state;
      using reserved = await this.room.reserve(0, () => this.#makeRoom());
      const after = await this.#open.append(state, offset, body, (bytes) => reserved.grow(bytes));
      this.room.usedBytes += diskBytes(after.length) - diskBytes(before);
      return after;
    });
  }

  async seal(id: BlobId): Promise<Written> {
    return await this.#alone(id, async () => {
      const state = await this.#open.state(id);
      if (state === undefined) {
        const closed = await this.#image(id);
        if (closed === undefined) throw missing(id);
        return { length: closed.length, sha256: closed.sha256 };
      }
      using reserved = await this.room.reserve(0, () => this.#makeRoom());
      const { bytes, length, sha256 } = await this.#checking(id, () =>
        this.#open.seal(state, (more) => reserved.grow(more)),
      );
      this.room.usedBytes += diskBytes(bytes) - diskBytes(length);
      return { length, sha256 };
    });
  }

  async truncate(id: BlobId, length: number): Promise<void> {
    await this.#alone(id, async () => {
      const state = await this.#open.state(id);
      if (state === undefined) throw (await this.has(id)) ? sealed(id) : missing(id);
      await this.#checking(id, () => this.#open.truncate(state, length));
      this.room.usedBytes += diskBytes(length) - diskBytes(state.length);
    });
  }

  /** Whether it was here. */
  async delete(id: BlobId): Promise<boolean> {
    return await this.#putAside(id, this.#garbage);
  }

  async #putAside(id: BlobId, where: Garbage): Promise<boolean> {
    return await this.#alone(id, async () => {
      const now = this.#options.clock.now();
      if (where === this.#quarantine) await this.#showPacked(id, where.pathOf(id, now));
      const packed = await this.#packs.delete(id);
      let bytes: number | undefined;
      if (this.#open.ids.has(id)) {
        bytes = await this.#open.bytes(id);
        await rename(openPath(this.path, id), where.pathOf(id, now, 'open'));
        await syncFolder(join(this.path, OPEN_FOLDER));
        await this.#open.forget(id);
      }
      bytes = (await this.#files.moveAside(id, where.pathOf(id, now))) ?? bytes;
      if (bytes === undefined) return packed;
      this.#fileBlobs--;
      if (where === this.#garbage) this.#garbageBytes += diskBytes(bytes);
      return true;
    });
  }

  /** A corrupt one in a file of its own, for a person to look at; a full disk is no reason to keep it in use. */
  async #showPacked(id: BlobId, path: string): Promise<void> {
    try {
      const bytes = await this.#packs.raw(id);
      if (bytes === undefined) return;
      await writeFileAtomic(path, bytes);
      this.room.usedBytes += diskBytes(bytes.length);
    } catch (error) {
      this.#options.log.warn('A corrupt blob could not be put aside', { id, error });
    }
  }

  /** Undefined when it is not here. Throws `BLOBS_CORRUPT`. */
  async stat(id: BlobId): Promise<BlobStat | undefined> {
    const open = await this.#checking(id, () => this.#open.state(id));
    if (open !== undefined) {
      return { length: open.length, sha256: '', meta: open.meta, sealed: false };
    }
    const image = await this.#image(id);
    if (image === undefined) return undefined;
    const { length, sha256, meta } = image;
    return { length, sha256, meta, sealed: true };
  }

  /** Ids that begin with two hex digits, in no order. */
  async ids(prefix: string): Promise<ReadonlySet<BlobId>> {
    const found = new Set(await this.#files.ids(prefix));
    for (const id of this.#packs.ids(prefix)) found.add(id);
    for (const id of this.#open.ids) if (id.startsWith(prefix)) found.add(id);
    return found;
  }

  async has(id: BlobId): Promise<boolean> {
    return this.#packs.has(id) || this.#open.ids.has(id) || (await this.#files.has(id));
  }

  /** Undefined when it is gone, or corrupt, which is looked at then. */
  async entry(id: BlobId): Promise<BlobEntry | undefined> {
    try {
      const packed = await this.#checking(id, () => this.#packs.trailer(id));
      if (packed !== undefined) {
        return { id, length: packed.length, allocSeq: packed.allocSeq };
      }
      const stat = await this.stat(id);
      if (stat === undefined) return undefined;
      return { id, length: stat.length, allocSeq: stat.meta.allocSeq };
    } catch (error) {
      if (isMolnError(error, 'BLOBS_CORRUPT')) return undefined;
      throw error;
    }
  }

  /** Reads all of it; puts it aside when it is corrupt. `pace` is called with the bytes of each piece. */
  async verify(
    id: BlobId,
    pace: (bytes: number) => Promise<void> = async () => {},
  ): Promise<'good' | 'corrupt' | 'missing'> {
    try {
      const content = await this.get(id, undefined);
      if (content === undefined) return 'missing';
      const sums = new Sums();
      for await (const bytes of content.body) {
        const { length } = bytes;
        sums.update(bytes);
        giveBack(bytes);
        await pace(length);
      }
      const sha256 = Buffer.from(sums.finish().sha256).toString('hex');
      if (content.sha256 === undefined || content.sha256 === sha256) return 'good';
    } catch (error) {
      if (isMolnError(error, 'BLOBS_MISSING')) return 'missing';
      if (!isMolnError(error, 'BLOBS_CORRUPT') && !isMolnError(error, 'BLOBS_DISK')) throw error;
      this.#options.log.error('A blob is corrupt', { id, path: this.path, reason: error.message });
    }
    try {
      await this.#putAside(id, this.#quarantine);
    } catch (error) {
      // It stays where it is, and every read of it fails.
      this.#options.log.warn('A corrupt blob could not be put aside', { id, error });
    }
    return 'corrupt';
  }

  /** Garbage that is old enough goes, now and then; all of it when the room is needed. */
  async collect(all: boolean): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (!all && nowMs - this.#collectedAtMs < COLLECT_EVERY_MS) return;
    this.#collectedAtMs = nowMs;
    const before = clock.now() - (all ? 0 : GARBAGE_MS);
    for (const { path, sinceMs } of await this.#garbage.list()) {
      if (sinceMs > before) break;
      const bytes = diskBytes(await this.#garbage.remove(path));
      this.#garbageBytes -= bytes;
      this.room.usedBytes -= bytes;
    }
    await this.#rewritePacks(all);
  }

  async #rewritePacks(all: boolean): Promise<void> {
    try {
      while (
        await this.#packs.rewriteOne({
          all,
          room: (bytes) => this.#roomIfAny(bytes),
          alone: (id, work) => this.#turns.run(id, work),
        })
      );
    } catch (error) {
      // A blob in it is damaged: the file stays until it has been put aside.
      if (!isMolnError(error, 'BLOBS_CORRUPT')) throw error;
      const { id } = error.details ?? {};
      if (typeof id === 'string') this.#options.onCorrupt(id);
    }
  }

  /** From what is held back, too. */
  #roomIfAny(bytes: number): Disposable | undefined {
    const { roomBytes } = this.room.now();
    const reservation = new Reservation(this.room);
    // What frees more than it takes is good even where there is less than no room.
    if (bytes > 0 && roomBytes < bytes) return undefined;
    if (bytes > 0) reservation.grow(bytes, roomBytes);
    return reservation;
  }

  async #makeRoom(): Promise<void> {
    await this.collect(true);
  }

  async #alone<T>(id: BlobId, work: () => Promise<T>): Promise<T> {
    return await this.#turns.run(id, () => this.#writing(work));
  }

  async #writing<T>(work: () => Promise<T>): Promise<T> {
    return await this.#disk.write(work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#packs[Symbol.asyncDispose]();
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  if (bytes.length > 0) yield await Promise.resolve(bytes);
}
