/**
 * Reads tables, or the part of them that matters, from the stripes into a scratch database, within a budget. What SQLite
 * then says over the scratch is what it would have said over one database.
 */
import { settleAll } from '../base/settle-all.ts';
import { isMolnError, MolnError } from '../base/errors.ts';
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
  /** Each table by a text of its own, which a stripe knows from the second time on. */
  readonly oneByOne?: boolean;
  /** Told of every batch before it is put in. */
  readonly see?: (table: Table, stripe: number, rows: readonly SqlRow[]) => void;
}

export function fetchText(
  { alias, table, where }: Fetch,
  before: readonly string[] = [],
  after: readonly string[] = [],
): string {
  const filter = where === undefined || where === '' ? '' : ` WHERE ${where}`;
  const name = alias === undefined ? '' : ` AS ${quoted(alias)}`;
  const columns = [...before, list(storedColumns(table)), ...after].join(', ');
  return `SELECT ${columns} FROM ${quoted(table.name)}${name}${filter}`;
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

/** Rows of one answer: a stripe gives no more than 100,000, and what is on its way is in memory. */
const PAGE_ROWS = 20_000;

/** Fetches without values that one text reads from a stripe: SQLite takes 500 terms of a compound SELECT. */
const TOGETHER_MAX = 100;

export async function gather(fetches: readonly Fetch[], options: GatherOptions): Promise<void> {
  const shared = new Budget(options.budget);
  options.scratch.open(fetches.map(({ table }) => table));
  const perStripe = new Map<number, Wanted[]>();
  for (const fetch of fetches) {
    const budget = options.large === undefined ? shared : new Budget(options.budget);
    for (const stripe of fetch.stripes) {
      const wanted = perStripe.get(stripe) ?? [];
      perStripe.set(stripe, wanted);
      wanted.push({ fetch, budget });
    }
  }
  await settleAll(
    [...perStripe].map(async ([stripe, wanted]) => fetchAll(wanted, stripe, options)),
  );
}

interface Wanted {
  readonly fetch: Fetch;
  readonly budget: Budget;
}

/** Many tables of a few rows cost as many answers: they come in one. */
async function fetchAll(
  wanted: readonly Wanted[],
  stripe: number,
  options: GatherOptions,
): Promise<void> {
  const plain = wanted.filter(({ fetch }) => (fetch.values ?? []).length === 0);
  const together =
    plain.length < 3 || options.oneByOne === true ? [] : plain.slice(0, TOGETHER_MAX);
  const rest = new Set(wanted);
  if (together.length > 0 && (await fetchTogether(together, stripe, options))) {
    for (const one of together) rest.delete(one);
  }
  await settleAll([...rest].map(async (one) => fetchOne(one, stripe, options)));
}

/** False when the stripe refuses the text before its first row: the tables then come one by one. */
async function fetchTogether(
  wanted: readonly Wanted[],
  stripe: number,
  options: GatherOptions,
): Promise<boolean> {
  const width = Math.max(...wanted.map(({ fetch }) => storedColumns(fetch.table).length));
  const limit = limitOf(options);
  const texts = wanted.map(({ fetch }, at) => {
    const filler = Array.from({ length: width - storedColumns(fetch.table).length }, () => 'NULL');
    const text = fetchText(fetch, [String(at)], filler);
    return limit === '' ? text : `SELECT * FROM (${text}${limit})`;
  });
  let begun = false;
  try {
    for await (const rows of options.session.rows(stripe, texts.join(' UNION ALL '), [])) {
      begun = true;
      const byTable = Map.groupBy(rows, ([at]) => Number(at));
      for (const [at, own] of byTable) {
        const one = wanted[at];
        if (one === undefined) continue;
        const { length } = storedColumns(one.fetch.table);
        take(
          one,
          stripe,
          own.map((row) => row.slice(1, 1 + length)),
          options,
        );
      }
    }
    return true;
  } catch (error) {
    if (begun || isMolnError(error, 'PLANNER_TOO_LARGE')) throw error;
    return false;
  }
}

async function fetchOne(one: Wanted, stripe: number, options: GatherOptions): Promise<void> {
  const { fetch } = one;
  const limit = limitOf(options);
  const { rid } = fetch.table;
  if (limit === '' && rid !== undefined && !fetch.table.virtual && (fetch.where ?? '') === '') {
    await fetchPages(one, stripe, rid, options);
    return;
  }
  const source = options.session.rows(stripe, `${fetchText(fetch)}${limit}`, fetch.values ?? []);
  try {
    for await (const rows of source) take(one, stripe, rows, options);
  } catch (error) {
    // The part of it that a statement needs may well be had at once.
    if (options.oneByOne === true && isMolnError(error, 'DATABASE_NOT_AT_ONCE'))
      options.large?.add(fetch.table);
    throw error;
  }
}

/** A whole table in the order of its rowid. */
async function fetchPages(
  one: Wanted,
  stripe: number,
  rid: string,
  options: GatherOptions,
): Promise<void> {
  const { fetch } = one;
  const at = storedColumns(fetch.table).indexOf(rid);
  for (let last: bigint | undefined, full = true; full;) {
    const from = last === undefined ? '' : `${quoted(rid)} > ${last}`;
    const page = ` ORDER BY ${quoted(rid)} LIMIT ${PAGE_ROWS}`;
    const text = `${fetchText({ ...fetch, where: from })}${page}`;
    let count = 0;
    for await (const rows of options.session.rows(stripe, text, [])) {
      take(one, stripe, rows, options);
      count += rows.length;
      last = (rows.at(-1)?.[at] ?? last) as bigint | undefined;
    }
    full = count >= PAGE_ROWS;
  }
}

/** Where only small tables are wanted, no more is read than tells that one is not. */
function limitOf({ budget, large }: GatherOptions): string {
  return large === undefined ? '' : ` LIMIT ${budget.rowsMax + 1}`;
}

function take(
  { budget, fetch: { table } }: Wanted,
  stripe: number,
  rows: readonly SqlRow[],
  { scratch, signal, see, large }: GatherOptions,
): void {
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
