/**
 * An UPDATE or DELETE of some rows that foreign keys have a say in, with the rows that the keys lead to and no others: the parents that are named, and the
 * children of what goes, theirs too where they go with it. The original text then runs over those, see `gatheredWrite`.
 */
import { settleAll } from '../base/settle-all.ts';
import type { Catalogue } from './catalogue.ts';
import type { Fetch } from './gather.ts';
import { fetchText, stripesOf } from './gather.ts';
import type { Narrowed } from './gathered-write.ts';
import { constant, type PinContext, stripeOfKey } from './pins.ts';
import { type Column, foldName, type ForeignKey, storedColumns, type Table } from './table.ts';
import type { StripeSession } from './stripes.ts';
import { cut, numbersIn, quoted } from './syntax.ts';
import { applyAffinity, identityOf, type SqlRow, type SqlValue } from './values.ts';
import type { RoutedShape } from './write-plan.ts';

/** SQLite's default limit of an expression's depth is 1,000. */
export const KEYS_MAX = 400;

export interface KeyedContext {
  readonly session: StripeSession;
  readonly catalogue: Catalogue;
  readonly pins: PinContext;
}

/** It could need more rows than can be named. */
class Wide extends Error {}

/** What the text itself tells of why the rows that it needs cannot be named; undefined when it is for them to tell. */
export function whyWide(
  { node, table, unsteady }: RoutedShape,
  catalogue: Catalogue,
): string | undefined {
  if (unsteady) return 'it calls a function that differs from call to call';
  if (node?.type !== 'UpdateStmt') return undefined;
  if (node.orConflict === 'Replace') return 'it may replace rows that foreign keys lead to';
  if (table.columns.some(({ generated }) => generated)) return 'it computes a column';
  const set = new Set(
    node.sets.flatMap(({ colNames }) => colNames.map(({ text }) => foldName(text))),
  );
  const isSet = (name: string): boolean => set.has(foldName(name));
  // Other rows may have the key already, or be children by it.
  const uniques = table.uniques.flatMap(({ columns }) => columns ?? table.columns);
  return uniques.some(({ name }) => isSet(name)) || isParentBy(table, isSet, catalogue)
    ? 'it changes a key that other rows may have, or lead to'
    : undefined;
}

/** The rows that the WHERE of an UPDATE or DELETE finds. */
export function whereFetch(
  table: Table,
  node: NonNullable<RoutedShape['node']>,
  route: readonly number[],
  { parameters, sql, values }: PinContext,
): Fetch {
  const span = node.whereClause?.span;
  const numbers = span === undefined ? [] : numbersIn(span, parameters);
  return {
    table,
    stripes: table.place === 'striped' ? route : [0],
    alias: node.tblName.alias?.text ?? node.tblName.objName.text,
    where: span === undefined ? '' : cut(sql, span, parameters.edits),
    values: values.slice(0, Math.max(0, ...numbers)),
  };
}

/** Undefined when it could need more rows than can be named, or what only SQLite can tell. */
export async function narrowKeyed(
  shape: RoutedShape,
  route: readonly number[],
  context: KeyedContext,
): Promise<Narrowed | undefined> {
  const { node, table } = shape;
  if (node === undefined || whyWide(shape, context.catalogue) !== undefined) return undefined;
  const fetch = whereFetch(table, node, route, context.pins);
  const rows = new KeyedRows(context);
  try {
    if (node.type === 'DeleteStmt') await rows.remove(table, await rows.read(fetch));
    else rows.change(table, await rows.read(fetch), node);
  } catch (error) {
    if (error instanceof Wide) return undefined;
    throw error;
  }
  return { fetches: rows.fetches(), given: new Set() };
}

/** Rows of one table that are wanted, by the values of some columns. */
interface Wanted {
  readonly terms: { readonly text: string; readonly values: SqlRow }[];
  readonly seen: Set<string>;
  readonly stripes: Set<number>;
}

class KeyedRows {
  readonly #context: KeyedContext;
  readonly #wanted = new Map<Table, Wanted>();
  readonly #removed = new Set<string>();
  #count = 0;

  constructor(context: KeyedContext) {
    this.#context = context;
  }

  fetches(): readonly Fetch[] {
    return [...this.#wanted].map(([table, { stripes, terms }]) => ({
      table,
      stripes: [...stripes],
      where: terms.map(({ text }) => text).join(' OR '),
      values: terms.flatMap(({ values }) => values),
    }));
  }

  async read(fetch: Fetch): Promise<readonly SqlRow[]> {
    const { session } = this.#context;
    const text = `${fetchText(fetch)} LIMIT ${KEYS_MAX + 1}`;
    // All at once: stripes that are asked together are held in an order that needs no second attempt.
    const parts = await settleAll(
      fetch.stripes.map(async (stripe) => {
        const rows: SqlRow[] = [];
        for await (const some of session.rows(stripe, text, fetch.values ?? [])) rows.push(...some);
        return rows;
      }),
    );
    const found = parts.flat();
    if (found.length > KEYS_MAX) throw new Wide();
    return found;
  }

  /** Rows that go, and what goes with them. */
  async remove(table: Table, rows: readonly SqlRow[]): Promise<void> {
    const fresh = rows.filter((row) =>
      isNew(this.#removed, `${table.name}\u0000${identityOf(row)}`),
    );
    this.#itself(table, fresh);
    for (const key of table.foreignKeys) this.#parents(table, key, fresh);
    for (const child of this.#context.catalogue.tablesBeside(table)) {
      for (const key of child.foreignKeys) {
        if (foldName(key.parent) === foldName(table.name))
          await this.#children(child, key, table, fresh);
      }
    }
  }

  /** Rows whose columns are set. */
  change(
    table: Table,
    rows: readonly SqlRow[],
    { sets }: Extract<NonNullable<RoutedShape['node']>, { type: 'UpdateStmt' }>,
  ): void {
    const given = new Map<string, SqlValue | undefined>();
    for (const { colNames, expr } of sets) {
      const value = colNames.length === 1 ? constant(expr, this.#context.pins) : undefined;
      for (const { text } of colNames) given.set(foldName(text), value);
    }
    const isSet = (name: string): boolean => given.has(foldName(name));
    this.#itself(table, rows);
    const names = storedColumns(table).map(foldName);
    for (const key of table.foreignKeys) {
      if (!key.columns.some(isSet)) continue;
      this.#parents(table, key, rows);
      const own = new Set(key.columns.map(foldName));
      const after = rows.map((row) =>
        row.map((value, at) => {
          const name = names[at] ?? '';
          if (!isSet(name) || !own.has(name)) return value;
          const set = given.get(name);
          // What the column makes of it is what names the parent.
          const kept = set === undefined ? set : applyAffinity(set, columnOf(table, name).affinity);
          if (kept === undefined) throw new Wide();
          return kept;
        }),
      );
      this.#parents(table, key, after);
    }
  }

  #itself(table: Table, rows: readonly SqlRow[]): void {
    const key = table.key.map((name) => columnOf(table, name));
    const { distkey } = table;
    const homes =
      distkey === undefined
        ? undefined
        : this.#stripesFor(table, [distkey], valuesIn(table, rows, [distkey.name], 'all'));
    this.#want(table, key, valuesIn(table, rows, table.key), homes);
  }

  #parents(table: Table, key: ForeignKey, rows: readonly SqlRow[]): void {
    const parent = this.#context.catalogue.table(key.parent, table.schema);
    if (parent === undefined) throw new Wide();
    const columns = matched(table, key, parent);
    this.#want(parent, columns, valuesIn(table, rows, key.columns));
  }

  async #children(
    child: Table,
    key: ForeignKey,
    parent: Table,
    gone: readonly SqlRow[],
  ): Promise<void> {
    matched(child, key, parent);
    const columns = key.columns.map((name) => columnOf(child, name));
    const values = valuesIn(parent, gone, parentColumns(key, parent));
    this.#want(child, columns, values);
    if (key.onDelete === 'NO ACTION' || key.onDelete === 'RESTRICT') return;
    const found = await this.#readAll(child, columns, values);
    // Also where keys lead in a circle.
    if (found.length === 0) return;
    if (key.onDelete === 'CASCADE') return await this.remove(child, found);
    const isSet = (name: string): boolean =>
      key.columns.some((one) => foldName(one) === foldName(name));
    const isShared = child.foreignKeys.some((other) => other !== key && other.columns.some(isSet));
    if (
      key.onDelete !== 'SET NULL' ||
      isShared ||
      isParentBy(child, isSet, this.#context.catalogue)
    )
      throw new Wide();
    // Either may be part of what has to be unique.
    const isComputed = child.columns.some(({ generated }) => generated);
    if (isComputed || child.uniques.some(({ columns: of }) => of === undefined)) throw new Wide();
  }

  async #readAll(
    table: Table,
    columns: readonly NamedColumn[],
    values: readonly SqlRow[],
  ): Promise<readonly SqlRow[]> {
    if (values.length === 0) return [];
    return await this.read({
      table,
      stripes: [...this.#stripesFor(table, columns, values)],
      where: values.map(() => termOf(columns)).join(' OR '),
      values: values.flat(),
    });
  }

  /** `homes`: where they lie, if that is known otherwise. */
  #want(
    table: Table,
    columns: readonly NamedColumn[],
    values: readonly SqlRow[],
    homes?: ReadonlySet<number>,
  ): void {
    const wanted = this.#wanted.get(table) ?? { terms: [], seen: new Set(), stripes: new Set() };
    this.#wanted.set(table, wanted);
    const text = termOf(columns);
    const fresh = values.filter((row) => isNew(wanted.seen, `${text}\u0000${identityOf(row)}`));
    this.#count += fresh.length;
    if (this.#count > KEYS_MAX) throw new Wide();
    wanted.terms.push(...fresh.map((row) => ({ text, values: row })));
    for (const stripe of homes ?? this.#stripesFor(table, columns, fresh))
      wanted.stripes.add(stripe);
  }

  #stripesFor(
    table: Table,
    columns: readonly NamedColumn[],
    values: readonly SqlRow[],
  ): ReadonlySet<number> {
    const { pins } = this.#context;
    const at = columns.findIndex(({ name }) => name === table.distkey?.name);
    if (at < 0 && values.length > 0) return new Set(stripesOf(table, pins.slots.count));
    return new Set(values.map((row) => stripeOfKey(table, row[at] ?? null, pins)));
  }
}

/** Children lead to one of these columns. */
function isParentBy(table: Table, isOne: (name: string) => boolean, catalogue: Catalogue): boolean {
  return catalogue
    .tablesBeside(table)
    .some(({ foreignKeys }) =>
      foreignKeys.some(
        (key) =>
          foldName(key.parent) === foldName(table.name) && parentColumns(key, table).some(isOne),
      ),
    );
}

/** And notes it. */
function isNew(seen: Set<string>, id: string): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  return true;
}

type NamedColumn = Pick<Column, 'name' | 'collation'>;

function termOf(columns: readonly NamedColumn[]): string {
  const terms = columns.map(({ collation, name }) => `${quoted(name)} = ? COLLATE ${collation}`);
  return `(${terms.join(' AND ')})`;
}

function columnOf(table: Table, name: string): Column {
  const column = table.columnsByName.get(foldName(name));
  if (column !== undefined) return column;
  // The hidden rowid.
  if (name !== table.rid) throw new Wide();
  return {
    name,
    declared: '',
    affinity: 'integer',
    collation: 'BINARY',
    generated: false,
    notNull: true,
    fallback: null,
  };
}

function parentColumns(key: ForeignKey, parent: Table): readonly string[] {
  return key.parentColumns.length > 0 ? key.parentColumns : parent.primary;
}

/** The parent's columns. Only columns that keep and compare values alike can be looked up in both directions. */
function matched(child: Table, key: ForeignKey, parent: Table): readonly Column[] {
  const columns = parentColumns(key, parent).map((name) => columnOf(parent, name));
  const isAlike = key.columns.every((name, at) => {
    const [own, other] = [columnOf(child, name), columns[at]];
    return own.affinity === other?.affinity && own.collation === other.collation && !own.generated;
  });
  if (columns.length !== key.columns.length || !isAlike) throw new Wide();
  return columns;
}

/** Without rows of which one is NULL, if those are not wanted: they name nobody. */
function valuesIn(
  table: Table,
  rows: readonly SqlRow[],
  columns: readonly string[],
  which: 'named' | 'all' = 'named',
): readonly SqlRow[] {
  const names = storedColumns(table).map(foldName);
  const places = columns.map((name) => names.indexOf(foldName(name)));
  if (places.includes(-1)) throw new Wide();
  const values = rows.map((row) => places.map((at) => row[at] ?? null));
  return which === 'all' ? values : values.filter((one) => !one.includes(null));
}
