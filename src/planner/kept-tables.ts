/**
 * Small tables stay in a scratch behind a statement that gathered them, with the entries of the logs that they are as of: the next statement
 * that reads uses them as another look at the stripes. So a table comes whole though fewer rows would do, unless it was written
 * to a moment ago.
 */
import { isMolnError } from '../base/errors.ts';
import { type Fetch, gather, type GatherBudget, type GatherOptions, stripesOf } from './gather.ts';
import type { Scratch } from './scratch.ts';
import type { Sightings } from './stripes.ts';
import type { Table } from './table.ts';

/** What a table that is kept may hold. */
const KEPT_TABLE: GatherBudget = { rowsMax: 500, bytesMax: 1024 * 1024 };
/** So many statements fetch of a table what they need, after rows that were kept of it had become old. */
const REST = 3;

/** Which tables are worth being kept. */
export class KeptTables {
  /** Found too large, or to take longer than a look. */
  readonly large: WeakSet<Table> = new WeakSet();
  readonly #rests = new WeakMap<Table, number>();

  mayKeep({ table, where = '' }: Fetch): boolean {
    if (table.virtual || table.place === 'temporary' || this.large.has(table)) return false;
    return this.#isCalm(table) || where === '';
  }

  /** Whether it is worth reading all rows of these, to have them for the next statement. */
  areCalm(tables: readonly Table[]): boolean {
    return tables.every((table) => !this.large.has(table) && this.#isCalm(table));
  }

  /** Whether the rows that are kept of it may well stay as they are for some statements. */
  #isCalm(table: Table): boolean {
    const rest = this.#rests.get(table) ?? 0;
    if (rest > 0) this.#rests.set(table, rest - 1);
    return rest === 0;
  }

  areOld({ kept }: Scratch): void {
    for (const table of kept) this.#rests.set(table, REST);
  }
}

export interface KeptOptions extends GatherOptions {
  readonly sightings: Sightings;
  readonly keeps: KeptTables;
  /** Stripes of the database. */
  readonly count: number;
}

/** Gathers for a text that only reads, into a scratch that may hold some of it. */
export async function gatherKept(fetches: readonly Fetch[], options: KeptOptions): Promise<void> {
  const { count, keeps, scratch, sightings } = options;
  if (!sightings.use(scratch.at)) {
    keeps.areOld(scratch);
    scratch.clear();
  }
  const missing = fetches.filter(({ table }) => !scratch.kept.has(table));
  const small = missing.filter((fetch) => keeps.mayKeep(fetch));
  const whole = small.map(({ table }) => ({ table, stripes: stripesOf(table, count) }));
  const only = { ...options, budget: KEPT_TABLE, large: keeps.large, oneByOne: true };
  try {
    await gather(whole, only);
  } catch (error) {
    if (!isMolnError(error, 'PLANNER_TOO_LARGE')) throw error;
    scratch.clear();
    await gather(fetches, options);
    return;
  }
  const rest = missing.filter((fetch) => !small.includes(fetch));
  await gather(rest, options);
  keep(whole, options);
}

/** Rows of one stripe that are as of several entries belong to none. */
function keep(fetches: readonly Fetch[], { scratch, sightings }: KeptOptions): void {
  for (const { stripes, table } of fetches) {
    for (const stripe of stripes) {
      const at = sightings.of(stripe);
      if (at === undefined || (scratch.at.get(stripe) ?? at) !== at) {
        scratch.forget();
        return;
      }
      scratch.at.set(stripe, at);
    }
    scratch.kept.add(table);
  }
}
