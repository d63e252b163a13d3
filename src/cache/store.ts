/**
 * What may be stored (RFC 9111 3), and the entry that it becomes. Three rules are stricter than the RFC, each against one
 * user seeing what is another's: guesses about freshness end where cookies begin; Set-Cookie is stored only in answers that
 * are declared fit for sharing; and nothing is stored whose secondary key cannot be known.
 */
import { contentRangeOf, isWhole } from './partial.ts';
import { cacheDate, NO_DATE } from './cache-date.ts';
import { relatedKey } from './cache-key.ts';
import { ABSENT, DIRECTIVE, INVALID } from './control.ts';
import { Entry, ENTRY, UNKNOWN_LENGTH } from './entry.ts';
import { arrange, storedFields } from './head-lines.ts';
import { REQUEST, type CacheRequest } from './request.ts';
import {
  bornMs,
  dateOf,
  entityTagOf,
  explicitLifetimeS,
  isShared,
  rulesOf,
  type CacheResponse,
  type ResponseRules,
} from './response.ts';
import type { CacheSettings } from './settings.ts';
import { tagsOf } from './tags.ts';
import { parseVary, varyValues, withOwn } from './vary.ts';

/** Why an answer is not stored; a word for Cache-Status and for "why is this not cached". */
export type NotStored =
  | 'method'
  | 'request-body'
  | 'request-no-store'
  | 'status'
  | 'not-understood'
  | 'no-store'
  | 'private'
  | 'authorization'
  | 'vary'
  | 'set-cookie'
  | 'no-freshness'
  | 'not-a-part'
  | 'too-large';

export type StoreVerdict = 'stored' | NotStored;

/** Defined as heuristically cacheable (RFC 9110 15.1). */
const HEURISTIC: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
]);
/** Negative answers among these. */
const NEGATIVE: ReadonlySet<number> = new Set([404, 405, 410, 414, 501]);
/** Say something about one request only, never about the resource. */
const NEVER: ReadonlySet<number> = new Set([304, 412, 416]);
const OTHERS_UNDERSTOOD: readonly number[] = [
  201, 202, 205, 302, 303, 307, 400, 401, 402, 403, 406, 407, 408, 409, 411, 413, 415, 417, 421,
  422, 426, 428, 429, 431, 451, 500, 502, 503, 504, 505,
];
/** Codes whose caching this cache knows about (RFC 9111 3, must-understand): RFC 9110's and a few later ones. */
const UNDERSTOOD: ReadonlySet<number> = new Set([...HEURISTIC, ...OTHERS_UNDERSTOOD]);

interface Lifetime {
  readonly seconds: number;
  /** `chosen`: the operator's word. */
  readonly kind: 'explicit' | 'chosen' | 'heuristic' | 'unknown';
}

/** Whether the answer may be stored and is worth it; the body's length is judged by Content-Length alone. */
export function mayStore(
  request: CacheRequest,
  response: CacheResponse,
  settings: CacheSettings,
): StoreVerdict {
  return judge(request, response, rulesOf(response.fields), settings);
}

function judge(
  request: CacheRequest,
  response: CacheResponse,
  rules: ResponseRules,
  settings: CacheSettings,
): StoreVerdict {
  const { status, fields } = response;
  const { control } = rules;
  const requested = judgeRequest(request, settings);
  if (requested !== undefined) return requested;
  if (status < 200 || NEVER.has(status)) return 'status';
  if ((control.bits & DIRECTIVE.mustUnderstand) !== 0) {
    // RFC 9111 5.2.2.3: for those who understand the status, must-understand overrides no-store.
    if (!UNDERSTOOD.has(status)) return 'not-understood';
  } else if ((control.bits & DIRECTIVE.noStore) !== 0) return 'no-store';
  if ((control.bits & DIRECTIVE.private) !== 0) return 'private';
  if ((request.bits & REQUEST.authorization) !== 0 && !isShared(rules)) return 'authorization';
  if (parseVary(fields.get('vary')) === '*') return 'vary';
  if (settings.setCookie === 'public' && setsCookie(response, rules)) return 'set-cookie';
  if (status === 206 && contentRangeOf(fields) === undefined) return 'not-a-part';
  if (Number(fields.get('content-length') ?? 0) > settings.bodyBytesMax) return 'too-large';
  return isWorthIt(request, response, rules, settings) ? 'stored' : 'no-freshness';
}

function judgeRequest(request: CacheRequest, settings: CacheSettings): NotStored | undefined {
  if (request.method !== 'GET' && request.method !== 'POST') return 'method';
  if (request.method === 'GET' && (request.bits & REQUEST.body) !== 0) return 'request-body';
  const asked = (request.bits & REQUEST.noStore) !== 0 && settings.requestDirectives;
  return asked ? 'request-no-store' : undefined;
}

function setsCookie({ fields }: CacheResponse, rules: ResponseRules): boolean {
  if (fields.get('set-cookie') === undefined) return false;
  const { control, targeted } = rules;
  const declared = (control.bits & DIRECTIVE.public) !== 0 || control.sMaxAgeS >= 0 || targeted;
  return !declared && !control.withoutFields.includes('set-cookie');
}

/** RFC 9111 3, last item; and there must be a request that the entry could ever answer. */
function isWorthIt(
  request: CacheRequest,
  response: CacheResponse,
  rules: ResponseRules,
  settings: CacheSettings,
): boolean {
  const { control } = rules;
  const lifetime = lifetimeOf(request, response, rules, settings);
  if (request.method === 'POST') {
    // RFC 9110 9.3.3: the answer must say that it is what a GET of the same URI would give.
    const location = response.fields.get('content-location');
    const own =
      location !== undefined && relatedKey(request.key, location, settings.query) === request.key;
    if (!own || lifetime.kind !== 'explicit') return false;
  }
  const cacheable = HEURISTIC.has(response.status) || (control.bits & DIRECTIVE.public) !== 0;
  const isStated = lifetime.kind === 'explicit' || lifetime.kind === 'chosen';
  if (!isStated && !cacheable) return false;
  const validates = mustValidate(response, rules, lifetime, settings);
  if (lifetime.seconds > 0 && !validates) return true;
  if (validatorsOf(response)) return true;
  const { staleWhileRevalidateS, staleIfErrorS } = staleness(rules);
  return lifetime.kind === 'explicit' && !validates && staleWhileRevalidateS + staleIfErrorS > 0;
}

function validatorsOf({ fields, receivedMs }: CacheResponse): boolean {
  return (
    entityTagOf(fields) !== '' || cacheDate(fields.get('last-modified'), receivedMs) !== NO_DATE
  );
}

/** Whether it says that it must be asked about each time, and the operator does not say otherwise. */
function mustValidate(
  { status }: CacheResponse,
  { control }: ResponseRules,
  lifetime: Lifetime,
  settings: CacheSettings,
): boolean {
  if (lifetime.kind === 'unknown') return true;
  return (control.bits & DIRECTIVE.noCache) !== 0 && leastS(status, settings) === 0;
}

/** Errors, and redirects for the moment, are not made to last: often they are about one client only. */
function leastS(status: number, { ttlMinS }: CacheSettings): number {
  return isUsual(status) ? ttlMinS : 0;
}

/** Within the operator's limits. */
function lifetimeOf(
  request: CacheRequest,
  response: CacheResponse,
  rules: ResponseRules,
  settings: CacheSettings,
): Lifetime {
  const { seconds, kind } = ownLifetime(request, response, rules, settings);
  const least = leastS(response.status, settings);
  if (kind === 'unknown' && least === 0) return { seconds, kind };
  return {
    seconds: Math.min(Math.max(seconds, least), settings.ttlMaxS),
    kind: kind === 'unknown' ? 'chosen' : kind,
  };
}

function isUsual(status: number): boolean {
  return HEURISTIC.has(status) && !NEGATIVE.has(status);
}

/** RFC 9111 4.2.1, 4.2.2. */
function ownLifetime(
  request: CacheRequest,
  response: CacheResponse,
  rules: ResponseRules,
  settings: CacheSettings,
): Lifetime {
  const stated = explicitLifetimeS(response, rules);
  if (stated !== undefined) return { seconds: stated, kind: 'explicit' };
  const chosen = chosenLifetime(response.status, settings);
  if (chosen !== undefined) return chosen;
  // Nothing was said, and a page for one user looks just like a page for all.
  if ((request.bits & REQUEST.cookie) !== 0) return { seconds: 0, kind: 'unknown' };
  const { status, fields, receivedMs } = response;
  if (HEURISTIC.has(status) || (rules.control.bits & DIRECTIVE.public) !== 0) {
    const modified = cacheDate(fields.get('last-modified'), receivedMs);
    const since = modified === NO_DATE ? 0 : dateOf(response) - modified;
    const seconds = Math.min(
      Math.floor(Math.max(0, since) * settings.heuristicShare),
      settings.heuristicMaxS,
    );
    if (seconds > 0) return { seconds, kind: 'heuristic' };
  }
  if (NEGATIVE.has(status) && settings.negativeS > 0) {
    return { seconds: settings.negativeS, kind: 'heuristic' };
  }
  return { seconds: 0, kind: 'unknown' };
}

function chosenLifetime(status: number, { ttlS }: CacheSettings): Lifetime | undefined {
  if (ttlS === undefined) return undefined;
  const usual = isUsual(status) ? ttlS['usual'] : undefined;
  const seconds = ttlS[String(status)] ?? ttlS[`${Math.floor(status / 100)}xx`] ?? usual;
  if (seconds === undefined) return undefined;
  return { seconds, kind: seconds > 0 ? 'chosen' : 'unknown' };
}

/**
 * RFC 5861 under RFC 9111: must-revalidate and proxy-revalidate forbid both. s-maxage, which implies proxy-revalidate,
 * does not where the same answer asks for them: everybody writes `s-maxage=1, stale-while-revalidate=9` and means it.
 */
function staleness({ control }: ResponseRules): {
  readonly staleWhileRevalidateS: number;
  readonly staleIfErrorS: number;
} {
  const never = DIRECTIVE.mustRevalidate | DIRECTIVE.proxyRevalidate | DIRECTIVE.noCache;
  if ((control.bits & never) !== 0) return { staleWhileRevalidateS: 0, staleIfErrorS: 0 };
  return {
    staleWhileRevalidateS: Math.max(0, control.staleWhileRevalidateS),
    staleIfErrorS: Math.max(0, control.staleIfErrorS),
  };
}

/** The entry of an answer for which `mayStore` said yes. Its length is Content-Length, or unknown. */
export function makeEntry(
  request: CacheRequest,
  response: CacheResponse,
  settings: CacheSettings,
): Entry {
  const { fields, receivedMs } = response;
  const rules = rulesOf(fields);
  const { control } = rules;
  const names = parseVary(fields.get('vary'));
  const nominated = withOwn(names === '*' ? [] : names, settings.keyFields);
  const lifetime = lifetimeOf(request, response, rules, settings);
  const date = dateOf(response);
  const lines = arrange(storedFields(fields, control.withoutFields), {
    valid: cacheDate(fields.get('date'), receivedMs) !== NO_DATE,
    seconds: date,
  });
  const range = response.status === 206 ? contentRangeOf(fields) : undefined;
  return new Entry({
    ...lines,
    // A 206 is a part of what a 200 would be; that is what is stored.
    status: response.status === 206 ? 200 : response.status,
    bits: bitsOf(response, rules, lifetime, settings),
    bornMs: bornMs(response),
    lifetimeS: lifetime.seconds,
    ...staleness(rules),
    dateS: date,
    lastModifiedS: cacheDate(fields.get('last-modified'), receivedMs),
    etag: entityTagOf(fields),
    varyNames: nominated,
    varyValues: nominated.length === 0 ? '' : varyValues(nominated, request.fields),
    length: range === undefined ? lengthOf(response) : range.length,
    spans:
      range === undefined || isWhole(range)
        ? undefined
        : [{ first: range.first, last: range.last }],
    cacheStatus: fields.get('cache-status') ?? '',
    tags: tagsOf(fields),
  });
}

function bitsOf(
  response: CacheResponse,
  rules: ResponseRules,
  lifetime: Lifetime,
  settings: CacheSettings,
): number {
  const { control } = rules;
  let bits = 0;
  if (mustValidate(response, rules, lifetime, settings)) bits |= ENTRY.validate;
  const never = DIRECTIVE.mustRevalidate | DIRECTIVE.proxyRevalidate;
  if ((control.bits & never) !== 0 || control.sMaxAgeS !== ABSENT) bits |= ENTRY.neverStale;
  // Nobody can know what a broken number was to say about stale use.
  if (control.maxAgeS === INVALID) bits |= ENTRY.neverStale;
  if (isShared(rules)) bits |= ENTRY.shared;
  if (lifetime.kind === 'heuristic') bits |= ENTRY.heuristic;
  return bits;
}

function lengthOf({ status, fields }: CacheResponse): number {
  if (status === 204) return 0;
  const value = fields.get('content-length');
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : UNKNOWN_LENGTH;
}
