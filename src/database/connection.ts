/**
 * One connection of SQLite to a stripe's file, and the only file of this part that opens one. Synchronous: it lives in a stripe's
 * thread or in a reader's process. What a client sends goes through `prepare`, which guards; what the part itself says through `own`.
 */
import {
  constants,
  DatabaseSync,
  type Session,
  type SQLInputValue,
  type StatementSync,
} from 'node:sqlite';
import { fromSqlite, limitMet, sqlError } from './errors.ts';
import { type Deeds, judge, noDeeds } from './guard.ts';
import {
  COMPOUND_SELECT_MAX,
  EXPRESSION_DEPTH_MAX,
  NEAR_BYTES_MAX,
  NEAR_ROWS_MAX,
  PARAMETERS_MAX,
  ROW_BYTES_MAX,
  ROWS_MAX,
  SQL_BYTES_MAX,
  STATEMENTS_KEPT,
  VALUE_LENGTH_MAX,
} from './limits.ts';
import type { ProgramStep } from './quick-plan.ts';
import type { Column, SqlValue, Statement, StatementResult } from './statement.ts';
import { sizeOfValue } from './statement.ts';

/**
 * `writer`: runs clients' statements. `applier`: applies changesets, so without triggers' protection, foreign keys and SQLite's
 * defence of FTS5's own tables; it must never query FTS5. `reader`: read-only.
 */
export type ConnectionMode = 'writer' | 'applier' | 'reader';

export interface Prepared {
  readonly statement: StatementSync;
  readonly columns: readonly Column[];
  readonly deeds: Readonly<Deeds>;
}

const BUSY_TIMEOUT_MS = 10_000;
/** WAL beyond this is given back to the disk after a checkpoint. */
const WAL_BYTES_KEPT: number = 16 * 1024 * 1024;
/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 256;
const NEAR_ROWS_PER_LOOK = 16;

export class Connection implements Disposable {
  readonly #raw: DatabaseSync;
  readonly #own = new Map<string, StatementSync>();
  readonly #prepared = new Map<string, Prepared>();
  /** What the statement that is being prepared does; undefined while the part itself speaks. */
  #deeds: Deeds | undefined;

  constructor(path: string, mode: ConnectionMode) {
    this.#raw = new DatabaseSync(path, {
      readOnly: mode === 'reader',
      timeout: BUSY_TIMEOUT_MS,
      readBigInts: true,
      returnArrays: true,
      allowUnknownNamedParameters: false,
      enableForeignKeyConstraints: mode === 'writer',
      defensive: mode !== 'applier',
    });
    if (mode !== 'reader') {
      this.#raw.exec('PRAGMA journal_mode = WAL');
      // The log is the write-ahead log: what a power cut takes from this file is applied again.
      this.#raw.exec('PRAGMA synchronous = NORMAL');
      this.#raw.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
    }
    Object.assign(this.#raw.limits, {
      length: VALUE_LENGTH_MAX,
      sqlLength: SQL_BYTES_MAX,
      exprDepth: EXPRESSION_DEPTH_MAX,
      compoundSelect: COMPOUND_SELECT_MAX,
      variableNumber: PARAMETERS_MAX,
    });
    this.#raw.setAuthorizer((action, first, second) => {
      if (this.#deeds !== undefined) judge(this.#deeds, action, first, second);
      return constants.SQLITE_OK;
    });
  }

  get inTransaction(): boolean {
    return this.#raw.isTransaction;
  }

  /** A statement of our own: not guarded. */
  exec(sql: string): void {
    this.#trusted(() => this.#raw.exec(sql));
  }

  /** All rows of a statement of our own. */
  own(sql: string, ...values: readonly SqlValue[]): readonly (readonly SqlValue[])[] {
    return this.#trusted(() => {
      let statement = this.#own.get(sql);
      if (statement === undefined) {
        statement = this.#raw.prepare(sql);
        this.#own.set(sql, statement);
      }
      return statement.all(...(values as SQLInputValue[])) as unknown as SqlValue[][];
    });
  }

  /** The same one by one, for more rows than memory holds. */
  ownRows(sql: string): Iterable<readonly SqlValue[]> {
    return this.#trusted(
      () => this.#raw.prepare(sql).iterate() as unknown as Iterable<readonly SqlValue[]>,
    );
  }

  /** The first value of the first row. */
  ownValue(sql: string, ...values: readonly SqlValue[]): SqlValue {
    return this.own(sql, ...values)[0]?.[0] ?? null;
  }

  session(): Session {
    return this.#raw.createSession();
  }

  /** False when a row was not as the changeset says; the transaction is then still open. */
  apply(changeset: Uint8Array): boolean {
    return this.#trusted(() =>
      this.#raw.applyChangeset(changeset, { onConflict: () => constants.SQLITE_CHANGESET_ABORT }),
    );
  }

  /** Forgets prepared statements: the schema has changed. */
  forget(): void {
    this.#prepared.clear();
    this.#own.clear();
  }

  /** A client's statement. Throws `DATABASE_FORBIDDEN`, `DATABASE_LIMIT` or `DATABASE_SQL`. */
  prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) {
      this.#prepared.delete(sql);
      this.#prepared.set(sql, known);
      return known;
    }
    requireLength(sql);
    const deeds = noDeeds();
    const prepared = this.#guarded(deeds, () => {
      const statement = this.#raw.prepare(sql);
      return { statement, columns: statement.columns().map((one) => columnOf(one)), deeds };
    });
    requireSingle(sql, prepared.statement.sourceSQL);
    // Temporary columns of DDL are of no use twice, and its statement would be stale.
    if (!deeds.ddl) this.#prepared.set(sql, prepared);
    if (this.#prepared.size > STATEMENTS_KEPT) {
      for (const [oldest] of this.#prepared) {
        this.#prepared.delete(oldest);
        break;
      }
    }
    return prepared;
  }

  /** Runs it to its end. `isLate` is asked between rows. */
  run(prepared: Prepared, statement: Statement, isLate: () => boolean): StatementResult {
    try {
      return this.#run(prepared, statement, isLate);
    } catch (error) {
      // node:sqlite does not reset what fails between rows: the next run would report this failure again.
      this.#forget(prepared);
      throw error;
    }
  }

  /** A SELECT that gives one row at most (`isSingleProgram`), in one call of SQLite. */
  runSingle({ columns, statement }: Prepared, asked: Statement): StatementResult {
    const rows = this.#guarded(noDeeds(), () => statement.all(...valuesOf(asked)));
    return {
      columns,
      rows: collect(rows as unknown as SqlValue[][], () => false),
      changes: 0,
      lastInsertRowid: undefined,
    };
  }

  /** The rows of a SELECT that gives one at each step (`isSteppedProgram`); undefined when there are more than `NEAR_ROWS_MAX`, or when they take long. */
  runFew(
    prepared: Prepared,
    statement: Statement,
    isLate: () => boolean,
  ): StatementResult | undefined {
    const { columns } = prepared;
    try {
      const rows = this.#guarded(noDeeds(), () => collectFew(rowsOf(prepared, statement), isLate));
      return rows && { columns, rows, changes: 0, lastInsertRowid: undefined };
    } catch (error) {
      this.#forget(prepared);
      throw error;
    }
  }

  #forget(prepared: Prepared): void {
    for (const [sql, kept] of this.#prepared) {
      if (kept === prepared) this.#prepared.delete(sql);
    }
  }

  #run(prepared: Prepared, statement: Statement, isLate: () => boolean): StatementResult {
    const { columns, deeds } = prepared;
    return this.#guarded(noDeeds(), () => {
      if (columns.length === 0) {
        const done = prepared.statement.run(...valuesOf(statement));
        return {
          columns,
          rows: [],
          changes: deeds.writes ? Number(done.changes) : 0,
          lastInsertRowid: deeds.inserts ? BigInt(done.lastInsertRowid) : undefined,
        };
      }
      const rows = collect(rowsOf(prepared, statement), isLate);
      if (!deeds.writes) return { columns, rows, changes: 0, lastInsertRowid: undefined };
      const [counts] = this.own('SELECT changes(), last_insert_rowid()');
      return {
        columns,
        rows,
        changes: Number(counts?.[0]),
        lastInsertRowid: deeds.inserts ? (counts?.[1] as bigint) : undefined,
      };
    });
  }

  /** Steps of the plan as SQLite words them. */
  plan({ sql }: Statement): readonly string[] {
    return this.#explained(`EXPLAIN QUERY PLAN ${sql}`).map((step) => String(step[3]));
  }

  /** The program that SQLite made of it. */
  program({ sql }: Statement): readonly ProgramStep[] {
    return this.#explained(`EXPLAIN ${sql}`).map((step) => ({
      opcode: String(step[1]),
      jump: Number(step[3]),
    }));
  }

  [Symbol.dispose](): void {
    this.#prepared.clear();
    this.#own.clear();
    if (this.#raw.isOpen) this.#raw.close();
  }

  #explained(sql: string): SqlValue[][] {
    return this.#guarded(noDeeds(), () => this.#raw.prepare(sql).all()) as unknown as SqlValue[][];
  }

  #trusted<T>(call: () => T): T {
    const before = this.#deeds;
    this.#deeds = undefined;
    try {
      return call();
    } finally {
      this.#deeds = before;
    }
  }

  #guarded<T>(deeds: Deeds, call: () => T): T {
    this.#deeds = deeds;
    try {
      return call();
    } catch (error) {
      throw fromSqlite(error);
    } finally {
      this.#deeds = undefined;
    }
  }
}

function valuesOf({ args = [], named }: Statement): SQLInputValue[] {
  return (named === undefined ? [...args] : [named, ...args]) as SQLInputValue[];
}

function rowsOf({ statement }: Prepared, values: Statement): Iterable<readonly SqlValue[]> {
  return statement.iterate(...valuesOf(values)) as unknown as Iterable<readonly SqlValue[]>;
}

function collectFew(
  rows: Iterable<readonly SqlValue[]>,
  isLate: () => boolean,
): readonly (readonly SqlValue[])[] | undefined {
  const all: (readonly SqlValue[])[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (all.push(row) > NEAR_ROWS_MAX) return undefined;
    for (const value of row) bytes += sizeOfValue(value);
    if (bytes > NEAR_BYTES_MAX || (all.length % NEAR_ROWS_PER_LOOK === 0 && isLate()))
      return undefined;
  }
  return all;
}

function collect(
  rows: Iterable<readonly SqlValue[]>,
  isLate: () => boolean,
): readonly (readonly SqlValue[])[] {
  const all: (readonly SqlValue[])[] = [];
  let bytes = 0;
  for (const row of rows) {
    all.push(row);
    for (const value of row) bytes += sizeOfValue(value);
    if (all.length > ROWS_MAX) {
      throw limitMet(
        'rows',
        `The statement returns more than ${ROWS_MAX} rows`,
        'Add a LIMIT, or read on from the last key',
      );
    }
    if (bytes > ROW_BYTES_MAX) {
      throw limitMet(
        'rowBytes',
        `The statement returns more than ${ROW_BYTES_MAX} bytes`,
        'Read fewer columns or rows at once',
      );
    }
    if (all.length % ROWS_PER_LOOK === 0 && isLate()) throw tooLong();
  }
  return all;
}

export function tooLong(): Error {
  return limitMet(
    'statementMs',
    'The statement was stopped, for it took too long',
    'Add an index, or read less at once',
    9,
  );
}

function requireLength(sql: string): void {
  if (sql.length <= SQL_BYTES_MAX) return;
  throw limitMet(
    'sqlBytes',
    `The statement has ${sql.length} characters, at most ${SQL_BYTES_MAX}`,
    'Pass values as parameters',
  );
}

/** `node:sqlite` prepares the first statement of a text and says nothing of the rest. */
function requireSingle(sql: string, prepared: string): void {
  const rest = sql
    .slice(prepared.length)
    .replace(/--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$)|[\s;]/g, '');
  if (rest !== '')
    throw sqlError('The text holds more than one statement: send them one by one', 21);
}

function columnOf(column: ReturnType<StatementSync['columns']>[number]): Column {
  return {
    name: column.name,
    declaredType: column.type,
    table: column.table,
    column: column.column,
  };
}
