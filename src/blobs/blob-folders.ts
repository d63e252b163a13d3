/**
 * The folders of closed blobs, `d/xx/yy`: made when they are needed, durable before a blob in them is acknowledged. Nothing above
 * `d/` is ever made here: that would hide that a disk is not there.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import type { GroupSync } from './group-sync.ts';
import { BLOBS_FOLDER } from './layout.ts';
import type { BlobId } from './model.ts';

const FOLDERS = 65_536;

export class BlobFolders {
  readonly #root: string;
  readonly #syncs: GroupSync;
  /** Those whose names are durable. That one is there is not enough: whoever made it may not have synced it yet. */
  readonly #durable = new Uint8Array(FOLDERS);

  constructor(root: string, syncs: GroupSync) {
    this.#root = root;
    this.#syncs = syncs;
  }

  /** The folder of a blob is there, and stays there whatever happens. */
  async ensure(id: BlobId): Promise<void> {
    const number = Number.parseInt(id.slice(0, 4), 16);
    if (this.#durable[number] === 1) return;
    const base = join(this.#root, BLOBS_FOLDER);
    const upper = join(base, id.slice(0, 2));
    await makeFolder(upper);
    await makeFolder(join(upper, id.slice(2, 4)));
    await Promise.all([this.#syncs.sync(base), this.#syncs.sync(upper)]);
    this.#durable[number] = 1;
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}
