/**
 * Reads the wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/), as far as Hrana's messages need it.
 * Unknown fields are skipped; whatever is malformed is `HRANA_PROTO_ERROR`.
 */
import { ProtocolError } from './errors.ts';

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const VARINT_BYTES_MAX = 10;

/** One field of a message; the getters check its wire type. */
export interface Field {
  readonly number: number;
  int32(): number;
  uint32(): number;
  sint64(): bigint;
  bool(): boolean;
  double(): number;
  string(): string;
  bytes(): Uint8Array;
  /** A reader of the message in it. */
  message(): ProtobufReader;
}

export class ProtobufReader {
  readonly #bytes: Uint8Array;
  readonly #depthLeft: number;
  readonly #path: string;
  #at = 0;

  constructor(bytes: Uint8Array, path: string, depthMax: number) {
    this.#bytes = bytes;
    this.#path = path;
    this.#depthLeft = depthMax;
  }

  /** Calls `read` for each field; what it does not ask for is skipped. */
  each(read: (field: Field) => void): void {
    while (this.#at < this.#bytes.length) {
      const tag = this.#size();
      const number = Math.floor(tag / 8);
      const wireType = tag % 8;
      if (number === 0 || number > 536_870_911) throw this.#wrong(`has a field ${number}`);
      const start = this.#at;
      this.#skip(wireType);
      const end = this.#at;
      this.#at = start;
      read(this.#field(number, wireType));
      this.#at = end;
    }
  }

  #field(number: number, wireType: number): Field {
    const start = this.#at;
    // A field may be read more than once.
    const expect = (wanted: number): void => {
      this.#at = start;
      if (wireType !== wanted) {
        throw this.#wrong(`has wire type ${wireType} in field ${number}, want ${wanted}`);
      }
    };
    const varint = (): bigint => {
      expect(VARINT);
      return this.#varint();
    };
    const bytes = (): Uint8Array => {
      expect(LENGTH);
      const length = this.#size();
      return this.#bytes.subarray(this.#at, this.#at + length);
    };
    return {
      number,
      int32: () => Number(BigInt.asIntN(32, varint())),
      uint32: () => Number(BigInt.asUintN(32, varint())),
      bool: () => varint() !== 0n,
      sint64: () => {
        const zigzag = BigInt.asUintN(64, varint());
        return (zigzag >> 1n) ^ -(zigzag & 1n);
      },
      double: () => {
        expect(FIXED64);
        return this.#view(8).getFloat64(0, true);
      },
      string: () => this.#text(bytes()),
      bytes: () => Uint8Array.from(bytes()),
      message: () => {
        if (this.#depthLeft <= 1) throw this.#wrong('holds too many messages in each other');
        return new ProtobufReader(bytes(), `${this.#path}.${number}`, this.#depthLeft - 1);
      },
    };
  }

  #text(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.#wrong('holds a string that is not UTF-8');
    }
  }

  /** Of tags and lengths, which are small: a longer number is not exact, and larger than any message. */
  #size(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw this.#wrong('ends in the middle of a number');
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw this.#wrong('has a number of more than 64 bits');
  }

  #varint(): bigint {
    let value = 0n;
    for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw this.#wrong('ends in the middle of a number');
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << BigInt(7 * count);
      if (byte < 0x80) return value;
    }
    throw this.#wrong('has a number of more than 64 bits');
  }

  #skip(wireType: number): void {
    switch (wireType) {
      case VARINT:
        this.#varint();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case LENGTH:
        this.#advance(this.#size());
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        throw this.#wrong(`has a field of wire type ${wireType}`);
    }
  }

  #advance(count: number): void {
    if (count > this.#bytes.length - this.#at) throw this.#wrong('ends in the middle of a field');
    this.#at += count;
  }

  #view(length: number): DataView {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, length);
  }

  #wrong(what: string): ProtocolError {
    return new ProtocolError(`"${this.#path}" ${what}`);
  }
}
