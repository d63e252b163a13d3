/**
 * Sums of multiples of bytes over GF(2^8), 16 bytes at a time: a product with one coefficient is two look-ups in tables of 16 bytes, one for
 * each half of a byte, which WebAssembly's `i8x16.swizzle` does for 16 bytes at once (Plank and others, Screaming Fast Galois Field
 * Arithmetic Using Intel SIMD Instructions, 2013).
 */
import { type Matrix, multiply } from './galois.ts';

/** Worked on at a time, so that all of it stays in the processor's cache. */
const SLICE_BYTES: number = 32 * 1024;
const LANE_BYTES = 16;
const COEFFICIENTS = 256;
/** Of one coefficient: products of the low halves of bytes, then of the high ones. */
const TABLE_BYTES: number = 2 * LANE_BYTES;
const TABLES_BYTES: number = COEFFICIENTS * TABLE_BYTES;
const PAGE_BYTES = 65_536;
/** Inputs and outputs together. */
export const SLICES_MAX = 40;
const PAGES: number = Math.ceil((TABLES_BYTES + SLICES_MAX * SLICE_BYTES) / PAGE_BYTES);

/** To `to` is added what is at `from`, times the coefficient of the tables; `bytes` is a multiple of 16. */
type AddMultiple = (to: number, from: number, bytes: number, tables: number) => void;

interface Kernel {
  readonly memory: Uint8Array;
  readonly addMultiple: AddMultiple;
}

let kernel: Kernel | undefined;

/** `outputs[i]` becomes the sum of `rows[i][j]` times `inputs[j]`. All have the same length. */
export function multiplyBytes(
  rows: Matrix,
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
): void {
  kernel ??= makeKernel();
  const { memory, addMultiple } = kernel;
  const bytes = inputs[0]?.length ?? 0;
  const inputAt = (at: number): number => TABLES_BYTES + at * SLICE_BYTES;
  const outputAt = (at: number): number => inputAt(inputs.length + at);
  for (let start = 0; start < bytes; start += SLICE_BYTES) {
    const end = Math.min(bytes, start + SLICE_BYTES);
    const laneBytes = Math.ceil((end - start) / LANE_BYTES) * LANE_BYTES;
    for (const [at, input] of inputs.entries()) memory.set(input.subarray(start, end), inputAt(at));
    for (const [at, output] of outputs.entries()) {
      const to = outputAt(at);
      memory.fill(0, to, to + laneBytes);
      for (const [column, coefficient] of (rows[at] ?? []).entries())
        if (coefficient !== 0)
          addMultiple(to, inputAt(column), laneBytes, coefficient * TABLE_BYTES);
      output.set(memory.subarray(to, to + end - start), start);
    }
  }
}

function makeKernel(): Kernel {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()));
  const memory = new Uint8Array((exports['memory'] as WebAssembly.Memory).buffer);
  for (let coefficient = 0; coefficient < COEFFICIENTS; coefficient += 1)
    for (let half = 0; half < LANE_BYTES; half += 1) {
      const table = coefficient * TABLE_BYTES;
      memory[table + half] = multiply(coefficient, half);
      memory[table + LANE_BYTES + half] = multiply(coefficient, half << 4);
    }
  return { memory, addMultiple: exports['addMultiple'] as AddMultiple };
}

/** WebAssembly Core Specification 2.0, section 5: binary format. */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const I32 = 0x7f;
  const V128 = 0x7b;
  const NO_VALUE = 0x40;
  const [to, from, bytes, tables, low, high, value, end] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
  const get = (local: number): readonly number[] => [0x20, local];
  const set = (local: number): readonly number[] => [0x21, local];
  const constant = (number: number): readonly number[] => [0x41, number];
  const add = [0x6a];
  const isLess = [0x49];
  const simd = (code: number, ...rest: readonly number[]): readonly number[] => [
    0xfd,
    code,
    ...rest,
  ];
  // Aligned to 2^0 bytes: nothing is promised.
  const load = (offset = 0): readonly number[] => simd(0x00, 0, offset);
  const store = simd(0x0b, 0, 0);
  const swizzle = simd(0x0e);
  const splat = simd(0x0f);
  const and = simd(0x4e);
  const xor = simd(0x51);
  const shiftRight = simd(0x6d);
  const forward = (local: number): readonly number[] => [
    ...get(local),
    ...constant(LANE_BYTES),
    ...add,
    ...set(local),
  ];
  const body = [
    [2, 3, V128, 1, I32],
    [...get(tables), ...load(), ...set(low)],
    [...get(tables), ...load(LANE_BYTES), ...set(high)],
    [...get(to), ...get(bytes), ...add, ...set(end)],
    [0x03, NO_VALUE],
    [...get(from), ...load(), ...set(value)],
    get(to),
    [...get(to), ...load()],
    [...get(low), ...get(value), ...constant(15), ...splat, ...and, ...swizzle, ...xor],
    [...get(high), ...get(value), ...constant(4), ...shiftRight, ...swizzle, ...xor],
    store,
    [...forward(from), ...forward(to)],
    [...get(to), ...get(end), ...isLess, 0x0d, 0],
    [0x0b, 0x0b],
  ].flat();
  const name = (text: string): readonly number[] => [text.length, ...Buffer.from(text)];
  const section = (id: number, content: readonly number[]): readonly number[] => [
    id,
    ...lengthOf(content),
    ...content,
  ];
  return Uint8Array.from(
    [
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, 4, I32, I32, I32, I32, 0]),
      section(3, [1, 0]),
      section(5, [1, 0, PAGES]),
      section(7, [2, ...name('memory'), 2, 0, ...name('addMultiple'), 0, 0]),
      section(10, [1, ...lengthOf(body), ...body]),
    ].flat(),
  );
}

/** LEB128 of what is below 2^14. */
function lengthOf({ length }: readonly number[]): readonly number[] {
  return length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
}
