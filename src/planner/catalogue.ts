/**
 * What is known of a schema: every table with its columns, keys and where its rows lie. Read off a shadow, an empty
 * database in memory with the user's own definitions, which SQLite itself keeps; never changed, a new schema is a new one.
 */
import { MolnError } from '../base/errors.ts';
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import type { AstNode } from './syntax.ts';
import {
  definitionIn,
  type Distribution,
  foldName,
  readTable,
  type Schema,
  type StoredObject,
  type Table,
} from './table.ts';

/** What a shadow is made of. */
export interface Definitions {
  readonly objects: readonly StoredObject[];
  /** There was an AUTOINCREMENT table once: `sqlite_sequence` stays. */
  readonly sequence?: boolean;
  /** PRAGMA user_version and application_id. */
  readonly userVersion?: number;
  readonly applicationId?: number;
}

interface Defined extends Definitions {
  readonly temporary?: readonly StoredObject[];
}

interface Stored extends Definitions {
  readonly format: 1;
  /** By folded name; tables that are not here have the default. */
  readonly distributions: Readonly<Record<string, Distribution>>;
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
  /** What one connection alone sees, in the schema `temp` of the shadow; never a part of what is stored. */
  readonly temporary: readonly StoredObject[];
  readonly temporaryTables: ReadonlyMap<string, Table>;
  readonly views: ReadonlySet<string>;
  readonly triggers: ReadonlySet<string>;

  constructor(
    version: number,
    shadow: MemoryDatabase,
    distributions: Readonly<Record<string, Distribution>>,
    old?: Catalogue,
    temporary = false,
  ) {
    this.version = version;
    this.shadow = shadow;
    const { objects, sequence, userVersion, applicationId } = readDefinitions(shadow);
    this.objects = objects;
    this.sequence = sequence;
    this.userVersion = userVersion;
    this.applicationId = applicationId;
    // Asking for it makes it, and PRAGMA database_list shows that.
    this.temporary = temporary ? readObjects(shadow, 'temp') : [];
    this.distributions = distributions;
    this.tables = readTables(shadow, 'main', this.objects, distributions, old);
    this.temporaryTables = temporary
      ? readTables(shadow, 'temp', this.temporary, {}, undefined)
      : new Map();
    const all = [...this.objects, ...this.temporary];
    this.views = namesOf(all, 'view');
    this.triggers = namesOf(all, 'trigger');
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
    const { definitions, distributions } = this;
    const { objects, ...rest } = definitions;
    const stored: Stored = { format: 1, objects, distributions, ...rest };
    return JSON.stringify(stored);
  }

  /** As SQLite finds it: one in `temp` hides one in `main`. */
  table(name: string, schema?: Schema): Table | undefined {
    const folded = foldName(name);
    const own = schema === 'main' ? undefined : this.temporaryTables.get(folded);
    return own ?? (schema === 'temp' ? undefined : this.tables.get(folded));
  }

  /** Those that a foreign key can lead to or from. */
  tablesBeside({ schema }: Table): readonly Table[] {
    return [...(schema === 'temp' ? this.temporaryTables : this.tables).values()];
  }

  /** A new empty database with the same definitions. */
  clone(): MemoryDatabase {
    return shadowOf(this);
  }

  /** The same for a connection that has definitions of its own. */
  withTemporary(temporary: readonly StoredObject[]): Catalogue {
    const shadow = shadowOf({ ...this.definitions, temporary });
    return new Catalogue(this.version, shadow, this.distributions, this, true);
  }

  /** Of what all see. */
  get definitions(): Required<Definitions> {
    const { objects, sequence, userVersion, applicationId } = this;
    return { objects, sequence, userVersion, applicationId };
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
export function shadowOf({
  objects,
  sequence,
  userVersion,
  applicationId,
  temporary = [],
}: Defined): MemoryDatabase {
  const db = new MemoryDatabase();
  // Names in views and triggers may be of what comes later or was dropped since.
  for (const { sql } of objects) db.exec(sql);
  if (sequence === true) makeSequence(db);
  // A trigger on a table of the database belongs to a temporary table of that name once one is renamed, so it may stand before it.
  const isTrigger = ({ type }: StoredObject): boolean => type === 'trigger';
  for (const one of temporary) if (!isTrigger(one)) db.exec(definitionIn('temp', one));
  for (const one of temporary) if (isTrigger(one)) db.exec(definitionIn('temp', one));
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

export function readDefinitions(db: MemoryDatabase): Required<Definitions> {
  return {
    objects: readObjects(db, 'main'),
    sequence: hasTable(db, 'sqlite_sequence'),
    userVersion: numberOf(db, 'user_version'),
    applicationId: numberOf(db, 'application_id'),
  };
}

export function readObjects(db: MemoryDatabase, schema: Schema): readonly StoredObject[] {
  const rows = db
    .prepare(
      `SELECT type, name, tbl_name, sql FROM ${schema}.sqlite_schema s WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
       AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = ?1 AND type = 'shadow')
       ORDER BY rowid`,
    )
    .all([schema]);
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
  schema: Schema,
  objects: readonly StoredObject[],
  distributions: Distributed['distributions'],
  old: Catalogue | undefined,
): ReadonlyMap<string, Table> {
  const now: Distributed = { objects, distributions };
  const kinds = new Map(
    db
      .prepare(`SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = ?`)
      .all([schema])
      .map((row) => [String(row[0]), row] as const),
  );
  const tables = new Map<string, Table>();
  for (const object of now.objects) {
    if (object.type !== 'table') continue;
    const name = foldName(object.name);
    const before = old?.tables.get(name);
    if (before !== undefined && old !== undefined && sameTable(name, old, now)) {
      tables.set(name, before);
      continue;
    }
    const [, kind, withoutRowid, strict] = kinds.get(object.name) ?? [];
    const options = {
      schema,
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
  return catalogue
    .tablesBeside(table)
    .some(({ foreignKeys }) =>
      foreignKeys.some(({ parent }) => foldName(parent) === foldName(table.name)),
    );
}
