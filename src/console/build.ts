/** Reads Vite's build of the console once, at start: a handful of small files that then live in memory. */
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';

export interface BuiltAsset {
  readonly body: Uint8Array;
  readonly type: string;
  readonly cacheControl: string;
  readonly etag: string;
}

export interface Build {
  /** The built `index.html`, with the place for the page's content still empty. */
  readonly index: string;
  /** By path: `/assets/main-Bx7d.js`. */
  readonly assets: ReadonlyMap<string, BuiltAsset>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};

/** Names under `assets/` carry a hash of their content, so they never change. */
const FOR_EVER = 'public, max-age=31536000, immutable';
const ASK_EACH_TIME = 'public, no-cache';

export function makeAsset(body: Uint8Array, path: string): BuiltAsset {
  return {
    body,
    type: TYPES[extname(path)] ?? 'application/octet-stream',
    cacheControl: path.startsWith('/assets/') ? FOR_EVER : ASK_EACH_TIME,
    etag: `"${sha256Hex(body).slice(0, 16)}"`,
  };
}

/** Undefined when the console was never built there. */
export async function readBuild(folder: string): Promise<Build | undefined> {
  const index = await readFile(join(folder, 'index.html'), 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  if (index === undefined) return undefined;
  const assets = new Map<string, BuiltAsset>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(join(folder, '/').length - 1);
    if (!entry.isFile() || path === '/index.html') continue;
    assets.set(path, makeAsset(await readFile(file), path));
  }
  return { index, assets };
}
