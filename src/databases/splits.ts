/**
 * Splits as a database's record lists them: which stripe gives half of its slots to which new one, in order. The list only grows; how far
 * a split has come is in the slot map on stripe 0. So what is to be done follows from both, whoever looks.
 */
import { evenSlotMap, movedSlots, type SlotMap, splitSlots } from '../slots/slots.ts';
import type { Collection, Registry, Stored } from '../registry/registry.ts';
import type { DatabaseState } from './control.ts';
import { notReady, settingInvalid, stripeNotFound } from './errors.ts';
import { STRIPES_MAX } from './limits.ts';
import type { DatabaseRecord, PlacesRecord, SplitRecord } from './records.ts';

export interface SplitCollections {
  readonly registry: Registry;
  readonly records: Collection<DatabaseRecord>;
  readonly places: Collection<PlacesRecord>;
}

type Striped = Pick<DatabaseRecord, 'stripes' | 'splits'>;

/** Stripes that the database began with. */
export function firstStripes({ stripes, splits = [] }: Striped): number {
  return stripes - splits.length;
}

/** The record of the database as it was when it had so many stripes. */
export function withStripes<T extends Striped>(record: T, stripes: number): T {
  const splits = record.splits?.slice(0, stripes - firstStripes(record));
  return { ...record, stripes, splits };
}

/** The first one that is not done. Pure. */
export function nextSplit(
  splits: readonly SplitRecord[],
  { count, moving }: Pick<SlotMap, 'count' | 'moving'>,
): SplitRecord | undefined {
  return splits.find(({ into }) => into >= count || moving?.into === into);
}

/** Throws `DATABASES_STRIPE_NOT_FOUND` or `DATABASES_SETTING_INVALID`. */
export function withSplit(
  name: string,
  from: number,
  { record, places }: { readonly record: DatabaseRecord; readonly places: PlacesRecord },
): { readonly record: DatabaseRecord; readonly places: PlacesRecord } {
  const { stripes, splits = [] } = record;
  if (from >= stripes) throw stripeNotFound(name, from, stripes);
  if (stripes >= STRIPES_MAX)
    throw settingInvalid(
      `A database has at most ${STRIPES_MAX} stripes, and "${name}" has them`,
      'Split none',
    );
  if (splitSlots(slotsWhenDone(record), from) === undefined)
    throw settingInvalid(
      `Stripe ${from} of "${name}" has a single slot, which cannot be divided`,
      `Take another one: "moln db stripes ${name}" shows them`,
    );
  const nodes = places.stripes[from];
  if (nodes === undefined) throw notReady(name, `it is not known where stripe ${from} is`);
  return {
    record: { ...record, stripes: stripes + 1, splits: [...splits, { from, into: stripes }] },
    // Where the old one is, so that nothing goes over the wire twice; later it is spread as any other.
    places: { ...places, stripes: [...places.stripes, nodes] },
  };
}

/** Enters it into the record, and a place for the new stripe. Throws what `withSplit` throws, and `DATABASES_NOT_READY`. */
export async function askSplit(
  name: string,
  from: number,
  found: Stored<DatabaseRecord>,
  { registry, records, places }: SplitCollections,
): Promise<void> {
  const { id } = found.value;
  const where = await places.get(id);
  if (where === undefined) throw notReady(name, 'it is not known where it is');
  const next = withSplit(name, from, { record: found.value, places: where.value });
  const result = await registry.commit(
    [
      { key: records.keyOf(name), revision: found.revision },
      { key: places.keyOf(id), revision: where.revision },
    ],
    [records.putOperation(name, next.record), places.putOperation(id, next.places)],
  );
  if (result.kind === 'conflict') throw notReady(name, 'it was changed just now');
}

/** How many slots each stripe has. Pure. */
export function slotCounts(slots: readonly number[]): readonly number[] {
  const counts: number[] = [];
  for (const stripe of slots) counts[stripe] = (counts[stripe] ?? 0) + 1;
  return Array.from({ length: counts.length }, (_, stripe) => counts[stripe] ?? 0);
}

/** Of what nodes say, by the newest map that one of them knows. Pure. */
export function newestSlots(
  known: readonly Pick<DatabaseState, 'slots' | 'slotsVersion'>[],
): readonly number[] {
  let newest: Pick<DatabaseState, 'slots' | 'slotsVersion'> | undefined;
  for (const one of known)
    if (one.slots.length > 0 && (one.slotsVersion ?? 0) >= (newest?.slotsVersion ?? 0))
      newest = one;
  return newest?.slots ?? [];
}

function slotsWhenDone(record: Striped): SlotMap {
  let map = evenSlotMap(firstStripes(record));
  for (const { from } of record.splits ?? []) {
    const begun = splitSlots(map, from);
    if (begun?.moving !== undefined) map = movedSlots(begun, new Set(begun.moving.left));
  }
  return map;
}
