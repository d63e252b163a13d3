/**
 * The identity of a folder: one SHA-256 over everything in it that an app can notice. Two trees with the same hash run
 * the same; owners, times and the other mode bits do not count.
 */
import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { MolnError } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
import { formatBytes } from '../base/units.ts';
import { compareBytes } from './archive.ts';

/** Larger files are hashed as a stream. */
const WHOLE_READ_BYTES_MAX: number = 1024 * 1024;
/** Files read at the same time. */
const READS_AT_ONCE = 8;
/** First line of the manifest; another canonical form needs another number. */
const MANIFEST_HEAD = 'moln-tree 1\n';

export interface TreeEntry {
  /** Relative, with `/`. */
  readonly path: string;
  /** `x` is a file with the executable bit of its owner. */
  readonly kind: 'd' | 'f' | 'x' | 'l';
  /** Bytes of a file, else 0. */
  readonly bytes: number;
}

export interface TreeSummary {
  readonly hash: string;
  /** Files and links. */
  readonly files: number;
  readonly bytes: number;
}

/** Bytes of one path below the top; Linux stops at 4096 for the whole path. */
const TREE_PATH_BYTES_MAX = 3072;

export interface TreeLimits {
  /** Files, folders and links. */
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** What a build may make of an archive. */
export const BUILT_LIMITS: TreeLimits = { entriesMax: 500_000, bytesMax: 8 * 1024 ** 3 };

const NO_LIMITS: TreeLimits = { entriesMax: Infinity, bytesMax: Infinity };

export function treeStrange(path: string, what: string): MolnError {
  const shown = path.length <= 200 ? path : `${path.slice(0, 200)}…`;
  return new MolnError('APPS_TREE_STRANGE', `"${shown}" ${what}`, {
    hint: 'Let the build leave it out, and deploy again',
  });
}

/**
 * Everything below `folder`, sorted bytewise by path. Throws `APPS_TREE_STRANGE` for what is neither file, folder nor
 * link or cannot be named, and `APPS_TREE_TOO_LARGE`.
 */
export async function listTree(
  folder: string,
  limits: TreeLimits = NO_LIMITS,
): Promise<readonly TreeEntry[]> {
  const entries: TreeEntry[] = [];
  let bytes = 0;
  const walk = async (above: string): Promise<void> => {
    for (const name of await readdir(join(folder, above))) {
      const path = above === '' ? name : `${above}/${name}`;
      if (name.includes('\uFFFD')) throw treeStrange(path, 'has a name that is not valid UTF-8');
      if (Buffer.byteLength(path) > TREE_PATH_BYTES_MAX) {
        throw treeStrange(path, `is deeper than ${TREE_PATH_BYTES_MAX} bytes of path`);
      }
      const entry = entryOf(path, await lstat(join(folder, path)));
      entries.push(entry);
      bytes += entry.bytes;
      if (entries.length > limits.entriesMax || bytes > limits.bytesMax) throw tooLarge(limits);
      if (entry.kind === 'd') await walk(path);
    }
  };
  await walk('');
  return entries.toSorted((a, b) => compareBytes(a.path, b.path));
}

function entryOf(path: string, stat: Stats): TreeEntry {
  if (stat.isDirectory()) return { path, kind: 'd', bytes: 0 };
  if (stat.isSymbolicLink()) return { path, kind: 'l', bytes: 0 };
  if (!stat.isFile()) throw treeStrange(path, 'is neither a file, a folder nor a link');
  return { path, kind: (stat.mode & 0o100) === 0 ? 'f' : 'x', bytes: stat.size };
}

function tooLarge(limits: TreeLimits): MolnError {
  const size = formatBytes(limits.bytesMax);
  const message = `The build made more than ${limits.entriesMax} files or ${size}`;
  return new MolnError('APPS_TREE_TOO_LARGE', message, {
    hint: 'Let the build remove what only it needs, and deploy again',
    details: { ...limits },
  });
}

/** Lower-case hex of the canonical manifest's SHA-256, with the number of files and their bytes. */
export async function hashTree(folder: string, limits?: TreeLimits): Promise<TreeSummary> {
  const entries = await listTree(folder, limits);
  const hashes: string[] = Array.from(entries, () => '');
  let next = 0;
  const reader = async (): Promise<void> => {
    for (let index = next++; index < entries.length; index = next++) {
      const entry = entries[index];
      if (entry !== undefined) hashes[index] = await hashEntry(folder, entry);
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
  const manifest = createHash('sha256').update(MANIFEST_HEAD);
  entries.forEach((entry, index) => {
    // A path ends with NUL, the one byte that no path contains: no two trees share a manifest.
    manifest.update(`${entry.kind} ${hashes[index]} ${entry.path}\0\n`);
  });
  return {
    hash: manifest.digest('hex'),
    files: entries.filter(({ kind }) => kind !== 'd').length,
    bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Throws `APPS_TREE_CHANGED` when the folder no longer is what `wanted` says. */
export async function verifyTree(folder: string, wanted: string): Promise<void> {
  const { hash } = await hashTree(folder);
  if (hash === wanted) return;
  throw new MolnError('APPS_TREE_CHANGED', `"${folder}" is not what was sealed`, {
    hint: 'Deploy the app again; something wrote into its release or its disk is failing',
    details: { hash, wanted },
  });
}

async function hashEntry(folder: string, entry: TreeEntry): Promise<string> {
  const path = join(folder, entry.path);
  if (entry.kind === 'd') return '-';
  if (entry.kind === 'l') return sha256Hex(await readlink(path));
  if (entry.bytes <= WHOLE_READ_BYTES_MAX) return sha256Hex(await readFile(path));
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
