/**
 * A back end as bare bytes, for the day on which nothing else is left: reads the closed blobs of any node's folder, or of a copy of one,
 * and changes nothing in it. No lock, no identity and no catalogue is needed; what is damaged is as if it was not there.
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMolnError, systemCode } from '../base/errors.ts';
import { checkBlocks, type Image, imageOf, readFully, readImage } from './image.ts';
import { blobPath, BLOBS_FOLDER, PACKS_FOLDER } from './layout.ts';
import { type BlobId, type BlobStat, isBlobId } from './model.ts';
import { RECORD_HEAD_BYTES } from './pack-format.ts';
import { PackIndex } from './pack-index.ts';
import { scanPack } from './pack-scan.ts';

const PACK_NAME = /^(\d{8})\.pack$/;
/** What a disk says that cannot give a file: another one may have the same blob. */
const UNREADABLE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EIO', 'EUCLEAN']);

export class BareDisk {
  readonly path: string;
  readonly #packed = new PackIndex();

  private constructor(path: string) {
    this.path = path;
  }

  /** Undefined for a folder in which nothing of a back end is. */
  static async open(path: string): Promise<BareDisk | undefined> {
    const names = await namesIn(path);
    if (!names.includes(BLOBS_FOLDER) && !names.includes(PACKS_FOLDER)) return undefined;
    const disk = new BareDisk(path);
    for (const name of await namesIn(join(path, PACKS_FOLDER))) {
      const [, number] = PACK_NAME.exec(name) ?? [];
      if (number !== undefined) await disk.#scan(Number(number));
    }
    return disk;
  }

  /** Those that begin with two hex digits, in no order. */
  async ids(prefix: string): Promise<readonly BlobId[]> {
    const found = this.#packed.ids(prefix);
    const folder = join(this.path, BLOBS_FOLDER, prefix);
    for (const name of await namesIn(folder))
      for (const id of await namesIn(join(folder, name))) if (isBlobId(id)) found.push(id);
    return found;
  }

  /** Undefined when it is not here, or its end is damaged. The payload is not looked at. */
  async stat(id: BlobId): Promise<BlobStat | undefined> {
    const image = await this.#find<Image>(id, {
      inFile: (file, bytes) => readImage(file, id, bytes),
      inPack: (bytes) => imageOf(bytes, id),
    });
    if (image === undefined) return undefined;
    const { length, sha256, meta } = image;
    return { length, sha256, meta, sealed: true };
  }

  /** All of it, each byte checked; undefined when it is not here or damaged. */
  async read(id: BlobId): Promise<Buffer | undefined> {
    return await this.#find<Buffer>(id, {
      inFile: async (file, bytes) => {
        const image = await readImage(file, id, bytes);
        return checked(await readFully(file, id, 0, image.length), image);
      },
      inPack: (bytes) => {
        const image = imageOf(bytes, id);
        return checked(bytes.subarray(0, image.length), image);
      },
    });
  }

  async #find<T>(
    id: BlobId,
    look: {
      readonly inFile: (file: FileHandle, bytes: number) => Promise<T>;
      readonly inPack: (bytes: Buffer) => T;
    },
  ): Promise<T | undefined> {
    const own = await ifGood(async () => {
      await using file = await open(blobPath(this.path, id), 'r');
      return await look.inFile(file, (await file.stat()).size);
    });
    const place = this.#packed.get(id);
    if (own !== undefined || place === undefined) return own;
    return await ifGood(async () => {
      await using file = await open(this.#packPath(place.pack), 'r');
      const at = place.offset + RECORD_HEAD_BYTES;
      return look.inPack(await readFully(file, id, at, place.imageBytes));
    });
  }

  async #scan(pack: number): Promise<void> {
    await ifGood(async () => {
      await using file = await open(this.#packPath(pack), 'r');
      await scanPack(file, false, ({ id, offset, imageBytes, deletedAt }) => {
        if (deletedAt === undefined) this.#packed.set(id, { pack, offset, imageBytes });
      });
    });
  }

  #packPath(pack: number): string {
    return join(this.path, PACKS_FOLDER, `${String(pack).padStart(8, '0')}.pack`);
  }
}

function checked(payload: Buffer, image: Image): Buffer {
  checkBlocks(payload, 0, image);
  return payload;
}

async function ifGood<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const isDamage = isMolnError(error, 'BLOBS_CORRUPT');
    if (isDamage || UNREADABLE.has(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await ifGood(() => readdir(folder))) ?? [];
}
