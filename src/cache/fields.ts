/**
 * How the cache reads the fields of a message, whatever holds them: a scanned head, stored lines, or a list.
 * Names are asked for in lower case.
 */
import { FIELD, fieldSet, type FieldId } from '../http/field-names.ts';
import { FieldScanner } from '../http/head.ts';
import type { HeadLimits } from '../http/limits.ts';

export interface Fields {
  /** All values of a field joined by `, ` (RFC 9110 5.3); undefined when it is absent. */
  get(name: string): string | undefined;
  readonly count: number;
  /** As it was written. */
  nameAt(index: number): string;
  valueAt(index: number): string;
}

/** A field as a pair of name and value. */
export type FieldLine = readonly [name: string, value: string];

/** Fields that are strings already: of HTTP/2, of a request that is kept, of a test. */
export class FieldList implements Fields {
  readonly lines: readonly FieldLine[];

  constructor(lines: readonly FieldLine[]) {
    this.lines = lines;
  }

  get count(): number {
    return this.lines.length;
  }

  get(name: string): string | undefined {
    const between = name === 'cookie' ? '; ' : ', ';
    let joined: string | undefined;
    for (const [own, value] of this.lines) {
      if (own.length !== name.length || own.toLowerCase() !== name) continue;
      joined = joined === undefined ? value : `${joined}${between}${value}`;
    }
    return joined;
  }

  nameAt(index: number): string {
    return this.lines[index]?.[0] ?? '';
  }

  valueAt(index: number): string {
    return this.lines[index]?.[1] ?? '';
  }
}

/** Fields that the scanner knows by number: absence is told without looking at a byte. */
const KNOWN: ReadonlyMap<string, FieldId> = new Map([
  ['cache-control', FIELD.cacheControl],
  ['range', FIELD.range],
  ['if-range', FIELD.ifRange],
  ['if-match', FIELD.ifMatch],
  ['if-none-match', FIELD.ifNoneMatch],
  ['if-modified-since', FIELD.ifModifiedSince],
  ['if-unmodified-since', FIELD.ifUnmodifiedSince],
  ['accept', FIELD.accept],
  ['accept-encoding', FIELD.acceptEncoding],
  ['cookie', FIELD.cookie],
  ['date', FIELD.date],
  ['content-type', FIELD.contentType],
  ['content-encoding', FIELD.contentEncoding],
  ['content-length', FIELD.contentLength],
]);

/** A scanned head. Set `scanner` anew for each message; nothing is read before it is asked for. */
export class HeadFields implements Fields {
  scanner: FieldScanner;

  constructor(scanner: FieldScanner) {
    this.scanner = scanner;
  }

  get count(): number {
    return this.scanner.count;
  }

  get(name: string): string | undefined {
    const { scanner } = this;
    const known = KNOWN.get(name);
    if (known !== undefined) return scanner.joined(known);
    const isUnclassed = UNCLASSED.has(name);
    if (isUnclassed && (scanner.seen & OTHERS) === 0) return undefined;
    let joined: string | undefined;
    for (let index = 0; index < scanner.count; index++) {
      if (isUnclassed && scanner.ids[index] !== FIELD.other) continue;
      if (!hasName(scanner, index, name)) continue;
      const value = scanner.valueAt(index);
      joined = joined === undefined ? value : `${joined}, ${value}`;
    }
    return joined;
  }

  /** `names`: in lower case. A copy when there are any. */
  without(names: readonly string[]): Fields {
    if (names.length === 0) return this;
    const { lines } = copyFields(this);
    return new FieldList(lines.filter(([name]) => !names.includes(name.toLowerCase())));
  }

  nameAt(index: number): string {
    return this.scanner.nameAt(index);
  }

  valueAt(index: number): string {
    return this.scanner.valueAt(index);
  }
}

/** Names that no known field has: most of what the cache asks for, so fields with an id need no look. */
const UNCLASSED: ReadonlySet<string> = new Set([
  'authorization',
  'pragma',
  'accept-language',
  'age',
  'expires',
  'etag',
  'last-modified',
  'vary',
  'location',
  'content-location',
  'content-range',
  'cdn-cache-control',
  'cache-status',
  'set-cookie',
]);

const OTHERS = fieldSet(FIELD.other);

function hasName(scanner: FieldScanner, index: number, name: string): boolean {
  const from = scanner.offsets[index * 4] ?? 0;
  const to = scanner.offsets[index * 4 + 1] ?? 0;
  if (to - from !== name.length) return false;
  for (let at = 0; at < name.length; at++) {
    const byte = scanner.buffer[from + at] ?? 0;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (lower !== name.charCodeAt(at)) return false;
  }
  return true;
}

/** Fields whose presence alone changes how a request is decided; absent, the common case, costs one comparison. */
export const REQUEST_WISHES: number = fieldSet(
  FIELD.cacheControl,
  FIELD.range,
  FIELD.ifRange,
  FIELD.ifMatch,
  FIELD.ifNoneMatch,
  FIELD.ifModifiedSince,
  FIELD.ifUnmodifiedSince,
);

/** Stored lines were a scanned head once, and a 304 may have added to them. */
const STORED_LIMITS: HeadLimits = {
  headBytesMax: 256 * 1024,
  headersMax: 800,
  targetBytesMax: 0,
};

/** The fields of whole lines that end in an empty one. Throws HttpError when they are anything else. */
export function readLines(text: string): FieldList {
  const bytes = Buffer.from(text, 'latin1');
  const scanner = new FieldScanner(STORED_LIMITS);
  scanner.reset(0);
  scanner.scanFields(bytes, bytes.length);
  return copyFields(scanner);
}

/** A copy that outlives the buffer of a head. */
export function copyFields(fields: {
  readonly count: number;
  nameAt(index: number): string;
  valueAt(index: number): string;
}): FieldList {
  const lines: FieldLine[] = [];
  for (let index = 0; index < fields.count; index++) {
    lines.push([fields.nameAt(index), fields.valueAt(index)]);
  }
  return new FieldList(lines);
}
