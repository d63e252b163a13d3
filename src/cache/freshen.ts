/**
 * Bringing stored answers up to date without their bodies: by a 304 (RFC 9111 4.3.4, 3.2) and by the answer to a HEAD
 * (4.3.5).
 */
import { matchesWeakly, parseEntityTag } from '../http/conditional.ts';
import { cacheDate, NO_DATE } from './cache-date.ts';
import { isList, type Candidates, type HasEntry } from './decide.ts';
import { outdated, strongTag, type Entry } from './entry.ts';
import { FieldList, readLines, type FieldLine } from './fields.ts';
import { storedFields, updatedLines } from './head-lines.ts';
import { REQUEST, type CacheRequest } from './request.ts';
import { entityTagOf, type CacheResponse } from './response.ts';
import type { CacheSettings } from './settings.ts';
import { makeEntry, mayStore } from './store.ts';

/** A stored answer and what takes its place; `keep` is false when the update forbids to store it any longer. */
export interface Update<S extends HasEntry = HasEntry> {
  readonly stored: S;
  readonly entry: Entry;
  readonly keep: boolean;
}

/**
 * Which of the stored answers a 304 is about (RFC 9111 4.3.4). `validated` is the one whose validators were sent; a 304
 * without any validator can mean nothing else.
 */
export function identified<S extends HasEntry>(
  candidates: Candidates<S>,
  validated: S,
  notModified: CacheResponse,
): readonly S[] {
  const list = listOf(candidates);
  const tag = parseEntityTag(entityTagOf(notModified.fields));
  if (tag !== undefined) {
    // A strong tag identifies nothing but the same strong tag.
    if (!tag.weak) return list.filter(({ entry }) => strongTag(entry) === `"${tag.tag}"`);
    return mostRecent(
      list.filter(({ entry }) => {
        const own = parseEntityTag(entry.etag);
        return own !== undefined && matchesWeakly(own, tag);
      }),
    );
  }
  const modified = cacheDate(notModified.fields.get('last-modified'), notModified.receivedMs);
  if (modified === NO_DATE) return [validated];
  return mostRecent(list.filter(({ entry }) => entry.lastModifiedS === modified));
}

export function listOf<S extends HasEntry>(candidates: Candidates<S>): readonly S[] {
  if (candidates === undefined) return [];
  return isList(candidates) ? candidates : [candidates];
}

function mostRecent<S extends HasEntry>(list: readonly S[]): readonly S[] {
  const [first, ...rest] = list;
  if (first === undefined) return [];
  return [rest.reduce((best, one) => (one.entry.dateS > best.entry.dateS ? one : best), first)];
}

/**
 * The entry with the fields of a 304 or of a HEAD's answer, and with freshness counted anew from it. `request` is the one that was
 * forwarded; the entry's own secondary key stays.
 */
export function freshen<S extends HasEntry>(
  stored: S,
  request: CacheRequest,
  newer: CacheResponse,
  settings: CacheSettings,
): Update<S> {
  const { entry } = stored;
  const lines = updatedLines(oldFields(entry, newer), storedFields(newer.fields, []));
  // Not stored, but part of the arithmetic and of what other caches said.
  const volatile: FieldLine[] = [];
  for (const name of ['age', 'cache-status']) {
    const value = newer.fields.get(name);
    if (value !== undefined) volatile.push([name, value]);
  }
  const merged: CacheResponse = {
    status: entry.status,
    fields: new FieldList([...lines, ...volatile]),
    requestedMs: newer.requestedMs,
    receivedMs: newer.receivedMs,
  };
  const get = asPlainGet(request);
  const made = makeEntry(get, merged, settings);
  return {
    stored,
    entry: made.with({
      length: entry.length,
      spans: entry.spans,
      varyNames: entry.varyNames,
      varyValues: entry.varyValues,
    }),
    keep: mayStore(get, merged, settings) === 'stored',
  };
}

/** A Date of long ago would make an answer that was just confirmed look old (RFC 9110 6.6.1). */
function oldFields(entry: Entry, newer: CacheResponse): FieldList {
  const fields = readLines(`${entry.head}\r\n`);
  if (cacheDate(newer.fields.get('date'), newer.receivedMs) !== NO_DATE) return fields;
  return new FieldList(fields.lines.filter(([name]) => name.toLowerCase() !== 'date'));
}

/** Whether the answer may be kept is for its fields to say, whatever this client wants kept of its own. */
function asPlainGet(request: CacheRequest): CacheRequest {
  if (request.method === 'GET' && (request.bits & REQUEST.noStore) === 0) return request;
  const copy = request.keep();
  copy.method = 'GET';
  copy.bits &= ~REQUEST.noStore;
  return copy;
}

/**
 * What a 200 to a HEAD does to the stored answer that a GET would have got (RFC 9111 4.3.5): the same validators and
 * length freshen it, anything else makes it stale.
 */
export function freshenByHead<S extends HasEntry>(
  stored: S,
  request: CacheRequest,
  newer: CacheResponse,
  settings: CacheSettings,
): Update<S> {
  const { entry } = stored;
  const { fields, receivedMs } = newer;
  const tag = entityTagOf(fields);
  const modified = cacheDate(fields.get('last-modified'), receivedMs);
  const length = fields.get('content-length');
  const changed =
    (tag !== '' && tag !== entry.etag) ||
    (modified !== NO_DATE && modified !== entry.lastModifiedS) ||
    (length !== undefined && Number(length) !== entry.length);
  // Without a validator in common nobody knows whether it is the same.
  const same = !changed && (tag !== '' || modified !== NO_DATE);
  if (same) return freshen(stored, request, newer, settings);
  return { stored, entry: changed ? outdated(entry, receivedMs) : entry, keep: true };
}
