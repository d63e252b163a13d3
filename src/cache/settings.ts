/** What an operator may choose about caching; everything else is the RFCs'. */
import type { QueryRule } from './cache-key.ts';
import { DELTA_SECONDS_MAX } from './control.ts';
import { cookieNamed, type NamePattern } from './name-pattern.ts';
import type { Fields } from './fields.ts';

export interface CacheSettings {
  /** Share of the age at Last-Modified that an answer without explicit freshness counts as fresh (RFC 9111 4.2.2). */
  readonly heuristicShare: number;
  /** At most so long. */
  readonly heuristicMaxS: number;
  /** Answers 404, 405, 410, 414 and 501 that say nothing about caching are fresh for so long; 0: no negative caching. */
  readonly negativeS: number;
  /**
   * Answers that state no freshness are fresh for so many seconds, also to requests with cookies: by status (`404`), class (`5xx`), or
   * `usual` for those that are cacheable by default and no error (RFC 9110 15.1).
   */
  readonly ttlS?: Readonly<Record<string, number>>;
  /** Lifetimes are at least so long, in place of `no-cache` too; what may not be stored or shared is not. 0: as they are. */
  readonly ttlMinS: number;
  /** Lifetimes are at most so long. */
  readonly ttlMaxS: number;
  /** Which parts of a query tell one answer from another. */
  readonly query: QueryRule;
  /** Of what stored answers depend beside what their Vary names: fields in lower case, or cookies as `cookie:NAME`. */
  readonly keyFields: readonly string[];
  /** Requests that have one of these go to the origin, and what it answers is not stored. */
  readonly bypass?: BypassRule;
  /** Stale answers may be used for so long when no upstream can be reached, unless they forbid it (RFC 9111 4.2.4). */
  readonly staleUnreachableS: number;
  /** Whether clients may ask for fresher answers or none from the cache (RFC 9111 5.2.1: advisory). */
  readonly requestDirectives: boolean;
  /**
   * Answers with Set-Cookie. `public`: stored when they are declared fit for sharing (public, s-maxage or
   * CDN-Cache-Control); `always`: like any other, as RFC 9111 7.3 has it.
   */
  readonly setCookie: 'public' | 'always';
  /** A body larger than this is not stored. */
  readonly bodyBytesMax: number;
}

export interface BypassRule {
  /** Lower-case names of fields. */
  readonly headers: readonly string[];
  readonly cookies: readonly NamePattern[];
}

export function isBypassed(fields: Fields, { bypass }: CacheSettings): boolean {
  if (bypass === undefined) return false;
  const { headers, cookies } = bypass;
  if (headers.some((name) => fields.get(name) !== undefined)) return true;
  const cookie = cookies.length === 0 ? undefined : fields.get('cookie');
  return cookie !== undefined && cookies.some((name) => cookieNamed(cookie, name) !== undefined);
}

export const DEFAULT_SETTINGS: CacheSettings = {
  heuristicShare: 0.1,
  heuristicMaxS: 86_400,
  negativeS: 0,
  ttlMinS: 0,
  ttlMaxS: DELTA_SECONDS_MAX,
  query: 'whole',
  keyFields: [],
  staleUnreachableS: 60,
  requestDirectives: true,
  setCookie: 'public',
  bodyBytesMax: 256 * 1024 * 1024,
};
