/**
 * Ids of rows that come without one, where rows lie on several stripes: a source gives them, so that no stripe is asked for the
 * largest. Where all rows of a table are in one place SQLite chooses, as it does for AUTOINCREMENT, whose ids are counted in one place.
 */
import { settleAll } from '../base/settle-all.ts';
import { foldName, type Table } from './table.ts';
import type { IdSource, StripeSession } from './stripes.ts';
import { quoted } from './syntax.ts';
import type { SqlRow, SqlValue } from './values.ts';
import type { InsertShape } from './write-plan.ts';

/** How often an INSERT is tried again because an id that it was given is in use. */
export const ID_ATTEMPTS_MAX = 5;

/** An id from the source is that of a row: some other node chose it by itself. */
export class IdInUse extends Error {}

/** Undefined where SQLite chooses. */
export function idsFor(
  table: Table,
  ids: IdSource | undefined,
  stripeCount: number,
): IdSource | undefined {
  return areIdsGiven(table, stripeCount) ? ids : undefined;
}

export function areIdsGiven(table: Table, stripeCount: number): boolean {
  return table.place === 'striped' && stripeCount > 1 && !table.autoincrement;
}

export interface GivenIds {
  readonly shape: InsertShape;
  readonly rows: readonly SqlRow[];
  /** Those that the source gave. */
  readonly given: ReadonlySet<SqlValue>;
}

/** The rows with an id each. */
export async function withGivenIds(
  shape: InsertShape,
  rows: readonly SqlRow[],
  ids: IdSource | undefined,
): Promise<GivenIds> {
  const open = ids === undefined ? 0 : rows.filter((row) => isOpen(shape, row)).length;
  if (ids === undefined || open === 0) return { shape, rows, given: new Set() };
  return withIdsFrom(shape, rows, await ids.next(shape.table.counter, open));
}

/** The same with these ids: `next` and those after it. */
export function withIdsFrom(shape: InsertShape, rows: readonly SqlRow[], next: bigint): GivenIds {
  const { columns } = shape;
  const given = new Set<SqlValue>();
  const place = idPlace(shape);
  if (place === undefined) return { shape, rows, given };
  const { at, name } = place;
  const filled = rows.map((row): SqlRow => {
    if (!isOpen(shape, row)) return row;
    given.add(next);
    return [...row.slice(0, at), next++, ...row.slice(at + 1)];
  });
  const isThere = at < columns.length;
  return {
    shape: isThere ? shape : { ...shape, columns: [...columns, name], idAdded: true },
    rows: filled,
    given,
  };
}

/** Where a row has its id, or will have it; undefined for WITHOUT ROWID. */
function idPlace({ columns, table }: InsertShape):
  | {
      readonly at: number;
      readonly name: string;
    }
  | undefined {
  const name = table.ridHidden ? table.rowidName : table.rid;
  if (name === undefined || table.rid === undefined) return undefined;
  const known = columns.findIndex((one) => foldName(one) === foldName(name));
  return { at: known < 0 ? columns.length : known, name };
}

function isOpen(shape: InsertShape, row: SqlRow): boolean {
  const place = idPlace(shape);
  return place !== undefined && (row[place.at] ?? null) === null;
}

/** Whether an INSERT failed because of an id that it did not choose. */
export function isIdInUse(error: unknown, { columns, table }: InsertShape): boolean {
  if (error instanceof IdInUse) return true;
  const { name, rid, ridHidden } = table;
  if (!(error instanceof Error) || rid === undefined) return false;
  const chosen = !ridHidden && columns.includes(rid);
  return !chosen && error.message === `UNIQUE constraint failed: ${name}.${rid}`;
}

/** Above every row that there is. */
export async function raiseIds(
  table: Table,
  ids: IdSource,
  session: StripeSession,
  stripeCount: number,
): Promise<void> {
  const largest = await largestId(table, session, stripeCount);
  if (largest !== undefined) await ids.taken(table.counter, largest);
}

export async function largestId(
  table: Table,
  session: StripeSession,
  stripeCount: number,
): Promise<bigint | undefined> {
  const text = `SELECT max(${quoted(table.rid ?? '')}) FROM ${quoted(table.name)}`;
  const found = await settleAll(
    Array.from({ length: table.place === 'striped' ? stripeCount : 1 }, async (_, stripe) => {
      let largest: SqlValue = null;
      for await (const batch of session.rows(stripe, text, [])) largest = batch[0]?.[0] ?? null;
      return largest;
    }),
  );
  return largestOf(found);
}

export function largestOf(ids: Iterable<SqlValue | undefined>): bigint | undefined {
  let largest: bigint | undefined;
  for (const id of ids) {
    if (typeof id === 'bigint' && (largest === undefined || id > largest)) largest = id;
  }
  return largest;
}
