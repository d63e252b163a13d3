/**
 * From a key to its stripe: canonical bytes, their hash, one of 1,024 slots, and the map from slots to stripes. The
 * golden test holds the hash still: a change would lose every stored row.
 */
import { isWhole, type SqlValue } from './values.ts';

export const SLOTS = 1024;

export type Collation = 'BINARY' | 'NOCASE' | 'RTRIM';

export interface SlotMap {
  readonly version: number;
  /** Stripes, also those that have no slot yet: reference tables are on all of them. */
  readonly count: number;
  /** The stripe of every slot; `SLOTS` entries. */
  readonly stripes: readonly number[];
  /** Slots on their way from one stripe to another; undefined while none are. */
  readonly moving?: MovingSlots | undefined;
}

export interface MovingSlots {
  readonly from: number;
  readonly into: number;
  /** Those that have not moved yet. */
  readonly left: readonly number[];
}

/** Slots dealt out evenly, in runs. */
export function evenSlotMap(stripes: number): SlotMap {
  return {
    version: 1,
    count: stripes,
    stripes: Array.from({ length: SLOTS }, (_, slot) => Math.floor((slot * stripes) / SLOTS)),
  };
}

/** One stripe more, which the upper half of the slots of `from` is to move into; undefined while others move, or when it has one slot. */
export function splitSlots(map: SlotMap, from: number): SlotMap | undefined {
  const own = [...map.stripes.keys()].filter((slot) => map.stripes[slot] === from);
  if (map.moving !== undefined || own.length < 2) return undefined;
  const left = own.slice(Math.ceil(own.length / 2));
  const moving = { from, into: map.count, left };
  return { ...map, version: map.version + 1, count: map.count + 1, moving };
}

/** The map when those slots have moved. */
export function movedSlots(map: SlotMap, moved: ReadonlySet<number>): SlotMap {
  const { moving } = map;
  if (moving === undefined) throw new Error('No slots are on their way');
  const left = moving.left.filter((slot) => !moved.has(slot));
  return {
    version: map.version + 1,
    count: map.count,
    stripes: map.stripes.map((stripe, slot) => (moved.has(slot) ? moving.into : stripe)),
    ...(left.length === 0 ? {} : { moving: { ...moving, left } }),
  };
}

const homes = new WeakMap<SlotMap, ReadonlySet<number>>();

/** Stripes that have slots at all. */
export function slotHomes(map: SlotMap): ReadonlySet<number> {
  const known = homes.get(map);
  if (known !== undefined) return known;
  const found = new Set(map.stripes);
  homes.set(map, found);
  return found;
}

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
