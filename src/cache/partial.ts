/**
 * Partial content (RFC 9110 14.4, RFC 9111 3.3 and 3.4): which bytes of a body are there, which are missing, and how a
 * new part is joined to stored ones. Ranges are inclusive on both ends.
 */
import type { ByteRange } from '../http/range.ts';
import { strongTag, type Entry } from './entry.ts';
import type { Fields } from './fields.ts';

/** Parts of one body that are kept apart; one more replaces them. */
export const SPANS_MAX = 16;

export interface ContentRange extends ByteRange {
  /** Of the complete body. */
  readonly length: number;
}

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i;

/**
 * The Content-Range of an answer with a single part. Undefined for several parts, a complete length that is not told,
 * a range that cannot be, or a Content-Length that is not the range's.
 */
export function contentRangeOf(fields: Fields): ContentRange | undefined {
  const match = CONTENT_RANGE.exec(fields.get('content-range') ?? '');
  if (match === null) return undefined;
  const [first = 0, last = 0, length = 0] = match.slice(1).map(Number);
  if (first > last || last >= length) return undefined;
  const own = fields.get('content-length');
  if (own !== undefined && Number(own) !== last - first + 1) return undefined;
  return { first, last, length };
}

/** A "part" that has all bytes. */
export function isWhole({ first, last, length }: ContentRange): boolean {
  return first === 0 && last === length - 1;
}

/** Whether all bytes of the range are in one span. */
export function covers(spans: readonly ByteRange[], { first, last }: ByteRange): boolean {
  return spans.some((span) => span.first <= first && last <= span.last);
}

/** From the first to the last byte that is missing of the ranges, when nothing in between is stored; else undefined. */
export function gapOf(
  spans: readonly ByteRange[],
  wanted: readonly ByteRange[],
): ByteRange | undefined {
  const missing = wanted.map((range) => trimmed(spans, range)).filter((gap) => gap !== undefined);
  if (missing.length === 0) return undefined;
  const first = Math.min(...missing.map((gap) => gap.first));
  const last = Math.max(...missing.map((gap) => gap.last));
  const within = spans.some((span) => span.first > first && span.last < last);
  return within ? undefined : { first, last };
}

/** Without what is stored at both ends of the range; undefined when nothing is left. */
function trimmed(spans: readonly ByteRange[], range: ByteRange): ByteRange | undefined {
  let { first, last } = range;
  for (const span of spans) {
    if (span.first <= first && first <= span.last) first = span.last + 1;
  }
  for (const span of spans.toReversed()) {
    if (span.first <= last && last <= span.last) last = span.first - 1;
  }
  return first > last ? undefined : { first, last };
}

/** Where a byte of the complete body is among the stored ones; undefined when it is not there. */
export function storedOffset(entry: Entry, at: number): number | undefined {
  if (entry.spans === undefined) return at < entry.length ? at : undefined;
  let offset = 0;
  for (const { first, last } of entry.spans) {
    if (at >= first && at <= last) return offset + at - first;
    offset += last - first + 1;
  }
  return undefined;
}

/** RFC 9111 3.4: only parts with one strong validator are parts of one thing. */
export function mayJoin(stored: Entry, part: Entry): boolean {
  const tag = strongTag(stored);
  return tag !== undefined && tag === strongTag(part) && stored.length === part.length;
}

/** A stretch of a joined body: `length` bytes from `offset` on, of what is stored or of the new part. */
export interface JoinPiece {
  readonly from: 'stored' | 'part';
  readonly offset: number;
  readonly length: number;
}

export interface Join {
  /** The head of the newer part (RFC 9111 3.4) for all bytes together. */
  readonly entry: Entry;
  /** In the order in which they make the new stored body. */
  readonly pieces: readonly JoinPiece[];
}

/** Joins a part to what is stored; where both have bytes, the part's count. `mayJoin` must hold. */
export function join(stored: Entry, part: Entry): Join | undefined {
  const own = part.spans?.[0];
  if (own === undefined) return undefined;
  const old = stored.spans ?? [{ first: 0, last: stored.length - 1 }];
  const pieces: (JoinPiece & ByteRange)[] = [];
  let offset = 0;
  for (const { first, last } of old) {
    const before = Math.min(last, own.first - 1);
    if (first <= before) pieces.push(pieceOf('stored', offset, { first, last: before }));
    const after = Math.max(first, own.last + 1);
    if (after <= last) {
      pieces.push(pieceOf('stored', offset + after - first, { first: after, last }));
    }
    offset += last - first + 1;
  }
  pieces.push(pieceOf('part', 0, own));
  pieces.sort((a, b) => a.first - b.first);
  const spans = merged(pieces);
  if (spans.length > SPANS_MAX) return undefined;
  const whole = spans.length === 1 && spans[0]?.first === 0 && spans[0].last === part.length - 1;
  return {
    entry: part.with({ spans: whole ? undefined : spans }),
    pieces: pieces.map(({ from, offset: at, length }) => ({ from, offset: at, length })),
  };
}

function pieceOf(
  from: JoinPiece['from'],
  offset: number,
  { first, last }: ByteRange,
): JoinPiece & ByteRange {
  return { from, offset, length: last - first + 1, first, last };
}

/** Neighbours made one. */
function merged(ranges: readonly ByteRange[]): ByteRange[] {
  const spans: ByteRange[] = [];
  for (const { first, last } of ranges) {
    const before = spans.at(-1);
    if (before !== undefined && before.last + 1 === first) {
      spans[spans.length - 1] = { first: before.first, last };
    } else spans.push({ first, last });
  }
  return spans;
}

/**
 * The entry of a body that broke off after `bytes` bytes (RFC 9111 3.3): a part like any other. Undefined when nothing
 * could ever be joined to it.
 */
export function brokenOff(entry: Entry, bytes: number): Entry | undefined {
  if (entry.status !== 200 || bytes === 0 || strongTag(entry) === undefined) return undefined;
  const start = entry.spans === undefined ? 0 : (entry.spans[0]?.first ?? 0);
  if (entry.length <= start + bytes) return undefined;
  return entry.with({ spans: [{ first: start, last: start + bytes - 1 }] });
}
