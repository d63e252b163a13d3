/**
 * Disk discipline, in one place: what is written here is complete or absent after a crash, never half.
 * Temporary names end in `.tmp-<id>` and are removed by `sweepTemporary`.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MolnError, systemCode } from './errors.ts';
import { formatBytes } from './units.ts';

const TEMPORARY = /\.tmp-[0-9a-f]{12}$/;

export function temporaryName(path: string): string {
  return join(dirname(path), `${basename(path)}.tmp-${randomBytes(6).toString('hex')}`);
}

/** Whether a crash may have left it: `sweepTemporary` removes it. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** True for names that `temporaryName` makes. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Writes the whole file durably: temporary name, fsync, rename, fsync of the folder. */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx', options.mode ?? 0o600);
    try {
      await file.writeFile(data);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(error, path);
  }
  await syncFolder(dirname(path));
}

/** The same, blocking: only for start-up, before anything is served. */
export function writeFileAtomicSync(path: string, data: string, mode = 0o600): void {
  const temporary = temporaryName(path);
  try {
    const file = openSync(temporary, 'wx', mode);
    try {
      writeSync(file, data);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw diskError(error, path);
  }
}

/** Makes the names in a folder durable after a create, rename or remove. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Renames durably; both names must be on one file system. */
export async function renameDurable(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
  if (dirname(from) !== dirname(to)) await syncFolder(dirname(from));
}

export async function ensureFolder(path: string, mode = 0o700): Promise<void> {
  try {
    await makeFolder(path, mode);
  } catch (error) {
    throw folderError(error, path);
  }
}

/** Not by `recursive`: below a folder that takes none, as /proc, Node then tries for ever. */
async function makeFolder(path: string, mode: number, hasParent = false): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && !hasParent && dirname(path) !== path) {
      await makeFolder(dirname(path), mode);
      await makeFolder(path, mode, true);
    } else if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Creates the folder if needed and sets its mode even when it existed. */
export function ensureFolderSync(path: string, mode = 0o700): void {
  try {
    makeFolderSync(path, mode);
    chmodSync(path, mode);
  } catch (error) {
    throw folderError(error, path);
  }
}

function makeFolderSync(path: string, mode: number, hasParent = false): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && !hasParent && dirname(path) !== path) {
      makeFolderSync(dirname(path), mode);
      makeFolderSync(path, mode, true);
    } else if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

function folderError(error: unknown, path: string): unknown {
  if (systemCode(error) !== 'ENOENT') return diskError(error, path);
  return new MolnError('DISK_NOT_A_FOLDER', `Folder "${path}" cannot be made there`, {
    hint: 'Choose a folder on a disk',
    cause: error,
  });
}

/** Removes a file or tree; absent is fine. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

/** The file's text, or undefined when there is none. */
export async function readTextIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes temporary files and folders that a crash left in `folder`. `of`: only those that were to become that file; others may be in use. */
export async function sweepTemporary(folder: string, of?: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const isMeant = of === undefined || name.startsWith(`${of}.tmp-`);
    if (isMeant && isTemporaryName(name)) await removeTree(join(folder, name));
  }
}

/** Bytes that this user may still write on the file system of `path`, and its size. */
export function diskSpace(path: string): {
  readonly freeBytes: number;
  readonly sizeBytes: number;
} {
  const stat = statfsSync(path);
  return { freeBytes: stat.bavail * stat.bsize, sizeBytes: stat.blocks * stat.bsize };
}

/** Turns a full disk or a missing permission into a sentence; passes anything else through. */
export function diskError(error: unknown, path: string): unknown {
  const code = systemCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new MolnError('DISK_FULL', `The disk of "${path}" is full`, {
      hint: 'Free some space there and try again; nothing was changed',
      retryable: true,
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new MolnError('DISK_DENIED', `Cannot write "${path}": permission denied`, {
      hint: 'Run as the user who owns it, or choose another folder with --data DIR',
      cause: error,
    });
  }
  if (code === 'ENOTDIR' || code === 'EEXIST') {
    return new MolnError('DISK_NOT_A_FOLDER', `"${path}" is not a folder`, {
      hint: 'Choose another folder with --data DIR',
      cause: error,
    });
  }
  return error;
}

/** Refuses early when fewer than `bytes` would stay free; call before a large write. */
export function requireSpace(path: string, bytes: number): void {
  const { freeBytes } = diskSpace(path);
  if (freeBytes >= bytes) return;
  throw new MolnError(
    'DISK_FULL',
    `The disk of "${path}" has ${formatBytes(freeBytes)} free, ${formatBytes(bytes)} are needed`,
    { hint: 'Free some space there and try again; nothing was changed', retryable: true },
  );
}
