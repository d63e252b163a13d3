/**
 * What a request's path means in a PHP app's folder: a script, a file, or the front controller. A file is executed only
 * when its own name ends in `.php`; nothing outside of the folder is ever reached, also not through links.
 */
import { realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';

export type PhpTarget =
  | {
      readonly kind: 'script';
      /** Absolute path. */
      readonly file: string;
      readonly scriptName: string;
      readonly pathInfo: string;
    }
  | {
      readonly kind: 'file';
      readonly file: string;
      readonly size: number;
      readonly mtimeMs: number;
    }
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'none'; readonly status: 400 | 404 };

/** Sources and settings that must not be read over HTTP. */
const HIDDEN_NAMES = new Set([
  'composer.json',
  'composer.lock',
  'moln.json',
  'Procfile',
  'package.json',
]);
const HIDDEN_ENDINGS = /\.(?:php\d*|phtml|phar|inc|ini|sql|sqlite|log)$/i;
const NONE: PhpTarget = { kind: 'none', status: 404 };

export interface PhpFolders {
  /** Where requests begin; absolute and real. */
  readonly root: string;
  /** What links may lead to: the whole release; absolute and real. */
  readonly inside: string;
}

export function phpTarget(rawPath: string, folders: PhpFolders): PhpTarget {
  let path: string;
  try {
    path = decodeURIComponent(rawPath);
  } catch {
    return { kind: 'none', status: 400 };
  }
  if (!path.startsWith('/') || path.includes('\0')) return { kind: 'none', status: 400 };
  const parts = path.split('/').slice(1);
  if (parts.some((part) => part === '..' || part === '.')) return { kind: 'none', status: 400 };
  const hidden = parts.some((part) => part.startsWith('.') && part !== '.well-known');
  if (hidden) return NONE;
  return findFile(path, parts, folders) ?? frontController(folders) ?? NONE;
}

/** Walks down until something is a file: the rest behind a script is its PATH_INFO. */
function findFile(
  path: string,
  parts: readonly string[],
  folders: PhpFolders,
): PhpTarget | undefined {
  let at = '';
  for (const [index, part] of parts.entries()) {
    const next = part === '' ? at : `${at}/${part}`;
    const found = look(next, folders);
    if (found === undefined) return undefined;
    if (found.folder) {
      at = next;
      continue;
    }
    const rest = parts.slice(index + 1);
    const pathInfo = rest.length === 0 ? '' : `/${rest.join('/')}`;
    if (part.endsWith('.php')) {
      return { kind: 'script', file: found.path, scriptName: next, pathInfo };
    }
    if (pathInfo !== '') return undefined;
    if (HIDDEN_NAMES.has(part) || HIDDEN_ENDINGS.test(part)) return NONE;
    return { kind: 'file', file: found.path, size: found.size, mtimeMs: found.mtimeMs };
  }
  return folderIndex(path, at, folders);
}

function folderIndex(path: string, at: string, folders: PhpFolders): PhpTarget | undefined {
  const script = look(`${at}/index.php`, folders);
  const page = look(`${at}/index.html`, folders);
  if ((script === undefined || script.folder) && (page === undefined || page.folder))
    return undefined;
  if (!path.endsWith('/')) return { kind: 'redirect', location: `${encodeURI(at)}/` };
  if (script !== undefined && !script.folder) {
    return { kind: 'script', file: script.path, scriptName: `${at}/index.php`, pathInfo: '' };
  }
  if (page === undefined) return undefined;
  return { kind: 'file', file: page.path, size: page.size, mtimeMs: page.mtimeMs };
}

function frontController(folders: PhpFolders): PhpTarget | undefined {
  const found = look('/index.php', folders);
  if (found === undefined || found.folder) return undefined;
  return { kind: 'script', file: found.path, scriptName: '/index.php', pathInfo: '' };
}

interface Looked {
  readonly path: string;
  readonly folder: boolean;
  readonly size: number;
  readonly mtimeMs: number;
}

function look(path: string, folders: PhpFolders): Looked | undefined {
  try {
    const real = realpathSync(join(folders.root, path));
    if (real !== folders.inside && !real.startsWith(folders.inside + sep)) return undefined;
    const stat = statSync(real);
    if (!stat.isFile() && !stat.isDirectory()) return undefined;
    return { path: real, folder: stat.isDirectory(), size: stat.size, mtimeMs: stat.mtimeMs };
  } catch {
    // Not there, not readable, or a name that no file can have: all mean that there is no such page.
    return undefined;
  }
}
