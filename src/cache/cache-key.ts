/** Primary keys (RFC 9111 2): one for each URI, however it was written by the client. */
import { isNamed, type NamePattern } from './name-pattern.ts';

/** Which parts of a query tell one answer from another. */
export type QueryRule =
  /** All of it, as it came. */
  | 'whole'
  /** Nothing: `/a?x` and `/a` are the same. */
  | 'none'
  /** Parameters in any order, without those named (`utm_*`, …), for apps that are known not to care. */
  | { readonly without: readonly NamePattern[] }
  /** Of all parameters these alone, in any order. */
  | { readonly only: readonly NamePattern[] };

const DEFAULT_PORT = /^(?:http:\/\/(.*):80|https:\/\/(.*):443)$/;

/**
 * `space` keeps apart what must never answer for each other (routes, releases); it may hold no space character.
 * `authority` is a checked Host, `target` an origin-form target. Different spellings of one path (`%7E` and `~`) stay
 * different: an origin may tell them apart, and to be asked twice is no harm.
 */
export function cacheKey(options: {
  readonly space: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly target: string;
  readonly query?: QueryRule;
}): string {
  const { space, scheme, target, query = 'whole' } = options;
  return `${space} ${origin(scheme, options.authority)}${query === 'whole' ? target : ruled(target, query)}`;
}

/** Scheme and authority in the form in which equal origins are equal text. */
function origin(scheme: string, authority: string): string {
  const written = `${scheme}://${authority.toLowerCase()}`;
  if (!written.endsWith(':80') && !written.endsWith(':443')) return written;
  const match = DEFAULT_PORT.exec(written);
  const host = match?.[1] ?? match?.[2];
  return host === undefined ? written : `${scheme}://${host}`;
}

function ruled(target: string, query: Exclude<QueryRule, 'whole'>): string {
  const at = target.indexOf('?');
  if (at < 0) return target;
  const path = target.slice(0, at);
  if (query === 'none') return path;
  const kept = target
    .slice(at + 1)
    .split('&')
    .filter((pair) => pair !== '' && tells(pair, query));
  // By name alone, since the order of equal names has a meaning (`id=1&id=2`); the sort keeps it.
  const byName = (a: string, b: string): number => compare(nameOf(a), nameOf(b));
  return kept.length === 0 ? path : `${path}?${kept.toSorted(byName).join('&')}`;
}

/** Letters in which every app sees the same name. */
const PLAIN_NAME = /^[\w-]*$/;

/**
 * Whoever hides a parameter that counts in one that does not would have his answer stored for all: apps decode `%69d`, begin anew at
 * `;`, and take `a[b]` and `a.b` for `a`.
 */
function tells(pair: string, query: Exclude<QueryRule, string>): boolean {
  if (pair.includes(';')) return true;
  const name = nameOf(pair);
  if ('without' in query) return !query.without.some((pattern) => isNamed(name, pattern));
  return !PLAIN_NAME.test(name) || query.only.some((pattern) => isNamed(name, pattern));
}

function nameOf(pair: string): string {
  return pair.split('=', 1)[0] ?? '';
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The key of what a Location or Content-Location refers to, seen from the URI of `key`; undefined when it is of
 * another origin or no URI at all (RFC 9111 4.4).
 */
export function relatedKey(
  key: string,
  reference: string,
  query: QueryRule = 'whole',
): string | undefined {
  const space = key.slice(0, key.indexOf(' ') + 1);
  const base = key.slice(space.length);
  // Undefined for what is no reference at all, which the RFC lets a cache ignore.
  const url = URL.parse(reference, base);
  const own = URL.parse(base);
  if (url === null || own === null || url.origin !== own.origin) return undefined;
  const target = `${url.pathname}${url.search}`;
  return `${space}${url.origin}${query === 'whole' ? target : ruled(target, query)}`;
}
