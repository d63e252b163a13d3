/**
 * An INSERT that needs only a few rows in one place: those that it could collide with, the parents that it names, and the row
 * with the largest id. The original text runs over them (upsert, REPLACE, AUTOINCREMENT, keys over stripes, foreign keys).
 */
import { type Catalogue, isParent } from './catalogue.ts';
import { type Column, foldName, list, type Table, type UniqueKey } from './table.ts';
import type { Binding } from './binding.ts';
import { type Fetch, stripesOf } from './gather.ts';
import { cut, type Edit, find, type InsertStmt, quoted, splice } from './syntax.ts';
import type { SqlRow, SqlValue } from './values.ts';
import type { Narrowed } from './gathered-write.ts';
import { type PinContext, stripeOfKey } from './pins.ts';
import type { GivenIds } from './given-ids.ts';
import { type InsertShape, replaces } from './write-plan.ts';

/** The parser's span for it is the whole statement. */
const DEFAULT_VALUES =
  /^(?:\s|\)|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(default(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*values)/i;
/** SQLite's default limit of an expression's depth is 1,000; of parameters 32,766. */
const CHOICES_MAX = 400;
const PARAMETERS_MAX = 30_000;

export interface NarrowInsert extends Narrowed {
  readonly sql: string;
  readonly values: SqlRow;
}

export interface NarrowOptions {
  readonly catalogue: Catalogue;
  readonly pins: PinContext;
  readonly foreignKeys: boolean;
}

/** Undefined when it could need more rows than can be named. */
export function narrowInsert(
  binding: Binding,
  { given, rows, shape }: GivenIds,
  options: NarrowOptions,
): NarrowInsert | undefined {
  const { table } = shape;
  if (rows.length === 0) return undefined;
  if (!upsertStaysNear(shape, rows, options)) return undefined;
  const terms = new Map<Table, Term[]>([[table, []]]);
  for (const key of table.uniques) {
    if (key.columns === undefined || !addKey(table, key.columns, terms, { shape, rows, options }))
      return undefined;
  }
  if (options.foreignKeys && !addParents(terms, { shape, rows, options })) return undefined;
  // A hidden id is no key of the user's, and has to be free all the same: where the row comes to lie, as with a routed insert.
  if (table.ridHidden && table.rid !== undefined) {
    const own = terms.get(table);
    for (const row of rows) own?.push(...hiddenId(shape, row, given, options));
  }
  const fetches: Fetch[] = [];
  for (const [one, found] of terms) {
    const own = one === table && table.rid !== undefined && choosesId(shape, rows);
    const all = own ? [...found, newest(shape, rows.length)] : found;
    const fetch = fetchOf(one, all, options);
    if (fetch === undefined) return undefined;
    fetches.push(fetch);
  }
  const text = withRows(binding, shape, rows, options.pins.values);
  return text === undefined ? undefined : { fetches, given, ...text };
}

interface Term {
  /** With `?` for its values, in order; without, the one column that has the one value. */
  readonly text: string;
  readonly isColumn?: boolean;
  readonly values: readonly SqlValue[];
  /** The only one where such rows can lie. */
  readonly stripe: number | undefined;
}

function hiddenId(
  shape: InsertShape,
  row: SqlRow,
  given: GivenIds['given'],
  { pins }: NarrowOptions,
): readonly Term[] {
  const { distkey, rid, rowidName } = shape.table;
  const id = valueIn(shape, rowidName ?? '')?.(row) ?? null;
  if (!given.has(id)) return [];
  const key = distkey?.name === rid ? id : valueIn(shape, distkey?.name ?? '')?.(row);
  const stripe = key === undefined ? undefined : stripeOfKey(shape.table, key, pins);
  return [{ text: quoted(rid ?? ''), values: [id], stripe, isColumn: true }];
}

/** SQLite gives a row the next id after the newest, which rows before it may have replaced: one for each unique key. */
function newest({ node, table }: InsertShape, rows: number): Term {
  const gone = replaces(node, table) ? (rows - 1) * table.uniques.length : 0;
  const rid = quoted(table.rid ?? '');
  const text = `${rid} IN (SELECT ${rid} FROM ${quoted(table.name)} ORDER BY ${rid} DESC LIMIT ${1 + gone})`;
  return { text, values: [], stripe: undefined };
}

function choosesId(shape: InsertShape, rows: readonly SqlRow[]): boolean {
  const { autoincrement, rid, ridHidden, rowidName } = shape.table;
  const reader = valueIn(shape, (ridHidden ? rowidName : rid) ?? '');
  return autoincrement || reader === undefined || rows.some((row) => reader(row) === null);
}

/** Undefined when SQLite would refuse so long a text. */
function fetchOf(table: Table, terms: readonly Term[], { pins }: NarrowOptions): Fetch | undefined {
  const known = terms.map(({ stripe }) => stripe).filter((stripe) => stripe !== undefined);
  const choices = choicesOf(terms);
  const values = choices.flatMap((choice) => choice.values);
  if (choices.length > CHOICES_MAX || values.length > PARAMETERS_MAX) return undefined;
  return {
    table,
    stripes: known.length < terms.length ? stripesOf(table, pins.slots.count) : [...new Set(known)],
    where: choices.map(({ text }) => text).join(' OR '),
    values,
  };
}

/** Values of one column make one choice, which SQLite looks up in its index however many they are. */
function choicesOf(terms: readonly Term[]): readonly Pick<Term, 'text' | 'values'>[] {
  const others = terms.filter(({ isColumn }) => isColumn !== true);
  const columns = new Map<string, Set<SqlValue>>();
  for (const { text, values, isColumn } of terms) {
    if (isColumn !== true) continue;
    const all = columns.get(text) ?? new Set();
    columns.set(text, all);
    for (const value of values) all.add(value);
  }
  const lists = [...columns].map(([column, all]) => ({
    text: `${column} IN (${[...all].map(() => '?').join(', ')})`,
    values: [...all],
  }));
  return [...lists, ...others];
}

/** What the rows hold in a column; undefined when only SQLite can tell. */
function valueIn(
  { columns, table }: InsertShape,
  name: string,
): ((row: SqlRow) => SqlValue) | undefined {
  const at = columns.findIndex((one) => foldName(one) === foldName(name));
  if (at >= 0) return (row): SqlValue => row[at] ?? null;
  const column = table.columns.find((one) => foldName(one.name) === foldName(name));
  const isNull = column !== undefined && !column.generated && column.fallback === null;
  return isNull || (column === undefined && name === table.rid) ? (): SqlValue => null : undefined;
}

interface Inserted {
  readonly shape: InsertShape;
  readonly rows: readonly SqlRow[];
  readonly options: NarrowOptions;
}

function addKey(
  target: Table,
  key: NonNullable<UniqueKey['columns']>,
  terms: Map<Table, Term[]>,
  { shape, rows, options: { pins } }: Inserted,
  from: readonly string[] = key.map(({ name }) => name),
): boolean {
  const readers = from.map((name) => valueIn(shape, name));
  if (readers.some((reader) => reader === undefined)) return false;
  const columns = key.map(({ name, collation }) => `${quoted(name)} COLLATE ${collation}`);
  const isColumn = columns.length === 1;
  const text = isColumn
    ? columns.join('')
    : `(${columns.map((column) => `${column} = ?`).join(' AND ')})`;
  const { distkey } = target;
  // What a coarser collation finds equal may lie elsewhere.
  const at = key.findIndex(
    ({ name, collation }) =>
      distkey?.name === name && (collation === distkey.collation || collation === 'BINARY'),
  );
  const found = terms.get(target) ?? [];
  terms.set(target, found);
  for (const row of rows) {
    const values = readers.map((reader, at) => {
      const value = reader?.(row) ?? null;
      const column = target.columnsByName.get(foldName(key[at]?.name ?? ''));
      // As it would be kept: a large integer loses digits.
      return typeof value === 'bigint' && column?.affinity === 'real' ? Number(value) : value;
    });
    // NULL collides with nothing and names no parent.
    if (values.includes(null)) continue;
    const stripe = at < 0 ? undefined : stripeOfKey(target, values[at] ?? null, pins);
    found.push({ text, values, stripe, isColumn });
  }
  return true;
}

function addParents(terms: Map<Table, Term[]>, inserted: Inserted): boolean {
  const { rows, shape, options } = inserted;
  for (const { columns, parent: name, parentColumns } of shape.table.foreignKeys) {
    const parent = options.catalogue.table(name);
    if (parent === undefined) return false;
    const named = parentColumns.length > 0 ? parentColumns : parent.primary;
    const key = named.map((one) => columnOf(parent, one));
    if (key.length !== columns.length || key.some((one) => one === undefined)) return false;
    // An id that is not given yet may name a parent.
    const { rid } = shape.table;
    const givesId = columns.some((one) => rid !== undefined && foldName(one) === foldName(rid));
    if (givesId && rows.some((row) => (valueIn(shape, rid ?? '')?.(row) ?? null) === null)) {
      return false;
    }
    // Both kept and compared alike, or SQLite looks for another value than is given.
    const isAlike = columns.every((one, at) => {
      const own = columnOf(shape.table, one)?.affinity;
      return own === 'blob' || own === key[at]?.affinity;
    });
    if (!isAlike) return false;
    const plain = key.flatMap((one) => (one === undefined ? [] : [one]));
    if (!addKey(parent, plain, terms, inserted, columns)) return false;
  }
  return true;
}

function columnOf(table: Table, name: string): Column | undefined {
  return table.columns.find((one) => foldName(one.name) === foldName(name));
}

/** An upsert that changes keys, or reads other rows, could collide with what nobody named. */
function upsertStaysNear(
  { node, table }: InsertShape,
  rows: readonly SqlRow[],
  options: NarrowOptions,
): boolean {
  if (options.foreignKeys && replaces(node, table)) {
    // A child that is replaced would mend what another row of the text breaks, for its own parent is not there.
    if (isParent(table, options.catalogue)) return false;
    if (table.foreignKeys.length > 0 && rows.length > 1) return false;
  }
  if (node.body.type !== 'SelectInsertBody') return true;
  const fixed = new Set(
    [
      ...table.uniques.flatMap(({ columns }) => (columns ?? []).map(({ name }) => name)),
      ...table.foreignKeys.flatMap(({ columns }) => columns),
      'rowid',
      '_rowid_',
      'oid',
    ].map(foldName),
  );
  for (let { upsert } = node.body; upsert !== undefined; upsert = upsert.next) {
    if (find(upsert, ({ type }) => type === 'Select' || type === 'InTableExpr') !== undefined)
      return false;
    if (upsert.doClause.type !== 'SetUpsertDo') continue;
    const set = upsert.doClause.sets.flatMap(({ colNames }) => colNames);
    if (set.some(({ text }) => fixed.has(foldName(text)))) return false;
    if (table.columns.some(({ generated }) => generated)) return false;
  }
  return true;
}

/** Behind the last column, or the table where there are none. */
function endOfNames({ columns, tblName }: InsertStmt): number {
  const { offset, length } = columns?.at(-1)?.span ?? tblName.span;
  return offset + length;
}

/** The list of columns with that of the id. */
function columnsEdit(node: InsertStmt, columns: readonly string[]): Edit {
  const last = node.columns?.at(-1);
  const span = { offset: endOfNames(node), length: 0 };
  const id = columns.at(-1) ?? 'rowid';
  return { span, text: last === undefined ? `(${list(columns)})` : `, ${quoted(id)}` };
}

/** The text with its rows as parameters in place of its source. */
function withRows(
  { parameters, sql }: Binding,
  { columns, idAdded, node }: InsertShape,
  rows: readonly SqlRow[],
  values: SqlRow,
): Pick<NarrowInsert, 'sql' | 'values'> | undefined {
  const edits: Edit[] = [...parameters.edits];
  const all: SqlValue[] = [...values];
  if (idAdded === true) edits.push(columnsEdit(node, columns));
  if (idAdded === true && node.body.type === 'DefaultValuesInsertBody') {
    const defaults = DEFAULT_VALUES.exec(sql.slice(endOfNames(node)));
    if (defaults?.[1] === undefined) return undefined;
    const offset = endOfNames(node) + defaults[0].length - defaults[1].length;
    const id = `VALUES (?${all.push(rows[0]?.[0] ?? null)})`;
    edits.push({ span: { offset, length: defaults[1].length }, text: id });
  }
  if (node.body.type === 'SelectInsertBody') {
    const width = rows[0]?.length ?? 0;
    if (all.length + rows.length * width > PARAMETERS_MAX) return undefined;
    const lines = rows.map((row) => `(${row.map((value) => `?${all.push(value)}`).join(', ')})`);
    const source = node.body.select.span;
    const inside = ({ span }: Edit): boolean =>
      [source, node.with?.span].some(
        (part) =>
          part !== undefined &&
          span.offset >= part.offset &&
          span.offset < part.offset + part.length,
      );
    const kept = edits.filter((edit) => !inside(edit));
    if (node.with !== undefined) kept.push({ span: node.with.span, text: '' });
    kept.push({ span: source, text: `VALUES ${lines.join(', ')}` });
    return { sql: splice(sql, kept), values: all };
  }
  return { sql: cut(sql, { offset: 0, length: sql.length }, edits), values: all };
}
