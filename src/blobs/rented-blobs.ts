/**
 * A storage on a machine that somebody else runs, reached over SFTP or S3: blobs lie there sealed (`sealed-file.ts`), and nothing is believed of it
 * that does not open. What it has is listed once when it is opened, for only this process changes it; when the connection ends, it is away, and
 * tried again.
 */
import { createHash } from 'node:crypto';
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { away, corrupt, full, invalid, missing } from './errors.ts';
import { checkMeta, requireBlobId } from './format.ts';
import { claimId } from './identity.ts';
import {
  BLOCK_BYTES,
  FULL_BELOW_BYTES,
  LOOK_AGAIN_MS,
  LOOK_EVERY_MS,
  RENTED_AT_ONCE,
  RENTED_USAGE_MS,
} from './limits.ts';
import type {
  AppendOptions,
  BackendUsage,
  BlobContent,
  BlobEntry,
  BlobId,
  BlobRange,
  BlobStat,
  BlobStore,
  BlobUsage,
  PutOptions,
  Written,
} from './model.ts';
import { checkRented, type RentedAddress } from './rented-address.ts';
import { type RentedMeans, reach } from './rented-connection.ts';
import { FolderOver, FolderRefused, type RentedFolder } from './rented-folder.ts';
import { identify, type Identity, PREFIX_DIGITS, PREFIXES, wholeOf } from './rented-identity.ts';
import {
  newSalt,
  parseName,
  printName,
  Seal,
  sealedBytes,
  sealing,
  type SealedMeta,
  type SealedName,
  sealedRange,
  SEALED_BLOCK_BYTES,
} from './sealed-file.ts';
import { keepFreeBytes, type SpaceRules } from './space.ts';

export interface RentedOptions extends SpaceRules, RentedMeans {
  /** As `rented-address.ts` reads it. */
  readonly url: string;
  readonly nodeId: string;
  /** As its file `NODE` says; undefined: any of this node. */
  readonly id?: string | undefined;
  /** Made when nothing is there. */
  readonly create?: boolean;
  /** Of this storage: what lies there is sealed with keys derived from it. */
  readonly key: Uint8Array;
  readonly log: Logger;
}

/** As long as it is connected. */
interface Open {
  readonly session: RentedFolder;
  readonly identity: Identity;
}

/** What is kept with a blob is about this much longer as a file than its payload. */
const META_BYTES = 1024;

export class RentedBlobs implements BlobStore, AsyncDisposable {
  readonly #options: RentedOptions;
  readonly #target: RentedAddress;
  readonly #index = new Map<BlobId, SealedName>();
  #usedBytes = 0;
  #sorted: readonly BlobId[] | undefined;
  #reservedBytes = 0;
  #open: Open | undefined;
  #opening: Promise<Open> | undefined;
  /** The last one, from its start on. */
  #session: RentedFolder | undefined;
  #identity: Identity | undefined;
  /** No other process, and nothing here under another address, changes what lies there. */
  #claim: AsyncDisposable | undefined;
  #triedMs = -Infinity;
  #why = 'it is not connected yet';
  #room: { readonly freeBytes: number; readonly sizeBytes: number } | undefined;
  #roomMs = -Infinity;
  #isClosed = false;

  private constructor(options: RentedOptions) {
    this.#options = options;
    this.#target = checkRented(options.url);
  }

  /** With `create` it throws when it cannot be used; else it is away until it can, and nobody waits for that. */
  static async open(options: RentedOptions): Promise<RentedBlobs> {
    const blobs = new RentedBlobs(options);
    if (options.create !== true) return blobs;
    try {
      await blobs.#connected();
    } catch (error) {
      await blobs[Symbol.asyncDispose]();
      throw error;
    }
    return blobs;
  }

  async put(id: BlobId, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<Written> {
    requireBlobId(id);
    const { maxBytes, length, sha256, sums: _own, crcs: _known, givesPieces: _, ...meta } = options;
    checkMeta(meta);
    const wanted = sealedBytes(length ?? maxBytes) + META_BYTES;
    const { session } = await this.#connected();
    const { roomBytes } = await this.#space();
    if (roomBytes < wanted) throw full(wanted, roomBytes);
    this.#reservedBytes += wanted;
    const salt = newSalt();
    const temporary = `${this.#target.folder}/t/${id}.${salt}`;
    const seen: { length: number; sha256: string } = { length: 0, sha256: '' };
    try {
      const seal = new Seal(this.#options.key, { id, salt });
      const pieces = sealing(seal, id, { body, options: { maxBytes, length, sha256 }, meta, seen });
      const nameOf = (): SealedName => ({ id, salt, allocSeq: meta.allocSeq, length: seen.length });
      const how = { path: () => this.#pathOf(nameOf()), atOnce: RENTED_AT_ONCE };
      await this.#asked(session.write(temporary, pieces, how));
      const before = this.#index.get(id);
      this.#note(nameOf());
      if (before !== undefined) await this.#asked(session.remove(this.#pathOf(before)));
      return seen;
    } catch (error) {
      if (!session.isOver)
        await session.remove(temporary).catch((failure: unknown) => this.#tell(failure));
      throw error;
    } finally {
      this.#reservedBytes -= wanted;
    }
  }

  async get(id: BlobId, range?: BlobRange): Promise<BlobContent> {
    requireBlobId(id);
    if (range !== undefined && range.end < range.start)
      throw invalid(`No such range of a blob: ${range.start} to ${range.end}`);
    const name = await this.#find(id);
    const { sha256 } = await this.#metaOf(name);
    return { length: name.length, sha256, body: this.#read(name, range) };
  }

  append(
    id: BlobId,
    _offset?: number,
    _body?: AsyncIterable<Uint8Array>,
    _options?: AppendOptions,
  ): Promise<{ readonly length: number }> {
    return Promise.reject(invalid(`Blob ${id} cannot grow on a storage that is rented`));
  }

  async seal(id: BlobId): Promise<Written> {
    const { length, sha256 } = await this.#metaOf(await this.#find(id));
    return { length, sha256 };
  }

  truncate(id: BlobId): Promise<void> {
    return Promise.reject(invalid(`Blob ${id} cannot be cut on a storage that is rented`));
  }

  async delete(id: BlobId): Promise<boolean> {
    requireBlobId(id);
    const { session } = await this.#connected();
    const name = this.#index.get(id);
    if (name === undefined) return false;
    const was = await this.#asked(session.remove(this.#pathOf(name)));
    this.#forget(name);
    return was;
  }

  async stat(id: BlobId): Promise<BlobStat | undefined> {
    requireBlobId(id);
    await this.#connected();
    const name = this.#index.get(id);
    if (name === undefined) return undefined;
    const { length, sha256, meta } = await this.#metaOf(name);
    return { length, sha256, meta, sealed: true };
  }

  async list(after: BlobId | undefined, limit: number): Promise<readonly BlobEntry[]> {
    await this.#connected();
    this.#sorted ??= [...this.#index.keys()].sort();
    const from = after === undefined ? 0 : firstBehind(this.#sorted, after);
    return this.#sorted.slice(from, from + limit).flatMap((id) => {
      const name = this.#index.get(id);
      return name === undefined ? [] : [{ id, length: name.length, allocSeq: name.allocSeq }];
    });
  }

  async verify(id: BlobId): Promise<'good' | 'corrupt' | 'missing'> {
    requireBlobId(id);
    await this.#connected();
    const name = this.#index.get(id);
    if (name === undefined) return 'missing';
    try {
      const { sha256 } = await this.#metaOf(name);
      const hash = createHash('sha256');
      for await (const piece of this.#read(name)) hash.update(piece);
      if (hash.digest('hex') !== sha256) throw corrupt(id, 'its checksum is another one');
      return 'good';
    } catch (error) {
      if (isMolnError(error, 'BLOBS_MISSING')) return 'missing';
      if (!isMolnError(error, 'BLOBS_CORRUPT')) throw error;
      await this.#putAside(name);
      return 'corrupt';
    }
  }

  async usage(): Promise<BlobUsage> {
    const base = { path: this.#options.url, blobs: this.#index.size, usedBytes: this.#usedBytes };
    let usage: BackendUsage;
    try {
      const { identity } = await this.#connectedSoon();
      const { limitBytes, roomBytes, diskBytes } = await this.#space();
      const freeBytes = Math.max(0, roomBytes);
      const state = freeBytes < FULL_BELOW_BYTES ? 'full' : 'good';
      const reason = state === 'full' ? { reason: 'nothing more fits into its limit' } : {};
      usage = { ...base, id: identity.id, limitBytes, freeBytes, diskBytes, state, ...reason };
    } catch (error) {
      if (!isMolnError(error, 'BLOBS_AWAY')) throw error;
      usage = { ...base, limitBytes: 0, freeBytes: 0, state: 'away', reason: this.#why };
    }
    return { backends: [usage] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#session?.[Symbol.dispose]();
    await this.#opening?.catch(() => undefined);
    await this.#claim?.[Symbol.asyncDispose]();
    this.#claim = undefined;
  }

  /** Throws `BLOBS_AWAY`. */
  async #connected(): Promise<Open> {
    if (this.#open !== undefined && !this.#open.session.isOver) return this.#open;
    if (this.#isClosed) throw away(this.#options.url, 'it is closed');
    const { clock } = this.#options;
    if (this.#opening === undefined && clock.monotonicMs() - this.#triedMs < LOOK_AGAIN_MS)
      throw away(this.#options.url, this.#why);
    this.#triedMs = clock.monotonicMs();
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    try {
      this.#open = await this.#opening;
      return this.#open;
    } catch (error) {
      this.#why = messageOf(error);
      throw isMolnError(error) ? error : away(this.#options.url, this.#why);
    }
  }

  /** Whoever asks how it is asks all storages, and files wait for that when they start. */
  async #connectedSoon(): Promise<Open> {
    const { clock, url } = this.#options;
    const { promise: late, reject } = Promise.withResolvers<never>();
    using _timer = clock.after(RENTED_USAGE_MS, () => reject(away(url, this.#why)));
    return await Promise.race([this.#connected(), late]);
  }

  async #connect(): Promise<Open> {
    const session = reach(this.#target, this.#options);
    this.#session = session;
    try {
      await session.greeted();
      const { url, nodeId, id, create } = this.#options;
      const identity = await identify(session, {
        url,
        folder: this.#target.folder,
        nodeId,
        id: this.#identity?.id ?? id,
        isNew: create === true && this.#identity === undefined,
      });
      this.#claim ??= await claimId(url, identity.id);
      await this.#removeHalves(session);
      if (this.#identity === undefined) await this.#load(session);
      this.#identity = identity;
      return { session, identity };
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  /** What was being written when it ended before. */
  async #removeHalves(session: RentedFolder): Promise<void> {
    const folder = `${this.#target.folder}/t`;
    for (const { name } of await session.list(folder)) await session.remove(`${folder}/${name}`);
  }

  /** Of two files of one blob the newer one counts. */
  async #load(session: RentedFolder): Promise<void> {
    const { folder } = this.#target;
    this.#index.clear();
    this.#usedBytes = 0;
    const left = [...PREFIXES];
    const lane = async (): Promise<void> => {
      for (let prefix = left.pop(); prefix !== undefined; prefix = left.pop())
        for (const { name } of await session.list(`${folder}/d/${prefix}`)) {
          const found = parseName(name);
          if (found?.id.startsWith(prefix) === true) await this.#loaded(session, found);
        }
    };
    await Promise.all(Array.from({ length: RENTED_AT_ONCE }, lane));
  }

  async #loaded(session: RentedFolder, name: SealedName): Promise<void> {
    const other = this.#index.get(name.id);
    const isNewer = other === undefined || other.allocSeq <= name.allocSeq;
    if (isNewer) this.#note(name);
    const old = isNewer ? other : name;
    if (old !== undefined) await session.remove(this.#pathOf(old));
  }

  async #find(id: BlobId): Promise<SealedName> {
    await this.#connected();
    const name = this.#index.get(id);
    if (name === undefined) throw missing(id);
    return name;
  }

  /** Each block is opened before it is given on. */
  async *#read(
    name: SealedName,
    range: BlobRange = { start: 0, end: name.length },
  ): AsyncGenerator<Uint8Array> {
    const end = Math.min(range.end, name.length);
    if (range.start >= end) return;
    const { session } = await this.#connected();
    const seal = new Seal(this.#options.key, name);
    const sealed = sealedRange({ start: range.start, end }, name.length);
    let index = sealed.first;
    let at = index * BLOCK_BYTES;
    const how = { pieceBytes: SEALED_BLOCK_BYTES, atOnce: RENTED_AT_ONCE };
    const pieces = session.read(this.#pathOf(name), sealed, how);
    for (;;) {
      const { done, value } = await this.#asked(pieces.next(), name);
      if (done === true) break;
      const plain = seal.open(index, value);
      yield plain.subarray(Math.max(0, range.start - at), end - at);
      at += plain.length;
      index += 1;
    }
    if (at < end) throw corrupt(name.id, 'it is cut');
  }

  async #metaOf(name: SealedName): Promise<SealedMeta> {
    const { session } = await this.#connected();
    const path = this.#pathOf(name);
    const start = sealedBytes(name.length);
    const bytes = await this.#asked(session.size(path), name);
    if (bytes === undefined) throw this.#gone(name);
    if (bytes - start > SEALED_BLOCK_BYTES)
      throw corrupt(name.id, 'it is longer than its name says');
    const tail = await this.#asked(wholeOf(session, path, bytes, start), name);
    const found = new Seal(this.#options.key, name).openMeta(tail);
    // Of the name only id and salt are in the key.
    if (found.length !== name.length || found.meta.allocSeq !== name.allocSeq)
      throw corrupt(name.id, 'its name is another one');
    return found;
  }

  /** It lied: kept for a person to look at, and no blob any more. */
  async #putAside(name: SealedName): Promise<void> {
    const { session } = await this.#connected();
    await this.#asked(
      session.rename(this.#pathOf(name), `${this.#target.folder}/q/${printName(name)}`),
    );
    this.#forget(name);
    this.#options.log.error('A blob is not what was written to a rented storage', {
      id: name.id,
      storage: this.#options.url,
    });
  }

  /** What the session says, as callers decide by it. `name`: of what is read. */
  async #asked<T>(work: Promise<T>, name?: SealedName): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (isMolnError(error)) throw error;
      if (error instanceof FolderRefused) {
        if (name !== undefined && (await this.#isGone(name))) throw this.#gone(name);
        this.#why = `it refuses: ${error.message}`;
        throw away(this.#options.url, this.#why);
      }
      this.#why = messageOf(error);
      const isOver = error instanceof FolderOver || this.#open?.session.isOver === true;
      throw isOver ? away(this.#options.url, this.#why) : error;
    }
  }

  async #isGone(name: SealedName): Promise<boolean> {
    return (await this.#open?.session.size(this.#pathOf(name)).catch(() => 0)) === undefined;
  }

  #gone(name: SealedName): Error {
    this.#forget(name);
    return missing(name.id);
  }

  #pathOf(name: SealedName): string {
    const prefix = name.id.slice(0, PREFIX_DIGITS);
    return `${this.#target.folder}/d/${prefix}/${printName(name)}`;
  }

  #note(name: SealedName): void {
    const before = this.#index.get(name.id);
    if (before !== undefined) this.#usedBytes -= fileBytes(before);
    this.#index.set(name.id, name);
    this.#usedBytes += fileBytes(name);
    this.#sorted = undefined;
  }

  #forget(name: SealedName): void {
    if (this.#index.get(name.id)?.salt !== name.salt) return;
    this.#index.delete(name.id);
    this.#usedBytes -= fileBytes(name);
    this.#sorted = undefined;
  }

  async #space(): Promise<{
    readonly limitBytes: number;
    readonly roomBytes: number;
    readonly diskBytes: number;
  }> {
    const { clock, limitBytes = Infinity, keepFree } = this.#options;
    if (this.#room === undefined || clock.monotonicMs() - this.#roomMs > LOOK_EVERY_MS) {
      const { session } = await this.#connected();
      this.#room = await this.#asked(session.room(this.#target.folder));
      this.#roomMs = clock.monotonicMs();
    }
    const { freeBytes, sizeBytes } = this.#room;
    const onDisk = this.#usedBytes + freeBytes - keepFreeBytes(keepFree, sizeBytes);
    const limit = Math.max(0, Math.min(limitBytes, onDisk));
    return {
      limitBytes: limit,
      roomBytes: limit - this.#usedBytes - this.#reservedBytes,
      diskBytes: sizeBytes,
    };
  }

  #tell(error: unknown): void {
    const { log, url } = this.#options;
    log.debug('A rented storage did not remove what was half written', {
      storage: url,
      why: messageOf(error),
    });
  }
}

function fileBytes({ length }: SealedName): number {
  return sealedBytes(length) + META_BYTES;
}

/** Where the first id behind one is, in order. */
function firstBehind(sorted: readonly BlobId[], after: BlobId): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? '') <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
