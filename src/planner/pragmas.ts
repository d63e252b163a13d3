/**
 * PRAGMAs: those that describe the schema are answered by the shadow, those of a connection by its settings, those that tune a file
 * have no effect, and those that would change what SQL means on stripes are refused.
 */
import { MolnError } from '../base/errors.ts';
import { type Binding, bind } from './binding.ts';
import { foldName, type Table } from './table.ts';
import { type Catalogue, isParent } from './catalogue.ts';
import type { Connection, Result } from './connection.ts';
import type { Stmt } from './syntax.ts';

/** Answered from the definitions alone. */
const DESCRIBING: ReadonlySet<string> = new Set([
  'collation_list',
  'compile_options',
  'database_list',
  'encoding',
  'foreign_key_list',
  'function_list',
  'index_info',
  'index_list',
  'index_xinfo',
  'module_list',
  'pragma_list',
  'schema_version',
  'table_info',
  'table_list',
  'table_xinfo',
]);

/** Kept with the schema. */
const NUMBERS: ReadonlySet<string> = new Set(['application_id', 'user_version']);

/** They would change what SQL means: only their defaults are possible. */
const FIXED: ReadonlySet<string> = new Set([
  'case_sensitive_like',
  'count_changes',
  'full_column_names',
  'ignore_check_constraints',
  'legacy_alter_table',
  'reverse_unordered_selects',
  'schema_version',
  'short_column_names',
  'writable_schema',
]);
const ON_BY_DEFAULT: ReadonlySet<string> = new Set(['short_column_names']);

/** About a file's own place. */
const REFUSED: ReadonlySet<string> = new Set(['data_store_directory', 'temp_store_directory']);

const SWITCHES = {
  defer_foreign_keys: 'deferForeignKeys',
  foreign_keys: 'foreignKeys',
  query_only: 'queryOnly',
  recursive_triggers: 'recursiveTriggers',
} as const;

type PragmaStmt = Extract<Stmt, { type: 'PragmaStmt' }>;
type Reader = (binding: Binding) => Promise<Result>;

export async function runPragma(
  node: PragmaStmt,
  sql: string,
  connection: Connection,
  read: Reader,
): Promise<Result> {
  const name = foldName(node.name.objName.text);
  const { catalogue } = connection;
  if (Object.hasOwn(SWITCHES, name)) {
    return turn(name as keyof typeof SWITCHES, node, sql, connection);
  }
  if (NUMBERS.has(name) && node.body !== undefined) {
    await connection.define((shadow) => shadow.exec(sql));
    return connection.plainResult([], []);
  }
  if (name === 'foreign_key_check') {
    const all = [...catalogue.tables.values(), ...catalogue.temporaryTables.values()];
    return await read(
      keysBinding(
        catalogue,
        sql,
        all.filter(({ virtual }) => !virtual),
      ),
    );
  }
  if (name === 'integrity_check' || name === 'quick_check') {
    return connection.plainResult([name], [['ok']]);
  }
  if (REFUSED.has(name) || (FIXED.has(name) && node.body !== undefined && !isDefault(name, sql))) {
    throw new MolnError('PLANNER_PRAGMA', `PRAGMA ${name} cannot be changed`, {
      hint: 'Settings of a database are changed with "moln db"',
    });
  }
  if (DESCRIBING.has(name) || NUMBERS.has(name)) {
    const statement = catalogue.shadow.prepare(sql);
    const columns = statement.columns.map((one) => one.name);
    return connection.plainResult(columns, statement.all());
  }
  const { columns, rows } = connection.settings.tune(sql);
  return connection.plainResult(columns, rows);
}

/** PRAGMA foreign_key_check over the rows of some tables. */
function keysBinding(catalogue: Catalogue, sql: string, tables: readonly Table[]): Binding {
  return { ...bind(catalogue, sql), parsed: undefined, tables };
}

/** What tells whether a foreign key is broken: each schema by itself. */
export function keyChecks(catalogue: Catalogue): readonly Binding[] {
  const keyed = (tables: ReadonlyMap<string, Table>): readonly Table[] =>
    [...tables.values()].filter(
      (table) => table.foreignKeys.length > 0 || isParent(table, catalogue),
    );
  const own = keyed(catalogue.temporaryTables);
  return [
    keysBinding(catalogue, 'PRAGMA main.foreign_key_check', keyed(catalogue.tables)),
    ...(own.length > 0 ? [keysBinding(catalogue, 'PRAGMA temp.foreign_key_check', own)] : []),
  ];
}

/** As SQLite reads a switch. */
function isOn(sql: string): boolean {
  return /\b(?:on|yes|true|[1-9][0-9]*)\b\W*$/i.test(sql);
}

function isDefault(name: string, sql: string): boolean {
  return name !== 'schema_version' && isOn(sql) === ON_BY_DEFAULT.has(name);
}

function turn(
  name: keyof typeof SWITCHES,
  { body }: PragmaStmt,
  sql: string,
  connection: Connection,
): Result {
  const { settings } = connection;
  const key = SWITCHES[name];
  if (body === undefined) return connection.plainResult([name], [[settings[key] ? 1n : 0n]]);
  // SQLite ignores it inside a transaction too.
  if (name !== 'foreign_keys' || !connection.inTransaction) settings[key] = isOn(sql);
  return connection.plainResult([], []);
}
