/** What a back end takes of its disk when it is opened: every file of it, counted once. */
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import {
  BLOBS_FOLDER,
  GARBAGE_FOLDER,
  OPEN_FOLDER,
  PACKS_FOLDER,
  QUARANTINE_FOLDER,
} from './layout.ts';
import { isBlobId } from './model.ts';
import { diskBytes } from './space.ts';

export interface Counted {
  /** In blocks of the file system. */
  readonly bytes: number;
  /** Of these, in files that small blobs share. */
  readonly packBytes: number;
  /** Of these, deleted. */
  readonly garbageBytes: number;
  /** Closed blobs with a file of their own. */
  readonly blobs: number;
}

/** Files looked at together. */
const TOGETHER = 32;

export async function countFiles(root: string): Promise<Counted> {
  let bytes = 0;
  let packBytes = 0;
  let garbageBytes = 0;
  let blobs = 0;
  for (const folder of [
    BLOBS_FOLDER,
    OPEN_FOLDER,
    GARBAGE_FOLDER,
    QUARANTINE_FOLDER,
    PACKS_FOLDER,
  ]) {
    const before = bytes;
    let waiting: Promise<number>[] = [];
    for await (const { path, name } of filesBelow(join(root, folder))) {
      // Sums of open blobs grow and shrink by themselves, and are small.
      if (name.endsWith('.sums')) continue;
      if (folder === BLOBS_FOLDER && isBlobId(name)) blobs++;
      waiting.push(sizeOf(path));
      if (waiting.length < TOGETHER) continue;
      for (const size of await Promise.all(waiting)) bytes += diskBytes(size);
      waiting = [];
    }
    for (const size of await Promise.all(waiting)) bytes += diskBytes(size);
    if (folder === PACKS_FOLDER) packBytes = bytes - before;
    if (folder === GARBAGE_FOLDER) garbageBytes = bytes - before;
  }
  return { bytes, packBytes, garbageBytes, blobs };
}

async function* filesBelow(folder: string): AsyncGenerator<{ path: string; name: string }> {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else yield { path, name: entry.name };
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}
