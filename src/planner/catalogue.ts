/**
 * What is known of a schema: every table with its columns, keys and where its rows lie. Read off a shadow, an empty
 * database in memory with the user's own definitions, which SQLite itself keeps; never changed, a new schema is a new one.
 */
import { MolnError } from '../base/errors.ts';
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import type { Collation } from './slots.ts';
import { type AstNode, parseStatement, quoted } from './syntax.ts';
import { type Affinity, affinityOf, type SqlRow, type SqlValue } from './values.ts';

/** Where the rows of a table lie: spread by a column, on every stripe, or all on the first. */
export type Place = 'striped' | 'reference' | 'single';

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
}

export interface Table {
  readonly name: string;
  readonly virtual: boolean;
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
  /** The user's own primary key; empty when there is none. */
  readonly primary: readonly string[];
  /** The primary key on the stripes. */
  readonly key: readonly string[];
  readonly columns: readonly Column[];
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
}

/** What a shadow is made of. */
export interface Definitions {
  readonly objects: readonly StoredObject[];
  /** There was an AUTOINCREMENT table once: `sqlite_sequence` stays. */
  readonly sequence?: boolean;
  /** PRAGMA user_version and application_id. */
  readonly userVersion?: number;
  readonly applicationId?: number;
}

interface Stored extends Definitions {
  readonly format: 1;
  /** By folded name; tables that are not here have the default. */
  readonly distributions: Readonly<Record<string, Distribution>>;
}

/** Names are equal without regard to ASCII case. */
export function foldName(name: string): string {
  return name.replace(/[A-Z]+/g, (run) => run.toLowerCase());
}

export class Catalogue implements Disposable {
  readonly version: number;
  readonly shadow: MemoryDatabase;
  readonly objects: readonly StoredObject[];
  readonly sequence: boolean;
  readonly userVersion: number;
  readonly applicationId: number;
  readonly distributions: Readonly<Record<string, Distribution>>;
  readonly tables: ReadonlyMap<string, Table>;
  readonly views: ReadonlySet<string>;
  readonly triggers: ReadonlySet<string>;

  constructor(
    version: number,
    shadow: MemoryDatabase,
    distributions: Readonly<Record<string, Distribution>>,
    old?: Catalogue,
  ) {
    this.version = version;
    this.shadow = shadow;
    this.objects = readObjects(shadow);
    this.sequence = hasTable(shadow, 'sqlite_sequence');
    this.userVersion = numberOf(shadow, 'user_version');
    this.applicationId = numberOf(shadow, 'application_id');
    this.distributions = distributions;
    this.tables = readTables(shadow, this, old);
    this.views = namesOf(this.objects, 'view');
    this.triggers = namesOf(this.objects, 'trigger');
  }

  static parse(text: string, version: number): Catalogue {
    const stored: Stored =
      text === '' ? { format: 1, objects: [], distributions: {} } : (JSON.parse(text) as Stored);
    if (stored.format !== 1) {
      throw new MolnError(
        'PLANNER_CATALOGUE_TOO_NEW',
        'The catalogue was written by a newer Moln',
        {
          hint: 'Upgrade this node',
        },
      );
    }
    return new Catalogue(version, shadowOf(stored), stored.distributions);
  }

  serialize(): string {
    const stored: Stored = {
      format: 1,
      objects: this.objects,
      distributions: this.distributions,
      sequence: this.sequence,
      userVersion: this.userVersion,
      applicationId: this.applicationId,
    };
    return JSON.stringify(stored);
  }

  table(name: string): Table | undefined {
    return this.tables.get(foldName(name));
  }

  /** A new empty database with the same definitions. */
  clone(): MemoryDatabase {
    return shadowOf(this);
  }

  [Symbol.dispose](): void {
    this.shadow[Symbol.dispose]();
  }
}

function namesOf(
  objects: readonly StoredObject[],
  kind: StoredObject['type'],
): ReadonlySet<string> {
  return new Set(objects.filter(({ type }) => type === kind).map(({ name }) => foldName(name)));
}

/** A database with these definitions and no rows. */
function shadowOf({ objects, sequence, userVersion, applicationId }: Definitions): MemoryDatabase {
  const db = new MemoryDatabase();
  // Names in views and triggers may be of what comes later or was dropped since.
  for (const { sql } of objects) db.exec(sql);
  if (sequence === true) makeSequence(db);
  db.exec(
    `PRAGMA user_version = ${userVersion ?? 0}; PRAGMA application_id = ${applicationId ?? 0}`,
  );
  return db;
}

/** `sqlite_sequence` comes with the first AUTOINCREMENT table and stays. */
export function makeSequence(db: MemoryDatabase): void {
  if (hasTable(db, 'sqlite_sequence')) return;
  db.exec('CREATE TABLE _moln_made(id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE _moln_made');
}

function hasTable(db: MemoryDatabase, name: string): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').all([name]).length > 0;
}

function numberOf(db: MemoryDatabase, pragma: string): number {
  return Number(db.prepare(`PRAGMA ${pragma}`).all()[0]?.[0] ?? 0);
}

function readObjects(db: MemoryDatabase): readonly StoredObject[] {
  const rows = db
    .prepare(
      `SELECT type, name, tbl_name, sql FROM sqlite_schema s WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
       AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
       ORDER BY rowid`,
    )
    .all();
  return rows.map(([type, name, table, sql]) => ({
    type: type as StoredObject['type'],
    name: String(name),
    table: String(table),
    sql: String(sql),
  }));
}

type Distributed = Pick<Catalogue, 'objects' | 'distributions'>;

function readTables(
  db: MemoryDatabase,
  now: Distributed,
  old: Catalogue | undefined,
): ReadonlyMap<string, Table> {
  const kinds = new Map(
    db
      .prepare(`SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'`)
      .all()
      .map((row) => [String(row[0]), row] as const),
  );
  const tables = new Map<string, Table>();
  for (const object of now.objects) {
    if (object.type !== 'table') continue;
    const name = foldName(object.name);
    const before = old?.table(name);
    if (before !== undefined && old !== undefined && sameTable(name, old, now)) {
      tables.set(name, before);
      continue;
    }
    const [, kind, withoutRowid, strict] = kinds.get(object.name) ?? [];
    const options = {
      virtual: kind === 'virtual',
      withoutRowid: withoutRowid === 1n,
      strict: strict === 1n,
      distribution: now.distributions[name],
    };
    tables.set(name, readTable(db, object, options));
  }
  return tables;
}

/** A table is what its own text, its indexes and its distribution say. */
function sameTable(name: string, old: Distributed, now: Distributed): boolean {
  const saysOf = ({ objects, distributions }: Distributed): string =>
    JSON.stringify([
      distributions[name],
      objects.filter(
        ({ type, table }) => type !== 'trigger' && type !== 'view' && foldName(table) === name,
      ),
    ]);
  return saysOf(old) === saysOf(now);
}

interface TableOptions {
  readonly virtual: boolean;
  readonly withoutRowid: boolean;
  readonly strict: boolean;
  readonly distribution: Distribution | undefined;
}

function readTable(db: MemoryDatabase, object: StoredObject, options: TableOptions): Table {
  const collations = collationsOf(object.sql);
  const described = db
    .prepare('SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)')
    .all([object.name]);
  const columns = described
    // 1 is a hidden column of a virtual table.
    .filter((row) => row[5] !== 1n)
    .map((row): Column => columnOf(row, collations));
  const primary = described
    .filter((row) => Number(row[4]) > 0)
    .sort((a, b) => Number(a[4]) - Number(b[4]));
  const ownRid =
    !options.withoutRowid && !options.virtual && isRowidAlias(db, object.name, primary)
      ? primary[0]
      : undefined;
  const rid = options.virtual
    ? virtualRid(object.sql)
    : options.withoutRowid
      ? undefined
      : ownRid === undefined
        ? freeName('_rid', columns)
        : String(ownRid[0]);
  const place = options.virtual ? 'single' : (options.distribution?.place ?? 'striped');
  const first = primary[0];
  const distColumn =
    options.distribution?.column ?? (first === undefined ? undefined : String(first[0]));
  const distkey = place !== 'striped' ? undefined : distkeyOf(columns, distColumn, rid ?? '_rid');
  const names = new Set(columns.map(({ name }) => foldName(name)));
  return {
    name: object.name,
    virtual: options.virtual,
    sql: object.sql,
    place,
    distkey,
    rid,
    ridHidden: rid !== undefined && ownRid === undefined,
    rowidName: ['rowid', '_rowid_', 'oid'].find((name) => !names.has(name)),
    autoincrement: ownRid !== undefined && /\bautoincrement\b/i.test(object.sql),
    key: rid === undefined ? primary.map((row) => String(row[0])) : [rid],
    columns,
    primary: primary.map((row) => String(row[0])),
    uniques: [
      ...(ownRid === undefined ? [] : [rowidKey(String(ownRid[0]), distkey)]),
      ...readUniques(db, object.name, place, distkey),
    ],
    foreignKeys: readForeignKeys(db, object.name),
    strict: options.strict,
  };
}

/** Full-text tables have a rowid of their own; the others name their key as a column. */
function virtualRid(sql: string): string | undefined {
  return /\busing\s+fts/i.test(sql) ? 'rowid' : undefined;
}

function columnOf(row: SqlRow, collations: ReadonlyMap<string, string>): Column {
  const name = String(row[0]);
  const declared = String(row[1] ?? '');
  return {
    name,
    declared,
    affinity: affinityOf(declared),
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
function isRowidAlias(db: MemoryDatabase, table: string, primary: readonly SqlRow[]): boolean {
  if (primary.length !== 1) return false;
  const indexes = db.prepare(`SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'`).all([table]);
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
  place: Place,
  distkey: Table['distkey'],
): readonly UniqueKey[] {
  const indexes = db
    .prepare('SELECT name, partial FROM pragma_index_list(?) WHERE "unique" = 1')
    .all([table]);
  return indexes.map(([index, partial]) => {
    const columns = db
      .prepare('SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1')
      .all([index as SqlValue])
      .map(([name, collation]) => ({
        name: name as string | null,
        collation: String(collation).toUpperCase(),
      }));
    // Finer than the hash's collation is fine: what it finds equal is equal for the hash too.
    const local =
      place !== 'striped' ||
      columns.some(
        ({ name, collation }) =>
          name !== null &&
          distkey !== undefined &&
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

function readForeignKeys(db: MemoryDatabase, table: string): readonly ForeignKey[] {
  const keys = new Map<SqlValue, { parent: string; columns: string[]; parentColumns: string[] }>();
  const rows = db
    .prepare('SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq')
    .all([table]);
  for (const [id = null, parent, from, to] of rows) {
    const key = keys.get(id) ?? { parent: String(parent), columns: [], parentColumns: [] };
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

/** `/* moln: … *\/` in a CREATE TABLE, or undefined. */
export function distributionIn(sql: string): Distribution | undefined {
  const comments = [...sql.matchAll(/\/\*\s*moln:\s*([\s\S]*?)\*\//gi)];
  const clause = comments[0]?.[1]?.trim();
  if (clause === undefined) return undefined;
  if (comments.length > 1) {
    throw new MolnError('PLANNER_CLAUSE', 'A table can have one "moln:" comment only', {
      hint: 'Keep one of "distribute by COLUMN", "reference" and "single"',
    });
  }
  const word = clause.toLowerCase();
  if (word === 'reference' || word === 'single') return { place: word };
  const column = /^distribute\s+by\s+(.+)$/i.exec(clause)?.[1]?.trim();
  if (column === undefined) {
    throw new MolnError('PLANNER_CLAUSE', `Cannot read the comment "moln: ${clause}"`, {
      hint: 'Write "distribute by COLUMN", "reference" or "single"',
    });
  }
  return { place: 'striped', column: column.replace(/^"(.*)"$/s, '$1').replaceAll('""', '"') };
}

export function isCreateTable(
  node: AstNode | undefined,
): node is Extract<AstNode, { type: 'CreateTableStmt' }> {
  return node?.type === 'CreateTableStmt';
}

/** Foreign keys of some table lead to it. */
export function isParent(table: Table, catalogue: Catalogue): boolean {
  return [...catalogue.tables.values()].some(({ foreignKeys }) =>
    foreignKeys.some(({ parent }) => foldName(parent) === foldName(table.name)),
  );
}
