/**
 * What a client gets out of an entry: the whole, a part, several, or the news that its copy is good (RFC 9111 4.3.2,
 * RFC 9110 13.2.2 and 14.2). Evaluates; whoever has the body sends it.
 */
import { evaluatePreconditions, type ConditionalVerdict } from '../http/conditional.ts';
import {
  contentRange,
  multipartRanges,
  parseRange,
  unsatisfiedRange,
  type ByteRange,
  type MultipartRanges,
} from '../http/range.ts';
import { ageMs, UNKNOWN_LENGTH, type Entry } from './entry.ts';
import type { Section } from './body.ts';
import { covers, storedOffset } from './partial.ts';
import { REQUEST, type CacheRequest } from './request.ts';

/** Which bytes of the complete body follow the head. */
export type AnswerBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole' }
  | { readonly kind: 'range'; readonly range: ByteRange }
  | { readonly kind: 'multipart'; readonly multipart: MultipartRanges };

export interface Answer {
  readonly status: number;
  /** Stored lines: the whole head of the entry, or the part of it that this answer has. */
  readonly head: string;
  /** Lines of this answer alone: Age, length and range. Empty length: frame the body yourself. */
  readonly lines: string;
  readonly body: AnswerBody;
}

const NONE: AnswerBody = { kind: 'none' };
const WHOLE: AnswerBody = { kind: 'whole' };
const NO_BODY_STATUS: ReadonlySet<number> = new Set([204, 304]);

/** `boundary` separates the parts of a multipart answer: random, and asked for only then. */
export function answerFrom(
  request: CacheRequest,
  entry: Entry,
  nowMs: number,
  boundary: () => string,
): Answer {
  const age = `Age: ${Math.floor(ageMs(entry, nowMs) / 1000)}\r\n`;
  return answerWith(request, entry, { lines: age, boundary });
}

/**
 * The same for an answer that came from the upstream just now, stored or not: `lines` are what is to be said instead
 * of an Age.
 */
export function answerWith(
  request: CacheRequest,
  entry: Entry,
  options: { readonly lines: string; readonly boundary: () => string },
): Answer {
  const { status, head, length } = entry;
  const { lines } = options;
  const wishes = request.bits & (REQUEST.conditional | REQUEST.range);
  // RFC 9111 4.3.2: conditions and ranges are about a 200; what else is stored is sent as it is.
  if (wishes !== 0 && status === 200) {
    const special = answerWishes(request, entry, options);
    if (special !== undefined) return special;
  }
  const bodyless = NO_BODY_STATUS.has(status) || request.method === 'HEAD';
  const sized = length === UNKNOWN_LENGTH || NO_BODY_STATUS.has(status);
  return {
    status,
    head,
    lines: sized ? lines : `${lines}Content-Length: ${length}\r\n`,
    body: bodyless ? NONE : WHOLE,
  };
}

/** Undefined: send all of it. */
function answerWishes(
  request: CacheRequest,
  entry: Entry,
  { lines, boundary }: { readonly lines: string; readonly boundary: () => string },
): Answer | undefined {
  const verdict = weigh(request, entry);
  if (verdict === 'not-modified') {
    return { status: 304, head: entry.head.slice(0, entry.notModifiedEnd), lines, body: NONE };
  }
  const ranged = (request.bits & REQUEST.range) !== 0 && verdict === 'perform';
  if (!ranged || entry.length === UNKNOWN_LENGTH) return undefined;
  const asked = parseRange(request.fields.get('range') ?? '', entry.length);
  if (asked.kind === 'ignore') return undefined;
  if (asked.kind === 'unsatisfiable') {
    const range = `Content-Range: ${unsatisfiedRange(entry.length)}\r\n`;
    return {
      status: 416,
      head: entry.head.slice(0, entry.notModifiedEnd),
      lines: `${lines}${range}Content-Length: 0\r\n`,
      body: NONE,
    };
  }
  return answerRanges(entry, asked.ranges, { lines, boundary });
}

function answerRanges(
  entry: Entry,
  ranges: readonly ByteRange[],
  { lines, boundary }: { readonly lines: string; readonly boundary: () => string },
): Answer {
  const [range] = ranges;
  if (ranges.length === 1 && range !== undefined) {
    const length = range.last - range.first + 1;
    return {
      status: 206,
      head: entry.head,
      lines: `${lines}Content-Range: ${contentRange(range, entry.length)}\r\nContent-Length: ${length}\r\n`,
      body: { kind: 'range', range },
    };
  }
  const type = /^content-type: (.*)\r\n/i.exec(entry.head.slice(entry.typeStart))?.[1];
  const multipart = multipartRanges({
    ranges,
    length: entry.length,
    contentType: type ?? 'application/octet-stream',
    boundary: boundary(),
  });
  return {
    status: 206,
    head: entry.head.slice(0, entry.typeStart),
    lines: `${lines}Content-Type: ${multipart.contentType}\r\nContent-Length: ${multipart.contentLength}\r\n`,
    body: { kind: 'multipart', multipart },
  };
}

/** RFC 9110 13.2.2, with what RFC 9111 4.3.2 says about an entry without Last-Modified: its Date stands in. */
function weigh(request: CacheRequest, entry: Entry): ConditionalVerdict {
  const { fields } = request;
  const ranged = (request.bits & REQUEST.range) !== 0;
  const modifiedS = entry.lastModifiedS;
  const verdict = evaluatePreconditions(
    request.method,
    {
      ifNoneMatch: fields.get('if-none-match'),
      ifModifiedSince: fields.get('if-modified-since'),
    },
    {
      etag: entry.etag === '' ? undefined : entry.etag,
      lastModifiedMs: (modifiedS >= 0 ? modifiedS : entry.dateS) * 1000,
    },
  );
  const ifRange = ranged ? fields.get('if-range') : undefined;
  if (verdict === 'not-modified' || ifRange === undefined) return verdict;
  return evaluatePreconditions(
    request.method,
    { ifRange, range: true },
    {
      etag: entry.etag === '' ? undefined : entry.etag,
      lastModifiedMs: isStrongDate(entry) ? modifiedS * 1000 : undefined,
    },
  );
}

/** RFC 9110 8.8.2.2: a date proves equality only when nothing can have changed in the same second since. */
function isStrongDate({ lastModifiedS, dateS }: Entry): boolean {
  return lastModifiedS >= 0 && dateS > lastModifiedS;
}

/** Whether an answer's bytes are all among the stored ones. */
export function holds(entry: Entry, body: AnswerBody): boolean {
  const { spans } = entry;
  if (spans === undefined || body.kind === 'none') return true;
  if (body.kind === 'whole') return false;
  if (body.kind === 'range') return covers(spans, body.range);
  return body.multipart.parts.every(({ range }) => covers(spans, range));
}

/** What goes out in turn: bytes of the framing, then a section of the stored body. */
export interface AnswerPiece {
  readonly before: Buffer | undefined;
  readonly section: Section | undefined;
}

/** The body of an answer as sections of what is stored; `holds` must say yes. */
export function answerPieces(entry: Entry, body: AnswerBody): readonly AnswerPiece[] {
  switch (body.kind) {
    case 'none':
      return [];
    case 'whole':
      return [{ before: undefined, section: { from: 0, to: Infinity } }];
    case 'range':
      return [{ before: undefined, section: sectionOf(entry, body.range) }];
    case 'multipart': {
      const { parts, tail } = body.multipart;
      const pieces: AnswerPiece[] = parts.map(({ head, range }) => ({
        before: head,
        section: sectionOf(entry, range),
      }));
      return [...pieces, { before: tail, section: undefined }];
    }
  }
}

function sectionOf(entry: Entry, { first, last }: ByteRange): Section {
  const from = storedOffset(entry, first) ?? 0;
  return { from, to: from + last - first + 1 };
}
