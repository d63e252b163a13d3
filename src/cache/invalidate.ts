/** What the answer to an unsafe request makes untrue (RFC 9111 4.4), and what the answer to a POST may give (RFC 9110 9.3.3). */
import { relatedKey, type QueryRule } from './cache-key.ts';
import type { Entry } from './entry.ts';
import type { CacheRequest } from './request.ts';
import type { CacheResponse } from './response.ts';
import { isBypassed, type CacheSettings } from './settings.ts';
import { makeEntry, mayStore } from './store.ts';

/** Registered as safe (RFC 9110 9.2.1, RFC 4918, RFC 3253, RFC 5323); of any other method nobody knows. */
const SAFE: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'REPORT',
  'SEARCH',
]);

const NOTHING: readonly string[] = [];

/**
 * The keys under which everything is to be removed: the target, and what Location and Content-Location name on the same
 * origin. Empty after an error or a safe method.
 */
export function invalidated(
  request: CacheRequest,
  response: CacheResponse,
  query: QueryRule = 'whole',
): readonly string[] {
  const { status, fields } = response;
  if (SAFE.has(request.method) || status < 200 || status >= 400) return NOTHING;
  const keys = new Set([request.key]);
  for (const name of ['location', 'content-location']) {
    const reference = fields.get(name);
    const key = reference === undefined ? undefined : relatedKey(request.key, reference, query);
    if (key !== undefined) keys.add(key);
  }
  return [...keys];
}

/** The entry under which the answer to a POST is stored for later GETs, after what it invalidates is gone. */
export function entryOfPost(
  request: CacheRequest,
  response: CacheResponse,
  settings: CacheSettings,
): Entry | undefined {
  if (request.method !== 'POST' || isBypassed(request.fields, settings)) return undefined;
  return mayStore(request, response, settings) === 'stored'
    ? makeEntry(request, response, settings)
    : undefined;
}
