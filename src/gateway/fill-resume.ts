/**
 * A body whose source went away in the middle, and whether another source has the same: pure. Only a strong validator says so;
 * without one nobody may put the halves of two answers together (RFC 9110 13.1.5).
 */
import { type Entry, HeadFields, UNKNOWN_LENGTH } from '../cache/cache.ts';
import { FIELD } from '../http/field-names.ts';
import type { ResponseHead } from '../http/head.ts';

/** Whole lines that ask for the rest; undefined: it cannot be asked for. */
export function resumeLines({ etag, status, spans }: Entry, bytes: number): string | undefined {
  if (status !== 200 || spans !== undefined || !etag.startsWith('"') || bytes === 0) {
    return undefined;
  }
  return `Range: bytes=${bytes}-\r\nIf-Range: ${etag}\r\n`;
}

/** How many bytes of the answer's body are there already; undefined: it is another one. */
export function resumeSkip(
  { etag, length }: Entry,
  bytes: number,
  head: ResponseHead,
): number | undefined {
  const fields = new HeadFields(head);
  const said = fields.get('etag');
  if (head.status === 200) {
    const same = said === etag && said !== undefined;
    const whole = head.value(FIELD.contentLength);
    return same && (length === UNKNOWN_LENGTH || whole === String(length)) ? bytes : undefined;
  }
  if (head.status !== 206 || (said !== undefined && said !== etag)) return undefined;
  const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(fields.get('content-range') ?? '');
  if (range === null) return undefined;
  const [first, last, total] = range.slice(1).map(Number);
  if (first !== bytes || last === undefined || total !== last + 1) return undefined;
  return length === UNKNOWN_LENGTH || length === total ? 0 : undefined;
}
