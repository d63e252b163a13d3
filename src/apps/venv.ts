/** Python environments know where they were made; a release moves once, from its staging folder to its place. */
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';

/** The scripts in `.venv/bin` are small; anything larger is a program. */
const SCRIPT_BYTES_MAX: number = 1024 * 1024;

/** Rewrites the paths in `.venv/bin/*`, such as the first lines of `pip` and `gunicorn`. No `.venv` is fine. */
export async function relocateVenv(tree: string, finalTree: string): Promise<void> {
  const bin = join(tree, '.venv', 'bin');
  // A link would lead the agent, which may be root, to files of others.
  if (!(await isRealFolder(join(tree, '.venv'))) || !(await isRealFolder(bin))) return;
  for (const entry of await readdir(bin, { withFileTypes: true })) {
    if (entry.isFile()) await relocateScript(join(bin, entry.name), tree, finalTree);
  }
}

async function relocateScript(path: string, tree: string, finalTree: string): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    if ((await file.stat()).size > SCRIPT_BYTES_MAX) return;
    const text = await file.readFile('latin1');
    const moved = text.replaceAll(`${tree}/`, `${finalTree}/`);
    if (moved === text) return;
    await file.truncate(0);
    await file.write(Buffer.from(moved, 'latin1'), 0, undefined, 0);
  } finally {
    await file.close();
  }
}

async function isRealFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}
