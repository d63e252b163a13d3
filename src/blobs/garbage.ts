/** Files that are out of use but still there: deleted ones for a day, corrupt ones until a person has looked. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import type { BlobId } from './model.ts';

const NAME = /^[0-9a-f]{32}\.(\d+)(?:\.[a-z]+)?$/;

export class Garbage {
  readonly #folder: string;

  constructor(root: string, folder: string) {
    this.#folder = join(root, folder);
  }

  /** Where a file goes that is put aside at this time. */
  pathOf(id: BlobId, nowMs: number, kind?: 'open'): string {
    return join(this.#folder, `${id}.${nowMs}${kind === undefined ? '' : `.${kind}`}`);
  }

  /** Oldest first. */
  async list(): Promise<readonly { readonly path: string; readonly sinceMs: number }[]> {
    const found = (await readdir(this.#folder)).flatMap((name) => {
      const since = NAME.exec(name)?.[1];
      return since === undefined
        ? []
        : [{ path: join(this.#folder, name), sinceMs: Number(since) }];
    });
    return found.sort((a, b) => a.sinceMs - b.sinceMs);
  }

  /** Returns the bytes that were freed. */
  async remove(path: string): Promise<number> {
    try {
      const { size } = await stat(path);
      await rm(path);
      return size;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return 0;
      throw error;
    }
  }
}
