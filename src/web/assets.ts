/**
 * Files of `app/public`. `assetPath` gives an address with a fingerprint of the content, which browsers and gateways may keep for
 * ever; the bare address is asked about each time.
 */
import { createHash } from 'node:crypto';
import { createReadStream, type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { MolnError, systemCode } from '../base/errors.ts';
import { nearestName } from '../base/suggest.ts';
import type { Asked } from './node-request.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};
const FINGERPRINT_CHARACTERS = 10;
const FOREVER = 'public, max-age=31536000, immutable';

interface Asset {
  readonly file: string;
  readonly bytes: number;
  readonly fingerprint: string;
}

let current: Assets | undefined;

export class Assets {
  readonly #files: ReadonlyMap<string, Asset>;

  /** Reads what is in the folder now; a folder that is not there has no files. */
  constructor(folder: string) {
    const files = new Map<string, Asset>();
    for (const entry of listFiles(folder)) {
      const file = join(entry.parentPath, entry.name);
      const hash = createHash('sha256').update(readFileSync(file)).digest('hex');
      const name = relative(folder, file).replaceAll('\\', '/');
      files.set(name, {
        file,
        bytes: statSync(file).size,
        fingerprint: hash.slice(0, FINGERPRINT_CHARACTERS),
      });
    }
    this.#files = files;
  }

  /** The address of a file, for views. Throws `WEB_NO_ASSET`. */
  path(name: string): string {
    const asset = this.#files.get(name);
    if (asset !== undefined) return `/${name}?v=${asset.fingerprint}`;
    const near = nearestName(name, this.#files.keys());
    throw new MolnError('WEB_NO_ASSET', `There is no file "${name}" in app/public`, {
      hint: near === undefined ? 'Put it there' : `Did you mean "${near}"?`,
    });
  }

  /** The answer to a request for a file, or undefined when there is none of that name. */
  answer(asked: Asked): Response | undefined {
    const { method, pathname } = asked;
    const asset = this.#files.get(pathname.slice(1));
    if (asset === undefined || (method !== 'GET' && method !== 'HEAD')) return undefined;
    const etag = `"${asset.fingerprint}"`;
    const isNamed = asked.url.searchParams.get('v') === asset.fingerprint;
    const headers = {
      etag,
      'cache-control': isNamed ? FOREVER : 'no-cache',
      'content-type': TYPES[extname(asset.file).toLowerCase()] ?? 'application/octet-stream',
      'x-content-type-options': 'nosniff',
    };
    if (asked.header('if-none-match') === etag) return new Response(null, { status: 304, headers });
    const body =
      method === 'HEAD' ? null : (Readable.toWeb(createReadStream(asset.file)) as ReadableStream);
    return new Response(body, { headers: { ...headers, 'content-length': String(asset.bytes) } });
  }
}

/** The files of this process's app. */
export function useAssets(assets: Assets): void {
  current = assets;
}

/** `/style.css?v=3f2a…` of `style.css`. */
export function assetPath(name: string): string {
  if (current === undefined)
    throw new MolnError('WEB_NO_ASSET', 'The app has not started: it has no files yet');
  return current.path(name);
}

function listFiles(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) =>
      entry.isFile(),
    );
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
