/**
 * The database of `moln dev` and of tests: SQLite in this process, the same SQL as in the cluster. One connection; while a
 * transaction is open, whoever does not belong to it waits.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { Connection, Database, SqlResult, SqlRow, SqlValue, Statement } from './sql.ts';

/** Statements that are kept prepared. */
const PREPARED_MAX = 200;

interface Prepared {
  readonly statement: StatementSync;
  /** Of its columns; none for what gives no rows. Of `*` they change with the table, under a statement that is kept. */
  readonly names: readonly string[];
  readonly isStar: boolean;
  /** It changes nothing for certain. */
  readonly isRead: boolean;
}

/** `path`: a file, or `:memory:`. */
export class SqliteDatabase implements Database {
  readonly #file: DatabaseSync;
  readonly #prepared = new Map<string, Prepared>();
  readonly #own: Connection = {
    run: async (statement) => this.#run(statement),
    script: async (text) => this.#file.exec(text),
  };
  /** Resolves when the transaction before has ended. */
  #turn: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#file = new DatabaseSync(path, { timeout: 5000 });
    this.#file.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;',
    );
  }

  async run(statement: Statement): Promise<SqlResult> {
    await this.#turn;
    return this.#run(statement);
  }

  async script(text: string): Promise<void> {
    await this.#turn;
    this.#file.exec(text);
  }

  async transaction<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = before.then(() => promise);
    await before;
    try {
      this.#file.exec('BEGIN IMMEDIATE');
      try {
        const result = await work(this.#own);
        this.#file.exec('COMMIT');
        return result;
      } catch (error) {
        if (this.#file.isTransaction) this.#file.exec('ROLLBACK');
        throw error;
      }
    } finally {
      resolve();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    if (this.#file.isOpen) this.#file.close();
  }

  #run({ sql, args }: Statement): SqlResult {
    const { statement, names, isStar, isRead } = this.#prepare(sql);
    const values = args as readonly SQLInputValue[];
    if (names.length === 0) {
      const { changes, lastInsertRowid } = statement.run(...values);
      return { rows: [], changes: Number(changes), lastId: Number(lastInsertRowid) };
    }
    const lists = statement.all(...values) as unknown as readonly (readonly SqlValue[])[];
    const current = isStar ? namesOf(statement) : names;
    const rows = lists.map((list) => rowOf(current, list));
    if (isRead) return { rows, changes: 0, lastId: 0 };
    const last = this.#file.prepare('SELECT changes() AS n, last_insert_rowid() AS id').get();
    return { rows, changes: Number(last?.['n'] ?? 0), lastId: Number(last?.['id'] ?? 0) };
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    if (this.#prepared.size >= PREPARED_MAX) this.#prepared.clear();
    const statement = this.#file.prepare(sql);
    // Rows come as lists: the objects that SQLite's binding makes cost more, to make and to read.
    statement.setReturnArrays(true);
    const isRead = /^\s*(?:SELECT|VALUES)\b/i.test(sql);
    const prepared = { statement, names: namesOf(statement), isStar: sql.includes('*'), isRead };
    this.#prepared.set(sql, prepared);
    return prepared;
  }
}

function namesOf(statement: StatementSync): readonly string[] {
  return statement.columns().map(({ name }) => name);
}

function rowOf(names: readonly string[], values: readonly SqlValue[]): SqlRow {
  const row: Record<string, SqlValue> = {};
  for (let at = 0; at < names.length; at++) row[names[at] ?? ''] = values[at] ?? null;
  return row;
}
