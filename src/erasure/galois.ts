/**
 * Arithmetic of GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), and matrices over it: rows of coefficients, all numbers are
 * bytes. Adding is XOR. Pure.
 */
import assert from 'node:assert/strict';

export type Matrix = readonly (readonly number[])[];

const POLYNOMIAL = 0x11d;
const ORDER = 255;

/** Powers of 2, which generates all but 0; twice, so that sums of two logarithms need no remainder. */
const EXP = new Uint8Array(2 * ORDER);
const LOG = new Uint8Array(ORDER + 1);
for (let at = 0, value = 1; at < ORDER; at += 1) {
  EXP[at] = value;
  EXP[at + ORDER] = value;
  LOG[value] = at;
  value = value < 0x80 ? value << 1 : (value << 1) ^ POLYNOMIAL;
}

export function multiply(one: number, other: number): number {
  if (one === 0 || other === 0) return 0;
  return EXP[(LOG[one] ?? 0) + (LOG[other] ?? 0)] ?? 0;
}

export function inverse(value: number): number {
  assert(value !== 0, '0 has no inverse');
  return EXP[ORDER - (LOG[value] ?? 0)] ?? 0;
}

/**
 * Rows of shares as sums of the data: the data themselves, then the rows of a Cauchy matrix, of which every square piece can be inverted. So
 * any `data` of the rows can be (Blömer and others, An XOR-Based Erasure-Resilient Coding Scheme, 1995).
 */
export function shareRows(data: number, parity: number): Matrix {
  const columns = Array.from({ length: data }, (_, column) => column);
  return Array.from({ length: data + parity }, (_, row) =>
    columns.map((column) => (row < data ? Number(row === column) : inverse(row ^ column))),
  );
}

export function product(one: Matrix, other: Matrix): Matrix {
  return one.map((row) =>
    (other[0] ?? []).map((_, column) =>
      row.reduce((sum, value, at) => sum ^ multiply(value, other[at]?.[column] ?? 0), 0),
    ),
  );
}

/** Gauss and Jordan. */
export function inverted(matrix: Matrix): Matrix {
  const size = matrix.length;
  const rows = matrix.map((row, at) => [
    ...row,
    ...Array.from({ length: size }, (_, column) => Number(column === at)),
  ]);
  for (let at = 0; at < size; at += 1) {
    const pivot = rows.findIndex((row, index) => index >= at && row[at] !== 0);
    assert(pivot >= 0, 'The matrix has no inverse');
    const [found = []] = rows.splice(pivot, 1);
    const scale = inverse(found[at] ?? 0);
    const scaled = found.map((value) => multiply(value, scale));
    rows.splice(at, 0, scaled);
    for (const [index, row] of rows.entries()) {
      const factor = row[at] ?? 0;
      if (index === at || factor === 0) continue;
      rows[index] = row.map((value, column) => value ^ multiply(scaled[column] ?? 0, factor));
    }
  }
  return rows.map((row) => row.slice(size));
}
