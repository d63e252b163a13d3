/** A statement that fires triggers, with the rows that it and they need, and no others. The original text then runs over those, see `gatheredWrite`. */
import { settleAll } from '../base/settle-all.ts';
import { type FiredOptions, firedFetches, type FiringRow, kept, whyFar } from './fired-rows.ts';
import { type Fetch, fetchText } from './gather.ts';
import type { Narrowed } from './gathered-write.ts';
import type { GivenIds } from './given-ids.ts';
import type { NarrowInsert } from './narrow-insert.ts';
import { KEYS_MAX, whereFetch, whyWide } from './narrow-keyed.ts';
import { constant } from './pins.ts';
import type { StripeSession } from './stripes.ts';
import { type AstNode, walk } from './syntax.ts';
import { foldName, storedColumns, type Table } from './table.ts';
import type { SqlRow, SqlValue } from './values.ts';
import { type InsertShape, replaces, type RoutedShape } from './write-plan.ts';

export type FiredContext = ToldContext & { readonly session: StripeSession };

/** Enough to tell what would be fetched. */
export type ToldContext = Omit<FiredOptions, 'replaces'> & {
  /** All that the statement and its triggers meet. */
  readonly tables: readonly Table[];
};

/** Undefined when it has to be gathered. */
export function firedInsert(
  narrow: NarrowInsert,
  { rows, shape }: GivenIds,
  context: ToldContext,
): NarrowInsert | undefined {
  const { fires: firing, node, table } = shape;
  if (firing === undefined) return narrow;
  const options = { ...context, replaces: replaces(node, table) };
  if (whyFar(firing, options) !== undefined) return undefined;
  const fetches = firedFetches(
    narrow.fetches,
    {
      firing,
      rows: rows.map((row) => ({ old: NOTHING, new: newOf(shape, row, options) })),
      table,
      tables: without(context.tables, node),
      event: 'insert',
    },
    options,
  );
  return { ...narrow, fetches };
}

const NOTHING: FiringRow['old'] = new Map();

/** What only the source of its rows meets has been read. */
function without(tables: readonly Table[], node: AstNode): readonly Table[] {
  const sources = new Set<string>();
  walk(node, (one) => {
    if (one.type === 'TableSelectTable') sources.add(foldName(one.tblName.objName.text));
  });
  return tables.filter(({ name }) => !sources.has(foldName(name)));
}

function newOf(shape: InsertShape, row: SqlRow, options: FiredOptions): FiringRow['new'] {
  const { columns, table } = shape;
  const values = new Map<string, SqlValue | undefined>();
  const at = columns.findIndex(
    (name) => foldName(name) === foldName((table.ridHidden ? table.rowidName : table.rid) ?? ''),
  );
  // Without one SQLite chooses.
  const id = row[at] ?? undefined;
  const own = id === undefined ? id : kept(id, { affinity: 'integer' }, options.pins);
  for (const word of ['rowid', '_rowid_', 'oid']) values.set(word, own);
  for (const column of table.columns) {
    const given = columns.findIndex((name) => foldName(name) === foldName(column.name));
    const value = given < 0 ? null : (row[given] ?? null);
    const isOpen =
      column.generated ||
      (given < 0 && column.fallback !== null) ||
      (value === null && (column.name === table.rid || (column.notNull && options.replaces)));
    values.set(foldName(column.name), isOpen ? undefined : kept(value, column, options.pins));
  }
  return values;
}

/** What an UPDATE or DELETE that fires triggers tells by itself of why it has to be gathered. */
export function whyFiredWide(
  shape: RoutedShape,
  context: Pick<FiredOptions, 'catalogue' | 'foreignKeys' | 'recursiveTriggers'>,
): string | undefined {
  if (shape.keyed && context.foreignKeys) return 'it fires triggers, and foreign keys have a say';
  const far = shape.fires === undefined ? undefined : whyFar(shape.fires, context);
  return far ?? whyWide(shape, context.catalogue);
}

/** The same of an UPDATE or DELETE. */
export async function firedChange(
  shape: RoutedShape,
  route: readonly number[],
  context: FiredContext,
): Promise<Narrowed | undefined> {
  const { fires: firing, node, table } = shape;
  const options = { ...context, replaces: false };
  if (firing === undefined || node === undefined) return undefined;
  if (whyFiredWide(shape, context) !== undefined) return undefined;
  const fetch = whereFetch(table, node, route, context.pins);
  const found = await rowsOf(fetch, context.session);
  if (found.length > (firing.touchesOwn ? 1 : KEYS_MAX)) return undefined;
  const rows = found.map((row): FiringRow => {
    const old = oldOf(table, row);
    return {
      old,
      new: node.type === 'DeleteStmt' ? NOTHING : changedOf(node, table, old, context),
    };
  });
  return { fetches: changeFetches(shape, rows, fetch, options), given: new Set() };
}

/** Tables of which an UPDATE or DELETE fetches all rows for its triggers, with one row that stands in for those that it changes. */
export function wholeOfChange(
  shape: RoutedShape,
  route: readonly number[],
  context: ToldContext,
): readonly Table[] {
  const { node, table } = shape;
  if (node === undefined) return [];
  const old = oldOf(
    table,
    storedColumns(table).map(() => 0n),
  );
  const next = node.type === 'DeleteStmt' ? NOTHING : changedOf(node, table, old, context);
  const fetch = whereFetch(table, node, route, context.pins);
  const rows = [{ old, new: next }];
  const fetches = changeFetches(shape, rows, fetch, { ...context, replaces: false });
  return wholeOf(fetches).filter((one) => one !== table);
}

/** Tables of which all rows are fetched. */
export function wholeOf(fetches: readonly Fetch[]): readonly Table[] {
  return fetches
    .filter(({ stripes, where = '' }) => stripes.length > 0 && where === '')
    .map(({ table }) => table);
}

function changeFetches(
  { fires: firing, node, table }: RoutedShape,
  rows: readonly FiringRow[],
  fetch: Fetch,
  options: FiredOptions & Pick<ToldContext, 'tables'>,
): readonly Fetch[] {
  if (firing === undefined || node === undefined) return [fetch];
  const event = node.type === 'DeleteStmt' ? 'delete' : 'update';
  return firedFetches([fetch], { firing, rows, table, tables: options.tables, event }, options);
}

async function rowsOf(fetch: Fetch, session: StripeSession): Promise<readonly SqlRow[]> {
  const text = `${fetchText(fetch)} LIMIT ${KEYS_MAX + 1}`;
  const parts = await settleAll(
    fetch.stripes.map(async (stripe) => {
      const rows: SqlRow[] = [];
      for await (const some of session.rows(stripe, text, fetch.values ?? [])) rows.push(...some);
      return rows;
    }),
  );
  return parts.flat();
}

function oldOf(table: Table, row: SqlRow): FiringRow['old'] {
  const values = new Map<string, SqlValue | undefined>();
  const names = storedColumns(table);
  const id = table.rid === undefined ? undefined : row[names.indexOf(table.rid)];
  for (const word of ['rowid', '_rowid_', 'oid']) values.set(word, id);
  for (const [at, name] of names.entries())
    if (table.columnsByName.has(foldName(name))) values.set(foldName(name), row[at]);
  return values;
}

function changedOf(
  { sets }: Extract<NonNullable<RoutedShape['node']>, { type: 'UpdateStmt' }>,
  table: Table,
  old: FiringRow['old'],
  { pins }: ToldContext,
): FiringRow['new'] {
  const values = new Map(old);
  for (const { colNames, expr } of sets) {
    const value = colNames.length === 1 ? constant(expr, pins) : undefined;
    for (const { text } of colNames) {
      const column = table.columnsByName.get(foldName(text));
      // Where a column says what takes the place of NULL, that is there.
      const isOpen =
        value === undefined || column === undefined || (value === null && column.notNull);
      values.set(foldName(text), isOpen ? undefined : kept(value, column, pins));
    }
  }
  return values;
}
