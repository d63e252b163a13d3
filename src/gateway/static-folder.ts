/** Which file of a folder a request path means. Remembers answers for as long as an entry is believed. */
import { realpath, stat } from 'node:fs/promises';
import type { RouteTarget } from './config.ts';
import { FRESH_MS, isAbsent, type StaticCache, type StaticFile } from './static-cache.ts';
import { parseStaticPath, type StaticPath } from './static-path.ts';

export type StaticTarget = RouteTarget & { readonly kind: 'static' };

/** Paths remembered for one folder; the map is emptied when it is full. */
const PATHS_MAX = 4096;
/** Longer ones are looked up each time: a file has many spellings in percent codes, and all would be kept. */
const PATH_CHARACTERS_MAX = 256;
const INDEX = ['index.html'];
/** The folder itself, asked for without its slash. */
const ROOT: StaticPath = { segments: [], folder: false };

/**
 * `slash`: a folder was asked for without its final slash. `fallback`: the path is unknown, the folder has an answer
 * for such; its status is 200 or 404.
 */
export type Found =
  | { readonly kind: 'file'; readonly file: StaticFile; readonly status: 200 | 404 }
  | { readonly kind: 'slash' }
  /** A folder without an index, where folders may be listed; its real path. */
  | { readonly kind: 'folder'; readonly real: string }
  | { readonly kind: 'none' };

interface Known {
  readonly real: string;
  checkedMs: number;
}

export class StaticFolder {
  private readonly target: StaticTarget;
  private readonly cache: StaticCache;
  private readonly paths = new Map<string, Known>();

  constructor(target: StaticTarget, cache: StaticCache) {
    this.target = target;
    this.cache = cache;
  }

  /** The file that a path meant a moment ago, if it still counts. */
  fresh(path: string, nowMs: number): StaticFile | undefined {
    const known = this.paths.get(path);
    if (known === undefined || nowMs - known.checkedMs >= FRESH_MS) return undefined;
    return this.cache.fresh(known.real, nowMs);
  }

  /** Asks the disk. `path` starts with a slash, or is empty: the root without its slash. */
  async find(path: string, nowMs: number): Promise<Found> {
    const root = await realOf(this.target.root);
    if (root === undefined) return { kind: 'none' };
    const wanted = path === '' ? ROOT : parseStaticPath(path);
    if (wanted !== undefined) {
      const found = await this.look(root, wanted, nowMs);
      if (found === 'slash') return { kind: 'slash' };
      if (found !== undefined && 'kind' in found) return found;
      if (found !== undefined) {
        this.remember(path, found.plain.path, nowMs);
        return { kind: 'file', file: found, status: 200 };
      }
    }
    const { fallback, notFound } = this.target;
    if (fallback !== undefined && wanted !== undefined) {
      const file = await this.below(root, fallback.split('/'), nowMs);
      if (file !== undefined) return { kind: 'file', file, status: 200 };
    }
    if (notFound !== undefined) {
      const file = await this.below(root, notFound.split('/'), nowMs);
      if (file !== undefined) return { kind: 'file', file, status: 404 };
    }
    return { kind: 'none' };
  }

  private remember(path: string, real: string, nowMs: number): void {
    if (path.length > PATH_CHARACTERS_MAX) return;
    if (this.paths.size >= PATHS_MAX) this.paths.clear();
    // A string of its own: a slice would keep the whole head in memory.
    const own = Buffer.from(path, 'latin1').toString('latin1');
    this.paths.set(own, { real, checkedMs: nowMs });
  }

  private async look(
    root: string,
    wanted: StaticPath,
    nowMs: number,
  ): Promise<StaticFile | (Found & { readonly kind: 'folder' }) | 'slash' | undefined> {
    const { segments } = wanted;
    if (wanted.folder)
      return (await this.index(root, segments, nowMs)) ?? this.listed(root, segments);
    const file = await this.below(root, segments, nowMs);
    if (file !== undefined) return file;
    // Only a folder that would answer is worth a redirect.
    const answer = (await this.index(root, segments, nowMs)) ?? (await this.listed(root, segments));
    return answer === undefined ? undefined : 'slash';
  }

  /** The first that is there of the names that an index may have. */
  private async index(
    root: string,
    segments: readonly string[],
    nowMs: number,
  ): Promise<StaticFile | undefined> {
    for (const name of this.target.index ?? INDEX) {
      const file = await this.below(root, [...segments, name], nowMs);
      if (file !== undefined) return file;
    }
    return undefined;
  }

  private async listed(
    root: string,
    segments: readonly string[],
  ): Promise<(Found & { readonly kind: 'folder' }) | undefined> {
    if (this.target.list !== true) return undefined;
    const real = await realOf([root, ...segments].join('/'));
    if (real === undefined || (real !== root && !isBelow(root, real))) return undefined;
    return (await stat(real)).isDirectory() ? { kind: 'folder', real } : undefined;
  }

  /** The file at `segments`, unless a symbolic link leads out of the root. */
  private async below(
    root: string,
    segments: readonly string[],
    nowMs: number,
  ): Promise<StaticFile | undefined> {
    const real = await realOf(`${root}/${segments.join('/')}`);
    if (real === undefined || !isBelow(root, real)) return undefined;
    if (!(await stat(real)).isFile()) return undefined;
    return this.cache.look(real, nowMs);
  }
}

function isBelow(root: string, path: string): boolean {
  return path.startsWith(root === '/' ? root : `${root}/`);
}

async function realOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}
