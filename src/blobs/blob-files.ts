/** Closed blobs of one folder that have a file of their own: written whole or not at all, read with every block checked. */
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryName } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import { giveBack } from '../base/piece-pool.ts';
import type { BlobFolders } from './blob-folders.ts';
import { tooLarge, wrongLength } from './errors.ts';
import { FileWriter } from './file-writer.ts';
import { blockCount, encodeTail } from './format.ts';
import type { GroupSync } from './group-sync.ts';
import { type Image, readImage } from './image.ts';
import { blobFolder, blobPath, BLOBS_FOLDER, TEMPORARY_FOLDER } from './layout.ts';
import { type BlobId, isBlobId, type PutOptions, type Written } from './model.ts';
import { bytesMaxOf, checkWritten, type Received } from './receive.ts';
import { Sums } from './sums.ts';

/** Of a file that was written or found, on disk. */
export interface FileSize {
  readonly bytes: number;
}

export class BlobFiles {
  readonly #root: string;
  readonly #syncs: GroupSync;
  readonly #folders: BlobFolders;

  constructor(root: string, syncs: GroupSync, folders: BlobFolders) {
    this.#root = root;
    this.#syncs = syncs;
    this.#folders = folders;
  }

  /** Durable when it resolves. `replacedBytes`: of the file that had the name. */
  async write(
    id: BlobId,
    { pieces, rest }: Received,
    options: PutOptions,
  ): Promise<Written & FileSize & { readonly replacedBytes: number | undefined }> {
    const bytesMax = bytesMaxOf(options);
    const temporary = temporaryName(join(this.#root, TEMPORARY_FOLDER, id));
    const { sums = new Sums(knownCrcs(options)) } = options;
    let length = 0;
    try {
      const file = await open(temporary, 'wx', 0o600);
      let written: Written;
      let bytes: number;
      try {
        const writer = new FileWriter(file, {
          onWritten: options.givesPieces === true ? giveBack : undefined,
        });
        const take = async (piece: Uint8Array): Promise<void> => {
          length += piece.length;
          if (length > bytesMax) throw tooLarge(id, bytesMax);
          if (options.sums === undefined) sums.update(piece);
          await writer.write(piece);
        };
        try {
          for (const piece of pieces) await take(piece);
          if (rest !== undefined) for await (const piece of rest) await take(piece);
          const payload = sums.finish();
          if (length !== payload.length) throw wrongLength(id, length, payload.length);
          written = {
            length: payload.length,
            sha256: Buffer.from(payload.sha256).toString('hex'),
          };
          checkWritten(id, written, options);
          const tail = encodeTail(id, options, payload);
          bytes = payload.length + tail.length;
          await writer.write(tail);
        } finally {
          // Also after a failure: a write under way must not meet a closed file.
          await writer.flush();
        }
        await file.datasync();
      } finally {
        await file.close();
      }
      const path = blobPath(this.#root, id);
      const replacedBytes = await this.#sizeOf(path);
      await this.#folders.ensure(id);
      await rename(temporary, path);
      await this.#syncs.sync(dirname(path));
      return { ...written, bytes, replacedBytes };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #sizeOf(path: string): Promise<number | undefined> {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Undefined when there is none. The caller closes it. */
  async open(id: BlobId): Promise<FileHandle | undefined> {
    try {
      return await open(blobPath(this.#root, id), 'r');
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Undefined when there is none. Throws `BLOBS_CORRUPT`. */
  async image(id: BlobId): Promise<Image | undefined> {
    await using file = await this.open(id);
    if (file === undefined) return undefined;
    const { size } = await file.stat();
    return await readImage(file, id, size);
  }

  /** Bytes of the file that was moved, undefined when there is none. Durable. */
  async moveAside(id: BlobId, to: string): Promise<number | undefined> {
    const path = blobPath(this.#root, id);
    const bytes = await this.#sizeOf(path);
    if (bytes === undefined) return undefined;
    try {
      await rename(path, to);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    await Promise.all([this.#syncs.sync(dirname(to)), this.#syncs.sync(dirname(path))]);
    return bytes;
  }

  /** Ids that begin with two hex digits, in no order. */
  async ids(prefix: string): Promise<readonly BlobId[]> {
    const folder = join(this.#root, BLOBS_FOLDER, prefix);
    const found: BlobId[] = [];
    for (const name of await namesIn(folder)) {
      for (const id of await namesIn(join(folder, name))) if (isBlobId(id)) found.push(id);
    }
    return found;
  }

  async has(id: BlobId): Promise<boolean> {
    return (await this.#sizeOf(join(blobFolder(this.#root, id), id))) !== undefined;
  }
}

/** Wrong bytes have another SHA-256, and are refused before these are written. */
function knownCrcs({ length, sha256, crcs }: PutOptions): readonly number[] | undefined {
  const isChecked = length !== undefined && sha256 !== undefined;
  return isChecked && crcs?.length === blockCount(length) ? crcs : undefined;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
