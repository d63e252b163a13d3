/** How the cache had a part in an answer, as numbers: counted for every request, named in logs and metrics. */
import type { CacheStatus } from '../cache/cache.ts';

export const CACHE_RESULT = {
  /** The route has no cache. */
  none: 0,
  /** From the store, fresh. */
  hit: 1,
  /** From the store, though stale. */
  stale: 2,
  /** The upstream was asked, and it may have been stored. */
  miss: 3,
  /** From what another request had asked the upstream for. */
  collapsed: 4,
  /** From the store, after the upstream had said that it is still good. */
  validated: 5,
  /** Past the store. */
  pass: 6,
  /** From the store of another gateway process. */
  shared: 7,
} as const;

export type CacheResult = (typeof CACHE_RESULT)[keyof typeof CACHE_RESULT];

/** By `CacheResult`. */
export const CACHE_RESULTS: readonly string[] = Object.keys(CACHE_RESULT);

/** What a store answered, without the upstream sending a body. */
export const CACHE_HITS: readonly string[] = ['hit', 'stale', 'collapsed', 'validated', 'shared'];

export function resultOf({ kind, collapsed, fwdStatus }: CacheStatus): CacheResult {
  if (kind === 'hit') return CACHE_RESULT.hit;
  if (kind === 'stale') return CACHE_RESULT.stale;
  if (collapsed === true) return CACHE_RESULT.collapsed;
  return kind === 'revalidate' && fwdStatus === 304 ? CACHE_RESULT.validated : CACHE_RESULT.miss;
}
