/** What an upstream is asked for instead of what the client asked for. */
import { filledIn, PathPattern } from './path-pattern.ts';
import type { RewriteConfig } from './site-config.ts';

export class Rewrite {
  readonly #strip: string;
  readonly #prefix: string;
  readonly #pattern: PathPattern | undefined;
  readonly #to: string;

  constructor({ strip = '', prefix = '', from, to = '' }: RewriteConfig) {
    this.#strip = withoutSlash(strip);
    this.#prefix = withoutSlash(prefix);
    this.#pattern = from === undefined ? undefined : new PathPattern(from);
    this.#to = to;
  }

  /** Origin form, query included. What a pattern does not match stays as it is. */
  target(target: string, path: string): string {
    if (!target.startsWith('/')) return target;
    const query = target.slice(path.length);
    if (this.#pattern === undefined) return `${this.#prefix}${this.#stripped(path)}${query}`;
    const captures = this.#pattern.match(path);
    if (captures === undefined) return target;
    const made = filledIn(this.#to, (name) => captures.get(name) ?? '');
    return query !== '' && made.includes('?') ? `${made}&${query.slice(1)}` : made + query;
  }

  /** On segment borders: `/api` is cut off `/api/x` and `/api`, not `/apix`. */
  #stripped(path: string): string {
    const strip = this.#strip;
    if (strip === '' || !path.startsWith(strip)) return path;
    const rest = path.slice(strip.length);
    if (rest === '') return '/';
    return rest.startsWith('/') ? rest : path;
  }
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
