/**
 * What an upstream's answer means for the store and for the client, after `decide` had the request forwarded. The
 * outcome is a list of deeds for whoever owns tiers and sockets; nothing is done here.
 */
import { answerWith, holds } from './answer.ts';
import {
  isList,
  select,
  selectable,
  type Candidates,
  type Decision,
  type HasEntry,
} from './decide.ts';
import { isSameVariant, mayServeOnFailure, type Entry } from './entry.ts';
import { freshen, freshenByHead, identified, listOf, type Update } from './freshen.ts';
import { join, mayJoin, type Join } from './partial.ts';
import { REQUEST, type CacheRequest } from './request.ts';
import type { CacheResponse } from './response.ts';
import type { CacheSettings } from './settings.ts';
import { makeEntry, mayStore, type NotStored } from './store.ts';

export type Outcome<S extends HasEntry = HasEntry> =
  /** Store `entry` with the body that follows, in place of `replaces`; the client gets it too. */
  | { readonly kind: 'store'; readonly entry: Entry; readonly replaces: readonly S[] }
  /** The answer is a part that `stored` is joined with. */
  | { readonly kind: 'join'; readonly stored: S; readonly join: Join }
  /** The client gets `entry`, with the body of `stored`. */
  | {
      readonly kind: 'refreshed';
      readonly stored: S;
      readonly entry: Entry;
      readonly updates: readonly Update<S>[];
    }
  /** The upstream failed; the client gets `stored`, stale. */
  | { readonly kind: 'stale'; readonly stored: S }
  /** The answer is of no use: ask again, without conditions and ranges of the cache's own. */
  | { readonly kind: 'retry' }
  /** The client gets the answer as it is; nothing is stored. `updates` are for a HEAD, `removes` what it disproved. */
  | {
      readonly kind: 'pass';
      readonly why: NotStored | 'head' | 'error';
      readonly updates: readonly Update<S>[];
      readonly removes: readonly S[];
    };

/** RFC 5861 4: what counts as an error. */
const ERRORS: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** For GET and HEAD, forwarded for `decision`. `candidates` are those that `decide` saw: the very objects. */
export function settle<S extends HasEntry>(
  request: CacheRequest,
  on: { readonly decision: Decision<S>; readonly candidates: Candidates<S> },
  response: CacheResponse,
  settings: CacheSettings,
): Outcome<S> {
  const { decision, candidates } = on;
  const { status } = response;
  if (decision.kind === 'bypass') return pass(why(request, response, settings));
  if (ERRORS.has(status)) return settleError(request, decision, response, settings);
  if (status === 304) return settleNotModified(request, on, response, settings);
  if (request.method === 'HEAD') return settleHead(request, candidates, response, settings);
  if (status === 206) return settlePart(request, on, response, settings);
  // If-Range keeps this from happening where the range can be had; here it cannot.
  if (decision.kind === 'complete' && status === 416) return { kind: 'retry' };
  const verdict = mayStore(request, response, settings);
  if (verdict !== 'stored') {
    // What failed its validation is not true any more, whether or not the truth may be stored.
    const disproved = decision.kind === 'revalidate' && decision.stored !== undefined;
    return pass(verdict, disproved ? [decision.stored] : []);
  }
  const entry = makeEntry(request, response, settings);
  return { kind: 'store', entry, replaces: replacedBy(entry, candidates) };
}

/** For an upstream that could not be reached, or whose answer broke off before its head was complete. */
export function settleFailure<S extends HasEntry>(
  request: CacheRequest,
  decision: Decision<S>,
  nowMs: number,
  settings: CacheSettings,
): S | undefined {
  const { stored, kind } = decision;
  if (stored === undefined || kind === 'complete' || decision.why === 'request') return undefined;
  const failure = { kind: 'unreachable', requestStaleIfErrorS: request.staleIfErrorS } as const;
  return mayServeOnFailure(stored.entry, failure, nowMs, settings) ? stored : undefined;
}

function settleError<S extends HasEntry>(
  request: CacheRequest,
  decision: Decision<S>,
  response: CacheResponse,
  settings: CacheSettings,
): Outcome<S> {
  const { stored, kind } = decision;
  const asked = settings.requestDirectives ? request.staleIfErrorS : -1;
  const failure = { kind: 'error', requestStaleIfErrorS: asked } as const;
  if (
    stored !== undefined &&
    kind !== 'complete' &&
    // Who asked for an answer of the origin gets its error too.
    decision.why !== 'request' &&
    mayServeOnFailure(stored.entry, failure, response.receivedMs, settings)
  ) {
    return { kind: 'stale', stored };
  }
  // An error while completing was an answer to another question than the client's.
  if (kind === 'complete') return { kind: 'retry' };
  if (stored === undefined && request.method === 'GET') {
    if (mayStore(request, response, settings) === 'stored') {
      return { kind: 'store', entry: makeEntry(request, response, settings), replaces: [] };
    }
  }
  return pass('error');
}

function settleNotModified<S extends HasEntry>(
  request: CacheRequest,
  { decision, candidates }: { readonly decision: Decision<S>; readonly candidates: Candidates<S> },
  response: CacheResponse,
  settings: CacheSettings,
): Outcome<S> {
  const { stored, kind } = decision;
  if (kind !== 'revalidate' || stored === undefined) {
    return kind === 'complete' ? { kind: 'retry' } : pass('status');
  }
  const list = listOf(candidates);
  const known = list.includes(stored) ? list : [...list, stored];
  const targets = identified(known, stored, response);
  // RFC 9111 4.3.4: a 304 about something else updates nothing, and what was validated was not confirmed.
  if (!targets.includes(stored)) return { kind: 'retry' };
  const updates = targets.map((one) => freshen(one, request, response, settings));
  const own = updates.find((update) => update.stored === stored);
  if (own === undefined) return { kind: 'retry' };
  // RFC 9111 5.2.1.5: nothing of an answer to such a request is stored, not even its fields.
  const unstored = settings.requestDirectives && (request.bits & REQUEST.noStore) !== 0;
  return { kind: 'refreshed', stored, entry: own.entry, updates: unstored ? [] : updates };
}

/** RFC 9111 4.3.5: each stored answer that the request could have got. */
function settleHead<S extends HasEntry>(
  request: CacheRequest,
  candidates: Candidates<S>,
  response: CacheResponse,
  settings: CacheSettings,
): Outcome<S> {
  if (response.status !== 200) return pass('head');
  const updates = selectable(request, candidates)
    .filter(({ entry }) => entry.status === 200)
    .map((stored) => freshenByHead(stored, request, response, settings))
    .filter(({ stored, entry }) => entry !== stored.entry);
  return { kind: 'pass', why: 'head', updates, removes: [] };
}

function settlePart<S extends HasEntry>(
  request: CacheRequest,
  { decision, candidates }: { readonly decision: Decision<S>; readonly candidates: Candidates<S> },
  response: CacheResponse,
  settings: CacheSettings,
): Outcome<S> {
  const verdict = mayStore(request, response, settings);
  const completing = decision.kind === 'complete';
  // Asked for the client: it gets what it asked for. Asked for the cache: nobody else can use it.
  if (verdict !== 'stored') return completing ? { kind: 'retry' } : pass(verdict);
  const part = makeEntry(request, response, settings);
  const stored = completing ? decision.stored : partnerOf(request, part, candidates);
  if (stored !== undefined && mayJoin(stored.entry, part)) {
    const joined = join(stored.entry, part);
    if (joined !== undefined && answers(request, joined.entry)) {
      return { kind: 'join', stored, join: joined };
    }
  }
  if (completing) return { kind: 'retry' };
  if (!answers(request, part)) return pass('not-a-part');
  return { kind: 'store', entry: part, replaces: replacedBy(part, candidates) };
}

/** RFC 9110 15.3.7: an origin may send less than it was asked for, which its client has to see as it is. */
function answers(request: CacheRequest, entry: Entry): boolean {
  return holds(entry, answerWith(request, entry, { lines: '', boundary: () => '' }).body);
}

/** The stored answer that the part belongs to. */
function partnerOf<S extends HasEntry>(
  request: CacheRequest,
  part: Entry,
  candidates: Candidates<S>,
): S | undefined {
  const stored = select(request, candidates);
  return stored !== undefined && mayJoin(stored.entry, part) ? stored : undefined;
}

/** The variants that the same requests would select. */
function replacedBy<S extends HasEntry>(entry: Entry, candidates: Candidates<S>): readonly S[] {
  if (candidates === undefined) return [];
  const list = isList(candidates) ? candidates : [candidates];
  return list.filter((one) => isSameVariant(one.entry, entry));
}

function why(request: CacheRequest, response: CacheResponse, settings: CacheSettings): NotStored {
  const verdict = mayStore(request, response, settings);
  return verdict === 'stored' ? 'method' : verdict;
}

function pass<S extends HasEntry>(
  reason: NotStored | 'head' | 'error',
  removes: readonly S[] = [],
): Outcome<S> {
  return { kind: 'pass', why: reason, updates: [], removes };
}
