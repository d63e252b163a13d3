/** Values of SQLite: as Hrana's JSON has them, as SQL, and as people and scripts read them. Pure. */
import type { SqlValue } from '../hrana/hrana.ts';

export type WireValue =
  | { readonly type: 'null' }
  | { readonly type: 'integer'; readonly value: string }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'blob'; readonly base64: string };

/** Of a blob, to be recognized by. */
const BLOB_BYTES_SHOWN = 32;
/** A number of JSON as it is written; not in the types of this target yet. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON: (this: void, text: string) => unknown };

export function fromWire(value: WireValue): SqlValue {
  switch (value.type) {
    case 'null':
      return null;
    case 'integer':
      return BigInt(value.value);
    case 'float':
    case 'text':
      return value.value;
    case 'blob':
      return Buffer.from(value.base64, 'base64');
  }
}

export function toWire(value: SqlValue): unknown {
  if (value === null) return { type: 'null' };
  switch (typeof value) {
    case 'bigint':
      return { type: 'integer', value: String(value) };
    case 'number':
      return { type: 'float', value: Number.isFinite(value) ? value : infinity(value) };
    case 'string':
      return { type: 'text', value };
    default:
      return { type: 'blob', base64: Buffer.from(value).toString('base64') };
  }
}

/** What SQLite reads as the same value of the same type. */
export function toSql(value: SqlValue): string {
  if (value === null) return 'NULL';
  switch (typeof value) {
    case 'bigint':
      return String(value);
    case 'number':
      return real(value);
    case 'string':
      // SQL ends at a NUL.
      return value.includes('\0')
        ? `CAST(${hexOf(Buffer.from(value))} AS TEXT)`
        : `'${value.replaceAll("'", "''")}'`;
    default:
      return hexOf(value);
  }
}

/** For a person: NULL and blobs can be told from text of that kind only by their look. */
export function shown(value: SqlValue): string {
  if (value === null) return 'NULL';
  if (!(value instanceof Uint8Array))
    return typeof value === 'number' ? real(value) : String(value);
  if (value.length <= BLOB_BYTES_SHOWN) return hexOf(value);
  return `${hexOf(value.subarray(0, BLOB_BYTES_SHOWN))}… (${value.length} bytes)`;
}

/** For JSON.stringify: integers with all their digits, blobs as `{ "base64": … }`. */
export function toJson(value: SqlValue): unknown {
  if (typeof value === 'bigint') return rawJson(String(value));
  if (typeof value === 'number' && !Number.isFinite(value)) return infinity(value);
  return value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value;
}

/** An SQL name, whatever is in it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function real(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '9e999' : '-9e999';
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function infinity(value: number): unknown {
  return rawJson(value > 0 ? '9e999' : '-9e999');
}

function hexOf(bytes: Uint8Array): string {
  return `X'${Buffer.from(bytes).toString('hex').toUpperCase()}'`;
}
