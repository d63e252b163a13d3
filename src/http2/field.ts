/**
 * A field of a head as HPACK carries it, and what RFC 9113 8.2 and 8.3 say of it in a request. Fields that repeat are one object in a
 * table: they are judged and written out once.
 */

export const KIND = {
  regular: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  protocol: 5,
  host: 6,
  cookie: 7,
  contentLength: 8,
  webSocketKey: 9,
  /** A message with it is malformed. */
  malformed: 10,
} as const;
export type FieldKind = (typeof KIND)[keyof typeof KIND];

const SPECIAL: ReadonlyMap<string, FieldKind> = new Map([
  [':method', KIND.method],
  [':scheme', KIND.scheme],
  [':authority', KIND.authority],
  [':path', KIND.path],
  [':protocol', KIND.protocol],
  ['host', KIND.host],
  ['cookie', KIND.cookie],
  ['content-length', KIND.contentLength],
  ['sec-websocket-key', KIND.webSocketKey],
  // RFC 9113 8.2.2: about one connection of HTTP/1.1.
  ['connection', KIND.malformed],
  ['keep-alive', KIND.malformed],
  ['proxy-connection', KIND.malformed],
  ['transfer-encoding', KIND.malformed],
  ['upgrade', KIND.malformed],
]);

/** RFC 9110 5.6.2 without capitals (RFC 9113 8.2.1). */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** RFC 9113 8.2.1: would end a line, or is not allowed in one; nor is a space at either end. */
// oxlint-disable-next-line no-control-regex -- control bytes are what is looked for
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;

/** RFC 7541 4.1. */
const FIELD_OVERHEAD_BYTES = 32;

export class Field {
  /** Latin1, as it came. */
  readonly name: string;
  readonly value: string;
  /** Encoded as a literal that no table holds, if it is worth keeping. */
  literal: Buffer | undefined;
  private judged: FieldKind | undefined;
  private text: string | undefined;
  private pair: string | undefined;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
  }

  /** What a table counts for it. */
  get size(): number {
    return this.name.length + this.value.length + FIELD_OVERHEAD_BYTES;
  }

  get kind(): FieldKind {
    return (this.judged ??= judge(this.name, this.value));
  }

  /** As a line of HTTP/1.1; of a regular field. */
  get line(): string {
    return (this.text ??= `${this.name}: ${this.value}\r\n`);
  }

  /** The same for the same name and value only. */
  get key(): string {
    return (this.pair ??= `${this.name}\0${this.value}`);
  }
}

function judge(name: string, value: string): FieldKind {
  if (BAD_VALUE.test(value)) return KIND.malformed;
  const special = SPECIAL.get(name);
  if (special !== undefined) return special;
  // RFC 9113 8.2.2: TE may say nothing else.
  if (name === 'te' && value !== 'trailers') return KIND.malformed;
  return NAME.test(name) ? KIND.regular : KIND.malformed;
}
