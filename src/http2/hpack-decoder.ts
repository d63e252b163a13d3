/**
 * Blocks of fields as they come (RFC 7541), strict. A block is always read to its end, also when the list that it makes is too
 * long: the table has to stay what the peer thinks that it is.
 */
import { latin1 } from '../http/latin1.ts';
import { ERROR } from './codes.ts';
import { Field } from './field.ts';
import { H2Error } from './h2-error.ts';
import { huffmanDecode } from './huffman.ts';
import { DYNAMIC_FROM, STATIC_FIELDS, TABLE_BYTES_DEFAULT } from './static-table.ts';

/** Beyond every length and index that could be meant: RFC 7541 5.1 asks for a limit. */
const INTEGER_SHIFT_MAX = 21;
/** RFC 7541 5.2: no code is shorter than five bits. */
const HUFFMAN_GROWTH = 8 / 5;
const SCRATCH_BYTES = 32 * 1024;
/** Entries that have left the table and are still in the array. */
const GONE_MAX = 64;

export interface ListLimits {
  /** As the table counts: names, values and 32 for each field. */
  readonly listBytesMax: number;
  readonly fieldsMax: number;
}

let scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

export class HpackDecoder {
  /** The table, oldest first, behind `gone` that are no longer in it. */
  private entries: Field[] = [];
  private gone = 0;
  private tableBytes = 0;
  private tableBytesMax: number = TABLE_BYTES_DEFAULT;
  private bytes: Buffer = scratch;
  private at = 0;
  private end = 0;

  /** Bytes of the table at present. */
  get size(): number {
    return this.tableBytes;
  }

  /** The fields of the block `from..to`; undefined: more than the limits. Throws H2Error COMPRESSION_ERROR. */
  decode(bytes: Buffer, from: number, to: number, limits: ListLimits): Field[] | undefined {
    const fields: Field[] = [];
    let listBytes = 0;
    let mayResize = true;
    this.bytes = bytes;
    this.at = from;
    this.end = to;
    while (this.at < to) {
      const first = bytes[this.at] ?? 0;
      if ((first & 0xe0) === 0x20) {
        // RFC 7541 4.2: only at the beginning.
        if (!mayResize) throw malformed('The size of the table changes within a block');
        this.resize(this.integer(0x1f));
        continue;
      }
      mayResize = false;
      const field = (first & 0x80) === 0 ? this.literal(first) : this.indexed(this.integer(0x7f));
      listBytes += field.size;
      if (listBytes <= limits.listBytesMax && fields.length < limits.fieldsMax) fields.push(field);
      else listBytes = Number.POSITIVE_INFINITY;
    }
    return listBytes <= limits.listBytesMax ? fields : undefined;
  }

  private literal(first: number): Field {
    const isKept = (first & 0x40) !== 0;
    const nameIndex = this.integer(isKept ? 0x3f : 0x0f);
    const name = nameIndex === 0 ? this.string() : this.indexed(nameIndex).name;
    const field = new Field(name, this.string());
    if (isKept) this.add(field);
    return field;
  }

  private indexed(index: number): Field {
    const field =
      index < DYNAMIC_FROM
        ? STATIC_FIELDS[index]
        : this.entries[this.entries.length - 1 - (index - DYNAMIC_FROM)];
    const isGone = index >= DYNAMIC_FROM + this.entries.length - this.gone;
    if (field === undefined || index === 0 || isGone)
      throw malformed(`No field has index ${index}`);
    return field;
  }

  private resize(bytesMax: number): void {
    if (bytesMax > TABLE_BYTES_DEFAULT) throw malformed('The table is made larger than was agreed');
    this.tableBytesMax = bytesMax;
    this.evict(0);
  }

  private add(field: Field): void {
    const { size } = field;
    this.evict(size);
    // RFC 7541 4.4: one that is too large only empties the table.
    if (size > this.tableBytesMax) return;
    this.entries.push(field);
    this.tableBytes += size;
  }

  private evict(room: number): void {
    const { entries } = this;
    while (this.tableBytes > 0 && this.tableBytes + room > this.tableBytesMax) {
      this.tableBytes -= entries[this.gone++]?.size ?? 0;
    }
    if (this.gone <= GONE_MAX) return;
    this.entries = entries.slice(this.gone);
    this.gone = 0;
  }

  /** RFC 7541 5.1; `mask`: the bits of its prefix. */
  private integer(mask: number): number {
    const { bytes, end } = this;
    let value = (bytes[this.at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.at >= end) throw malformed('A number is cut off');
      if (shift > INTEGER_SHIFT_MAX) throw malformed('A number is too large');
      const byte = bytes[this.at++] ?? 0;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  private string(): string {
    const { bytes, end } = this;
    if (this.at >= end) throw malformed('A text is missing');
    const isHuffman = (bytes[this.at] ?? 0) >= 0x80;
    const length = this.integer(0x7f);
    const from = this.at;
    if (length > end - from) throw malformed('A text is cut off');
    this.at = from + length;
    if (!isHuffman) return latin1(bytes, from, this.at);
    const room = Math.ceil(length * HUFFMAN_GROWTH);
    if (room > scratch.length) scratch = Buffer.allocUnsafeSlow(room);
    const made = huffmanDecode(bytes, from, this.at, scratch);
    if (made < 0) throw malformed('A text is not in Huffman code');
    return latin1(scratch, 0, made);
  }
}

function malformed(message: string): H2Error {
  return new H2Error(ERROR.compression, message);
}
