/** What a database consists of, in an order in which it can be made again. Asks by SQL, so that a file and a served database are the same. */
import type { SqlRow, SqlValue } from '../hrana/hrana.ts';
import { quoteName } from './db-values.ts';

export interface TableShape {
  readonly name: string;
  readonly sql: string;
  /** Those that are written: generated and hidden columns are not. */
  readonly columns: readonly string[];
  /** `index`: a full-text index over rows that another table has; it is filled from there. `none`: one that keeps no text, which nobody can read. */
  readonly fill: 'rows' | 'index' | 'none';
  /** Statements with which a full-text table is set as it was. */
  readonly settings: readonly string[];
}

export interface Shape {
  /** Parents of foreign keys before their children. */
  readonly tables: readonly TableShape[];
  /** After the rows: indexes, views, triggers, what AUTOINCREMENT has given, and the numbers that programs keep in a file. */
  readonly after: readonly string[];
}

export type Ask = (sql: string) => Promise<readonly SqlRow[]>;

/** All that has a text of its own; SQLite makes the rest by itself. */
export const SCHEMA_QUERY =
  "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid";

const AFTER = ['index', 'view', 'trigger'] as const;

export async function readShape(ask: Ask): Promise<Shape> {
  const objects = (await ask(SCHEMA_QUERY)).map(([type, name, sql]) => ({
    type: text(type),
    name: text(name),
    sql: text(sql),
  }));
  const list = await ask('PRAGMA table_list');
  const kinds = new Map(list.map(([, name, kind]) => [text(name), text(kind)]));
  const tables: TableShape[] = [];
  const parents = new Map<string, readonly string[]>();
  for (const { type, name, sql } of objects) {
    if (type !== 'table' || kinds.get(name) === 'shadow') continue;
    tables.push(await tableShape(ask, name, sql, kinds.get(name) === 'virtual'));
    const keys = await ask(`PRAGMA foreign_key_list(${quoteName(name)})`);
    parents.set(
      name.toLowerCase(),
      keys.map((key) => text(key[2]).toLowerCase()),
    );
  }
  const after = AFTER.flatMap((kind) => objects.filter(({ type }) => type === kind));
  return {
    tables: parentsFirst(tables, parents),
    after: [
      ...tables.flatMap(({ settings }) => settings),
      ...after.map(({ sql }) => sql),
      ...(await readNumbers(ask)),
    ],
  };
}

/** As a statement among others: SQLite keeps a comment behind a view or an index as part of its text. */
export function terminated(sql: string): string {
  return sql.includes('--') ? `${sql}\n;\n` : `${sql};\n`;
}

/** What a person should know of tables that come without what they had; undefined when there are none. */
export function lostText({ tables }: Shape): string | undefined {
  const names = tables.filter(({ fill }) => fill === 'none').map(({ name }) => `"${name}"`);
  if (names.length === 0) return undefined;
  return `Full-text tables that keep no text of their own come empty: ${names.join(', ')}. Put in again what was in them`;
}

/** Statements that let AUTOINCREMENT give no id of a table again up to `given`. */
export function raiseSequence(table: string, given: bigint): readonly string[] {
  const name = `'${table.replaceAll("'", "''")}'`;
  return [
    `DELETE FROM sqlite_sequence WHERE name = ${name} AND seq < ${given}`,
    `INSERT INTO sqlite_sequence(name, seq) SELECT ${name}, ${given} WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ${name})`,
  ];
}

/** https://sqlite.org/pragma.html#pragma_user_version: tools count their migrations there. */
async function readNumbers(ask: Ask): Promise<readonly string[]> {
  const [has] = await ask("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'");
  const given = has === undefined ? [] : await ask('SELECT name, seq FROM sqlite_sequence');
  const statements = given.flatMap(([table, seq]) =>
    typeof seq === 'bigint' ? raiseSequence(text(table), seq) : [],
  );
  for (const name of ['user_version', 'application_id']) {
    const [row] = await ask(`PRAGMA ${name}`);
    const number = Number(row?.[0] ?? 0);
    if (number !== 0) statements.push(`PRAGMA ${name} = ${number}`);
  }
  return statements;
}

/** The text that gives all rows of a table, with the columns of its shape. */
export function rowsQuery({ name, columns }: TableShape): string {
  return `SELECT ${columns.map(quoteName).join(', ')} FROM ${quoteName(name)}`;
}

/** `INSERT INTO "t"("a", "b") VALUES` */
export function insertHead({ name, columns }: TableShape): string {
  return `INSERT INTO ${quoteName(name)}(${columns.map(quoteName).join(', ')}) VALUES`;
}

/** What fills an index; https://sqlite.org/fts5.html#the_rebuild_command */
export function rebuildIndex({ name }: TableShape): string {
  return `INSERT INTO ${quoteName(name)}(${quoteName(name)}) VALUES('rebuild')`;
}

async function tableShape(
  ask: Ask,
  name: string,
  sql: string,
  isVirtual: boolean,
): Promise<TableShape> {
  const columns = (await ask(`PRAGMA table_xinfo(${quoteName(name)})`))
    .filter((column) => Number(column[6]) === 0)
    .map((column) => text(column[1]));
  const isFullText = isVirtual && /\busing\s+fts\d/i.test(sql);
  if (!isFullText) return { name, sql, columns, fill: 'rows', settings: [] };
  const settings = /\busing\s+fts5\b/i.test(sql) ? await fullTextSettings(ask, name) : [];
  const content = /\bcontent\s*=\s*(''|"")?/i.exec(sql);
  if (content === null)
    return { name, sql, columns: ['rowid', ...columns], fill: 'rows', settings };
  return { name, sql, columns, fill: content[1] === undefined ? 'index' : 'none', settings };
}

/** https://sqlite.org/fts5.html#the_rank_configuration_option and others: kept with the table, and no part of its definition. */
async function fullTextSettings(ask: Ask, name: string): Promise<readonly string[]> {
  const set = await ask(
    `SELECT k, quote(v) FROM ${quoteName(`${name}_config`)} WHERE k <> 'version' ORDER BY k`,
  );
  return set.map(
    ([key, value]) =>
      `INSERT INTO ${quoteName(name)}(${quoteName(name)}, rank) VALUES('${text(key)}', ${text(value)})`,
  );
}

/** In the order of their making but where a foreign key asks for another one; a circle is left as it is. */
function parentsFirst(
  tables: readonly TableShape[],
  parents: ReadonlyMap<string, readonly string[]>,
): readonly TableShape[] {
  const byName = new Map(tables.map((table) => [table.name.toLowerCase(), table]));
  const ordered = new Set<TableShape>();
  const under = new Set<string>();
  const visit = (key: string): void => {
    const table = byName.get(key);
    if (table === undefined || ordered.has(table) || under.has(key)) return;
    under.add(key);
    for (const parent of parents.get(key) ?? []) visit(parent);
    ordered.add(table);
  };
  for (const key of byName.keys()) visit(key);
  return [...ordered].sort((a, b) => Number(a.fill === 'index') - Number(b.fill === 'index'));
}

function text(value: SqlValue | undefined): string {
  return typeof value === 'string' ? value : String(value ?? '');
}
