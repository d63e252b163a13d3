/** URLs that people ask about: what is cached, slow or to be purged. */
import { MolnError } from '../base/errors.ts';

/** A URL as requests have it. */
export interface AskedUrl {
  readonly scheme: 'http' | 'https';
  /** Lower-case, without port. */
  readonly host: string;
  readonly authority: string;
  readonly path: string;
  /** Path and query. */
  readonly target: string;
}

/** Throws `CONFIG_INVALID`. */
export function askedUrl(text: string): AskedUrl {
  const url = URL.parse(text);
  const scheme = url?.protocol.slice(0, -1);
  if (url === null || (scheme !== 'http' && scheme !== 'https')) {
    throw new MolnError('CONFIG_INVALID', `"${text}" is no URL that begins with http or https`, {
      hint: 'Write it as the browser shows it, like http://blog.localhost:8080/page',
    });
  }
  const { hostname: host, host: authority, pathname: path, search } = url;
  return { scheme, host, authority, path, target: `${path}${search}` };
}
