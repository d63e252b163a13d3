/** A copy's file on the disk, with what SQLite keeps beside it. */
import { existsSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeTree } from '../base/disk.ts';

const SUFFIXES = ['', '-wal', '-shm'];

/** The copy is closed. */
export async function removeCopy(path: string): Promise<void> {
  for (const suffix of SUFFIXES) await removeTree(`${path}${suffix}`);
}

/** Keeps the newest broken file of a copy, for whoever wants to know what happened to it. */
export async function putAside(path: string): Promise<void> {
  const folder = dirname(path);
  const name = `${basename(path)}.damaged`;
  for (const old of await readdir(folder)) {
    if (old.startsWith(name)) await removeTree(join(folder, old));
  }
  for (const suffix of SUFFIXES) {
    if (existsSync(`${path}${suffix}`))
      await rename(`${path}${suffix}`, join(folder, `${name}${suffix}`));
  }
}
