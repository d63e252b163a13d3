/**
 * What a text means under a schema, as SQLite's own binder tells it: the shadow prepares the text, which refuses wrong
 * names in SQLite's words, and its authorizer names every table and column that the program would touch, through
 * views, triggers, `*` and NATURAL alike.
 */
import { MolnError } from '../base/errors.ts';
import { ACCESS, type MemoryColumn } from '../sqlite/sqlite.ts';
import type { Catalogue } from './catalogue.ts';
import { foldName, type Table } from './table.ts';
import { type Parameters, parametersOf, type Parsed, parseStatement, walk } from './syntax.ts';

export interface Binding {
  readonly sql: string;
  /** Undefined when only SQLite can read the text. */
  readonly parsed: Parsed | undefined;
  readonly parameters: Parameters;
  readonly columns: readonly MemoryColumn[];
  /** Base tables that are read or written, however deep. */
  readonly tables: readonly Table[];
  /** What is written, by folded name, with triggers' and cascades'; views and `sqlite_sequence` too. */
  readonly writes: ReadonlySet<string>;
  /** Those that rows are put into and nothing else. */
  readonly fed: ReadonlySet<string>;
  /** The base tables among them. */
  readonly written: readonly Table[];
  /** Tables, views and triggers of this connection alone: it meets none, some, or tables of that kind and nothing else. */
  readonly temporary: 'none' | 'some' | 'only';
  /** A table that it touches has the name of a temporary one, so that names in the text do not tell which is meant. */
  readonly shadowed: boolean;
  readonly functions: ReadonlySet<string>;
  /** Reads `sqlite_schema` or a pragma's function: what the shadow knows. */
  readonly readsSchema: boolean;
  readonly readsSequence: boolean;
  /** Views and triggers are part of its program. */
  readonly usesView: boolean;
  readonly usesTrigger: boolean;
  /** By folded name. */
  readonly triggers: ReadonlySet<string>;
}

const SCHEMA_TABLES: ReadonlySet<string> = new Set([
  'sqlite_master',
  'sqlite_schema',
  'sqlite_temp_master',
  'sqlite_temp_schema',
]);
const TOUCHING: ReadonlySet<number> = new Set([
  ACCESS.delete,
  ACCESS.insert,
  ACCESS.read,
  ACCESS.update,
]);
const DENIED_FUNCTIONS: ReadonlySet<string> = new Set(['load_extension']);

/** Names and declared types of what a text shows. */
export function shownBy({ columns }: Binding): {
  readonly columns: readonly string[];
  readonly declared: readonly (string | null)[];
} {
  return {
    columns: columns.map(({ name }) => name),
    declared: columns.map(({ declared }) => declared),
  };
}

/** Switches of a connection that decide what a program meets: what cascades write and fire, and what a REPLACE fires. */
export interface Reach {
  readonly foreignKeys: boolean;
  readonly recursiveTriggers: boolean;
}

/** Throws SQLite's error for a text that does not fit the schema. Without `reach`: for texts that only read. */
export function bind(catalogue: Catalogue, sql: string, reach?: Reach): Binding {
  const { shadow } = catalogue;
  if (reach !== undefined) {
    const { foreignKeys, recursiveTriggers } = reach;
    shadow.exec(
      `PRAGMA foreign_keys = ${Number(foreignKeys)}; PRAGMA recursive_triggers = ${Number(recursiveTriggers)}`,
    );
  }
  const { statement, accesses } = shadow.inspect(sql);
  const parsed = parseStatement(sql);
  const tables = new Set<Table>();
  const written = new Set<Table>();
  const touched = new Set<string>();
  const writes = new Set<string>();
  const otherwise = new Set<string>();
  const functions = new Set<string>();
  const through = new Set<string>();
  let readsSchema = false;
  let readsSequence = false;
  let temporaryMet = 0;
  let othersMet = 0;
  for (const { code, first, second, schema, within } of accesses) {
    if (within !== null) through.add(foldName(within));
    if (code === ACCESS.function) functions.add(foldName(second ?? first ?? ''));
    if (!TOUCHING.has(code)) continue;
    const name = foldName(first ?? '');
    touched.add(name);
    if (code !== ACCESS.insert) otherwise.add(name);
    // Where only rows count SQLite does not say which schema it means; a view of `main` means that.
    const meant = tablesMeant(catalogue, name, schema, within);
    const isOwn = schema === 'temp' || meant.some((table) => table.schema === 'temp');
    if (isOwn) temporaryMet++;
    if (!isOwn || meant.length > 1) othersMet++;
    for (const table of meant) tables.add(table);
    if (code === ACCESS.read) {
      if (SCHEMA_TABLES.has(name) || name.startsWith('pragma_')) readsSchema = true;
      if (name === 'sqlite_sequence' && !isOwn) readsSequence = true;
    } else {
      refuseSystemTable(name);
      writes.add(name);
      for (const table of meant) written.add(table);
    }
  }
  for (const name of functions) {
    if (DENIED_FUNCTIONS.has(name))
      throw new MolnError('PLANNER_DENIED', `${name}() is not allowed`);
  }
  for (const table of readSilently(catalogue, { sql, parsed }, [...through, ...touched])) {
    tables.add(table);
    if (table.schema === 'temp') temporaryMet++;
    else othersMet++;
  }
  const usesView = [...through, ...touched].some((name) => catalogue.views.has(name));
  const triggers = new Set([...through].filter((name) => catalogue.triggers.has(name)));
  const usesTrigger = triggers.size > 0;
  const onlyOwn = othersMet === 0 && !usesView && !usesTrigger && !readsSchema;
  return {
    sql,
    parsed,
    parameters: parsed === undefined ? { names: [], edits: [] } : parametersOf(parsed.node),
    columns: statement.columns,
    tables: [...tables],
    writes,
    fed: new Set([...writes].filter((name) => !otherwise.has(name))),
    written: [...written],
    temporary: temporaryMet === 0 ? 'none' : onlyOwn ? 'only' : 'some',
    shadowed: [...tables].some(
      (table) => table.schema === 'main' && catalogue.table(table.name) !== table,
    ),
    functions,
    readsSchema,
    readsSequence,
    usesView,
    usesTrigger,
    triggers,
  };
}

const SILENT: RegExp = /\b(?:natural|using)\b/i;

/**
 * SQLite does not say that it reads a table of which only the columns of USING are used, nor one whose rows go into another of the same
 * columns as they are: the texts tell.
 */
function readSilently(
  catalogue: Catalogue,
  { sql, parsed }: { readonly sql: string; readonly parsed: Parsed | undefined },
  names: readonly string[],
): ReadonlySet<Table> {
  const joined = new Set<Table>();
  const seen = new Set<string>();
  const look = (text: string, inside: boolean): void => {
    const parsed = parseStatement(text);
    if (parsed === undefined) return;
    walk(parsed.node, (node) => {
      if (node.type !== 'TableSelectTable') return;
      const { dbName, objName } = node.tblName;
      const schema = dbName === undefined ? null : foldName(dbName.text);
      const within = inside ? objName.text : null;
      for (const table of tablesMeant(catalogue, objName.text, schema, within)) joined.add(table);
      follow(foldName(objName.text));
    });
  };
  const follow = (name: string): void => {
    if (seen.has(name) || !(catalogue.views.has(name) || catalogue.triggers.has(name))) return;
    seen.add(name);
    for (const object of [...catalogue.objects, ...catalogue.temporary]) {
      const isText = object.type === 'view' || object.type === 'trigger';
      if (isText && foldName(object.name) === name) look(object.sql, true);
    }
  };
  const { node } = parsed ?? {};
  const isFed = node?.type === 'InsertStmt' && node.body.type === 'SelectInsertBody';
  if (isFed || SILENT.test(sql)) look(sql, false);
  for (const name of names) follow(name);
  return joined;
}

function tablesMeant(
  catalogue: Catalogue,
  name: string,
  schema: string | null,
  within: string | null,
): readonly Table[] {
  if (schema === 'temp' || schema === 'main') return found(catalogue.table(name, schema));
  if (within === null) return found(catalogue.table(name));
  return [...found(catalogue.table(name, 'temp')), ...found(catalogue.table(name, 'main'))];
}

function found(table: Table | undefined): readonly Table[] {
  return table === undefined ? [] : [table];
}

function refuseSystemTable(name: string): void {
  // The largest id ever may be reset.
  if (!name.startsWith('sqlite_') || name === 'sqlite_sequence') return;
  throw new MolnError('PLANNER_DENIED', `Table "${name}" can only be read`, {
    hint: 'Change the schema with CREATE, ALTER and DROP',
  });
}
