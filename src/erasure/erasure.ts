/**
 * Door of `erasure`: a block as shares, of which any `data` give it back (Reed–Solomon). The first `data` shares are the block cut into
 * pieces, the last one filled up with zeros; the others are sums of them. A range of a share depends only on the same range of others. Pure.
 */
import assert from 'node:assert/strict';
import { inverted, product, shareRows } from './galois.ts';
import { multiplyBytes, SLICES_MAX } from './kernel.ts';

export interface Code {
  /** So many shares are needed. */
  readonly data: number;
  /** So many may be lost. */
  readonly parity: number;
}

/** Of one code. */
export const SHARES_MAX: number = SLICES_MAX / 2;

export function shareCount({ data, parity }: Code): number {
  return data + parity;
}

/** Bytes of each share of a block. */
export function shareBytes({ data }: Code, blockBytes: number): number {
  return Math.ceil(blockBytes / data);
}

/** All shares, in order. Those of the data are views of the block where they can be. */
export function sharesOf(code: Code, block: Uint8Array): readonly Uint8Array[] {
  assert(shareCount(code) <= SHARES_MAX, 'There are too many shares');
  const bytes = shareBytes(code, block.length);
  const data = Array.from({ length: code.data }, (_, at) => {
    const piece = block.subarray(at * bytes, (at + 1) * bytes);
    if (piece.length === bytes) return piece;
    const filled = new Uint8Array(bytes);
    filled.set(piece);
    return filled;
  });
  const parity = Array.from({ length: code.parity }, () => new Uint8Array(bytes));
  multiplyBytes(shareRows(code.data, code.parity).slice(code.data), data, parity);
  return [...data, ...parity];
}

/** The shares (or the same range of them) with these numbers, of at least `data` others. */
export function rebuilt(
  code: Code,
  have: ReadonlyMap<number, Uint8Array>,
  wanted: readonly number[],
): readonly Uint8Array[] {
  const known = [...have].toSorted(([one], [other]) => one - other).slice(0, code.data);
  assert(known.length === code.data, 'There are too few shares');
  const all = shareRows(code.data, code.parity);
  const rowOf = (number: number): readonly number[] => all[number] ?? [];
  const toData = inverted(known.map(([number]) => rowOf(number)));
  const bytes = known[0]?.[1].length ?? 0;
  const outputs = wanted.map(() => new Uint8Array(bytes));
  multiplyBytes(
    product(wanted.map(rowOf), toData),
    known.map(([, share]) => share),
    outputs,
  );
  return outputs;
}

/** The block, of at least `data` of its shares. */
export function blockOf(
  code: Code,
  have: ReadonlyMap<number, Uint8Array>,
  blockBytes: number,
): Buffer {
  const numbers = Array.from({ length: code.data }, (_, at) => at);
  const lost = numbers.filter((number) => !have.has(number));
  const made = lost.length === 0 ? [] : rebuilt(code, have, lost);
  const pieces = numbers.map((number) => have.get(number) ?? made[lost.indexOf(number)]);
  return Buffer.concat(
    pieces.filter((piece) => piece !== undefined),
    blockBytes,
  );
}
