/**
 * What a text means under a schema, as SQLite's own binder tells it: the shadow prepares the text, which refuses wrong
 * names in SQLite's words, and its authorizer names every table and column that the program would touch, through
 * views, triggers, `*` and NATURAL alike.
 */
import { MolnError } from '../base/errors.ts';
import { ACCESS, type MemoryColumn } from '../sqlite/sqlite.ts';
import { type Catalogue, foldName, type Table } from './catalogue.ts';
import { type Parameters, parametersOf, type Parsed, parseStatement } from './syntax.ts';

export interface Binding {
  readonly sql: string;
  /** Undefined when only SQLite can read the text. */
  readonly parsed: Parsed | undefined;
  readonly parameters: Parameters;
  readonly columns: readonly MemoryColumn[];
  /** Base tables that are read or written, however deep. */
  readonly tables: readonly Table[];
  /** Columns that are read of each, by folded name; '' alone when only rows count. */
  readonly reads: ReadonlyMap<string, ReadonlySet<string>>;
  /** Base tables that are written, by folded name, with triggers' and cascades'. */
  readonly writes: ReadonlySet<string>;
  readonly functions: ReadonlySet<string>;
  /** Reads `sqlite_schema` or a pragma's function: what the shadow knows. */
  readonly readsSchema: boolean;
  readonly readsSequence: boolean;
  /** Views and triggers are part of its program. */
  readonly usesView: boolean;
  readonly usesTrigger: boolean;
}

const SCHEMA_TABLES: ReadonlySet<string> = new Set([
  'sqlite_master',
  'sqlite_schema',
  'sqlite_temp_master',
  'sqlite_temp_schema',
]);
const DENIED_FUNCTIONS: ReadonlySet<string> = new Set(['load_extension']);

/** Throws SQLite's error for a text that does not fit the schema. */
export function bind(catalogue: Catalogue, sql: string): Binding {
  const { statement, accesses } = catalogue.shadow.inspect(sql);
  const parsed = parseStatement(sql);
  const reads = new Map<string, Set<string>>();
  const writes = new Set<string>();
  const functions = new Set<string>();
  const through = new Set<string>();
  let readsSchema = false;
  let readsSequence = false;
  for (const { code, first, second, within } of accesses) {
    if (within !== null) through.add(foldName(within));
    if (code === ACCESS.function) functions.add(foldName(second ?? first ?? ''));
    const name = foldName(first ?? '');
    if (code === ACCESS.read) {
      if (SCHEMA_TABLES.has(name) || name.startsWith('pragma_')) readsSchema = true;
      if (name === 'sqlite_sequence') readsSequence = true;
      const columns = reads.get(name) ?? new Set<string>();
      columns.add(foldName(second ?? ''));
      reads.set(name, columns);
    } else if (code === ACCESS.insert || code === ACCESS.update || code === ACCESS.delete) {
      refuseSystemTable(name);
      writes.add(name);
    }
  }
  for (const name of functions) {
    if (DENIED_FUNCTIONS.has(name))
      throw new MolnError('PLANNER_DENIED', `${name}() is not allowed`);
  }
  const names = new Set([...reads.keys(), ...writes]);
  return {
    sql,
    parsed,
    parameters: parsed === undefined ? { names: [], edits: [] } : parametersOf(parsed.node),
    columns: statement.columns,
    tables: [...names].flatMap((name) => catalogue.table(name) ?? []),
    reads,
    writes,
    functions,
    readsSchema,
    readsSequence,
    usesView: [...through, ...reads.keys(), ...writes].some((name) => catalogue.views.has(name)),
    usesTrigger: [...through].some((name) => catalogue.triggers.has(name)),
  };
}

function refuseSystemTable(name: string): void {
  // The largest id ever may be reset.
  if (!name.startsWith('sqlite_') || name === 'sqlite_sequence') return;
  throw new MolnError('PLANNER_DENIED', `Table "${name}" can only be read`, {
    hint: 'Change the schema with CREATE, ALTER and DROP',
  });
}
