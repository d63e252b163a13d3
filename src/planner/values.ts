/**
 * Values as they travel: integers are bigint, reals are number. Affinity is what a column does to a value that it is
 * given or compared with (https://sqlite.org/datatype3.html).
 */
import type { SqlRow, SqlValue } from '../sqlite/sqlite.ts';

export type { SqlRow, SqlValue };

export type Affinity = 'integer' | 'real' | 'numeric' | 'text' | 'blob';

/** Section 3.1 of the page above. */
export function affinityOf(declared: string): Affinity {
  const type = declared.toUpperCase();
  if (type.includes('INT')) return 'integer';
  if (/CHAR|CLOB|TEXT/.test(type)) return 'text';
  if (type.includes('BLOB') || type === '') return 'blob';
  return /REAL|FLOA|DOUB/.test(type) ? 'real' : 'numeric';
}

/**
 * What a column of this affinity makes of a value, or undefined for the cases that only SQLite itself decides well:
 * text that may look like a number, and reals that become text.
 */
export function applyAffinity(value: SqlValue, affinity: Affinity): SqlValue | undefined {
  if (value === null || affinity === 'blob' || value instanceof Uint8Array) return value;
  if (typeof value === 'string') {
    if (affinity === 'text' || !/[0-9]/.test(value)) return value;
    return undefined;
  }
  if (affinity === 'text') return typeof value === 'bigint' ? String(value) : undefined;
  if (affinity === 'real') return Number(value);
  return typeof value === 'number' && isWhole(value) ? BigInt(value) : value;
}

const INT64_MIN: number = -(2 ** 63);
const INT64_END: number = 2 ** 63;

/** A real that is exactly a 64-bit integer. */
export function isWhole(value: number): boolean {
  return Number.isInteger(value) && value >= INT64_MIN && value < INT64_END;
}

/** Equal in storage class and in every bit that SQLite keeps. */
export function sameValue(a: SqlValue | undefined, b: SqlValue | undefined): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return a === b;
}

export function sameRow(a: SqlRow, b: SqlRow): boolean {
  return a.length === b.length && a.every((value, at) => sameValue(value, b[at]));
}

/** What a value takes in memory, roughly, for budgets. */
export function bytesOf(value: SqlValue): number {
  if (typeof value === 'string') return 24 + 2 * value.length;
  return value instanceof Uint8Array ? 24 + value.length : 24;
}

/** For keys of maps: equal for values that are the same, and only for those. */
export function identityOf(values: SqlRow): string {
  return values.map(identity).join('\u0000');
}

function identity(value: SqlValue): string {
  if (value === null) return 'n';
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'string') return `t${value.length}:${value}`;
  return `${typeof value === 'bigint' ? 'i' : 'r'}${value}`;
}
