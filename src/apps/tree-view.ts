/** The little that detection may see of a folder, so that it can be tested with tables of made-up folders. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';

/** Files beyond this are not looked into. */
export const INSPECTED_BYTES_MAX: number = 1024 * 1024;

/** Paths are relative with `/`; links are followed. */
export interface TreeView {
  /** What is there: a file, a folder, or undefined for nothing. */
  kind(path: string): 'file' | 'folder' | undefined;
  /** Undefined when there is no such file or it is larger than `INSPECTED_BYTES_MAX`. */
  readText(path: string): string | undefined;
  /** Names in a folder, sorted; empty when there is none. `.` is the top. */
  list(path: string): readonly string[];
}

/** A folder on the disk. */
export function folderView(folder: string): TreeView {
  const stat = (path: string): ReturnType<typeof statSync> =>
    statSync(join(folder, path), { throwIfNoEntry: false });
  return {
    kind(path) {
      const found = orUndefined(() => stat(path));
      if (found?.isDirectory() === true) return 'folder';
      return found?.isFile() === true ? 'file' : undefined;
    },
    readText(path) {
      const found = orUndefined(() => stat(path));
      if (found?.isFile() !== true || found.size > INSPECTED_BYTES_MAX) return undefined;
      return readFileSync(join(folder, path), 'utf8');
    },
    list: (path) => orUndefined(() => readdirSync(join(folder, path)).sort()) ?? [],
  };
}

/** Made-up files: path to text. */
export function textView(files: Readonly<Record<string, string>>): TreeView {
  const paths = Object.keys(files);
  const isFolder = (path: string): boolean =>
    path === '.' || paths.some((each) => each.startsWith(`${path}/`));
  return {
    kind: (path) => (Object.hasOwn(files, path) ? 'file' : isFolder(path) ? 'folder' : undefined),
    readText: (path) => (Object.hasOwn(files, path) ? files[path] : undefined),
    list(path) {
      const prefix = path === '.' ? '' : `${path}/`;
      const names = paths
        .filter((each) => each.startsWith(prefix))
        .map((each) => each.slice(prefix.length).split('/')[0] ?? '');
      return [...new Set(names)].sort();
    },
  };
}

/** Nothing there, a file where a folder was meant, or a link that goes nowhere: all mean "not there". */
function orUndefined<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
}
