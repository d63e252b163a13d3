/**
 * From a key to its slot: canonical bytes, their hash, one of 1,024. The golden test holds the hash still: a change would lose
 * every stored row.
 */
import { SLOTS } from '../slots/slots.ts';
import { isWhole, type SqlValue } from './values.ts';

export type Collation = 'BINARY' | 'NOCASE' | 'RTRIM';

/**
 * Equal exactly for keys that SQLite finds equal under the collation: 1 and 1.0 are, '1' is not; text folds as its
 * collation does; an integer and a real are compared by their exact values.
 */
export function canonicalKey(key: SqlValue, collation: Collation): Buffer {
  if (key === null) return Buffer.from([0]);
  if (key instanceof Uint8Array) return Buffer.concat([Buffer.from([4]), key]);
  if (typeof key === 'string') return Buffer.from(`\u0003${folded(key, collation)}`, 'utf8');
  if (typeof key === 'bigint' || isWhole(key)) {
    const bytes = Buffer.alloc(9, 1);
    bytes.writeBigInt64BE(BigInt(key), 1);
    return bytes;
  }
  const bytes = Buffer.alloc(9, 2);
  bytes.writeDoubleBE(key, 1);
  return bytes;
}

function folded(text: string, collation: Collation): string {
  // NOCASE folds ASCII only (https://sqlite.org/datatype3.html#collation).
  if (collation === 'NOCASE') return text.replace(/[A-Z]+/g, (run) => run.toLowerCase());
  return collation === 'RTRIM' ? text.replace(/ +$/, '') : text;
}

export function slotOf(key: SqlValue, collation: Collation): number {
  let hash = 0x811c9dc5;
  for (const byte of canonicalKey(key, collation)) hash = Math.imul(hash ^ byte, 0x01000193);
  // FNV-1a leaves the low bits weak; the finalizer of MurmurHash3 mixes them.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) & (SLOTS - 1);
}
