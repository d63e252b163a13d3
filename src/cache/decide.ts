/**
 * What becomes of a request, given what is stored under its key (RFC 9111 4): answered from the store, validated,
 * completed, or forwarded. Looks only; a hit allocates the decision and nothing else.
 */
import type { ByteRange } from '../http/range.ts';
import { parseRange } from '../http/range.ts';
import { ageMs, ENTRY, freshMs, hasValidator, strongTag, type Entry } from './entry.ts';
import { covers, gapOf } from './partial.ts';
import { REQUEST, type CacheRequest } from './request.ts';
import { isBypassed, type CacheSettings } from './settings.ts';
import { matchesVary } from './vary.ts';

/** Whatever a tier hands out for a stored answer. */
export interface HasEntry {
  readonly entry: Entry;
}

/** The variants under one key: none, one, or several. */
export type Candidates<S extends HasEntry> = S | readonly S[] | undefined;

export type DecisionKind =
  /** Answer from `stored`. */
  | 'hit'
  /** Answer from `stored`, though stale; with `background`, validate it meanwhile. */
  | 'stale'
  /** Forward with the validators of `stored`. */
  | 'revalidate'
  /** Forward for the bytes `fetch` alone, and join them to `stored`. */
  | 'complete'
  /** Forward; the answer may be stored. `stored`, if any, may still serve when the upstream fails. */
  | 'miss'
  /** Forward as it is; the answer is not stored. */
  | 'bypass'
  /** 504: the client wants nothing that is not stored (RFC 9111 5.2.1.7). */
  | 'unsatisfied';

/** Why; a word for Cache-Status and for "why is this not cached". */
export type Why =
  | 'fresh'
  | 'max-stale'
  | 'stale-while-revalidate'
  | 'method'
  | 'request-body'
  | 'origin-condition'
  /** The operator wants it so for such requests. */
  | 'bypass-rule'
  | 'uri-miss'
  | 'vary-miss'
  | 'authorization'
  | 'request'
  | 'no-cache'
  | 'stale'
  | 'partial';

export interface Decision<S extends HasEntry = HasEntry> {
  readonly kind: DecisionKind;
  readonly why: Why;
  readonly stored: S | undefined;
  readonly background: boolean;
  readonly fetch: ByteRange | undefined;
}

export function decide<S extends HasEntry>(
  request: CacheRequest,
  candidates: Candidates<S>,
  nowMs: number,
  settings: CacheSettings,
): Decision<S> {
  const { method, bits } = request;
  if (method !== 'GET' && method !== 'HEAD') return without('bypass', 'method');
  if ((bits & REQUEST.body) !== 0) return without('bypass', 'request-body');
  if (isBypassed(request.fields, settings)) return without('bypass', 'bypass-rule');
  // RFC 9111 4.3.2: these are not applicable to a cache.
  if ((bits & REQUEST.originCondition) !== 0) {
    return without('bypass', 'origin-condition');
  }
  const stored = select(request, candidates);
  const decided: Decision<S> =
    stored === undefined
      ? without('miss', missOf(request, candidates))
      : decideOn(request, stored, nowMs, settings);
  if ((bits & REQUEST.onlyIfCached) === 0 || !settings.requestDirectives) return decided;
  const answers = decided.kind === 'hit' || decided.kind === 'stale';
  return answers ? decided : without('unsatisfied', decided.why);
}

/** What to forward behind the client's back after a decision with `background` (RFC 5861 3). */
export function behind<S extends HasEntry>({ why, stored }: Decision<S>): Decision<S> {
  return decision('revalidate', why, stored);
}

/** The most recent variant that the request agrees with (RFC 9111 4.1), by Date. */
export function select<S extends HasEntry>(
  request: CacheRequest,
  candidates: Candidates<S>,
): S | undefined {
  if (candidates === undefined) return undefined;
  if (!isList(candidates)) return isUsable(request, candidates.entry) ? candidates : undefined;
  let best: S | undefined;
  for (const one of candidates) {
    if (!isUsable(request, one.entry)) continue;
    if (best === undefined || isNewer(one.entry, best.entry)) best = one;
  }
  return best;
}

/** All variants that the request agrees with. */
export function selectable<S extends HasEntry>(
  request: CacheRequest,
  candidates: Candidates<S>,
): readonly S[] {
  if (candidates === undefined) return [];
  const list = isList(candidates) ? candidates : [candidates];
  return list.filter(({ entry }) => isUsable(request, entry));
}

export function isList<S extends HasEntry>(
  candidates: S | readonly S[],
): candidates is readonly S[] {
  return Array.isArray(candidates);
}

function isNewer(a: Entry, b: Entry): boolean {
  return a.dateS > b.dateS || (a.dateS === b.dateS && a.bornMs > b.bornMs);
}

function isUsable(request: CacheRequest, entry: Entry): boolean {
  // Stricter than RFC 9111 3.5: an answer to nobody in particular is not given to somebody who says who he is, unless
  // it is declared fit for sharing. Origins forget to say that it depends on Authorization.
  const authorized = (request.bits & REQUEST.authorization) !== 0;
  if (authorized && (entry.bits & ENTRY.shared) === 0) return false;
  const { varyNames } = entry;
  return varyNames.length === 0 || matchesVary(varyNames, entry.varyValues, request.fields);
}

function missOf<S extends HasEntry>(request: CacheRequest, candidates: Candidates<S>): Why {
  if (candidates === undefined) return 'uri-miss';
  const list = isList(candidates) ? candidates : [candidates];
  if (list.length === 0) return 'uri-miss';
  const authorized = (request.bits & REQUEST.authorization) !== 0;
  const refused = authorized && list.every(({ entry }) => (entry.bits & ENTRY.shared) === 0);
  return refused ? 'authorization' : 'vary-miss';
}

function decideOn<S extends HasEntry>(
  request: CacheRequest,
  stored: S,
  nowMs: number,
  settings: CacheSettings,
): Decision<S> {
  const { entry } = stored;
  if (entry.spans !== undefined) {
    const partial = decideOnParts(request, stored, entry.spans, nowMs, settings);
    if (partial !== undefined) return partial;
  }
  const why = unusable(request, entry, nowMs, settings);
  if (why === undefined) return decision('hit', 'fresh', stored);
  if (why === 'stale') {
    const lenient = staleUse(request, entry, nowMs, settings);
    if (lenient !== undefined) {
      return decision('stale', lenient, stored, { background: lenient !== 'max-stale' });
    }
  }
  const whole = entry.spans === undefined && hasValidator(entry);
  return decision(whole ? 'revalidate' : 'miss', why, stored);
}

/** Why the entry needs a validation before this use; undefined when it is fresh enough (RFC 9111 4.2, 5.2.1). */
function unusable(
  request: CacheRequest,
  entry: Entry,
  nowMs: number,
  settings: CacheSettings,
): 'request' | 'no-cache' | 'stale' | undefined {
  const asks = settings.requestDirectives;
  if (asks && (request.bits & REQUEST.noCache) !== 0) return 'request';
  if ((entry.bits & ENTRY.validate) !== 0) return 'no-cache';
  const left = freshMs(entry, nowMs);
  if (asks && request.maxAgeS >= 0 && isOlder(request, entry, nowMs)) return 'request';
  if (left <= 0) return 'stale';
  return asks && request.minFreshS > 0 && left < request.minFreshS * 1000 ? 'request' : undefined;
}

/** Beyond the client's max-age; max-stale is then measured from there (RFC 9111 5.2.1.1). */
function isOlder(request: CacheRequest, entry: Entry, nowMs: number): boolean {
  const seconds = Math.floor(ageMs(entry, nowMs) / 1000);
  // `max-age=0` asks for a validation of whatever is there.
  return request.maxAgeS === 0 || seconds > request.maxAgeS;
}

/** RFC 9111 4.2.4, 5.2.1.2; RFC 5861 3. */
function staleUse(
  request: CacheRequest,
  entry: Entry,
  nowMs: number,
  settings: CacheSettings,
): 'max-stale' | 'stale-while-revalidate' | undefined {
  const asks = settings.requestDirectives;
  const staleMs = -freshMs(entry, nowMs);
  if (asks && request.minFreshS > 0) return undefined;
  if (staleMs < entry.staleWhileRevalidateS * 1000) return 'stale-while-revalidate';
  const forbidden = (entry.bits & ENTRY.neverStale) !== 0;
  if (!asks || forbidden || request.maxStaleS < 0) return undefined;
  return staleMs <= request.maxStaleS * 1000 ? 'max-stale' : undefined;
}

/** Undefined when the stored parts hold all that is asked for. */
function decideOnParts<S extends HasEntry>(
  request: CacheRequest,
  stored: S,
  spans: readonly ByteRange[],
  nowMs: number,
  settings: CacheSettings,
): Decision<S> | undefined {
  const { entry } = stored;
  if (request.method === 'HEAD') return undefined;
  const wanted = wantedRanges(request, entry);
  if (wanted === 'unsatisfiable') return undefined;
  if (wanted?.every((range) => covers(spans, range)) === true) return undefined;
  if (wanted === undefined || unusable(request, entry, nowMs, settings) !== undefined) {
    return without('miss', 'partial');
  }
  const fetch = strongTag(entry) === undefined ? undefined : gapOf(spans, wanted);
  // Asking for what is wanted as it is costs no more when nothing of it is there.
  const helps = fetch !== undefined && bytesOf([fetch]) < bytesOf(wanted);
  return helps ? decision('complete', 'partial', stored, { fetch }) : without('miss', 'partial');
}

/** The bytes that the request is about; undefined when that is for the upstream to say. */
function wantedRanges(
  request: CacheRequest,
  entry: Entry,
): readonly ByteRange[] | 'unsatisfiable' | undefined {
  const whole = [{ first: 0, last: entry.length - 1 }];
  if ((request.bits & REQUEST.range) === 0) return whole;
  const ifRange = request.fields.get('if-range');
  if (ifRange !== undefined && ifRange.trim() !== strongTag(entry)) return undefined;
  const verdict = parseRange(request.fields.get('range') ?? '', entry.length);
  if (verdict.kind === 'ignore') return whole;
  return verdict.kind === 'unsatisfiable' ? 'unsatisfiable' : verdict.ranges;
}

function bytesOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

function decision<S extends HasEntry>(
  kind: DecisionKind,
  why: Why,
  stored: S | undefined,
  more?: { readonly background?: boolean; readonly fetch?: ByteRange },
): Decision<S> {
  return {
    kind,
    why,
    stored,
    background: more?.background ?? false,
    fetch: more?.fetch,
  };
}

/** What is to be done when nothing of the store takes part. */
function without<S extends HasEntry>(kind: DecisionKind, why: Why): Decision<S> {
  return decision<S>(kind, why, undefined);
}
