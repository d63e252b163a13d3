/**
 * Reads tables, or the part of them that matters, from the stripes into a scratch database, within a budget. What SQLite
 * then says over the scratch is what it would have said over one database.
 */
import { MolnError } from '../base/errors.ts';
import { list, storedColumns, type Table } from './table.ts';
import type { TableFilter } from './gather-filter.ts';
import { pinned, type PinContext } from './pins.ts';
import type { Scratch } from './scratch.ts';
import { OWN_STRIPE, type StripeSession } from './stripes.ts';
import { quoted } from './syntax.ts';
import { bytesOf, type SqlRow } from './values.ts';

export interface GatherBudget {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

export const GATHER_BUDGET: GatherBudget = { rowsMax: 1_000_000, bytesMax: 256 * 1024 * 1024 };

/** Which rows of one table. */
export interface Fetch {
  readonly table: Table;
  readonly stripes: readonly number[];
  /** The table's name in the terms. */
  readonly alias?: string;
  /** Terms over the columns as the stripes have them. */
  readonly where?: string;
  readonly values?: SqlRow;
}

export interface GatherOptions {
  readonly session: StripeSession;
  readonly scratch: Scratch;
  readonly budget: GatherBudget;
  readonly signal?: AbortSignal | undefined;
  /** The budget is each table's own, and a table that breaks it is noted here. */
  readonly large?: WeakSet<Table>;
  /** Told of every batch before it is put in. */
  readonly see?: (table: Table, stripe: number, rows: readonly SqlRow[]) => void;
}

export function fetchText({ alias, table, where }: Fetch): string {
  const filter = where === undefined || where === '' ? '' : ` WHERE ${where}`;
  const name = alias === undefined ? '' : ` AS ${quoted(alias)}`;
  return `SELECT ${list(storedColumns(table))} FROM ${quoted(table.name)}${name}${filter}`;
}

/** All stripes that hold rows of a table, one of them for copies. */
export function stripesOf(table: Table, count: number): readonly number[] {
  if (table.place === 'temporary') return [OWN_STRIPE];
  return table.place === 'striped' ? Array.from({ length: count }, (_, stripe) => stripe) : [0];
}

/** What a gathered SELECT fetches: of each table what its own terms leave, from the stripes that its keys leave. */
export function fetchesOf(
  tables: readonly Table[],
  filters: ReadonlyMap<Table, TableFilter>,
  pins: PinContext,
  count: number,
): readonly Fetch[] {
  return tables.map((table): Fetch => {
    const filter = filters.get(table);
    const all = stripesOf(table, count);
    if (filter === undefined || filter.where === '') return { table, stripes: all };
    const { alias, at, items, parameters, terms, where } = filter;
    const left = pinned(items, at, terms, pins);
    const stripes = left === undefined ? all : all.filter((stripe) => left.has(stripe));
    const values = pins.values.slice(0, parameters);
    return { table, stripes, alias, where, values };
  });
}

export class Budget {
  readonly #budget: GatherBudget;
  #rows = 0;
  #bytes = 0;

  constructor(budget: GatherBudget) {
    this.#budget = budget;
  }

  spend(what: string, rows: readonly SqlRow[]): void {
    this.#rows += rows.length;
    for (const row of rows) for (const value of row) this.#bytes += bytesOf(value);
    const { rowsMax, bytesMax } = this.#budget;
    if (this.#rows <= rowsMax && this.#bytes <= bytesMax) return;
    throw new MolnError(
      'PLANNER_TOO_LARGE',
      `The statement needs more than ${rowsMax} rows or ${bytesMax} bytes of ${what} in one place`,
      {
        hint: 'Give the distribution column a value in WHERE, join on it, or make small tables "reference": see "moln why query"',
      },
    );
  }
}

export async function gather(fetches: readonly Fetch[], options: GatherOptions): Promise<void> {
  const shared = new Budget(options.budget);
  options.scratch.open(fetches.map(({ table }) => table));
  const jobs = fetches.flatMap((fetch) => {
    const budget = options.large === undefined ? shared : new Budget(options.budget);
    return fetch.stripes.map(async (stripe) => fetchOne(fetch, stripe, budget, options));
  });
  const failed = (await Promise.allSettled(jobs)).find((job) => job.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function fetchOne(
  fetch: Fetch,
  stripe: number,
  budget: Budget,
  { session, scratch, signal, see, large }: GatherOptions,
): Promise<void> {
  const { table } = fetch;
  for await (const rows of session.rows(stripe, fetchText(fetch), fetch.values ?? [])) {
    signal?.throwIfAborted();
    try {
      budget.spend(`table "${table.name}"`, rows);
    } catch (error) {
      large?.add(table);
      throw error;
    }
    see?.(table, stripe, rows);
    scratch.put(table, rows);
  }
}
