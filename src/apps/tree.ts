/**
 * The identity of a folder: one SHA-256 over everything in it that an app can notice. Two trees with the same hash run
 * the same; owners, times and the other mode bits do not count.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { MolnError } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
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

/**
 * Everything below `folder`, sorted bytewise by path. Throws `APPS_TREE_STRANGE` for what is neither file, folder nor
 * link.
 */
export async function listTree(folder: string): Promise<readonly TreeEntry[]> {
  const entries: TreeEntry[] = [];
  const walk = async (above: string): Promise<void> => {
    for (const name of await readdir(join(folder, above))) {
      const path = above === '' ? name : `${above}/${name}`;
      const stat = await lstat(join(folder, path));
      if (stat.isDirectory()) {
        entries.push({ path, kind: 'd', bytes: 0 });
        await walk(path);
      } else if (stat.isSymbolicLink()) entries.push({ path, kind: 'l', bytes: 0 });
      else if (stat.isFile()) {
        const kind = (stat.mode & 0o100) === 0 ? 'f' : 'x';
        entries.push({ path, kind, bytes: stat.size });
      } else {
        const message = `"${path}" is neither a file, a folder nor a link`;
        throw new MolnError('APPS_TREE_STRANGE', message, {
          hint: 'Let the build remove it, and deploy again',
        });
      }
    }
  };
  await walk('');
  return entries.toSorted((a, b) => compareBytes(a.path, b.path));
}

/** Lower-case hex of the canonical manifest's SHA-256, with the number of files and their bytes. */
export async function hashTree(folder: string): Promise<TreeSummary> {
  const entries = await listTree(folder);
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
