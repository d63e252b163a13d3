/**
 * Conditional requests (RFC 9110 section 13): entity tags and the order in which preconditions are
 * weighed (13.2.2). Pure: the caller knows the current representation and acts on the verdict.
 */
import { parseHttpDate } from './http-date.ts';

/** `tag` is the text between the quotes. */
export interface EntityTag {
  readonly weak: boolean;
  readonly tag: string;
}

/** `*`, or the tags of an If-Match or If-None-Match list. */
export type EntityTagList = '*' | readonly EntityTag[];

/** Field values as received, lists joined by `, `; undefined when the field is absent. */
export interface Preconditions {
  readonly ifMatch?: string | undefined;
  readonly ifUnmodifiedSince?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifModifiedSince?: string | undefined;
  readonly ifRange?: string | undefined;
  /** True when the request has a Range field that the server would honour. */
  readonly range?: boolean;
}

/** What the target is now; undefined in place of it means that there is no representation. */
export interface Representation {
  readonly etag?: string | undefined;
  /** Epoch milliseconds. */
  readonly lastModifiedMs?: number | undefined;
}

/**
 * `perform`: answer as if there were no condition; `perform-ignoring-range`: the same with the whole body (200),
 * since If-Range did not hold; `not-modified`: 304; `precondition-failed`: 412.
 */
export type ConditionalVerdict =
  | 'perform'
  | 'perform-ignoring-range'
  | 'not-modified'
  | 'precondition-failed';

/** Entity tags read from one field; more is not a list that a client would send. */
export const ENTITY_TAGS_MAX = 256;

/** etagc of RFC 9110 8.8.3: no space, no quote, no control. Latin-1 letters are obs-text. */
const ENTITY_TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/y;
const LIST_GAP = /[ \t]*(?:,[ \t]*)*/y;

/** One entity tag (RFC 9110 8.8.3), or undefined when the text is anything else. */
export function parseEntityTag(text: string): EntityTag | undefined {
  ENTITY_TAG.lastIndex = 0;
  const match = ENTITY_TAG.exec(text);
  if (match === null || match[0].length !== text.length) return undefined;
  return { weak: match[1] !== undefined, tag: match[2] ?? '' };
}

/** An If-Match or If-None-Match value (RFC 9110 13.1.1), or undefined when it is malformed. */
export function parseEntityTagList(text: string): EntityTagList | undefined {
  if (text.trim() === '*') return '*';
  const tags: EntityTag[] = [];
  let at = skipGap(text, 0);
  while (at < text.length) {
    ENTITY_TAG.lastIndex = at;
    const match = ENTITY_TAG.exec(text);
    if (match === null || tags.length >= ENTITY_TAGS_MAX) return undefined;
    tags.push({ weak: match[1] !== undefined, tag: match[2] ?? '' });
    const end = at + match[0].length;
    at = skipGap(text, end);
    if (at < text.length && !text.slice(end, at).includes(',')) return undefined;
  }
  return tags.length === 0 ? undefined : tags;
}

function skipGap(text: string, from: number): number {
  LIST_GAP.lastIndex = from;
  return from + (LIST_GAP.exec(text)?.[0].length ?? 0);
}

/** Both strong and equal (RFC 9110 8.8.3.2). */
export function matchesStrongly(a: EntityTag, b: EntityTag): boolean {
  return !a.weak && !b.weak && a.tag === b.tag;
}

/** Equal, weak or not (RFC 9110 8.8.3.2). */
export function matchesWeakly(a: EntityTag, b: EntityTag): boolean {
  return a.tag === b.tag;
}

/** Weighs the preconditions in the order of RFC 9110 13.2.2. */
export function evaluatePreconditions(
  method: string,
  conditions: Preconditions,
  current: Representation | undefined,
): ConditionalVerdict {
  const { ifMatch, ifUnmodifiedSince, ifNoneMatch, ifModifiedSince } = conditions;
  const reads = method === 'GET' || method === 'HEAD';
  if (ifMatch !== undefined) {
    if (!holdsIfMatch(ifMatch, current)) return 'precondition-failed';
  } else if (ifUnmodifiedSince !== undefined) {
    if (isModifiedSince(ifUnmodifiedSince, current) === true) return 'precondition-failed';
  }
  if (ifNoneMatch !== undefined) {
    if (!holdsIfNoneMatch(ifNoneMatch, current)) {
      return reads ? 'not-modified' : 'precondition-failed';
    }
  } else if (reads && ifModifiedSince !== undefined) {
    if (isModifiedSince(ifModifiedSince, current) === false) return 'not-modified';
  }
  if (method === 'GET' && conditions.range === true && conditions.ifRange !== undefined) {
    return holdsIfRange(conditions.ifRange, current) ? 'perform' : 'perform-ignoring-range';
  }
  return 'perform';
}

/** RFC 9110 13.1.1: strong comparison; a malformed list matches nothing. */
function holdsIfMatch(value: string, current: Representation | undefined): boolean {
  if (current === undefined) return false;
  const list = parseEntityTagList(value);
  if (list === '*') return true;
  const own = current.etag === undefined ? undefined : parseEntityTag(current.etag);
  if (list === undefined || own === undefined) return false;
  return list.some((tag) => matchesStrongly(tag, own));
}

/** RFC 9110 13.1.2: weak comparison; a malformed list matches nothing, so the full answer is sent. */
function holdsIfNoneMatch(value: string, current: Representation | undefined): boolean {
  if (current === undefined) return true;
  const list = parseEntityTagList(value);
  if (list === '*') return false;
  const own = current.etag === undefined ? undefined : parseEntityTag(current.etag);
  if (list === undefined || own === undefined) return true;
  return !list.some((tag) => matchesWeakly(tag, own));
}

/** Undefined when the date or the representation's time is unknown: the field is then ignored (13.1.3, 13.1.4). */
function isModifiedSince(value: string, current: Representation | undefined): boolean | undefined {
  const since = parseHttpDate(value);
  if (since === undefined || current?.lastModifiedMs === undefined) return undefined;
  return wholeSeconds(current.lastModifiedMs) > since;
}

/**
 * RFC 9110 13.1.5. A tag is compared strongly; a date must be exactly Last-Modified. That the date is a strong
 * validator (8.8.2.2) is for the caller to know: pass no `lastModifiedMs` when it is not.
 */
function holdsIfRange(value: string, current: Representation | undefined): boolean {
  if (current === undefined) return false;
  const tag = parseEntityTag(value.trim());
  if (tag !== undefined) {
    const own = current.etag === undefined ? undefined : parseEntityTag(current.etag);
    return own !== undefined && matchesStrongly(tag, own);
  }
  const date = parseHttpDate(value.trim());
  if (date === undefined || current.lastModifiedMs === undefined) return false;
  return wholeSeconds(current.lastModifiedMs) === date;
}

/** HTTP dates have no fractions, files' times do. */
function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
