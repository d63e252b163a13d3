/**
 * The rows that triggers can need, named by the rows that fire them: of each table that a trigger's text meets, those that an AND-ed term finds by
 * `column = NEW.x`, and those that a row it puts in could collide with. A table for which that is not clear is needed whole. As whatever the triggers
 * change is among these rows, or new, all others are still as they were when these were fetched, and no term finds them.
 */
import type { Catalogue } from './catalogue.ts';
import { isParent } from './catalogue.ts';
import { kindOf, resolve } from './colocation.ts';
import type { Fetch } from './gather.ts';
import { stripesOf } from './gather.ts';
import { safeTerms } from './gather-filter.ts';
import { idsFor } from './given-ids.ts';
import {
  columnName,
  conjuncts,
  constant,
  type Item,
  itemOf,
  type PinContext,
  stripeOfKey,
} from './pins.ts';
import { plainItems } from './push.ts';
import type { IdSource } from './stripes.ts';
import { type AstNode, type Expr, find, quoted, type SelectFrom, walk } from './syntax.ts';
import { type Column, foldName, givenColumns, type Table } from './table.ts';
import { commandTable, type Firing, type Trigger, type TriggerCommand } from './triggers.ts';
import { applyAffinity, type SqlRow, type SqlValue } from './values.ts';

/** SQLite's default limit of an expression's depth is 1,000. */
const TERMS_MAX = 400;

/** What a row holds that fires triggers; undefined when only SQLite can tell. By folded name; words for the rowid too. */
export interface FiringRow {
  readonly old: ReadonlyMap<string, SqlValue | undefined>;
  readonly new: ReadonlyMap<string, SqlValue | undefined>;
}

export interface FiredOptions {
  readonly catalogue: Catalogue;
  readonly pins: PinContext;
  readonly foreignKeys: boolean;
  readonly recursiveTriggers: boolean;
  readonly ids: IdSource | undefined;
  /** Nothing can have seen hidden ids, so those that SQLite chose may be replaced. */
  readonly areIdsUnseen: boolean;
  /** What the statement says about conflicts, which holds in its triggers too. */
  readonly replaces: boolean;
}

/** What foreign keys, or triggers that fire themselves, have to say in what triggers do; undefined: nothing. */
export function whyFar(
  { triggers }: Firing,
  {
    catalogue,
    foreignKeys,
    recursiveTriggers,
  }: Pick<FiredOptions, 'catalogue' | 'foreignKeys' | 'recursiveTriggers'>,
): string | undefined {
  if (recursiveTriggers) return 'its triggers may fire themselves';
  const commands = triggers.flatMap(({ node }) => node.commands);
  return foreignKeys && commands.some((one) => isKeyed(one, catalogue))
    ? 'foreign keys lead to or from what its triggers change'
    : undefined;
}

function isKeyed(command: TriggerCommand, catalogue: Catalogue): boolean {
  const table = commandTable(command, catalogue);
  if (table === undefined) return false;
  if (table.foreignKeys.length === 0 && !isParent(table, catalogue)) return false;
  if (command.type !== 'UpdateTriggerCmd') return true;
  const children = new Set(table.foreignKeys.flatMap(({ columns }) => columns.map(foldName)));
  const set = command.sets.flatMap(({ colNames }) => colNames.map(({ text }) => foldName(text)));
  return changesKey(command.sets, table) || set.some((name) => children.has(name));
}

/** A statement that fires triggers, and each row that does. */
export interface Fired {
  readonly firing: Firing;
  readonly rows: readonly FiringRow[];
  readonly table: Table;
  /** All that it and its triggers meet. */
  readonly tables: readonly Table[];
  readonly event: 'insert' | 'update' | 'delete';
}

/** `own`: what the statement itself needs, its table first. */
export function firedFetches(
  own: readonly Fetch[],
  fired: Fired,
  options: FiredOptions,
): readonly Fetch[] {
  const wanted = new FiredRows(fired, options);
  for (const trigger of fired.firing.triggers) wanted.add(trigger);
  const first = own.map((fetch) => wanted.fetch(fetch.table, fetch));
  const rest = new Set([...fired.tables, ...wanted.tables]);
  for (const { table } of own) rest.delete(table);
  return [...first, ...[...rest].map((table) => wanted.fetch(table))];
}

/** Of one table. */
interface Wanted {
  readonly terms: { readonly text: string; readonly values: SqlRow }[];
  readonly stripes: Set<number>;
}

/** What a column is compared with, or gets: the row's value of another column, or a constant. */
type Source =
  | {
      readonly of: 'old' | 'new';
      readonly name: string;
      readonly column: Pick<Column, 'affinity' | 'collation'>;
    }
  | { readonly value: SqlValue };

interface KeyTerm {
  readonly at: number;
  readonly column: Pick<Column, 'name' | 'affinity' | 'collation'>;
  readonly source: Source;
}

const ROWID: Pick<Column, 'affinity' | 'collation'> = { affinity: 'integer', collation: 'BINARY' };
const ROWID_WORDS: ReadonlySet<string> = new Set(['rowid', '_rowid_', 'oid']);

class FiredRows {
  readonly #table: Table;
  readonly #rows: readonly FiringRow[];
  readonly #options: FiredOptions;
  readonly #wanted = new Map<Table, Wanted>();
  readonly #whole = new Set<Table>();
  /** Rows go from them, so the newest need not be the newest when one is put in. */
  readonly #shrinking = new Set<Table>();
  readonly #growing = new Set<Table>();
  #sql = '';

  constructor({ event, rows, table }: Fired, options: FiredOptions) {
    this.#table = table;
    this.#rows = rows;
    this.#options = options;
    if (event === 'insert') this.#growing.add(table);
    if (event === 'delete') this.#shrinking.add(table);
  }

  get tables(): Iterable<Table> {
    return [...this.#wanted.keys(), ...this.#whole];
  }

  /** `own`: what is wanted of it anyway. Nothing is known of a table that no text was seen to meet: it is needed whole. */
  fetch(table: Table, own?: Fetch): Fetch {
    const { count } = this.#options.pins.slots;
    const wanted = this.#wanted.get(table);
    const isUnclear =
      this.#whole.has(table) ||
      (this.#shrinking.has(table) && this.#growing.has(table)) ||
      (wanted === undefined && own === undefined) ||
      (wanted?.terms.length ?? 0) > TERMS_MAX;
    if (isUnclear) return { table, stripes: stripesOf(table, count) };
    if (wanted === undefined || wanted.terms.length === 0) return own ?? { table, stripes: [] };
    const stripes = [...new Set([...(own?.stripes ?? []), ...wanted.stripes])];
    // All rows of some stripes.
    if (own?.where === '' && own.stripes.length > 0) return { ...own, stripes };
    const texts = wanted.terms.map(({ text }) => text);
    if ((own?.where ?? '') !== '') texts.unshift(`(${own?.where ?? ''})`);
    const values = wanted.terms.flatMap((term) => term.values);
    return {
      ...(own ?? { table }),
      stripes,
      where: texts.join(' OR '),
      values: [...(own?.values ?? []), ...values],
    };
  }

  add({ node, sql }: Trigger): void {
    this.#sql = sql;
    if (node.whenClause !== undefined) this.#selects(node.whenClause);
    for (const command of node.commands) {
      this.#selects(command);
      const table = commandTable(command, this.#options.catalogue);
      if (command.type === 'SelectTriggerCmd') continue;
      if (table === undefined) throw new Error(`A trigger names no table: ${sql}`);
      if (command.type === 'InsertTriggerCmd') this.#insert(command, table);
      else this.#change(command, table);
    }
  }

  /** What is read, however deep. */
  #selects(node: AstNode): void {
    walk(node, (one) => {
      if (one.type === 'SelectFrom') this.#select(one);
    });
  }

  #select(select: SelectFrom): void {
    const items = plainItems(select.from).map((item) => itemOf(item, this.#options.catalogue));
    const termsOf = safeTerms(select, (term) => this.#keyTerm(term, items)?.at);
    for (const [at, { table }] of items.entries()) {
      if (table !== undefined) this.#want(table, this.#best(termsOf(at), items, at));
    }
  }

  #change(
    command: Extract<TriggerCommand, { type: 'UpdateTriggerCmd' | 'DeleteTriggerCmd' }>,
    table: Table,
  ): void {
    const { objName, alias } = command.tblName;
    const items = [{ name: foldName((alias ?? objName).text), table }];
    const terms = command.whereClause === undefined ? [] : conjuncts(command.whereClause);
    this.#want(table, this.#best(terms, items, 0));
    if (command.type === 'DeleteTriggerCmd') this.#shrinking.add(table);
    else if (changesKey(command.sets, table)) this.#whole.add(table);
  }

  /** The term that finds the fewest, as far as can be told: one that names a stripe. */
  #best(terms: readonly Expr[], items: readonly Item[], at: number): KeyTerm | undefined {
    const found = terms.map((term) => this.#keyTerm(term, items)).filter((term) => term?.at === at);
    const distkey = items[at]?.table?.distkey?.name;
    return found.find((term) => term?.column.name === distkey) ?? found[0];
  }

  #keyTerm(term: Expr, items: readonly Item[]): KeyTerm | undefined {
    if (term.type !== 'BinaryExpr' || term.op !== 'Equals') return undefined;
    if (items.some(({ name }) => name === 'new' || name === 'old')) return undefined;
    for (const [one, other] of [
      [term.left, term.right],
      [term.right, term.left],
    ] as const) {
      const found = resolve(one, items);
      const source = this.#source(other);
      if (found === undefined || source === undefined) continue;
      // Otherwise SQLite compares them as something else than the column alone would be.
      const isAlike =
        'value' in source ||
        (kindOf(source.column) === kindOf(found.column) &&
          source.column.collation === found.column.collation);
      if (isAlike) return { ...found, source };
    }
    return undefined;
  }

  #source(expr: Expr): Source | undefined {
    const name = columnName(expr);
    if (name === undefined) {
      const value = constant(expr, { ...this.#options.pins, sql: this.#sql, parameters: NONE });
      return value === undefined ? undefined : { value };
    }
    if (name.table !== 'new' && name.table !== 'old') return undefined;
    const column =
      this.#table.columnsByName.get(name.column) ??
      (ROWID_WORDS.has(name.column) ? ROWID : undefined);
    return column && { of: name.table, name: name.column, column };
  }

  #valueOf(source: Source, row: FiringRow): SqlValue | undefined {
    return 'value' in source ? source.value : row[source.of].get(source.name);
  }

  #want(table: Table, term: KeyTerm | undefined): void {
    if (term === undefined) {
      this.#whole.add(table);
      return;
    }
    const { column, source } = term;
    for (const row of this.#rows) {
      const value = this.#valueOf(source, row);
      this.#note(table, [column], value === undefined ? undefined : [value]);
    }
  }

  /** Rows whose columns have these values; undefined: nobody knows which. */
  #note(
    table: Table,
    columns: readonly { readonly name: string; readonly collation: string }[],
    values: SqlRow | undefined,
  ): void {
    const wanted = this.#wantedOf(table);
    if (values === undefined) this.#whole.add(table);
    // NULL equals nothing.
    if (values === undefined || values.includes(null)) return;
    const terms = columns.map(({ name, collation }) => `${quoted(name)} = ? COLLATE ${collation}`);
    wanted.terms.push({ text: `(${terms.join(' AND ')})`, values });
    const { distkey } = table;
    const at = columns.findIndex(
      ({ collation, name }) =>
        name === distkey?.name && (collation === distkey.collation || collation === 'BINARY'),
    );
    const { pins } = this.#options;
    const stripes =
      at < 0 ? stripesOf(table, pins.slots.count) : [stripeOfKey(table, values[at] ?? null, pins)];
    for (const stripe of stripes) wanted.stripes.add(stripe);
  }

  #wantedOf(table: Table): Wanted {
    const wanted = this.#wanted.get(table) ?? { terms: [], stripes: new Set() };
    this.#wanted.set(table, wanted);
    return wanted;
  }

  /** What the rows that it puts in could collide with. */
  #insert(command: Extract<TriggerCommand, { type: 'InsertTriggerCmd' }>, table: Table): void {
    const { colNames, orConflict, select, upsert } = command;
    this.#wantedOf(table);
    const given = givenColumns(table).map(({ name }) => name);
    const columns =
      colNames?.map(({ text }) => given.find((name) => foldName(name) === foldName(text))) ?? given;
    const sets = upsertSets(upsert);
    const replaces =
      this.#options.replaces ||
      orConflict === 'Replace' ||
      /\bconflict\s+replace\b/i.test(table.sql);
    // It names a rowid that has no column, or rows go on the way.
    if (columns.includes(undefined) || replaces || changesKey(sets, table)) {
      this.#whole.add(table);
      return;
    }
    const lines = linesOf(select, columns.length);
    for (const line of lines ?? [undefined])
      for (const row of this.#rows) this.#collisions(table, columns, line, row);
  }

  #collisions(
    table: Table,
    columns: readonly (string | undefined)[],
    line: readonly Expr[] | undefined,
    row: FiringRow,
  ): void {
    const valueIn = (name: string): SqlValue | undefined => {
      const at = columns.indexOf(name);
      const column = table.columnsByName.get(foldName(name));
      if (at < 0) return column?.fallback === null && !column.generated ? null : undefined;
      const source = line?.[at] === undefined ? undefined : this.#source(line[at]);
      const value = source === undefined ? undefined : this.#valueOf(source, row);
      // As it would be kept: a large integer loses digits.
      return typeof value === 'bigint' && column?.affinity === 'real' ? Number(value) : value;
    };
    for (const { columns: key } of table.uniques) {
      const values = key?.map(({ name }) => valueIn(name));
      const isKnown = values?.every((value) => value !== undefined) === true;
      this.#note(table, key ?? [], isKnown ? (values as SqlRow) : undefined);
    }
    if (table.rid === undefined || this.#isIdReplaced(table)) return;
    if (!table.ridHidden && valueIn(table.rid) !== null) return;
    this.#growing.add(table);
    this.#newest(table, table.rid);
  }

  /** A hidden id that the source gives when the row is written: SQLite's choice here is of no account. */
  #isIdReplaced(table: Table): boolean {
    const { areIdsUnseen, ids, pins } = this.#options;
    return (
      areIdsUnseen &&
      table !== this.#table &&
      table.ridHidden &&
      table.distkey?.name !== table.rid &&
      idsFor(table, ids, pins.slots.count) !== undefined
    );
  }

  /** SQLite gives a row the next id after it. */
  #newest(table: Table, name: string): void {
    const rid = quoted(name);
    const text = `${rid} IN (SELECT ${rid} FROM ${quoted(table.name)} ORDER BY ${rid} DESC LIMIT 1)`;
    const wanted = this.#wantedOf(table);
    if (wanted.terms.some((one) => one.text === text)) return;
    wanted.terms.push({ text, values: [] });
    for (const stripe of stripesOf(table, this.#options.pins.slots.count))
      wanted.stripes.add(stripe);
  }
}

const NONE: PinContext['parameters'] = { names: [], edits: [] };

/** Rows of VALUES, or the one line of a SELECT; undefined when it is neither. */
function linesOf(
  { compounds, select }: Extract<TriggerCommand, { type: 'InsertTriggerCmd' }>['select'],
  width: number,
): readonly (readonly Expr[])[] | undefined {
  if (compounds !== undefined) return undefined;
  const lines =
    select.type === 'SelectValues'
      ? select.values.map((row) => row.values)
      : [select.columns.flatMap((one) => (one.type === 'ExprResultColumn' ? [one.expr] : []))];
  return lines.every((line) => line.length === width) ? lines : undefined;
}

type Sets = Extract<TriggerCommand, { type: 'UpdateTriggerCmd' }>['sets'];

function upsertSets(first: Extract<TriggerCommand, { type: 'InsertTriggerCmd' }>['upsert']): Sets {
  const sets: Sets[number][] = [];
  for (let upsert = first; upsert !== undefined; upsert = upsert.next)
    if (upsert.doClause.type === 'SetUpsertDo') sets.push(...upsert.doClause.sets);
  return sets;
}

/** Another row may have the key that a row gets. */
function changesKey(sets: Sets, table: Table): boolean {
  if (sets.length === 0) return false;
  if (table.columns.some(({ generated }) => generated)) return true;
  if (table.uniques.some(({ columns }) => columns === undefined)) return true;
  const keys = new Set(
    [
      ...table.uniques.flatMap(({ columns = [] }) => columns.map(({ name }) => name)),
      ...table.key,
    ].map(foldName),
  );
  return sets
    .flatMap(({ colNames }) => colNames)
    .some(({ text }) => keys.has(foldName(text)) || ROWID_WORDS.has(foldName(text)));
}

const NOW: ReadonlySet<AstNode['type']> = new Set<AstNode['type']>([
  'FunctionCallExpr',
  'FunctionCallStarExpr',
  'CurrentDateLiteral',
  'CurrentTimeLiteral',
  'CurrentTimestampLiteral',
]);

/** It may find other rows each time that it runs. */
export function mayDiffer(expr: Expr | undefined): boolean {
  return expr !== undefined && find(expr, ({ type }) => NOW.has(type)) !== undefined;
}

/** As a column keeps it. */
export function kept(
  value: SqlValue,
  column: Pick<Column, 'affinity'>,
  pins: PinContext,
): SqlValue {
  return (
    applyAffinity(value, column.affinity) ??
    (value === null ? null : pins.coerce(value, column.affinity))
  );
}
