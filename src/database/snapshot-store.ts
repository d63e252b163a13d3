/** Where snapshots of stripes are kept: on the disks of at least two nodes, and further. The local store is one node's folder. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { diskError, syncFolder, temporaryName } from '../base/disk.ts';
import { noSnapshot } from './errors.ts';

export interface SnapshotStore {
  /** Keeps the file under that id, durably, on as many nodes as it should be; resolves to their names. */
  put(stripe: string, id: string, path: string): Promise<readonly string[]>;
  /** Places that no record names and that may have everything: asked last, as if they were nodes. */
  readonly further: readonly string[];
  /** Writes what that node keeps to a new file. Throws `DATABASE_NO_SNAPSHOT` when it has none or is away. */
  get(stripe: string, id: string, node: string, to: string): Promise<void>;
  /** Removes all snapshots of a stripe but these. */
  keepOnly(stripe: string, ids: readonly string[]): Promise<void>;
}

/** Folders of several nodes on one disk: what a node that is alone has, and what tests use for more. */
export class FolderSnapshots implements SnapshotStore {
  readonly further: readonly string[] = [];
  /** By node. */
  readonly #folders: ReadonlyMap<string, string>;

  constructor(folders: ReadonlyMap<string, string>) {
    this.#folders = folders;
  }

  async put(stripe: string, id: string, path: string): Promise<readonly string[]> {
    for (const folder of this.#folders.values()) {
      await copyDurably(path, join(folder, stripe, `${id}.sqlite`));
    }
    return [...this.#folders.keys()];
  }

  async get(stripe: string, id: string, node: string, to: string): Promise<void> {
    const folder = this.#folders.get(node);
    const path = folder === undefined ? undefined : join(folder, stripe, `${id}.sqlite`);
    if (path !== undefined && (await isThere(path))) return await copyDurably(path, to);
    throw noSnapshot(node, stripe, id);
  }

  async keepOnly(stripe: string, ids: readonly string[]): Promise<void> {
    for (const root of this.#folders.values()) {
      const folder = join(root, stripe);
      if (!(await isThere(folder))) continue;
      for (const name of await readdir(folder)) {
        if (!ids.includes(name.replace(/\.sqlite$/, '')))
          await rm(join(folder, name), { force: true });
      }
    }
  }
}

/** SHA-256 of a file, in hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function copyDurably(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const temporary = temporaryName(to);
  try {
    await pipeline(createReadStream(from), createWriteStream(temporary, { mode: 0o600 }));
    const file = await open(temporary, 'r+');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(error, to);
  }
  await syncFolder(dirname(to));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
