/**
 * An INSERT whose rows go straight to the stripes where they belong: the source is evaluated at the coordinator, ids are
 * given, and each row is written where its key lies. Only for tables whose unique keys are local.
 */
import { largestId, largestOf } from './given-ids.ts';
import { list, type Table } from './table.ts';
import type { Written } from './gathered-write.ts';
import { stripeOfKey, type PinContext } from './pins.ts';
import { everywhere } from './routed-write.ts';
import type { IdSource, StripeSession, WriteOutcome } from './stripes.ts';
import { quoted } from './syntax.ts';
import type { SqlRow, SqlValue } from './values.ts';
import type { InsertShape } from './write-plan.ts';

export interface InsertContext {
  readonly session: StripeSession;
  readonly pins: PinContext;
  readonly stripeCount: number;
  readonly ids: IdSource | undefined;
  readonly inTransaction: boolean;
  readonly lastInsertRowid: bigint;
}

const ID_MAX = 2n ** 63n - 1n;

/** What could not be done this way: gather. */
export const UNFIT = 'unfit';

export async function routedInsert(
  shape: InsertShape,
  rows: readonly SqlRow[],
  context: InsertContext,
): Promise<Written | typeof UNFIT> {
  const { table } = shape;
  if (rows.length === 0) {
    return { rows: [], changes: 0, lastInsertRowid: context.lastInsertRowid, rolledBack: false };
  }
  const { columns, ridAt: rid, sql } = textOf(shape);
  const filling = withIds(shape, rows, context);
  const filled = filling instanceof Promise ? await filling : filling;
  if (filled === UNFIT) return UNFIT;
  const perStripe = new Map<number, SqlRow[]>();
  for (const row of filled) {
    for (const stripe of homesOf(table, columns, row, context)) {
      const runs = perStripe.get(stripe) ?? [];
      perStripe.set(stripe, runs);
      runs.push(row);
    }
  }
  // Which of the rows a stripe has ignored it does not say.
  const isMixed = rid === undefined && shape.returning !== '' && perStripe.size > 1;
  if (isMixed && ignores(shape)) return UNFIT;
  if (shape.unsteady && (perStripe.size > 1 || table.place === 'reference')) return UNFIT;
  // Of a length that nobody knows before: it has to be possible to refuse it.
  const isComputed = shape.unsteady || table.columns.some(({ generated }) => generated);
  const last =
    !context.inTransaction && perStripe.size === 1 && !(isComputed && shape.returning !== '');
  const outcomes = await everywhere([...perStripe.keys()], (stripe) =>
    context.session.write(stripe, [{ sql, runs: perStripe.get(stripe) ?? [] }], last),
  );
  const counted = table.place === 'reference' ? outcomes.slice(0, 1) : outcomes;
  const returned = counted.flatMap((one) => one.rows);
  const written = rid === undefined ? undefined : lastOf(returned, filled, rid);
  return {
    rows:
      shape.returning === ''
        ? []
        : rid === undefined
          ? asGiven(counted, [...perStripe.values()], filled)
          : inSourceOrder(returned, filled, rid).map((row) => row.slice(0, -1)),
    changes: counted.reduce((sum, { changes }) => sum + changes, 0),
    lastInsertRowid: written ?? context.lastInsertRowid,
    rolledBack: false,
  };
}

/** The same where rows have no rid: each run gave one row, or there is one stripe. */
function asGiven(
  outcomes: readonly WriteOutcome[],
  runs: readonly (readonly SqlRow[])[],
  rows: readonly SqlRow[],
): readonly SqlRow[] {
  if (outcomes.length === 1) return outcomes[0]?.rows ?? [];
  const places = new Map(rows.map((row, at) => [row, at] as const));
  return outcomes
    .flatMap((one, stripe) =>
      one.rows.map((row, at) => ({ row, place: places.get(runs[stripe]?.[at] ?? []) ?? 0 })),
    )
    .toSorted((a, b) => a.place - b.place)
    .map(({ row }) => row);
}

/** What several stripes returned, as one SQLite would have: row after row of the source. */
function inSourceOrder(
  returned: readonly SqlRow[],
  rows: readonly SqlRow[],
  ridAt: number,
): readonly SqlRow[] {
  const places = new Map(rows.map((row, at) => [row[ridAt] ?? null, at] as const));
  const placeOf = (row: SqlRow): number => places.get(row.at(-1) ?? null) ?? 0;
  return returned.toSorted((a, b) => placeOf(a) - placeOf(b));
}

/** The rid of the last row, in the order of the source, that was really put in. */
function lastOf(
  returned: readonly SqlRow[],
  rows: readonly SqlRow[],
  ridAt: number,
): bigint | undefined {
  const ids = returned.map((row) => row.at(-1));
  if (rows.length === 1 || rows[0]?.[ridAt] === null) {
    const id = ids.at(-1);
    return typeof id === 'bigint' ? id : undefined;
  }
  const there = new Set(ids);
  const last = rows.findLast((row) => there.has(row[ridAt] ?? null));
  const id = last?.[ridAt];
  return typeof id === 'bigint' ? id : undefined;
}

/** What one row runs on its stripe. */
interface RowText {
  /** Those that the shape gives, and the rid. */
  readonly columns: readonly string[];
  /** Where the rid is among them; undefined for WITHOUT ROWID. */
  readonly ridAt: number | undefined;
  /** Returns what the shape does, and the rid. */
  readonly sql: string;
}

const texts = new WeakMap<InsertShape, RowText>();

/** Made once for each shape. */
function textOf(shape: InsertShape): RowText {
  const known = texts.get(shape);
  if (known !== undefined) return known;
  const { table, or, returning } = shape;
  const { rid } = table;
  const hasRid = rid === undefined || shape.columns.includes(rid);
  const columns = hasRid ? shape.columns : [...shape.columns, rid];
  const marks = columns.map((_, at) => `?${at + 1}`).join(', ');
  const into = `INSERT ${or} INTO ${quoted(table.name)}`;
  const source = columns.length === 0 ? ' DEFAULT VALUES' : `(${list(columns)}) VALUES (${marks})`;
  const tail = rid === undefined ? '' : `${returning === '' ? ' RETURNING' : ','} ${quoted(rid)}`;
  const text: RowText = {
    columns,
    ridAt: rid === undefined ? undefined : columns.indexOf(rid),
    sql: `${into}${source}${returning}${tail}`,
  };
  texts.set(shape, text);
  return text;
}

/** Gives an id to every row that has none; at once where none is to be asked for. */
function withIds(
  shape: InsertShape,
  rows: readonly SqlRow[],
  context: InsertContext,
): readonly SqlRow[] | typeof UNFIT | Promise<readonly SqlRow[] | typeof UNFIT> {
  const { table, columns, or, ridReachesFar } = shape;
  const { ridAt } = textOf(shape);
  if (ridAt === undefined) return rows;
  const hasRid = ridAt < columns.length;
  const open: number[] = [];
  const filled = rows.map((row, index): SqlValue[] => {
    const value = row[ridAt] ?? null;
    if (value === null) open.push(index);
    return hasRid ? row.slice(0, columns.length) : [...row.slice(0, columns.length), null];
  });
  if (open.length === 0) {
    if (ridReachesFar) return UNFIT;
    return withChosenIds(table, filled, ridAt, context);
  }
  // Chosen and given ids in one statement: the order decides which are free.
  if (open.length !== rows.length) return UNFIT;
  // All rows of the table are in one place, which finds the next id by itself.
  if (!table.autoincrement && (table.place === 'single' || context.stripeCount === 1))
    return filled;
  // SQLite uses the id of a row that it ignores again, and nobody knows yet which it will be.
  const mayIgnore = ignores(shape);
  if (mayIgnore && rows.length > 1 && context.ids === undefined) return UNFIT;
  // An id that is in use after all would go unnoticed.
  const quiet = mayIgnore || or === 'OR REPLACE' || /\bconflict\s+replace\b/i.test(table.sql);
  if (quiet && table.distkey?.name === table.rid && context.ids !== undefined) return UNFIT;
  return withNextIds(table, filled, ridAt, context);
}

async function withChosenIds(
  table: Table,
  rows: readonly SqlRow[],
  ridAt: number,
  { ids }: InsertContext,
): Promise<readonly SqlRow[] | typeof UNFIT> {
  const largest = largestOf(rows.map((row) => row[ridAt]));
  if (largest !== undefined) await ids?.taken(table.counter, largest);
  // Ids of other kinds than integers are the stripe's to judge; which row came last is then not known, nor which of two with one id.
  const chosen = new Set(rows.map((row) => row[ridAt]).filter((id) => typeof id === 'bigint'));
  return chosen.size === rows.length || rows.length === 1 ? rows : UNFIT;
}

async function withNextIds(
  table: Table,
  rows: readonly SqlValue[][],
  ridAt: number,
  context: InsertContext,
): Promise<readonly SqlRow[] | typeof UNFIT> {
  const first = await nextId(table, rows.length, context);
  if (first === undefined) return UNFIT;
  for (const [index, row] of rows.entries()) row[ridAt] = first + BigInt(index);
  return rows;
}

function ignores({ or, table }: InsertShape): boolean {
  return or === 'OR IGNORE' || /\bconflict\s+ignore\b/i.test(table.sql);
}

async function nextId(
  table: Table,
  count: number,
  { ids, session, stripeCount }: InsertContext,
): Promise<bigint | undefined> {
  if (ids !== undefined) return await ids.next(table.counter, count);
  const largest = (await largestId(table, session, stripeCount)) ?? 0n;
  // SQLite then looks for a free id at random.
  return largest > ID_MAX - BigInt(count) ? undefined : largest + 1n;
}

function homesOf(
  table: Table,
  columns: readonly string[],
  row: SqlRow,
  { pins, stripeCount }: InsertContext,
): readonly number[] {
  if (table.place === 'reference')
    return Array.from({ length: stripeCount }, (_, stripe) => stripe);
  if (table.distkey === undefined) return [0];
  const at = columns.indexOf(table.distkey.name);
  return [stripeOfKey(table, at < 0 ? null : (row[at] ?? null), pins)];
}
