/**
 * Open blobs of one folder: those that still grow. Bytes first, then the entry that makes them count (`open-sums.ts`); closing
 * one writes what a closed blob has behind its payload, and moves it. The caller lets one at a time work on an id.
 */
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import type { BlobFolders } from './blob-folders.ts';
import { corrupt, invalid, tooLarge, wrongOffset } from './errors.ts';
import { FileWriter, writeAll } from './file-writer.ts';
import { checkMeta, encodeTail } from './format.ts';
import type { GroupSync } from './group-sync.ts';
import { readChecked } from './image.ts';
import { blobPath, OPEN_FOLDER, openPath, openSumsPath } from './layout.ts';
import { BLOB_BYTES_MAX, BLOCK_BYTES, OPEN_ENTRIES_MAX } from './limits.ts';
import type { AppendOptions, BlobId, Written } from './model.ts';
import {
  decodeOpenSums,
  encodeOpenEntries,
  encodeOpenHead,
  entriesFrom,
  type OpenHead,
  type OpenState,
} from './open-sums.ts';
import { BlockSums, Sums } from './sums.ts';

export interface OpenBlobsOptions {
  readonly root: string;
  readonly syncs: GroupSync;
  readonly folders: BlobFolders;
}

/** Called before so many more bytes are written; throws `BLOBS_FULL`. */
export type Take = (bytes: number) => void;

const SUMS_NAME = /^([0-9a-f]{32})\.sums$/;

export class OpenBlobs {
  readonly #options: OpenBlobsOptions;
  readonly #ids = new Set<BlobId>();

  constructor(options: OpenBlobsOptions) {
    this.#options = options;
  }

  get ids(): ReadonlySet<BlobId> {
    return this.#ids;
  }

  /** Looks at what is there, and removes what was never acknowledged. Returns the bytes of all. */
  async load(): Promise<number> {
    const folder = join(this.#options.root, OPEN_FOLDER);
    const names = new Set(await readdir(folder));
    let bytes = 0;
    for (const name of names) {
      const id = SUMS_NAME.exec(name)?.[1];
      if (id !== undefined && names.has(id)) {
        this.#ids.add(id);
        bytes += (await stat(join(folder, id))).size;
      } else if (id !== undefined || !names.has(`${name}.sums`)) {
        // Bytes without sums were never acknowledged; sums without bytes are of a blob that was closed or deleted.
        await removeIfWritable(join(folder, name));
      }
    }
    return bytes;
  }

  /** Undefined when there is no such open blob. Throws `BLOBS_CORRUPT`. */
  async state(id: BlobId): Promise<OpenState | undefined> {
    if (!this.#ids.has(id)) return undefined;
    let bytes: Buffer;
    try {
      bytes = await readFile(openSumsPath(this.#options.root, id));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    const state = decodeOpenSums(bytes);
    if (state === undefined) throw corrupt(id, 'its sums are damaged');
    return state;
  }

  /** Length 0; durable. */
  async begin(id: BlobId, options: AppendOptions): Promise<void> {
    const { maxBytes, ...meta } = options;
    checkMeta(meta);
    if (!(maxBytes > 0 && maxBytes <= BLOB_BYTES_MAX)) {
      throw invalid(`An open blob has at most ${BLOB_BYTES_MAX} bytes, not ${maxBytes}`);
    }
    const { root, syncs } = this.#options;
    const file = await open(openPath(root, id), 'w', 0o600);
    await file.close();
    await syncs.sync(join(root, OPEN_FOLDER));
    await writeFileAtomic(openSumsPath(root, id), encodeOpenHead({ id, meta, maxBytes }));
    this.#ids.add(id);
  }

  async append(
    state: OpenState,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    take: Take,
  ): Promise<{ readonly length: number }> {
    const { id, length, crcs, maxBytes } = state;
    if (offset !== length) throw wrongOffset(id, offset, length);
    const sums = new BlockSums(crcs, length);
    await using file = await open(openPath(this.#options.root, id), 'r+');
    const writer = new FileWriter(file, { position: length });
    try {
      for await (const bytes of body) {
        if (sums.length + bytes.length > maxBytes) throw tooLarge(id, maxBytes);
        take(bytes.length);
        sums.update(bytes);
        await writer.write(bytes);
      }
    } catch (error) {
      await writer.flush().catch(() => undefined);
      // Nothing points at these bytes, but they take room.
      await file.truncate(length).catch(() => undefined);
      throw error;
    }
    await writer.flush();
    if (sums.length === length) return { length };
    await file.datasync();
    await this.#note(state, sums);
    return { length: sums.length };
  }

  async truncate(state: OpenState, length: number): Promise<void> {
    const { id } = state;
    if (!Number.isSafeInteger(length) || length < 0 || length > state.length) {
      throw wrongOffset(id, length, state.length);
    }
    if (length === state.length) return;
    await using file = await open(openPath(this.#options.root, id), 'r+');
    const start = length - (length % BLOCK_BYTES);
    const sums = new BlockSums(state.crcs.slice(0, start / BLOCK_BYTES), start);
    for await (const bytes of readChecked(file, state, { start, end: length })) sums.update(bytes);
    await this.#rewrite(state, sums);
    await file.truncate(length);
  }

  /** Writes what a closed blob has behind its payload, and moves it among them. */
  async seal(state: OpenState, take: Take): Promise<Written & { readonly bytes: number }> {
    const { id, length, meta } = state;
    const { root, syncs } = this.#options;
    const from = openPath(root, id);
    await using file = await open(from, 'r+');
    const sums = new Sums();
    for await (const bytes of readChecked(file, state, { start: 0, end: length })) {
      sums.update(bytes);
    }
    const payload = sums.finish();
    const tail = encodeTail(id, meta, payload);
    take(tail.length);
    // What was not acknowledged may lie behind.
    await file.truncate(length);
    await writeAll(file, [tail], length);
    await file.datasync();
    const to = blobPath(root, id);
    await this.#options.folders.ensure(id);
    await rename(from, to);
    await syncs.sync(dirname(to));
    await this.forget(id);
    const sha256 = Buffer.from(payload.sha256).toString('hex');
    return { length, sha256, bytes: length + tail.length };
  }

  /** On disk. */
  async bytes(id: BlobId): Promise<number> {
    return (await stat(openPath(this.#options.root, id))).size;
  }

  /** Its bytes are elsewhere, closed. */
  async drop(id: BlobId): Promise<void> {
    await rm(openPath(this.#options.root, id), { force: true });
    await this.forget(id);
  }

  /** The sums of a blob whose bytes went elsewhere. */
  async forget(id: BlobId): Promise<void> {
    const { root, syncs } = this.#options;
    this.#ids.delete(id);
    await rm(openSumsPath(root, id), { force: true });
    await syncs.sync(join(root, OPEN_FOLDER));
  }

  async read(id: BlobId): Promise<FileHandle> {
    return await open(openPath(this.#options.root, id), 'r');
  }

  /** Adds the entries for what is behind the last one; writes all anew when there are many. */
  async #note(state: OpenState, sums: BlockSums): Promise<void> {
    if (state.entries >= OPEN_ENTRIES_MAX) {
      await this.#rewrite(state, sums);
      return;
    }
    const entries = encodeOpenEntries(entriesFrom(state.length, sums));
    await using file = await open(openSumsPath(this.#options.root, state.id), 'r+');
    // Behind the last good entry, whatever a crash has left there.
    await writeAll(file, [entries], state.sumsBytes);
    await file.truncate(state.sumsBytes + entries.length);
    await file.datasync();
  }

  async #rewrite({ id, meta, maxBytes }: OpenHead, sums: BlockSums): Promise<void> {
    const head = encodeOpenHead({ id, meta, maxBytes });
    const entries = encodeOpenEntries(entriesFrom(0, sums));
    await writeFileAtomic(openSumsPath(this.#options.root, id), Buffer.concat([head, entries]));
  }
}

/** A disk that cannot be written is read all the same. */
async function removeIfWritable(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    if (systemCode(error) !== 'EROFS') throw error;
  }
}
