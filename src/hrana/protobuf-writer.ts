/** Writes the wire format of Protocol Buffers, as far as Hrana's messages need it. */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;

export type WriteMessage = (writer: ProtobufWriter) => void;

export class ProtobufWriter {
  #bytes: Buffer = Buffer.allocUnsafe(256);
  #length = 0;

  /** What was written. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Absent text is not written. */
  string(field: number, value: string | null | undefined): void {
    if (value === null || value === undefined) return;
    const length = Buffer.byteLength(value);
    this.#tag(field, LENGTH);
    this.#size(length);
    this.#reserve(length);
    this.#length += this.#bytes.write(value, this.#length, 'utf8');
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, LENGTH);
    this.raw(value);
  }

  /** Its length and itself. */
  raw(value: Uint8Array): void {
    this.#size(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  message(field: number, write: WriteMessage): void {
    const inner = new ProtobufWriter();
    write(inner);
    this.bytes(field, inner.finish());
  }

  /** Of types int32, uint32, uint64: a negative one takes ten bytes. */
  integer(field: number, value: number): void {
    this.#tag(field, VARINT);
    if (value >= 0) this.#size(value);
    else this.#varint(BigInt.asUintN(64, BigInt(value)));
  }

  bool(field: number, value: boolean): void {
    this.integer(field, value ? 1 : 0);
  }

  /** Zigzag. */
  sint64(field: number, value: bigint): void {
    this.#tag(field, VARINT);
    this.#varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
  }

  double(field: number, value: number): void {
    this.#tag(field, FIXED64);
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  #size(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  #varint(value: bigint): void {
    this.#reserve(10);
    let rest = value;
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #tag(field: number, wireType: number): void {
    this.#size(field * 8 + wireType);
  }

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(wanted, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
