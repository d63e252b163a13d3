/**
 * Blocks of fields as they go (RFC 7541). What repeats from answer to answer goes into the table that the peer keeps; what is
 * of one answer only does not, nor what nobody should guess at (RFC 7541 7.1).
 */
import { writeLatin1 } from '../http/latin1.ts';
import type { Field } from './field.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { DYNAMIC_FROM, STATIC_KEYS, STATIC_NAMES, TABLE_BYTES_DEFAULT } from './static-table.ts';

/** Of one answer, or of one moment. */
const PASSING: ReadonlySet<string> = new Set([
  'age',
  'cache-status',
  'content-disposition',
  'content-length',
  'content-location',
  'content-range',
  'etag',
  'expires',
  'last-modified',
  'link',
  'location',
  'x-request-id',
]);
const SECRET: ReadonlySet<string> = new Set(['set-cookie', 'www-authenticate']);
/** Takes no more of the table than this. */
const KEPT_BYTES_MAX = 512;
/** Lengths of name and value, and the index. */
const LITERAL_OVERHEAD_BYTES = 16;
/** Two new sizes of the table. */
const RESIZE_BYTES = 8;

const FORM = { kept: 0x40, passing: 0x00, secret: 0x10 } as const;

export class HpackEncoder {
  /** By key: the how-many-th that was ever put into the table. */
  private readonly numbers = new Map<string, number>();
  /** In the table, oldest first, behind `gone` that left it. */
  private entries: Field[] = [];
  private gone = 0;
  private added = 0;
  private tableBytes = 0;
  private tableBytesMax: number = TABLE_BYTES_DEFAULT;
  /** The smallest size since the last block, while the peer has to be told of one. */
  private resizedTo: number | undefined;

  /** SETTINGS_HEADER_TABLE_SIZE of the peer. */
  resize(bytesMax: number): void {
    const size = Math.min(bytesMax, TABLE_BYTES_DEFAULT);
    if (size === this.tableBytesMax) return;
    this.resizedTo = Math.min(size, this.resizedTo ?? size);
    this.tableBytesMax = size;
    this.evict(0);
  }

  /** No block of these fields is longer. */
  bytesMax(fields: readonly Field[]): number {
    let bytes = RESIZE_BYTES;
    for (const { name, value } of fields)
      bytes += name.length + value.length + LITERAL_OVERHEAD_BYTES;
    return bytes;
  }

  /** Writes a block at `from`; answers where it ends. */
  encode(fields: readonly Field[], out: Buffer, from: number): number {
    let at = from;
    if (this.resizedTo !== undefined) {
      if (this.resizedTo < this.tableBytesMax) at = integer(this.resizedTo, 0x20, 0x1f, out, at);
      at = integer(this.tableBytesMax, 0x20, 0x1f, out, at);
      this.resizedTo = undefined;
    }
    for (const field of fields) at = this.field(field, out, at);
    return at;
  }

  private field(field: Field, out: Buffer, at: number): number {
    const { literal, name } = field;
    if (literal !== undefined) {
      out.set(literal, at);
      return at + literal.length;
    }
    if (PASSING.has(name)) return writeLiteral(field, FORM.passing, out, at);
    if (SECRET.has(name)) return writeLiteral(field, FORM.secret, out, at);
    const { key } = field;
    const fixed = STATIC_KEYS.get(key);
    if (fixed !== undefined) return integer(fixed, 0x80, 0x7f, out, at);
    const number = this.numbers.get(key);
    if (number !== undefined) {
      return integer(DYNAMIC_FROM + this.added - 1 - number, 0x80, 0x7f, out, at);
    }
    const { size } = field;
    if (size > KEPT_BYTES_MAX || size > this.tableBytesMax) {
      return writeLiteral(field, FORM.passing, out, at);
    }
    this.evict(size);
    this.entries.push(field);
    this.numbers.set(key, this.added++);
    this.tableBytes += size;
    return writeLiteral(field, FORM.kept, out, at);
  }

  private evict(room: number): void {
    const { entries } = this;
    while (this.tableBytes > 0 && this.tableBytes + room > this.tableBytesMax) {
      const oldest = entries[this.gone++];
      if (oldest === undefined) break;
      this.numbers.delete(oldest.key);
      this.tableBytes -= oldest.size;
    }
    if (this.gone === 0 || this.gone * 2 < entries.length) return;
    this.entries = entries.slice(this.gone);
    this.gone = 0;
  }
}

/** For an answer that is given again and again: what no table will hold is written once. */
export function prepareFields(fields: readonly Field[]): void {
  for (const field of fields) {
    if (!PASSING.has(field.name)) continue;
    const room = field.name.length + field.value.length + LITERAL_OVERHEAD_BYTES;
    const out = Buffer.allocUnsafe(room);
    field.literal = out.subarray(0, writeLiteral(field, FORM.passing, out, 0));
  }
}

function writeLiteral({ name, value }: Field, form: number, out: Buffer, from: number): number {
  const index = STATIC_NAMES.get(name) ?? 0;
  let at = integer(index, form, form === FORM.kept ? 0x3f : 0x0f, out, from);
  if (index === 0) at = string(name, out, at);
  return string(value, out, at);
}

/** RFC 7541 5.1; `first`: the bits before the prefix, `mask`: those of it. */
function integer(value: number, first: number, mask: number, out: Buffer, from: number): number {
  let at = from;
  if (value < mask) {
    out[at++] = first | value;
    return at;
  }
  out[at++] = first | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  return at;
}

function string(text: string, out: Buffer, from: number): number {
  const bytes = huffmanLength(text);
  if (bytes < text.length) return huffmanEncode(text, out, integer(bytes, 0x80, 0x7f, out, from));
  const at = integer(text.length, 0, 0x7f, out, from);
  return at + writeLatin1(out, text, at);
}
