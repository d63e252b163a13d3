/**
 * What the tables are and what the models want them to be, and the difference as SQL. Pure but for an SQLite in memory,
 * which is asked what the migrations so far have made.
 */
import { DatabaseSync } from 'node:sqlite';
import { MolnError, messageOf } from '../base/errors.ts';
import { type Field, type Migration, type Model, plural, quoted } from '../web/web.ts';

interface Column {
  readonly type: string;
  readonly isRequired: boolean;
  /** As SQL. */
  readonly initial: string | undefined;
  readonly references: { readonly table: string; readonly onDelete: string } | undefined;
}

interface Index {
  readonly columns: readonly string[];
  readonly isUnique: boolean;
}

interface Table {
  readonly columns: ReadonlyMap<string, Column>;
  readonly indexes: ReadonlyMap<string, Index>;
  /** A comment that the database understands. */
  readonly note: string;
}

export type Schema = ReadonlyMap<string, Table>;

export interface SchemaChange {
  readonly up: readonly string[];
  readonly down: readonly string[];
  /** What would be gone, as "column body of posts". */
  readonly loses: readonly string[];
  /** For the name of the file. */
  readonly name: string;
}

/** How a reference comes to be required: which row is meant is known to people only. */
const REQUIRE_LATER =
  '"moln generate migration NAME --empty", with UPDATE … and ALTER TABLE … ALTER COLUMN … SET NOT NULL';
const INDEX_STEP = /^(?:drop|make)_index_/;
const ON_DELETE: Readonly<Record<string, string>> = { cascade: 'CASCADE', 'set null': 'SET NULL' };

/** What the models want. */
export function wantedSchema(models: readonly Model[]): Schema {
  const tables = new Map(models.map((one) => [one.name, one.table]));
  return parentsFirst(new Map(models.map((one) => [one.table, wantedTable(one, tables)])));
}

/** A table after those that it refers to, so that it goes before them on the way back. Those that refer to each other are as they come. */
function parentsFirst(schema: Schema): Schema {
  const sorted = new Map<string, Table>();
  const begun = new Set<string>();
  const add = (name: string): void => {
    const table = schema.get(name);
    if (table === undefined || begun.has(name)) return;
    begun.add(name);
    for (const { references } of table.columns.values())
      if (references !== undefined) add(references.table);
    sorted.set(name, table);
  };
  for (const name of schema.keys()) add(name);
  return sorted;
}

function wantedTable(one: Model, tables: ReadonlyMap<string, string>): Table {
  const columns = new Map<string, Column>();
  const indexes = new Map<string, Index>();
  const add = (names: readonly string[], isUnique: boolean): void => {
    indexes.set(indexName(one.table, { columns: names, isUnique }), { columns: names, isUnique });
  };
  for (const [name, field] of Object.entries(one.columns)) {
    if (name === 'id') continue;
    columns.set(name, wantedColumn(one, field, tables));
    if (field.options.unique === true) add([name], true);
    else if (field.options.index === true) add([name], false);
  }
  for (const names of one.options.unique ?? []) add(names, true);
  for (const names of one.options.indexes ?? []) add(names, false);
  const { distribute } = one.options;
  const by = typeof distribute === 'object' ? `distribute by ${distribute.by}` : distribute;
  return { columns, indexes, note: by === undefined ? '' : ` /* moln: ${by} */` };
}

function wantedColumn(one: Model, field: Field, tables: ReadonlyMap<string, string>): Column {
  const { options, target } = field;
  if (target !== undefined && !tables.has(target)) {
    throw noModel(one.name, target);
  }
  return {
    type: field.column,
    isRequired: options.optional !== true,
    initial:
      options.default === undefined || options.default === null
        ? undefined
        : literal(options.default),
    references:
      target === undefined
        ? undefined
        : {
            table: tables.get(target) ?? plural(target),
            onDelete: ON_DELETE[options.onDelete ?? ''] ?? 'NO ACTION',
          },
  };
}

export function noModel(name: string, target: string): MolnError {
  return new MolnError(
    'WORKBENCH_NO_MODEL',
    `Model "${name}" belongs to "${target}", which is no model`,
    {
      hint: `Make it with "moln generate model ${target}"`,
    },
  );
}

/** What the migrations make, one after the other. Throws `WORKBENCH_BAD_MIGRATION`. */
export function migratedSchema(migrations: readonly Migration[]): Schema {
  using file = new DatabaseSync(':memory:');
  for (const { name, up } of migrations) {
    try {
      file.exec(up);
    } catch (error) {
      throw new MolnError(
        'WORKBENCH_BAD_MIGRATION',
        `migrations/${name}.sql does not run: ${messageOf(error)}`,
        {
          hint: 'Mend it, or remove it if it was never applied anywhere',
          cause: error,
        },
      );
    }
  }
  const names = file
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    )
    .all();
  return new Map(names.map(({ name }) => [String(name), tableOf(file, String(name))]));
}

function tableOf(file: DatabaseSync, table: string): Table {
  const links = new Map(
    file
      .prepare(`PRAGMA foreign_key_list(${quoted(table)})`)
      .all()
      .map((row) => [
        String(row['from']),
        { table: String(row['table']), onDelete: String(row['on_delete']) },
      ]),
  );
  const columns = new Map<string, Column>();
  for (const row of file.prepare(`PRAGMA table_info(${quoted(table)})`).all()) {
    const name = String(row['name']);
    if (name === 'id') continue;
    columns.set(name, {
      type: String(row['type']),
      isRequired: row['notnull'] === 1,
      initial: row['dflt_value'] === null ? undefined : String(row['dflt_value']),
      references: links.get(name),
    });
  }
  const indexes = new Map<string, Index>();
  for (const row of file.prepare(`PRAGMA index_list(${quoted(table)})`).all()) {
    if (row['origin'] !== 'c') continue;
    const name = String(row['name']);
    const inside = file
      .prepare(`PRAGMA index_info(${quoted(name)})`)
      .all()
      .map((each) => String(each['name']));
    indexes.set(name, { columns: inside, isUnique: row['unique'] === 1 });
  }
  return { columns, indexes, note: '' };
}

/**
 * The SQL that leads from one to the other, and back. Undefined when they are the same. Tables that no model
 * has are left alone: a migration may have made them by hand. Throws `WORKBENCH_CANNOT_MIGRATE`.
 */
export function schemaChange(from: Schema, to: Schema): SchemaChange | undefined {
  const steps = [...to].flatMap(([name, table]) => {
    const before = from.get(name);
    return before === undefined ? [created(name, table)] : changedTable(name, before, table);
  });
  if (steps.length === 0) return undefined;
  // Indexes only make way for what changes, where something else does.
  const named = steps.find(({ name }) => !INDEX_STEP.test(name)) ?? steps[0];
  return {
    up: steps.flatMap(({ up }) => up),
    down: steps.toReversed().flatMap(({ down }) => down),
    loses: steps.flatMap(({ loses }) => loses),
    name: named?.name ?? 'change',
  };
}

function created(name: string, table: Table): SchemaChange {
  return {
    name: `create_${name}`,
    up: createTable(name, table),
    down: [`DROP TABLE ${quoted(name)};`],
    loses: [],
  };
}

function createTable(name: string, table: Table): readonly string[] {
  const lines = [
    '"id" INTEGER PRIMARY KEY',
    ...[...table.columns].map(([column, each]) => columnSql(column, each)),
  ];
  const create = `CREATE TABLE ${quoted(name)} (\n  ${lines.join(',\n  ')}\n)${table.note};`;
  return [create, ...[...table.indexes].map(([index, each]) => indexSql(name, index, each))];
}

function changedTable(name: string, before: Table, after: Table): readonly SchemaChange[] {
  const parts: SchemaChange[] = [];
  const touched = new Set<string>();
  for (const [column, wanted] of after.columns) {
    const was = before.columns.get(column);
    if (was !== undefined && sameColumn(was, wanted)) continue;
    touched.add(column);
    parts.push(
      was === undefined ? added(name, column, wanted) : altered(name, column, was, wanted),
    );
  }
  for (const [column, was] of before.columns) {
    if (after.columns.has(column)) continue;
    touched.add(column);
    parts.push(removed(name, column, was));
  }
  return [
    ...indexChanges(name, before, after, touched, 'drop'),
    ...parts,
    ...indexChanges(name, before, after, touched, 'make'),
  ];
}

/** Indexes stand in the way of their columns, so they go before and come after. */
function indexChanges(
  name: string,
  before: Table,
  after: Table,
  touched: ReadonlySet<string>,
  what: 'drop' | 'make',
): readonly SchemaChange[] {
  const [from, to] = what === 'drop' ? [before, after] : [after, before];
  return [...from.indexes].flatMap(([index, each]) => {
    const other = to.indexes.get(index);
    const stays = other !== undefined && JSON.stringify(other) === JSON.stringify(each);
    const isTouched = each.columns.some((column) => touched.has(column));
    // One with another name than ours was made by hand, and stays.
    const isOurs = index === indexName(name, each);
    if ((stays || !isOurs) && !isTouched) return [];
    const drop = `DROP INDEX ${quoted(index)};`;
    const make = indexSql(name, index, each);
    const [up, down] = what === 'drop' ? [drop, make] : [make, drop];
    return [{ name: `${what}_index_${name}`, up: [up], down: [down], loses: [] }];
  });
}

function added(table: string, column: string, wanted: Column): SchemaChange {
  const cannot =
    wanted.isRequired && (wanted.initial === undefined || wanted.references !== undefined);
  if (cannot) {
    throw new MolnError(
      'WORKBENCH_CANNOT_MIGRATE',
      `Column "${column}" of ${table} is new and must have a value, but the rows that are there have none`,
      {
        hint:
          wanted.references === undefined
            ? `Give it a default, or "optional: true"`
            : `Make it "optional: true"; when rows have one, require it: ${REQUIRE_LATER}`,
      },
    );
  }
  return {
    name: `add_${column}_to_${table}`,
    up: addColumn(table, column, wanted),
    down: [`ALTER TABLE ${quoted(table)} DROP COLUMN ${quoted(column)};`],
    loses: [],
  };
}

/** SQLite adds no reference with a default to a table that has rows: those get it afterwards, if the row is there that it leads to. */
function addColumn(table: string, column: string, to: Column): readonly string[] {
  const { references, initial } = to;
  const add = (one: Column): string =>
    `ALTER TABLE ${quoted(table)} ADD COLUMN ${columnSql(column, one)};`;
  if (references === undefined || initial === undefined) return [add(to)];
  const isThere = `EXISTS (SELECT 1 FROM ${quoted(references.table)} WHERE "id" = ${initial})`;
  return [
    add({ ...to, initial: undefined }),
    `UPDATE ${quoted(table)} SET ${quoted(column)} = ${initial} WHERE ${isThere};`,
  ];
}

function removed(table: string, column: string, was: Column): SchemaChange {
  const cannotReturn = was.isRequired && was.initial === undefined;
  const again = { ...was, isRequired: was.isRequired && !cannotReturn };
  return {
    name: `remove_${column}_from_${table}`,
    up: [`ALTER TABLE ${quoted(table)} DROP COLUMN ${quoted(column)};`],
    down: addColumn(table, column, again),
    loses: [`column ${column} of ${table}`],
  };
}

/** SQLite changes no column in place: a new one takes over the values, and the name. */
function altered(table: string, column: string, was: Column, wanted: Column): SchemaChange {
  if (wanted.isRequired && !was.isRequired && wanted.initial === undefined) {
    throw new MolnError(
      'WORKBENCH_CANNOT_MIGRATE',
      `Column "${column}" of ${table} may be empty now and must have a value then`,
      {
        hint:
          wanted.references === undefined
            ? 'Give it a default, which rows without a value get'
            : `Fill it and require it by hand: ${REQUIRE_LATER}`,
      },
    );
  }
  return {
    name: `change_${column}_of_${table}`,
    up: replaceColumn(table, column, wanted),
    down: replaceColumn(table, column, was),
    loses:
      was.type === wanted.type
        ? []
        : [`values of ${column} of ${table} that are no ${wanted.type}`],
  };
}

function replaceColumn(table: string, column: string, to: Column): readonly string[] {
  const next = `${column}_next`;
  const { isRequired, references } = to;
  // SQLite adds a column that must have a value only with a default, and a reference only without: so the rule follows the values.
  const isRuleLast = isRequired && (to.initial === undefined || references !== undefined);
  const filler = to.type === 'TEXT' ? "''" : '0';
  const given = to.initial ?? (isRuleLast && references === undefined ? filler : undefined);
  const isFilled = given !== undefined && (references === undefined || isRequired);
  const value = `CAST(${quoted(column)} AS ${to.type})`;
  const filled = isFilled ? `coalesce(${value}, ${given})` : value;
  const alter = `ALTER TABLE ${quoted(table)}`;
  const added = {
    ...to,
    isRequired: isRequired && !isRuleLast,
    initial: references === undefined ? to.initial : undefined,
  };
  return [
    `${alter} ADD COLUMN ${columnSql(next, added)};`,
    `UPDATE ${quoted(table)} SET ${quoted(next)} = ${filled};`,
    `${alter} DROP COLUMN ${quoted(column)};`,
    `${alter} RENAME COLUMN ${quoted(next)} TO ${quoted(column)};`,
    ...(isRuleLast ? [`${alter} ALTER COLUMN ${quoted(column)} SET NOT NULL;`] : []),
  ];
}

/** A default that only helps rows over a change is no difference, nor that of a reference, which is the model's own to give. */
function sameColumn(a: Column, b: Column): boolean {
  const filler =
    a.isRequired && b.initial === undefined && (a.initial === "''" || a.initial === '0');
  return (
    a.type === b.type &&
    a.isRequired === b.isRequired &&
    (a.initial === b.initial || filler || b.references !== undefined) &&
    a.references?.table === b.references?.table &&
    a.references?.onDelete === b.references?.onDelete
  );
}

function columnSql(name: string, { type, isRequired, initial, references }: Column): string {
  const parts = [quoted(name), type];
  if (isRequired) parts.push('NOT NULL');
  if (initial !== undefined) parts.push(`DEFAULT ${initial}`);
  if (references !== undefined) {
    parts.push(`REFERENCES ${quoted(references.table)} ("id")`);
    if (references.onDelete !== 'NO ACTION') parts.push(`ON DELETE ${references.onDelete}`);
  }
  return parts.join(' ');
}

function indexSql(table: string, name: string, { columns, isUnique }: Index): string {
  return `CREATE ${isUnique ? 'UNIQUE ' : ''}INDEX ${quoted(name)} ON ${quoted(table)} (${columns.map(quoted).join(', ')});`;
}

function indexName(table: string, { columns, isUnique }: Index): string {
  return `${table}_${columns.join('_')}${isUnique ? '_unique' : ''}`;
}

function literal(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') return String(value);
  const text =
    value instanceof Date
      ? value.toISOString()
      : typeof value === 'string'
        ? value
        : JSON.stringify(value);
  return `'${text.replaceAll("'", "''")}'`;
}
