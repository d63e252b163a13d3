/**
 * Who owns a tree that an app may have written. The agent may be root and the app hostile: nothing here follows a
 * symbolic link, not even one that takes the place of a folder while we look.
 */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, type FileHandle, lchown, lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { removeTree } from '../base/disk.ts';
import { systemCode } from '../base/errors.ts';
import { treeStrange } from './tree.ts';

const run = promisify(execFile);
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * Removes what an app wrote; absent is fine. `rm` walks by descriptors: links do not lead it astray, and a tree may be
 * deeper than a path may be long.
 */
export async function removeOwnedTree(path: string): Promise<void> {
  if (!(await exists(path))) return;
  try {
    await run('rm', ['-rf', '--', path]);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return removeTree(path);
    // Without root, a folder without the write bit cannot be emptied: that bit comes back first.
    if (process.geteuid?.() !== 0) await run('chmod', ['-R', 'u+rwX', '--', path]);
    await run('rm', ['-rf', '--', path]);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** Gives a whole tree to a user, its top last: an interrupted change shows there. Needs root. */
export async function giveTree(folder: string, uid: number): Promise<void> {
  // A folder is changed after what lies in it.
  await run('chown', ['-RhP', `${uid}:${uid}`, '--', folder]);
}

/**
 * Makes a tree read-only: files 0440, executables 0550. With a `gid` its folders are 0550 too, and it belongs to the
 * agent's user and that group: the app itself can read it but neither change it nor its modes, and no other app can
 * read it. Without one the apps run as the agent's user, who could change the modes anyway; folders stay 0750, so
 * that this user can still remove the data folder by hand.
 *
 * From the top down: once a folder is ours, nobody can put something else in the place of what lies in it.
 */
export async function grantTree(folder: string, gid?: number): Promise<void> {
  const handle = await open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    await own(handle, gid, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await grantTree(path, gid);
      else if (entry.isSymbolicLink()) {
        if (gid !== undefined) await lchown(path, process.geteuid?.() ?? 0, gid);
      } else await grantFile(path, entry.name, gid);
    }
    await handle.chmod(gid === undefined ? 0o750 : 0o550);
  } finally {
    await handle.close();
  }
}

async function grantFile(path: string, name: string, gid: number | undefined): Promise<void> {
  // Without root, a file that its owner cannot read cannot be opened either.
  if (process.geteuid?.() !== 0) await chmod(path, 0o700 & ((await lstat(path)).mode | 0o400));
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw treeStrange(name, 'is neither a file, a folder nor a link');
    if (gid !== undefined && stat.nlink > 1 && stat.uid !== gid) {
      throw treeStrange(name, 'is a second name of a file of another user');
    }
    await own(file, gid, (stat.mode & 0o100) === 0 ? 0o440 : 0o550);
  } finally {
    await file.close();
  }
}

async function own(handle: FileHandle, gid: number | undefined, mode: number): Promise<void> {
  if (gid !== undefined) await handle.chown(process.geteuid?.() ?? 0, gid);
  await handle.chmod(mode);
}
