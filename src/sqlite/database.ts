/**
 * Opens SQLite files the way Moln wants them and gives typed statements over them. Synchronous: whoever runs
 * heavy SQL does so in a process or thread of its own.
 */
import assert from 'node:assert/strict';
import { chmodSync, closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { diskError } from '../base/disk.ts';
import { damaged, sqliteError } from './errors.ts';

/** What a column may hold. Whole numbers beyond 2^53 must be read by other means. */
export type SqlValue = null | number | bigint | string | Uint8Array;

export interface OpenOptions {
  readonly path: string;
  /**
   * `full`: a commit is on the disk when it returns. `normal`: never damaged, but the newest commits may be
   * gone after a power cut. Default `full`.
   */
  readonly durability?: 'full' | 'normal';
  /** How long a statement waits for another process's lock. Default 2,000. */
  readonly busyTimeoutMs?: number;
  /** Nobody else may open the file while this connection lives. The kernel frees it when the process dies. */
  readonly exclusive?: boolean;
  /** Reads the whole file once and refuses a damaged one; for small files. */
  readonly check?: boolean;
  readonly readOnly?: boolean;
}

/** WAL beyond this is given back to the disk after a checkpoint. */
const WAL_BYTES_KEPT = 16 * 1024 * 1024;
const BUSY_TIMEOUT_MS = 2000;

/** One prepared statement. `Row` is what its columns are, which is the author's promise and is not checked. */
export interface Statement<Row> {
  get(...values: readonly SqlValue[]): Row | undefined;
  all(...values: readonly SqlValue[]): Row[];
  iterate(...values: readonly SqlValue[]): IterableIterator<Row>;
  /** Rows changed. */
  run(...values: readonly SqlValue[]): number;
}

/** A connection. Close it by disposing; a second time is fine. */
export class Database implements Disposable {
  readonly path: string;
  readonly #raw: DatabaseSync;

  constructor(raw: DatabaseSync, path: string) {
    this.#raw = raw;
    this.path = path;
  }

  /** Runs statements that take no values and give no rows. */
  exec(sql: string): void {
    this.guard(() => this.#raw.exec(sql));
  }

  prepare<Row extends object>(sql: string): Statement<Row> {
    const statement = this.guard(() => this.#raw.prepare(sql));
    return this.#typed<Row>(statement);
  }

  /** The first column of the only row of `PRAGMA name`. */
  pragma(name: string): SqlValue {
    const row = this.prepare<Record<string, SqlValue>>(`PRAGMA ${name}`).get();
    return Object.values(row ?? {})[0] ?? null;
  }

  get inTransaction(): boolean {
    return this.#raw.isOpen && this.#raw.isTransaction;
  }

  [Symbol.dispose](): void {
    if (this.#raw.isOpen) this.#raw.close();
  }

  /** Runs `call` and gives errors of the disk and the file a sentence. */
  guard<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw sqliteError(error, this.path);
    }
  }

  #typed<Row>(statement: StatementSync): Statement<Row> {
    const input = (values: readonly SqlValue[]): SQLInputValue[] => values as SQLInputValue[];
    return {
      get: (...values) => this.guard(() => statement.get(...input(values)) as Row | undefined),
      all: (...values) => this.guard(() => statement.all(...input(values)) as Row[]),
      iterate: (...values) =>
        this.guard(() => statement.iterate(...input(values)) as IterableIterator<Row>),
      run: (...values) => this.guard(() => Number(statement.run(...input(values)).changes)),
    };
  }
}

/**
 * Opens or creates a file with mode 0600, in WAL mode, with foreign keys on. Throws `SQLITE_BUSY` when another
 * process holds it, `SQLITE_CORRUPT` when it is damaged or something else, `DISK_FULL` and `DISK_DENIED`.
 */
export function openDatabase(options: OpenOptions): Database {
  const { path } = options;
  if (options.readOnly !== true) createFile(path);
  let raw: DatabaseSync;
  try {
    raw = new DatabaseSync(path, {
      timeout: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS,
      readOnly: options.readOnly ?? false,
      enableForeignKeyConstraints: true,
    });
  } catch (error) {
    throw sqliteError(error, path);
  }
  const db = new Database(raw, path);
  try {
    configure(db, options);
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
  return db;
}

/**
 * Runs `work` in one write transaction: all of it or, when it throws, nothing. `work` must not be async, for
 * another caller's statements would slip in between.
 */
export function transaction<T>(db: Database, work: () => T): T {
  assert.ok(!db.inTransaction, 'a transaction is open already');
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    assert.ok(!(result instanceof Promise), 'a transaction must not be async');
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite has rolled back by itself after some errors, such as a full disk.
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function configure(db: Database, options: OpenOptions): void {
  // Before the first access to the WAL: SQLite then keeps its index in memory, and the lock until it closes.
  if (options.exclusive === true) db.exec('PRAGMA locking_mode = EXCLUSIVE');
  if (options.readOnly !== true) {
    const mode = db.pragma('journal_mode = WAL');
    if (mode !== 'wal') throw damaged(db.path, `it cannot be put into WAL mode (${String(mode)})`);
    db.exec(`PRAGMA synchronous = ${options.durability === 'normal' ? 'NORMAL' : 'FULL'}`);
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
  }
  // In exclusive mode the lock is only taken by the first write transaction.
  if (options.exclusive === true) db.exec('BEGIN IMMEDIATE; COMMIT');
  if (options.check === true) {
    const found = db.pragma('quick_check(1)');
    if (found !== 'ok') throw damaged(db.path, String(found));
  }
}

/**
 * SQLite would create it readable for everybody; its side files take over the mode of the file. An existing file is not
 * opened here: closing it would drop the locks of a connection that this process may already have (POSIX).
 */
function createFile(path: string): void {
  try {
    if (existsSync(path)) {
      chmodSync(path, 0o600);
      return;
    }
    closeSync(openSync(path, 'wx', 0o600));
    const folder = openSync(dirname(path), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    throw diskError(error, path);
  }
}
