/**
 * The slot map of a database: which stripe has which of its slots. A key belongs to a slot for ever (`src/planner/key-slot.ts`);
 * where the slot is changes. Apart from the planner, since those need it too who never see SQL. Pure.
 */
export const SLOTS = 1024;

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
