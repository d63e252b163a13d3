/** PRAGMAs: those that describe the schema are answered by the shadow; those that tune a file have no effect here; others are refused. */
import { MolnError } from '../base/errors.ts';
import { type Binding, bind } from './binding.ts';
import type { Connection, Result } from './connection.ts';
import { foldName } from './catalogue.ts';
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

/** About one file: each stripe has its own settings. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'auto_vacuum',
  'automatic_index',
  'busy_timeout',
  'cache_size',
  'cache_spill',
  'case_sensitive_like',
  'full_column_names',
  'short_column_names',
  'incremental_vacuum',
  'integrity_check',
  'journal_mode',
  'journal_size_limit',
  'locking_mode',
  'mmap_size',
  'optimize',
  'page_size',
  'quick_check',
  'shrink_memory',
  'synchronous',
  'temp_store',
  'threads',
  'wal_autocheckpoint',
  'wal_checkpoint',
]);
const REFUSED_SETTINGS: ReadonlySet<string> = new Set([
  'case_sensitive_like',
  'full_column_names',
  'short_column_names',
]);

type Reader = (binding: Binding) => Promise<Result>;

export async function runPragma(
  node: Extract<Stmt, { type: 'PragmaStmt' }>,
  sql: string,
  connection: Connection,
  read: Reader,
): Promise<Result> {
  const name = foldName(node.name.objName.text);
  const { catalogue } = connection;
  if (name === 'foreign_keys') return foreignKeys(node, sql, connection);
  if (name === 'foreign_key_check') {
    const tables = [...catalogue.tables.values()].filter(({ virtual }) => !virtual);
    return await read({ ...bind(catalogue, sql), parsed: undefined, tables });
  }
  if (
    DESCRIBING.has(name) &&
    (node.body === undefined ||
      node.body.type === 'CallPragmaBody' ||
      /_(?:info|xinfo|list)$/.test(name))
  ) {
    const statement = catalogue.shadow.prepare(sql);
    return plain(
      connection,
      statement.columns.map((one) => one.name),
      statement.all(),
    );
  }
  if (WITHOUT_EFFECT.has(name) && !(REFUSED_SETTINGS.has(name) && node.body !== undefined)) {
    const ok = name === 'integrity_check' || name === 'quick_check';
    return plain(connection, ok ? [name] : [], ok ? [['ok']] : []);
  }
  throw new MolnError('PLANNER_PRAGMA', `PRAGMA ${name} is not supported`, {
    hint: 'Settings of a database are changed with "moln db"',
  });
}

function foreignKeys(
  { body }: Extract<Stmt, { type: 'PragmaStmt' }>,
  sql: string,
  connection: Connection,
): Result {
  if (body === undefined) {
    return plain(connection, ['foreign_keys'], [[connection.foreignKeys ? 1n : 0n]]);
  }
  // SQLite ignores it inside a transaction too.
  if (!connection.inTransaction) {
    connection.foreignKeys = /\b(?:on|yes|true|[1-9][0-9]*)\b\W*$/i.test(sql);
  }
  return plain(connection, [], []);
}

function plain(connection: Connection, columns: readonly string[], rows: Result['rows']): Result {
  return connection.plainResult(columns, rows);
}
