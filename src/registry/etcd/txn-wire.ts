/**
 * etcd's transactions as bytes, by hand: each append to a database's log is one, and a library that looks each field up was a third of
 * what it cost to ask etcd. Only what we say of `etcd.proto`; everything else is `etcd-pb.ts`. Source: protocol buffers' "Encoding".
 */
import { fromBinary, type TxnResponse, TxnResponseSchema } from './etcd-pb.ts';

/** The key was last written at that revision of etcd; 0: there is none. */
export interface Compare {
  readonly key: Uint8Array;
  readonly modRevision: bigint;
}

export type Op =
  | {
      readonly kind: 'put';
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly lease?: bigint;
    }
  | { readonly kind: 'delete'; readonly key: Uint8Array; readonly rangeEnd?: Uint8Array }
  /** No values: revisions, or how many there are. */
  | { readonly kind: 'range'; readonly key: Uint8Array; readonly only: 'keys' | 'count' };

export interface Txn {
  readonly compare: readonly Compare[];
  readonly success: readonly Op[];
  readonly failure: readonly Op[];
}

/** Of one that succeeded nobody asks what its parts said. */
export type TxnAnswer =
  | { readonly succeeded: true; readonly revision: bigint }
  | { readonly succeeded: false; readonly response: TxnResponse };

/** Wire types. */
const VARINT = 0;
const BYTES = 2;
/** `Compare.CompareTarget.MOD`; the result `EQUAL` is 0 and left out, as what is 0 is. */
const MOD = 2;
/** Beside keys and values: of a compare or an operation with all fields that have one. */
const PART_BYTES = 96;
const VARINT_MORE = 0x80;
const LOW_BITS = 0x7f;
const LOW_BITS_LONG = 0x7fn;

export function encodeTxn({ compare, success, failure }: Txn): Uint8Array {
  const out = new Backwards(
    compare.reduce((sum, { key }) => sum + key.byteLength + PART_BYTES, 0) +
      [...success, ...failure].reduce((sum, op) => sum + sizeOf(op), 0),
  );
  for (const op of failure.toReversed()) writeOp(out, 3, op);
  for (const op of success.toReversed()) writeOp(out, 2, op);
  for (const { key, modRevision } of compare.toReversed()) {
    const end = out.at;
    // One of several that it could be, so it is said also when it is 0.
    out.long(6, modRevision);
    out.bytes(3, key);
    out.number(2, MOD);
    out.head(1, end);
  }
  return out.all;
}

/** Throws when these bytes are none. */
export function decodeTxn(bytes: Uint8Array): TxnAnswer {
  const revision = successIn(bytes);
  if (revision !== undefined) return { succeeded: true, revision };
  const response = fromBinary(TxnResponseSchema, bytes);
  return response.succeeded
    ? { succeeded: true, revision: response.header?.revision ?? 0n }
    : { succeeded: false, response };
}

function sizeOf(op: Op): number {
  const more =
    op.kind === 'put'
      ? op.value.byteLength
      : ((op.kind === 'delete' ? op.rangeEnd?.byteLength : undefined) ?? 0);
  return op.key.byteLength + more + PART_BYTES;
}

function writeOp(out: Backwards, field: number, op: Op): void {
  const end = out.at;
  switch (op.kind) {
    case 'range':
      out.number(op.only === 'keys' ? 8 : 9, 1);
      out.bytes(1, op.key);
      out.head(1, end);
      break;
    case 'put':
      if (op.lease !== undefined) out.long(3, op.lease);
      if (op.value.byteLength > 0) out.bytes(2, op.value);
      out.bytes(1, op.key);
      out.head(2, end);
      break;
    case 'delete':
      if (op.rangeEnd !== undefined) out.bytes(2, op.rangeEnd);
      out.bytes(1, op.key);
      out.head(3, end);
      break;
  }
  out.head(field, end);
}

/** From the end to the beginning: the length of what is inside is known when its head is written. */
class Backwards {
  at: number;
  readonly #buffer: Uint8Array;

  constructor(bytesMax: number) {
    this.#buffer = new Uint8Array(bytesMax);
    this.at = bytesMax;
  }

  get all(): Uint8Array {
    return this.#buffer.subarray(this.at);
  }

  bytes(field: number, value: Uint8Array): void {
    const end = this.at;
    this.at -= value.byteLength;
    this.#buffer.set(value, this.at);
    this.head(field, end);
  }

  number(field: number, value: number): void {
    this.#varint(value);
    this.#varint((field << 3) | VARINT);
  }

  long(field: number, value: bigint): void {
    if (value >= 0n && value <= Number.MAX_SAFE_INTEGER) return this.number(field, Number(value));
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    for (; rest > LOW_BITS_LONG; rest >>= 7n)
      bytes.push(Number(rest & LOW_BITS_LONG) | VARINT_MORE);
    bytes.push(Number(rest));
    this.at -= bytes.length;
    this.#buffer.set(bytes, this.at);
    this.#varint((field << 3) | VARINT);
  }

  /** Of everything from here to `end`. */
  head(field: number, end: number): void {
    this.#varint(end - this.at);
    this.#varint((field << 3) | BYTES);
  }

  /** Not negative, and exact as a number. */
  #varint(value: number): void {
    let size = 1;
    for (let rest = value; rest > LOW_BITS; rest = Math.floor(rest / VARINT_MORE)) size++;
    this.at -= size;
    let { at } = this;
    let rest = value;
    for (; rest > LOW_BITS; rest = Math.floor(rest / VARINT_MORE))
      this.#buffer[at++] = (rest % VARINT_MORE) | VARINT_MORE;
    this.#buffer[at] = rest;
  }
}

/** The revision in the header, where that is followed by "succeeded", as etcd has it; undefined: the library is to look. */
function successIn(bytes: Uint8Array): bigint | undefined {
  if (bytes[0] !== ((1 << 3) | BYTES)) return undefined;
  const end = 2 + (bytes[1] ?? 0);
  if ((bytes[1] ?? 0) > LOW_BITS || bytes[end] !== ((2 << 3) | VARINT) || bytes[end + 1] !== 1)
    return undefined;
  for (let at = 2; at < end;) {
    const tag = bytes[at++] ?? 0;
    if ((tag & 7) !== VARINT || tag > LOW_BITS) return undefined;
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[at++] ?? 0;
      value += (byte & LOW_BITS) * scale;
      scale *= VARINT_MORE;
      if (byte < VARINT_MORE) break;
      if (at >= end) return undefined;
    }
    if (tag === ((3 << 3) | VARINT)) return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  }
  return undefined;
}
