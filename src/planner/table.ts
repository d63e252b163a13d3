/**
 * One table as a schema defines it: its columns, keys, and where its rows lie. Read off a database in memory that has the definition;
 * SQLite itself says what it means.
 */
import type { MemoryDatabase } from '../sqlite/sqlite.ts';
import type { Collation } from './key-slot.ts';
import { parseStatement, quoted } from './syntax.ts';
import { type Affinity, affinityOf, type SqlRow, type SqlValue } from './values.ts';

/** Where the rows of a table lie: spread by a column, on every stripe, all on the first, or in the connection alone. */
export type Place = 'striped' | 'reference' | 'single' | 'temporary';

/** As SQLite calls them: what all see, and what is one connection's. */
export type Schema = 'main' | 'temp';

export interface Column {
  readonly name: string;
  readonly declared: string;
  readonly affinity: Affinity;
  readonly collation: Collation;
  /** Its value follows from the others and cannot be given. */
  readonly generated: boolean;
  readonly notNull: boolean;
  /** Text of its DEFAULT. */
  readonly fallback: string | null;
}

export interface UniqueKey {
  readonly index: string;
  /** Undefined when the key has an expression or is partial. */
  readonly columns: readonly { readonly name: string; readonly collation: string }[] | undefined;
  /** Rows that collide always lie on one stripe, so that the stripe itself finds them. */
  readonly local: boolean;
}

export interface ForeignKey {
  readonly parent: string;
  readonly columns: readonly string[];
  /** Empty: the parent's primary key. */
  readonly parentColumns: readonly string[];
  /** What becomes of the row when its parent goes, in capitals. */
  readonly onDelete: string;
}

export interface Table {
  readonly name: string;
  readonly schema: Schema;
  readonly virtual: boolean;
  /** The table that keeps the columns of a full-text one; '' for none; undefined when it keeps them itself. */
  readonly content: string | undefined;
  readonly sql: string;
  readonly place: Place;
  /** The column whose value decides the stripe; also `rowid`'s stand-in. Of striped tables only. */
  readonly distkey: Pick<Column, 'name' | 'affinity' | 'collation'> | undefined;
  /** The column that is the rowid on the stripes; undefined for WITHOUT ROWID and virtual tables. */
  readonly rid: string | undefined;
  /** The rid is ours and not the user's: it must not show in `*`. */
  readonly ridHidden: boolean;
  /** A name under which the rowid can be written in the user's own definition; undefined when all are taken. */
  readonly rowidName: string | undefined;
  readonly autoincrement: boolean;
  /** What a source of ids knows the table by: another one for each table that ever had the name. */
  readonly counter: string;
  /** The user's own primary key; empty when there is none. */
  readonly primary: readonly string[];
  /** The primary key on the stripes. */
  readonly key: readonly string[];
  readonly columns: readonly Column[];
  /** By folded name. */
  readonly columnsByName: ReadonlyMap<string, Column>;
  readonly uniques: readonly UniqueKey[];
  readonly foreignKeys: readonly ForeignKey[];
  readonly strict: boolean;
}

export interface StoredObject {
  readonly type: 'table' | 'index' | 'view' | 'trigger';
  readonly name: string;
  readonly table: string;
  readonly sql: string;
}

export interface Distribution {
  readonly place: Place;
  readonly column?: string;
  /** The version of the schema that made the table; a table of before that was noted has none. */
  readonly since?: number;
}

/** Names are equal without regard to ASCII case. */
export function foldName(name: string): string {
  return /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (run) => run.toLowerCase()) : name;
}

export interface TableOptions {
  readonly schema: Schema;
  readonly virtual: boolean;
  readonly withoutRowid: boolean;
  readonly strict: boolean;
  readonly distribution: Distribution | undefined;
}

export function readTable(db: MemoryDatabase, object: StoredObject, options: TableOptions): Table {
  const collations = collationsOf(object.sql);
  const described = db
    .prepare('SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, ?)')
    .all([object.name, options.schema]);
  const columns = described
    // 1 is a hidden column of a virtual table.
    .filter((row) => row[5] !== 1n)
    .map((row): Column => columnOf(row, collations, options.strict));
  const primary = described
    .filter((row) => Number(row[4]) > 0)
    .sort((a, b) => Number(a[4]) - Number(b[4]));
  const ownRid =
    !options.withoutRowid && !options.virtual && isRowidAlias(db, object.name, primary, options)
      ? primary[0]
      : undefined;
  const names = new Set(columns.map(({ name }) => foldName(name)));
  const rowidName = ['rowid', '_rowid_', 'oid'].find((name) => !names.has(name));
  const isTemporary = options.schema === 'temp';
  const rid = options.virtual
    ? virtualRid(object.sql)
    : options.withoutRowid
      ? undefined
      : ownRid !== undefined
        ? String(ownRid[0])
        : isTemporary
          ? rowidName
          : freeName('_rid', columns);
  const place = placeOf(options);
  const first = primary[0];
  const distColumn =
    options.distribution?.column ?? (first === undefined ? undefined : String(first[0]));
  const distkey = place !== 'striped' ? undefined : distkeyOf(columns, distColumn, rid ?? '_rid');
  return {
    name: object.name,
    schema: options.schema,
    virtual: options.virtual,
    content: options.virtual ? contentOf(object.sql) : undefined,
    sql: object.sql,
    place,
    distkey,
    rid,
    ridHidden: rid !== undefined && ownRid === undefined,
    rowidName,
    autoincrement: ownRid !== undefined && /\bautoincrement\b/i.test(object.sql),
    counter: counterOf(object.name, options),
    key: rid === undefined ? primary.map((row) => String(row[0])) : [rid],
    columns,
    columnsByName: new Map(columns.map((column) => [foldName(column.name), column])),
    primary: primary.map((row) => String(row[0])),
    uniques: [
      ...(ownRid === undefined ? [] : [rowidKey(String(ownRid[0]), distkey)]),
      ...readUniques(db, object.name, options.schema, distkey),
    ],
    foreignKeys: readForeignKeys(db, object.name, options.schema),
    strict: options.strict,
  };
}

function placeOf({ distribution, schema, virtual }: TableOptions): Place {
  if (schema === 'temp') return 'temporary';
  return virtual ? 'single' : (distribution?.place ?? 'striped');
}

function counterOf(name: string, { distribution }: TableOptions): string {
  return distribution?.since === undefined ? foldName(name) : `#${distribution.since}`;
}

/** Full-text tables have a rowid of their own; the others name their key as a column. */
function virtualRid(sql: string): string | undefined {
  return /\busing\s+fts/i.test(sql) ? 'rowid' : undefined;
}

/** See `Table`. */
export function contentOf(sql: string): string | undefined {
  if (!/\busing\s+fts[345]\b/i.test(sql)) return undefined;
  const option =
    /[,(]\s*content\s*=\s*(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)"|\[([^\]]*)\]|([^\s,)]+))/i.exec(sql);
  return option?.slice(1).find((one) => one !== undefined);
}

function columnOf(row: SqlRow, collations: ReadonlyMap<string, string>, strict: boolean): Column {
  const name = String(row[0]);
  const declared = String(row[1] ?? '');
  return {
    name,
    declared,
    // Elsewhere the word means numbers.
    affinity: strict && foldName(declared) === 'any' ? 'blob' : affinityOf(declared),
    collation: knownCollation(collations.get(foldName(name))),
    generated: row[5] === 2n || row[5] === 3n,
    notNull: row[2] === 1n,
    fallback: row[3] === null || row[3] === undefined ? null : String(row[3]),
  };
}

function knownCollation(name: string | undefined): Collation {
  const upper = name?.toUpperCase();
  return upper === 'NOCASE' || upper === 'RTRIM' ? upper : 'BINARY';
}

function distkeyOf(
  columns: readonly Column[],
  name: string | undefined,
  rid: string,
): Pick<Column, 'name' | 'affinity' | 'collation'> {
  const column = columns.find((one) => name !== undefined && foldName(one.name) === foldName(name));
  return column ?? { name: rid, affinity: 'integer', collation: 'BINARY' };
}

/** SQLite makes no index for the primary key exactly when it is the rowid. */
function isRowidAlias(
  db: MemoryDatabase,
  table: string,
  primary: readonly SqlRow[],
  { schema }: TableOptions,
): boolean {
  if (primary.length !== 1) return false;
  const indexes = db
    .prepare(`SELECT 1 FROM pragma_index_list(?, ?) WHERE origin = 'pk'`)
    .all([table, schema]);
  return indexes.length === 0;
}

function freeName(wanted: string, columns: readonly Column[]): string {
  const taken = new Set(columns.map(({ name }) => foldName(name)));
  let name = wanted;
  while (taken.has(name)) name = `_${name}`;
  return name;
}

function collationsOf(sql: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const node = parseStatement(sql)?.node;
  if (node?.type !== 'CreateTableStmt') return found;
  if (node.body.type !== 'ColumnsAndConstraintsCreateTableBody') return found;
  for (const { colName, constraints } of node.body.columns) {
    for (const { constraint } of constraints) {
      if (constraint.type === 'CollateColumnConstraint') {
        found.set(foldName(colName.text), constraint.collationName.text);
      }
    }
  }
  return found;
}

/** The rowid is unique without an index. */
function rowidKey(name: string, distkey: Table['distkey']): UniqueKey {
  return {
    index: name,
    columns: [{ name, collation: 'BINARY' }],
    local: distkey === undefined || foldName(distkey.name) === foldName(name),
  };
}

function readUniques(
  db: MemoryDatabase,
  table: string,
  schema: Schema,
  distkey: Table['distkey'],
): readonly UniqueKey[] {
  const indexes = db
    .prepare('SELECT name, partial FROM pragma_index_list(?, ?) WHERE "unique" = 1')
    .all([table, schema]);
  return indexes.map(([index, partial]) => {
    const columns = db
      .prepare('SELECT name, coll FROM pragma_index_xinfo(?, ?) WHERE key = 1')
      .all([index as SqlValue, schema])
      .map(([name, collation]) => ({
        name: name as string | null,
        collation: String(collation).toUpperCase(),
      }));
    // Finer than the hash's collation is fine: what it finds equal is equal for the hash too.
    const local =
      distkey === undefined ||
      columns.some(
        ({ name, collation }) =>
          name !== null &&
          foldName(name) === foldName(distkey.name) &&
          (collation === distkey.collation || collation === 'BINARY'),
      );
    const plain = partial === 0n && columns.every(({ name }) => name !== null);
    return {
      index: String(index),
      columns: plain ? columns.map((one) => ({ ...one, name: String(one.name) })) : undefined,
      local,
    };
  });
}

function readForeignKeys(db: MemoryDatabase, table: string, schema: Schema): readonly ForeignKey[] {
  const keys = new Map<
    SqlValue,
    { parent: string; columns: string[]; parentColumns: string[]; onDelete: string }
  >();
  const rows = db
    .prepare(
      'SELECT id, "table", "from", "to", on_delete FROM pragma_foreign_key_list(?, ?) ORDER BY id, seq',
    )
    .all([table, schema]);
  for (const [id = null, parent, from, to, onDelete] of rows) {
    const key = keys.get(id) ?? {
      parent: String(parent),
      columns: [],
      parentColumns: [],
      onDelete: String(onDelete).toUpperCase(),
    };
    key.columns.push(String(from));
    if (typeof to === 'string') key.parentColumns.push(to);
    keys.set(id, key);
  }
  return [...keys.values()];
}

/** Columns whose values a statement may give. */
export function givenColumns(table: Table): readonly Column[] {
  return table.columns.filter(({ generated }) => !generated);
}

/** Names of the columns as the stripes keep them, the hidden rowid first. */
export function storedColumns(table: Table): readonly string[] {
  const names = givenColumns(table).map(({ name }) => name);
  return table.ridHidden && table.rid !== undefined ? [table.rid, ...names] : names;
}

/** The same as they are written in the user's own definition. */
export function ownColumns(table: Table): readonly string[] {
  const names = givenColumns(table).map(({ name }) => name);
  return table.ridHidden && table.rowidName !== undefined ? [table.rowidName, ...names] : names;
}

export function list(names: readonly string[]): string {
  return names.map(quoted).join(', ');
}

/** The name by which no other table can be meant. */
export function fullName({ name, schema }: Pick<Table, 'name' | 'schema'>): string {
  return `${schema}.${quoted(name)}`;
}

/** A definition as SQLite keeps it, which says not where it belongs. */
export function definitionIn(schema: Schema, { sql }: Pick<StoredObject, 'sql'>): string {
  return sql.replace(
    /^CREATE (?:UNIQUE INDEX|INDEX|TABLE|VIEW|TRIGGER|VIRTUAL TABLE) /,
    (words) => `${words}${schema}.`,
  );
}
