/**
 * What is left out when a folder is packed: the usual rebuilt or private things, and `.molnignore`, which is written
 * like a `.gitignore` (comments, `!`, a slash at the end for folders, a slash in front for the top, `*`, `?`, `**`).
 */

export type PathVerdict = 'keep' | 'skip' | 'skip-secret';

interface Rule {
  readonly pattern: RegExp;
  readonly keep: boolean;
  readonly foldersOnly: boolean;
}

/** Rebuilt on the node, or the history of the source. */
const REBUILT: ReadonlySet<string> = new Set([
  '.git',
  '.hg',
  '.svn',
  'node_modules',
  '__pycache__',
  '.venv',
  '.DS_Store',
  '.molnignore',
]);

/** Settings of one machine; on the cluster they are `moln app NAME env`. */
const SECRET = /^\.env(?:\.local|\.[^.]+\.local)?$/;

export class IgnoreRules {
  readonly #rules: readonly Rule[];

  /** `text` is the content of `.molnignore`; `further` are more patterns, which come last and so win. */
  constructor(text: string, further: readonly string[] = []) {
    this.#rules = [...text.split(/\r?\n/), ...further].flatMap(parseRule);
  }

  /** `path` is relative with `/`, without one at the end. The last rule that matches decides. */
  verdict(path: string, isFolder: boolean): PathVerdict {
    const name = path.slice(path.lastIndexOf('/') + 1);
    for (const rule of this.#rules.toReversed()) {
      if (rule.foldersOnly && !isFolder) continue;
      if (rule.pattern.test(path)) return rule.keep ? 'keep' : 'skip';
    }
    if (REBUILT.has(name)) return 'skip';
    return !isFolder && SECRET.test(name) ? 'skip-secret' : 'keep';
  }
}

function parseRule(line: string): Rule[] {
  let text = line.trim();
  if (text === '' || text.startsWith('#')) return [];
  const keep = text.startsWith('!');
  if (keep) text = text.slice(1);
  const foldersOnly = text.endsWith('/');
  if (foldersOnly) text = text.slice(0, -1);
  const anchored = text.includes('/');
  if (text.startsWith('/')) text = text.slice(1);
  if (text === '') return [];
  const prefix = anchored ? '^' : '^(?:.*/)?';
  return [{ pattern: new RegExp(`${prefix}${globSource(text)}$`, 's'), keep, foldersOnly }];
}

function globSource(glob: string): string {
  let source = '';
  for (let index = 0; index < glob.length; index++) {
    const rest = glob.slice(index);
    if (rest.startsWith('**/')) {
      source += '(?:.*/)?';
      index += 2;
    } else if (rest.startsWith('**')) {
      source += '.*';
      index += 1;
    } else if (rest.startsWith('*')) {
      source += '[^/]*';
    } else if (rest.startsWith('?')) {
      source += '[^/]';
    } else {
      source += rest.charAt(0).replace(/[\\^$.*+?()[\]{}|]/, '\\$&');
    }
  }
  return source;
}
