/** From a request's path to a place below a folder, or to nothing. Pure; symbolic links are checked elsewhere. */

/** What lies below the root: names without `.`, `..`, separators or control bytes. */
export interface StaticPath {
  readonly segments: readonly string[];
  /** The path ended in a slash: a folder is meant. */
  readonly folder: boolean;
}

const WELL_KNOWN = '.well-known';

/**
 * Undefined for everything that must look as if it were not there: dotfiles (but `.well-known`), escapes in any
 * coding, empty segments, names that are not UTF-8. Decodes once; what then still has a `%` is a plain name.
 */
export function parseStaticPath(path: string): StaticPath | undefined {
  if (!path.startsWith('/')) return undefined;
  const raw = path.slice(1).split('/');
  const folder = raw.at(-1) === '';
  if (folder) raw.pop();
  const segments: string[] = [];
  for (const [index, part] of raw.entries()) {
    const name = decode(part);
    if (name === undefined || name === '') return undefined;
    if (name.startsWith('.') && !(index === 0 && name === WELL_KNOWN)) return undefined;
    // oxlint-disable-next-line no-control-regex -- control bytes in names are what is looked for
    if (/[/\\\u0000-\u001f\u007f]/.test(name)) return undefined;
    segments.push(name);
  }
  return { segments, folder };
}

function decode(part: string): string | undefined {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
