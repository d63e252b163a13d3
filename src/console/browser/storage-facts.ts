/** What the page of the file store says, out of what the API does. Pure. */
import type { StorageDetail, StoragePlace } from '../../api/model.ts';
import { formatBytes } from '../../base/units.ts';

/** Blocks that want the same number of copies, or of shares. */
export interface CopyRow {
  /** `4+2` of shares. */
  readonly code?: string;
  readonly wanted: number;
  /** By the number of copies that there are. */
  readonly blocks: readonly number[];
}

/** A row for each number of copies, or of shares, that is wanted; `most`: of copies wanted or there. */
export function copyRows(counts: NonNullable<StorageDetail['copies']>['counts']): {
  readonly rows: readonly CopyRow[];
  readonly most: number;
} {
  const most = Math.max(0, ...counts.flatMap(({ wanted, valid }) => [wanted, valid]));
  const groups = Map.groupBy(counts, ({ wanted, code = '' }) => `${wanted} ${code}`);
  const rows = [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { wanted, code } = first;
    const blocks = Array.from(
      { length: most + 1 },
      (_, valid) => group.find((one) => one.valid === valid)?.blocks ?? 0,
    );
    return [{ wanted, blocks, ...(code === undefined ? {} : { code }) }];
  });
  return { rows: rows.toSorted((one, other) => one.wanted - other.wanted), most };
}

/** Room in all places that take blocks. */
export function spaceLine(places: readonly StoragePlace[]): string {
  if (places.length === 0) return '';
  const sum = (of: (place: StoragePlace) => number | undefined): string =>
    formatBytes(places.reduce((total, place) => total + (of(place) ?? 0), 0));
  const used = sum(({ usedBytes }) => usedBytes);
  const limit = sum(({ limitBytes }) => limitBytes);
  const free = sum(({ freeBytes }) => freeBytes);
  return `All places: ${used} used of ${limit}, ${free} free. Each copy counts, and places of one disk share its room.`;
}
