/** Brings a whole tree to the disk before its name becomes visible. */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { diskError, syncFolder } from '../base/disk.ts';
import { listTree } from './tree.ts';

const run = promisify(execFile);

/** One `syncfs(2)` by way of `sync -f`, since Node has no such call; else every file and folder by itself. */
export async function syncTree(folder: string): Promise<void> {
  try {
    await run('sync', ['-f', folder]);
  } catch {
    await syncOneByOne(folder);
  }
}

async function syncOneByOne(folder: string): Promise<void> {
  try {
    for (const { path, kind } of await listTree(folder)) {
      if (kind === 'l') continue;
      const file = await open(join(folder, path), 'r');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }
    await syncFolder(folder);
  } catch (error) {
    throw diskError(error, folder);
  }
}
