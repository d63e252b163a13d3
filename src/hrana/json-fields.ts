/**
 * Reads what JSON.parse gave, field by field. Unknown fields are ignored, as Hrana asks; a wrong one is `HRANA_PROTO_ERROR`
 * with its path.
 */
import { isUtf8 } from 'node:buffer';
import { ProtocolError } from './errors.ts';

export type Fields = Readonly<Record<string, unknown>>;

const INT32_MAX = 2_147_483_647;
const UINT32_MAX = 4_294_967_295;
const INT64_MIN: bigint = -(2n ** 63n);
const INT64_MAX: bigint = 2n ** 63n - 1n;
const INTEGER = /^-?[0-9]{1,20}$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses JSON. Depth is checked before: a few MB of brackets would take JSON.parse hundreds.
 */
export function parseJson(bytes: Uint8Array, depthMax: number): unknown {
  checkDepth(bytes, depthMax);
  if (!isUtf8(bytes)) throw new ProtocolError('The message is not UTF-8');
  const { buffer, byteOffset, byteLength } = bytes;
  try {
    return JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString()) as unknown;
  } catch {
    throw new ProtocolError('The message is not JSON');
  }
}

function checkDepth(bytes: Uint8Array, depthMax: number): void {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) inString = !inString;
    else if (inString) {
      if (byte === BACKSLASH) at += 1;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > depthMax) {
        throw new ProtocolError(
          `The message has more than ${depthMax} objects and lists in each other`,
        );
      }
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
}

function wrong(path: string, wanted: string, value: unknown): ProtocolError {
  const kind = value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value;
  return new ProtocolError(`"${path}" is ${kind}, want ${wanted}`);
}

export function fieldsOf(value: unknown, path: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw wrong(path, 'an object', value);
}

/** Only what the message itself has: `__proto__` and its like are not fields. */
export function field(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

export function listOf<T>(
  value: unknown,
  path: string,
  itemsMax: number,
  read: (item: unknown, path: string, index: number) => T,
): readonly T[] {
  if (!Array.isArray(value)) throw wrong(path, 'a list', value);
  if (value.length > itemsMax) {
    throw new ProtocolError(`"${path}" has ${value.length} items, at most ${itemsMax}`);
  }
  return value.map((item: unknown, index) => read(item, `${path}[${index}]`, index));
}

/** Text that SQLite can hold: without half a surrogate pair. */
export function stringOf(value: unknown, path: string): string {
  if (typeof value !== 'string') throw wrong(path, 'a string', value);
  if (!value.isWellFormed()) throw new ProtocolError(`"${path}" holds half a surrogate pair`);
  return value;
}

export function booleanOf(value: unknown, path: string): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(path, 'true or false', value);
}

export function int32Of(value: unknown, path: string): number {
  if (Number.isInteger(value) && Math.abs(value as number) <= INT32_MAX + 1) {
    const number = value as number;
    if (number <= INT32_MAX) return number;
  }
  throw wrong(path, 'a whole number of 32 bits', value);
}

export function uint32Of(value: unknown, path: string): number {
  if (Number.isInteger(value)) {
    const number = value as number;
    if (number >= 0 && number <= UINT32_MAX) return number;
  }
  throw wrong(path, 'a whole number of 32 bits, not below 0', value);
}

/** A string of digits: numbers of JSON lose them. */
export function int64Of(value: unknown, path: string): bigint {
  if (typeof value !== 'string' || !INTEGER.test(value)) {
    throw wrong(path, 'a string of decimal digits', value);
  }
  const number = BigInt(value);
  if (number >= INT64_MIN && number <= INT64_MAX) return number;
  throw new ProtocolError(`"${path}" is ${value}, which 64 bits do not hold`);
}

export function floatOf(value: unknown, path: string): number {
  if (typeof value === 'number') return value;
  throw wrong(path, 'a number', value);
}

/** With padding or without. */
export function base64Of(value: unknown, path: string): Uint8Array {
  if (typeof value !== 'string') throw wrong(path, 'a string', value);
  const bare = value.endsWith('=') ? value.replace(/=+$/, '') : value;
  if (!BASE64.test(value) || bare.length % 4 === 1) {
    throw new ProtocolError(`"${path}" is not base64`);
  }
  return Buffer.from(bare, 'base64');
}

/** The decoder for `type`; throws when there is none. */
export function chooseByType<T>(
  fields: Fields,
  path: string,
  readers: Readonly<Record<string, (fields: Fields, path: string) => T>>,
): T {
  const type = field(fields, 'type');
  const reader =
    typeof type === 'string' && Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (reader !== undefined) return reader(fields, path);
  throw new ProtocolError(
    `"${path}.type" is ${typeof type === 'string' ? `"${type.slice(0, 40)}"` : typeof type}, want one of ${Object.keys(readers).join(', ')}`,
  );
}
