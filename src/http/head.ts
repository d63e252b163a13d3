/**
 * Scans the head of a message (RFC 9112) once, strictly, without rebuilding it: fields are offsets into
 * the bytes that came from the socket, made strings only when somebody asks. Incremental by lines: a
 * head that is not all there yet is continued, not started anew. Says nothing about meaning; framing and
 * routing are read off it by `framing.ts` and `target.ts`.
 */
import { classify, FIELD, HASH_FACTOR, TOKEN_FOLDED, TWIN } from './field-names.ts';
import { HttpError } from './http-error.ts';
import { latin1 } from './latin1.ts';
import { METHOD_BYTES_MAX, type HeadLimits } from './limits.ts';

const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const HTAB = 0x09;
const COLON = 0x3a;

/** 1 for a byte that a field value may hold (RFC 9110 5.5): HTAB, SP, visible, obs-text. */
const VALUE_BYTE = byteTable((code) => code === HTAB || (code >= 0x20 && code !== 0x7f));
/** 1 for a byte of a request target: visible ASCII without `#` (RFC 9112 3.2). */
const TARGET_BYTE = byteTable((code) => code > 0x20 && code < 0x7f && code !== 0x23);
/** 1 for a byte of a method: capitals, digits and `-`. Lower case is a different method to some. */
const METHOD_BYTE = byteTable(
  (code) => (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x2d,
);

function byteTable(allows: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_value, code) => (allows(code) ? 1 : 0));
}

const EMPTY = Buffer.alloc(0);
const OFFSETS_PER_FIELD = 4;
/** What `startLine` and `fieldLine` answer while the line is not all there. */
const MORE = -1;

/** The fields of a head or trailer section, as offsets into `buffer`. Reused from message to message. */
export class FieldScanner {
  buffer: Buffer = EMPTY;
  /** First byte of the head. */
  start = 0;
  /** One past the empty line that ends the head; valid once `scan` answered true. */
  end = 0;
  /** Number of fields. */
  count = 0;
  /** Bit of every known field that occurs, and that of `other` when there is one that is not known. */
  seen = 0;
  /** The same of those that occur more than once. */
  repeated = 0;
  protected readonly limits: HeadLimits;
  /** Per field: name from, name to, value from, value to. */
  readonly offsets: Uint32Array;
  /** Per field: its id. */
  readonly ids: Uint8Array;
  /** Where the next line to be scanned starts. */
  protected line = 0;
  private whole = '';

  constructor(limits: HeadLimits) {
    this.limits = limits;
    this.offsets = new Uint32Array(limits.headersMax * OFFSETS_PER_FIELD);
    this.ids = new Uint8Array(limits.headersMax);
  }

  /** Forgets the last head; the next one starts at `start` of the buffer handed to `scan`. */
  reset(start: number): void {
    this.start = start;
    this.line = start;
    this.count = 0;
    this.seen = 0;
    this.repeated = 0;
    this.buffer = EMPTY;
    this.whole = '';
  }

  /** The bytes `from..to` of a complete head. The head becomes text once: a call into Node costs more than a slice. */
  slice(from: number, to: number): string {
    if (this.whole === '') this.whole = latin1(this.buffer, this.start, this.end);
    return this.whole.slice(from - this.start, to - this.start);
  }

  /**
   * Scans field lines up to the empty line. True when it was found (`end` is set). Call again with more
   * bytes appended (`start` and what was there unmoved).
   */
  scanFields(buffer: Buffer, end: number): boolean {
    this.buffer = buffer;
    for (;;) {
      const next = this.fieldLine(buffer, this.line, end);
      if (next === MORE) {
        if (end - this.start >= this.limits.headBytesMax) throw tooLarge();
        return false;
      }
      if (next - this.start > this.limits.headBytesMax) throw tooLarge();
      const last = next - this.line === 2;
      this.line = next;
      if (last) {
        this.end = next;
        return true;
      }
    }
  }

  /** Index of the first field with this id, or -1. */
  indexOf(id: number): number {
    if ((this.seen & (1 << id)) === 0) return -1;
    for (let index = 0; index < this.count; index++) if (this.ids[index] === id) return index;
    return -1;
  }

  /** Value of the first field with this id, latin1. */
  value(id: number): string | undefined {
    const index = this.indexOf(id);
    return index < 0 ? undefined : this.valueAt(index);
  }

  /** All values of a known field, joined as a list (RFC 9110 5.3). */
  joined(id: number): string | undefined {
    if ((this.repeated & (1 << id)) === 0) return this.value(id);
    const values: string[] = [];
    for (let index = 0; index < this.count; index++) {
      if (this.ids[index] === id) values.push(this.valueAt(index));
    }
    // No list: a browser sends one line, HTTP/2 several (RFC 6265 5.4, RFC 9113 8.2.3).
    return values.join(id === FIELD.cookie ? '; ' : ', ');
  }

  /** As it was written; compare in lower case. */
  nameAt(index: number): string {
    const at = index * OFFSETS_PER_FIELD;
    return this.slice(this.offsets[at] ?? 0, this.offsets[at + 1] ?? 0);
  }

  valueAt(index: number): string {
    return this.slice(this.valueStart(index), this.valueEnd(index));
  }

  valueStart(index: number): number {
    return this.offsets[index * OFFSETS_PER_FIELD + 2] ?? 0;
  }

  valueEnd(index: number): number {
    return this.offsets[index * OFFSETS_PER_FIELD + 3] ?? 0;
  }

  /** First byte of the field's line; for `count` the empty line. */
  lineAt(index: number): number {
    return index < this.count ? (this.offsets[index * OFFSETS_PER_FIELD] ?? 0) : this.end - 2;
  }

  /** Scans one line; answers where the next starts. The empty line is two bytes long. */
  private fieldLine(buffer: Buffer, from: number, end: number): number {
    let at = from;
    let hash = 0;
    let folded = 0;
    while (at < end && (folded = TOKEN_FOLDED[buffer[at] ?? 0] ?? 0) !== 0) {
      hash = (Math.imul(hash, HASH_FACTOR) + folded) | 0;
      at++;
    }
    if (at === end) return MORE;
    const stop = buffer[at];
    if (stop !== COLON || at === from) {
      if (stop === CR && at === from) return endOfLine(buffer, at, end);
      throw badName(stop, at === from);
    }
    const nameEnd = at++;
    while (at < end && (buffer[at] === SP || buffer[at] === HTAB)) at++;
    const valueStart = at;
    while (at < end && VALUE_BYTE[buffer[at] ?? 0] === 1) at++;
    if (at === end) return MORE;
    const next = endOfLine(buffer, at, end);
    if (next === MORE) return MORE;
    while (at > valueStart && (buffer[at - 1] === SP || buffer[at - 1] === HTAB)) at--;
    this.addField(classify(buffer, from, nameEnd, hash), from, nameEnd, valueStart, at);
    return next;
  }

  private addField(
    id: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    if (id === TWIN) {
      throw new HttpError(400, 'HTTP_BAD_FIELD', 'A field name looks like a known one but has "_"');
    }
    const index = this.count;
    if (index >= this.limits.headersMax) {
      throw new HttpError(
        431,
        'HTTP_TOO_MANY_FIELDS',
        `The head has more than ${this.limits.headersMax} fields`,
      );
    }
    const bit = 1 << id;
    this.repeated |= this.seen & bit;
    this.seen |= bit;
    this.ids[index] = id;
    const at = index * OFFSETS_PER_FIELD;
    const offsets = this.offsets;
    offsets[at] = nameStart;
    offsets[at + 1] = nameEnd;
    offsets[at + 2] = valueStart;
    offsets[at + 3] = valueEnd;
    this.count = index + 1;
  }
}

/** `at` is the first byte that does not belong to the line: it must be CR, and LF must follow. */
function endOfLine(buffer: Buffer, at: number, end: number): number {
  if (buffer[at] !== CR) {
    throw new HttpError(
      400,
      'HTTP_BAD_LINE',
      buffer[at] === LF ? 'A line of the head ends in a bare LF' : 'The head has a control byte',
    );
  }
  if (at + 1 === end) return MORE;
  if (buffer[at + 1] !== LF) {
    throw new HttpError(400, 'HTTP_BAD_LINE', 'The head has a bare CR');
  }
  return at + 2;
}

function badName(stop: number | undefined, empty: boolean): HttpError {
  if (!empty) return new HttpError(400, 'HTTP_BAD_FIELD', 'A field name has a forbidden byte');
  const folded = stop === SP || stop === HTAB;
  return new HttpError(
    400,
    'HTTP_BAD_FIELD',
    folded ? 'A field is folded over two lines' : 'A field name is empty or has a forbidden byte',
  );
}

function tooLarge(): HttpError {
  return new HttpError(431, 'HTTP_HEAD_TOO_LARGE', 'The head is too large');
}

const VERSION = Buffer.from('HTTP/1.', 'latin1');
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];

/** 0 or 1 of `HTTP/1.0` or `HTTP/1.1` at `from..to`; 505 for other versions, 400 for no version. */
function minorVersion(buffer: Buffer, from: number, to: number): 0 | 1 {
  const digit = buffer[from + 7];
  if (to - from === 8 && (digit === 0x31 || digit === 0x30)) {
    let at = 0;
    while (at < 7 && buffer[from + at] === VERSION[at]) at++;
    if (at === 7) return digit === 0x31 ? 1 : 0;
  }
  if (/^HTTP\/\d\.\d$/.test(latin1(buffer, from, Math.min(to, from + 9)))) {
    throw new HttpError(505, 'HTTP_BAD_VERSION', 'Only HTTP/1.0 and HTTP/1.1 are understood here');
  }
  throw new HttpError(400, 'HTTP_BAD_VERSION', 'The request line has no HTTP version');
}

/** A start line and the fields after it. */
abstract class MessageHead extends FieldScanner {
  private started = false;

  override reset(start: number): void {
    super.reset(start);
    this.started = false;
  }

  /**
   * Scans from `start` (given to `reset`) to `end`. False: not all there yet, call again with more bytes
   * appended. Throws HttpError 400, 414, 431 or 505, which is for requests and means nothing for answers.
   */
  scan(buffer: Buffer, end: number): boolean {
    this.buffer = buffer;
    if (!this.started) {
      const next = this.startLine(buffer, this.line, end);
      if (next === MORE) {
        if (end - this.start >= this.limits.headBytesMax) throw tooLarge();
        return false;
      }
      this.started = true;
      this.line = next;
    }
    return this.scanFields(buffer, end);
  }

  /** Answers where the first field starts, or `MORE`. */
  protected abstract startLine(buffer: Buffer, from: number, end: number): number;
}

/** The head of a request: method, target and version beside the fields. */
export class RequestHead extends MessageHead {
  methodEnd = 0;
  methodStart = 0;
  targetStart = 0;
  targetEnd = 0;
  /** The x of HTTP/1.x. */
  minor: 0 | 1 = 1;
  /** The method; the usual ones are constants, so comparing them is comparing pointers. */
  get method(): string {
    const length = this.methodEnd - this.methodStart;
    const first = this.buffer[this.methodStart];
    for (const method of METHODS) {
      if (method.length !== length || method.charCodeAt(0) !== first) continue;
      let at = 1;
      while (at < length && method.charCodeAt(at) === this.buffer[this.methodStart + at]) at++;
      if (at === length) return method;
    }
    return this.slice(this.methodStart, this.methodEnd);
  }

  get target(): string {
    return this.slice(this.targetStart, this.targetEnd);
  }

  protected override startLine(buffer: Buffer, from: number, end: number): number {
    let at = from;
    // RFC 9112 2.2: one empty line before the request line is forgiven.
    if (at < end && buffer[at] === CR) {
      const next = endOfLine(buffer, at, end);
      if (next === MORE) return MORE;
      at = next;
    }
    this.methodStart = at;
    while (at < end && METHOD_BYTE[buffer[at] ?? 0] === 1) at++;
    if (at - this.methodStart > METHOD_BYTES_MAX) {
      throw new HttpError(501, 'HTTP_BAD_METHOD', 'The method is too long');
    }
    if (at === end) return MORE;
    if (buffer[at] !== SP || at === this.methodStart) {
      throw new HttpError(400, 'HTTP_BAD_METHOD', 'The request line does not start with a method');
    }
    this.methodEnd = at++;
    this.targetStart = at;
    while (at < end && TARGET_BYTE[buffer[at] ?? 0] === 1) at++;
    if (at - this.targetStart > this.limits.targetBytesMax) {
      throw new HttpError(
        414,
        'HTTP_TARGET_TOO_LONG',
        `The target is longer than ${this.limits.targetBytesMax} bytes`,
      );
    }
    if (at === end) return MORE;
    if (buffer[at] !== SP || at === this.targetStart) {
      throw new HttpError(400, 'HTTP_BAD_TARGET', 'The request target has a forbidden byte');
    }
    this.targetEnd = at++;
    const versionStart = at;
    while (at < end && TARGET_BYTE[buffer[at] ?? 0] === 1) at++;
    if (at === end) {
      if (at - versionStart > 8) minorVersion(buffer, versionStart, at);
      return MORE;
    }
    const next = endOfLine(buffer, at, end);
    if (next !== MORE) this.minor = minorVersion(buffer, versionStart, at);
    return next;
  }
}

/** The head of an answer: status and reason beside the fields. Errors are for a 502. */
export class ResponseHead extends MessageHead {
  status = 0;
  minor: 0 | 1 = 1;
  /** Status code and reason, as they came: `200 OK`. */
  statusStart = 0;
  statusEnd = 0;
  protected override startLine(buffer: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end && at - from < 7 && buffer[at] === VERSION[at - from]) at++;
    if (at === end) return MORE;
    if (at - from < 7) throw badStatusLine();
    if (end - from < 13) {
      // `HTTP/1.1 200` and the first byte of what follows: nothing shorter can be judged as a whole.
      return MORE;
    }
    const digit = buffer[from + 7];
    if ((digit !== 0x31 && digit !== 0x30) || buffer[from + 8] !== SP) throw badStatusLine();
    this.minor = digit === 0x31 ? 1 : 0;
    let status = 0;
    for (at = from + 9; at < from + 12; at++) {
      const value = (buffer[at] ?? 0) - 0x30;
      if (value < 0 || value > 9) throw badStatusLine();
      status = status * 10 + value;
    }
    if (status < 100 || status > 599) throw badStatusLine();
    // The space before an empty reason is required (RFC 9112 4), and often forgotten.
    if (buffer[at] !== SP && buffer[at] !== CR) throw badStatusLine();
    while (at < end && VALUE_BYTE[buffer[at] ?? 0] === 1) at++;
    if (at === end) return MORE;
    const next = endOfLine(buffer, at, end);
    if (next === MORE) return MORE;
    this.status = status;
    this.statusStart = from + 9;
    this.statusEnd = at;
    return next;
  }
}

function badStatusLine(): HttpError {
  return new HttpError(400, 'HTTP_BAD_STATUS_LINE', 'The answer does not start with a status line');
}
