/**
 * What a client's statement may do, asked by SQLite while it is prepared, and what it turned out to do. Everything that would
 * leave the file, outlive the transaction unseen by the log, or touch what copies keep for themselves is refused by name.
 */
import { constants } from 'node:sqlite';
import { forbidden } from './errors.ts';
import { isGrowingFunction, isQuickFunction } from './quick-plan.ts';

/** What a statement does, as SQLite's authorizer tells. */
export interface Deeds {
  /** Changes the schema. */
  ddl: boolean;
  /** Changes rows. */
  writes: boolean;
  inserts: boolean;
  /** Has a recursive part, which may never end. */
  recursive: boolean;
  /** Calls a function that may take long. */
  slowCalls: boolean;
  /** How many it calls whose result may be longer than what they are given. */
  growingCalls: number;
  defersForeignKeys: boolean;
}

export function noDeeds(): Deeds {
  return {
    ddl: false,
    writes: false,
    inserts: false,
    recursive: false,
    slowCalls: false,
    growingCalls: 0,
    defersForeignKeys: false,
  };
}

/** Names of ours: of a copy's own tables, and of those in which the layers above keep what belongs to the database. */
const OWN_NAMES = '_moln_';
const FOR_LAYERS_ABOVE: ReadonlySet<string> = new Set(['_moln_catalogue', '_moln_sequence']);

/** A copy's own table: where it is in the log, and the triggers that it holds back. */
export function isOwnTable(name: string): boolean {
  const folded = name.toLowerCase();
  return folded.startsWith(OWN_NAMES) && !FOR_LAYERS_ABOVE.has(folded);
}

const DDL: ReadonlySet<number> = new Set([
  constants.SQLITE_CREATE_INDEX,
  constants.SQLITE_CREATE_TABLE,
  constants.SQLITE_CREATE_TRIGGER,
  constants.SQLITE_CREATE_VIEW,
  constants.SQLITE_DROP_INDEX,
  constants.SQLITE_DROP_TABLE,
  constants.SQLITE_DROP_TRIGGER,
  constants.SQLITE_DROP_VIEW,
  constants.SQLITE_ALTER_TABLE,
  constants.SQLITE_CREATE_VTABLE,
  constants.SQLITE_DROP_VTABLE,
]);

const TEMPORARY: ReadonlySet<number> = new Set([
  constants.SQLITE_CREATE_TEMP_INDEX,
  constants.SQLITE_CREATE_TEMP_TABLE,
  constants.SQLITE_CREATE_TEMP_TRIGGER,
  constants.SQLITE_CREATE_TEMP_VIEW,
]);

const ROWS: ReadonlySet<number> = new Set([
  constants.SQLITE_INSERT,
  constants.SQLITE_UPDATE,
  constants.SQLITE_DELETE,
]);

/** Pragmas that only tell something, whatever their argument. */
const TELLING: ReadonlySet<string> = new Set([
  'collation_list',
  'compile_options',
  'data_version',
  'database_list',
  'foreign_key_check',
  'foreign_key_list',
  'function_list',
  'index_info',
  'index_list',
  'index_xinfo',
  'integrity_check',
  'module_list',
  'pragma_list',
  'quick_check',
  'table_info',
  'table_list',
  'table_xinfo',
]);
/** Pragmas that tell something when they have no argument. */
const TELLING_BARE: ReadonlySet<string> = new Set([
  'application_id',
  'encoding',
  'foreign_keys',
  'freelist_count',
  'page_count',
  'page_size',
  'schema_version',
  'user_version',
]);
const MODULES: ReadonlySet<string> = new Set([
  'fts3',
  'fts4',
  'fts5',
  'fts5vocab',
  'rtree',
  'rtree_i32',
  'geopoly',
]);

/** Throws `DATABASE_FORBIDDEN`; else notes in `deeds` what the statement does. Arguments as SQLite gives them. */
export function judge(
  deeds: Deeds,
  action: number,
  first: string | null,
  second: string | null,
): void {
  if (action === constants.SQLITE_READ || ROWS.has(action)) {
    if (first !== null && isOwnTable(first)) {
      throw forbidden(
        `Table "${first}"`,
        'Names that begin with "_moln_" belong to the database itself',
      );
    }
    if (
      ROWS.has(action) &&
      first !== null &&
      !/^sqlite_(?:temp_)?(?:master|schema)$/i.test(first)
    ) {
      deeds.writes = true;
      if (action === constants.SQLITE_INSERT) deeds.inserts = true;
    }
    return;
  }
  if (action === constants.SQLITE_PRAGMA) return judgePragma(deeds, first ?? '', second);
  if (DDL.has(action)) return judgeDdl(deeds, action, first ?? '', second);
  judgeRest(deeds, action, second);
}

function judgePragma(deeds: Deeds, name: string, argument: string | null): void {
  const pragma = name.toLowerCase();
  if (pragma === 'defer_foreign_keys') {
    deeds.defersForeignKeys = true;
    return;
  }
  if (TELLING.has(pragma) || (argument === null && TELLING_BARE.has(pragma))) return;
  throw forbidden(
    `PRAGMA ${name}`,
    "Pragmas that change how a file is kept are the database's own affair",
  );
}

function judgeDdl(deeds: Deeds, action: number, name: string, second: string | null): void {
  deeds.ddl = true;
  if (isOwnTable(name)) {
    throw forbidden(
      `The name "${name}"`,
      'Names that begin with "_moln_" belong to the database itself',
    );
  }
  if (action === constants.SQLITE_CREATE_VTABLE && !MODULES.has(second?.toLowerCase() ?? '')) {
    throw forbidden(`A virtual table of "${second ?? ''}"`, `Known are ${[...MODULES].join(', ')}`);
  }
}

function judgeRest(deeds: Deeds, action: number, second: string | null): void {
  if (TEMPORARY.has(action)) {
    throw forbidden(
      'A temporary table, view, index or trigger',
      'Use a common table expression (WITH), or a table',
    );
  }
  switch (action) {
    case constants.SQLITE_ATTACH:
    case constants.SQLITE_DETACH:
      throw forbidden(
        'ATTACH, DETACH or VACUUM',
        'A database is one of Moln; see "moln db dump" for copies',
      );
    case constants.SQLITE_TRANSACTION:
    case constants.SQLITE_SAVEPOINT:
      throw forbidden(
        'BEGIN, COMMIT, ROLLBACK or SAVEPOINT',
        "Begin and end transactions through the client's own calls",
      );
    case constants.SQLITE_ANALYZE:
      throw forbidden('ANALYZE', 'Every copy does that by itself');
    case constants.SQLITE_REINDEX:
      // CREATE INDEX asks for it too.
      if (deeds.ddl) return;
      throw forbidden('REINDEX', 'Every copy does that by itself when it is needed');
    case constants.SQLITE_FUNCTION:
      if (!isQuickFunction(second ?? '')) deeds.slowCalls = true;
      if (isGrowingFunction(second ?? '')) deeds.growingCalls++;
      if (second?.toLowerCase() !== 'load_extension') return;
      throw forbidden('load_extension()', 'Extensions cannot be loaded');
    case constants.SQLITE_RECURSIVE:
      deeds.recursive = true;
      return;
    default:
      return;
  }
}
