/**
 * Byte ranges (RFC 9110 section 14): what a Range field asks of a body of known length, and the framing of
 * `multipart/byteranges`. Costly requests (many, tiny or overlapping ranges) are answered with the whole body
 * instead, as 14.2 permits.
 */

/** Both ends inclusive, `0 <= first <= last < length`. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * `ignore`: malformed, another unit, or not worth it: send 200 with everything;
 * `unsatisfiable`: 416 with an asterisk as Content-Range; `ranges`: 206, one or several, in the order asked.
 */
export type RangeVerdict =
  | { readonly kind: 'ignore' }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'ranges'; readonly ranges: readonly ByteRange[] };

/** Ranges in one request beyond which the whole body is sent. */
export const RANGES_MAX = 16;
/** Pairs of ranges that may overlap: RFC 9110 14.2 calls more than two a sign of an attack. */
export const OVERLAPS_MAX = 2;

const IGNORE: RangeVerdict = { kind: 'ignore' };
const UNSATISFIABLE: RangeVerdict = { kind: 'unsatisfiable' };
const BYTES_UNIT = /^bytes=/i;
/** However many digits: what loses precision as a number is far behind the end of any body. */
const RANGE_SPEC = /^(\d*)-(\d*)$/;

/** Reads a Range value against a body of `length` bytes. */
export function parseRange(value: string, length: number): RangeVerdict {
  if (!BYTES_UNIT.test(value)) return IGNORE;
  const specs = value
    .slice('bytes='.length)
    .split(',', RANGES_MAX + 1)
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
  if (specs.length === 0 || specs.length > RANGES_MAX) return IGNORE;
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const range = parseSpec(spec, length);
    if (range === undefined) return IGNORE;
    if (range !== 'unsatisfiable') ranges.push(range);
  }
  if (ranges.length === 0) return UNSATISFIABLE;
  if (ranges.length > 1 && isWasteful(ranges, length)) return IGNORE;
  return { kind: 'ranges', ranges };
}

/** RFC 9110 14.1.2; undefined when malformed. */
function parseSpec(spec: string, length: number): ByteRange | 'unsatisfiable' | undefined {
  const match = RANGE_SPEC.exec(spec);
  if (match === null) return undefined;
  const [, firstText = '', lastText = ''] = match;
  if (firstText === '') {
    if (lastText === '') return undefined;
    const suffix = Number(lastText);
    if (suffix === 0 || length === 0) return 'unsatisfiable';
    return { first: Math.max(0, length - suffix), last: length - 1 };
  }
  const first = Number(firstText);
  const last = lastText === '' ? Infinity : Number(lastText);
  if (last < first) return undefined;
  if (first >= length) return 'unsatisfiable';
  return { first, last: Math.min(last, length - 1) };
}

/** More bytes than the whole, or too many overlaps. */
function isWasteful(ranges: readonly ByteRange[], length: number): boolean {
  let bytes = 0;
  let overlaps = 0;
  const sorted = ranges.toSorted((a, b) => a.first - b.first);
  let end = -1;
  for (const range of sorted) {
    bytes += range.last - range.first + 1;
    if (range.first <= end) overlaps++;
    end = Math.max(end, range.last);
  }
  return bytes > length || overlaps > OVERLAPS_MAX;
}

/** `bytes 0-499/1234` (RFC 9110 14.4). */
export function contentRange(range: ByteRange, length: number): string {
  return `bytes ${range.first}-${range.last}/${length}`;
}

/** The Content-Range of a 416: an asterisk in place of the range (RFC 9110 14.4). */
export function unsatisfiedRange(length: number): string {
  return `bytes */${length}`;
}

/** Framing of a multipart/byteranges body (RFC 9110 14.6): before each part its head, then the tail. */
export interface MultipartRanges {
  readonly contentType: string;
  /** Of the whole body, heads and tail included. */
  readonly contentLength: number;
  readonly parts: readonly { readonly head: Buffer; readonly range: ByteRange }[];
  readonly tail: Buffer;
}

/** `boundary` must not occur in the body: give it 16 random bytes or more, as letters and digits. */
export function multipartRanges(options: {
  readonly ranges: readonly ByteRange[];
  readonly length: number;
  /** Content-Type of the whole body. */
  readonly contentType: string;
  readonly boundary: string;
}): MultipartRanges {
  const { ranges, length, contentType, boundary } = options;
  const parts = ranges.map((range, index) => ({
    head: Buffer.from(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${contentType}\r\n` +
        `Content-Range: ${contentRange(range, length)}\r\n\r\n`,
      'latin1',
    ),
    range,
  }));
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1');
  const contentLength = parts.reduce(
    (sum, { head, range }) => sum + head.length + (range.last - range.first + 1),
    tail.length,
  );
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    contentLength,
    parts,
    tail,
  };
}
