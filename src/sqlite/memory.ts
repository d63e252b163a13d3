/**
 * A database in memory for binding, gathering and merging: rows as arrays, integers as bigint and reals as number, so
 * that 1 and 1.0 stay apart in both directions. Synchronous, like all of SQLite here.
 */
import { constants, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { SqlValue } from './database.ts';

/** Integers are bigint, reals are number. */
export type SqlRow = readonly SqlValue[];

export interface MemoryColumn {
  readonly name: string;
  /** The table's column that it shows, when it is no expression. */
  readonly table: string | null;
  readonly column: string | null;
  readonly declared: string | null;
}

/** What SQLite asked its authorizer while it prepared a statement. `within` is the trigger or view that asked. */
export interface Access {
  readonly code: number;
  readonly first: string | null;
  readonly second: string | null;
  readonly schema: string | null;
  readonly within: string | null;
}

export const ACCESS: {
  readonly read: number;
  readonly insert: number;
  readonly update: number;
  readonly delete: number;
  readonly function: number;
} = {
  read: constants.SQLITE_READ,
  insert: constants.SQLITE_INSERT,
  update: constants.SQLITE_UPDATE,
  delete: constants.SQLITE_DELETE,
  function: constants.SQLITE_FUNCTION,
};

export interface MemoryStatement {
  readonly columns: readonly MemoryColumn[];
  all(values?: SqlRow): SqlRow[];
  iterate(values?: SqlRow): IterableIterator<SqlRow>;
  run(values?: SqlRow): void;
}

export interface MemoryOptions {
  readonly foreignKeys?: boolean;
}

/** Statements prepared and kept for the next time. */
const STATEMENTS_KEPT = 256;

export class MemoryDatabase implements Disposable {
  readonly #raw: DatabaseSync;
  readonly #kept = new Map<string, MemoryStatement>();

  constructor(options: MemoryOptions = {}) {
    this.#raw = new DatabaseSync(':memory:', {
      enableForeignKeyConstraints: options.foreignKeys ?? false,
    });
  }

  exec(sql: string): void {
    this.#raw.exec(sql);
  }

  get inTransaction(): boolean {
    return this.#raw.isTransaction;
  }

  /** The first statement of `sql`. */
  prepare(sql: string): MemoryStatement {
    return typedStatement(this.#raw.prepare(sql));
  }

  /** Like `prepare`, and keeps the statement: for texts that come again. */
  keep(sql: string): MemoryStatement {
    const known = this.#kept.get(sql);
    if (known !== undefined) return known;
    if (this.#kept.size >= STATEMENTS_KEPT) this.#kept.clear();
    const statement = this.prepare(sql);
    this.#kept.set(sql, statement);
    return statement;
  }

  /** Drops the kept statements: their columns are those of an older schema. */
  forget(): void {
    this.#kept.clear();
  }

  /** Prepares `sql` and tells what its program would touch, triggers and views included. */
  inspect(sql: string): {
    readonly statement: MemoryStatement;
    readonly accesses: readonly Access[];
  } {
    const accesses: Access[] = [];
    this.#raw.setAuthorizer((code, first, second, schema, within) => {
      accesses.push({ code, first, second, schema, within });
      return constants.SQLITE_OK;
    });
    try {
      return { statement: this.prepare(sql), accesses };
    } finally {
      this.#raw.setAuthorizer(null);
    }
  }

  [Symbol.dispose](): void {
    this.#kept.clear();
    if (this.#raw.isOpen) this.#raw.close();
  }
}

export function typedStatement(statement: StatementSync): MemoryStatement {
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  const input = (values: SqlRow | undefined): SQLInputValue[] => (values ?? []) as SQLInputValue[];
  return {
    get columns() {
      return statement.columns().map(({ name, table, column, type }) => ({
        name,
        table,
        column,
        declared: type,
      }));
    },
    all: (values) => statement.all(...input(values)) as unknown as SqlRow[],
    iterate: (values) => statement.iterate(...input(values)) as unknown as IterableIterator<SqlRow>,
    run: (values) => void statement.run(...input(values)),
  };
}
