/**
 * Where a message ends and what becomes of its connection (RFC 9112 6 and 9), read off a scanned head.
 * There is one answer to everything ambiguous: an error.
 */
import { FIELD, fieldSet } from './field-names.ts';
import type { FieldScanner, RequestHead, ResponseHead } from './head.ts';
import { HttpError } from './http-error.ts';

/** How a body is delimited. */
export const BODY = { none: 0, length: 1, chunked: 2, close: 3 } as const;
export type BodyKind = (typeof BODY)[keyof typeof BODY];

const FRAMING_FIELDS = fieldSet(FIELD.contentLength, FIELD.transferEncoding);
const LENGTH_BIT = fieldSet(FIELD.contentLength);
const HOST_BIT = fieldSet(FIELD.host);
const CONNECTION_BIT = fieldSet(FIELD.connection);
const UPGRADE_BIT = fieldSet(FIELD.upgrade);
const EXPECT_BIT = fieldSet(FIELD.expect);

/** Connection options that are not field names to strip. */
const NO_NAMES: readonly string[] = [];
/** Naming these in Connection would make the next hop see another request than this one. */
const NEVER_HOP_BY_HOP: ReadonlySet<string> = new Set(['host', 'authorization', 'cookie']);

/** What the Connection fields say; a base for both directions. Reused from message to message. */
class ConnectionOptions {
  keepAlive = true;
  /** `upgrade` is among the options. */
  upgrade = false;
  /** Lower-case names of fields that end at this hop (RFC 9110 7.6.1). */
  names: readonly string[] = NO_NAMES;

  protected readConnection(head: FieldScanner, minor: 0 | 1): void {
    this.keepAlive = minor === 1;
    this.upgrade = false;
    this.names = NO_NAMES;
    if ((head.seen & CONNECTION_BIT) === 0) return;
    const value = head.joined(FIELD.connection) ?? '';
    // The three that nearly everybody sends, without taking them apart.
    if (value === 'keep-alive') this.keepAlive = true;
    else if (value === 'close') this.keepAlive = false;
    else if (value === 'Upgrade') this.upgrade = true;
    else this.readOptions(value);
  }

  private readOptions(value: string): void {
    const names: string[] = [];
    let close = false;
    for (const part of value.toLowerCase().split(',')) {
      const option = part.trim();
      if (option === 'close') close = true;
      else if (option === 'keep-alive') this.keepAlive = true;
      else if (option === 'upgrade') this.upgrade = true;
      // Framing is said anew at each hop in any case; without it the message would have no end.
      else if (option === 'content-length' || option === 'transfer-encoding') continue;
      else if (NEVER_HOP_BY_HOP.has(option)) {
        throw new HttpError(400, 'HTTP_BAD_CONNECTION', `Connection names the field "${option}"`);
      } else if (option !== '') names.push(option);
    }
    // RFC 9112 9.3: close wins over anything else.
    if (close) this.keepAlive = false;
    this.names = names;
  }
}

export class RequestFraming extends ConnectionOptions {
  kind: BodyKind = BODY.none;
  /** Bytes, for `BODY.length`. */
  length = 0;
  expectContinue = false;

  /** Throws HttpError 400, 417 or 501. */
  read(head: RequestHead): void {
    if ((head.repeated & HOST_BIT) !== 0) {
      throw new HttpError(400, 'HTTP_BAD_HOST', 'The request has more than one Host field');
    }
    if ((head.seen & HOST_BIT) === 0 && head.minor === 1) {
      throw new HttpError(400, 'HTTP_BAD_HOST', 'The request has no Host field');
    }
    this.readConnection(head, head.minor);
    this.readBody(head);
    this.expectContinue = (head.seen & EXPECT_BIT) !== 0 && expects(head);
    // An upgrade needs HTTP/1.1 and its own field; one with a body is passed on as a plain request.
    if (this.upgrade) {
      this.upgrade = head.minor === 1 && (head.seen & UPGRADE_BIT) !== 0 && this.kind === BODY.none;
    }
  }

  private readBody(head: RequestHead): void {
    this.kind = BODY.none;
    this.length = 0;
    if ((head.seen & FRAMING_FIELDS) === 0) return;
    refuseDoubleFraming(head);
    const coding = head.value(FIELD.transferEncoding);
    if (coding !== undefined) {
      if (head.minor === 0) {
        throw badFraming('Transfer-Encoding is not defined for HTTP/1.0');
      }
      requireChunked(coding);
      this.kind = BODY.chunked;
      return;
    }
    this.kind = BODY.length;
    this.length = contentLength(head);
  }
}

function expects(head: RequestHead): boolean {
  if (head.minor === 0) return false;
  const value = head.joined(FIELD.expect) ?? '';
  if (value.toLowerCase() === '100-continue') return true;
  throw new HttpError(417, 'HTTP_BAD_EXPECT', 'The only expectation known is "100-continue"');
}

export class ResponseFraming extends ConnectionOptions {
  kind: BodyKind = BODY.none;
  /** Bytes, for `BODY.length`. */
  length = 0;

  /** `toHead`: it answers a HEAD request. Throws HttpError for anything ambiguous. */
  read(head: ResponseHead, toHead: boolean): void {
    this.readConnection(head, head.minor);
    this.kind = BODY.none;
    this.length = 0;
    const framed = (head.seen & FRAMING_FIELDS) !== 0;
    if (framed) {
      refuseDoubleFraming(head);
      if ((head.seen & LENGTH_BIT) !== 0) this.length = contentLength(head);
    }
    const status = head.status;
    if (toHead || status < 200 || status === 204 || status === 304) return;
    if (!framed) {
      this.kind = BODY.close;
      this.keepAlive = false;
      return;
    }
    const coding = head.value(FIELD.transferEncoding);
    if (coding !== undefined) {
      if (head.minor === 0) throw badFraming('Transfer-Encoding is not defined for HTTP/1.0');
      requireChunked(coding);
      this.kind = BODY.chunked;
      return;
    }
    this.kind = BODY.length;
  }
}

function refuseDoubleFraming(head: FieldScanner): void {
  if ((head.seen & FRAMING_FIELDS) === FRAMING_FIELDS) {
    throw badFraming('Both Content-Length and Transfer-Encoding are there');
  }
  if ((head.repeated & FRAMING_FIELDS) !== 0) {
    throw badFraming('Content-Length or Transfer-Encoding is there twice');
  }
}

function requireChunked(value: string): void {
  const coding = value.toLowerCase();
  if (coding === 'chunked') return;
  // RFC 9112 6.1: a coding that is not understood is 501, chunked at the wrong place or twice is 400.
  const codings = coding.split(',').map((part) => part.trim());
  const last = codings.pop();
  if (last === 'chunked' && codings.length > 0 && !codings.includes('chunked')) {
    throw new HttpError(501, 'HTTP_BAD_CODING', 'The only transfer coding known is "chunked"');
  }
  throw badFraming('The last transfer coding is not "chunked", or it is there twice');
}

/** Digits only (RFC 9112 6.3), up to 2^53 - 1. Lists, signs, spaces and hexadecimal are errors. Read where it is: a string costs more. */
function contentLength(head: FieldScanner): number {
  const { buffer } = head;
  const index = head.indexOf(FIELD.contentLength);
  const from = head.valueStart(index);
  const to = head.valueEnd(index);
  if (from === to || to - from > 16) throw badFraming('Content-Length is not a usable number');
  let bytes = 0;
  for (let at = from; at < to; at++) {
    const digit = (buffer[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) throw badFraming('Content-Length is not a number');
    bytes = bytes * 10 + digit;
  }
  if (bytes > Number.MAX_SAFE_INTEGER) throw badFraming('Content-Length is not a usable number');
  return bytes;
}

function badFraming(message: string): HttpError {
  return new HttpError(400, 'HTTP_BAD_FRAMING', message);
}
