/**
 * Patterns of paths and what is made of them. `{name}` stands for one segment or a part of it, a final `*` for the rest; in
 * the result `$name` and `$rest` are what they stood for. There is nothing in it that could take long to match.
 */

const PIECE = /\{([a-z][a-z0-9]*)\}|\*/g;
/** A variable of a result; `$$` is a dollar sign. */
const VARIABLE = /\$(?:\$|([a-z][a-z0-9]*))/g;

export type Captures = ReadonlyMap<string, string>;

const NOTHING: Captures = new Map();

export class PathPattern {
  readonly names: readonly string[];
  readonly #expression: RegExp;

  /** Of a text that `patternMistake` finds nothing about. */
  constructor(text: string) {
    const names: string[] = [];
    let source = '';
    let at = 0;
    for (const piece of text.matchAll(PIECE)) {
      source += literally(text.slice(at, piece.index));
      source += piece[1] === undefined ? '(.*)' : '([^/]+)';
      names.push(piece[1] ?? 'rest');
      at = piece.index + piece[0].length;
    }
    this.names = names;
    this.#expression = new RegExp(`^${source}${literally(text.slice(at))}$`);
  }

  match(path: string): Captures | undefined {
    const found = this.#expression.exec(path);
    if (found === null) return undefined;
    return this.names.length === 0
      ? NOTHING
      : new Map(this.names.map((name, index) => [name, found[index + 1] ?? '']));
  }
}

/** What is wrong with a pattern, or undefined. One name in a segment and one `*` at the end: a match never has a choice. */
export function patternMistake(text: string): string | undefined {
  if (!/^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/.test(text)) return 'want a path without spaces, ? or #';
  const star = text.indexOf('*');
  if (star >= 0 && !/^.*\/\*$/.test(text.slice(0, star + 1) + text.slice(star + 1))) {
    return 'want * only at the end, behind a slash';
  }
  if (star >= 0 && star !== text.length - 1) return 'want * only once, at the end';
  for (const segment of text.split('/')) {
    const names = segment.match(/\{[a-z][a-z0-9]*\}/g) ?? [];
    if (names.length > 1) return 'want at most one {name} between two slashes';
    if (/[{}]/.test(names.reduce((left, name) => left.replace(name, ''), segment))) {
      return 'want names like {id}';
    }
  }
  const { names } = new PathPattern(text);
  return new Set(names).size < names.length ? 'want each name once' : undefined;
}

/** The names that a result speaks of, or undefined when a dollar sign stands for itself without being doubled. */
export function variablesOf(text: string): readonly string[] | undefined {
  if (text.replaceAll(VARIABLE, '').includes('$')) return undefined;
  return [...text.matchAll(VARIABLE)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

/** The result with its variables in. */
export function filledIn(text: string, valueOf: (name: string) => string): string {
  return text.replaceAll(VARIABLE, (_whole, name: string | undefined) =>
    name === undefined ? '$' : valueOf(name),
  );
}

/** Source of an expression that matches just the text. */
export function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
