/**
 * SQLite itself behind the interface of `src/hrana`, for tests of the wire: one file, one connection a session. Waits for
 * other sessions without blocking the thread that they need too.
 */
import { constants, DatabaseSync, type StatementSync } from 'node:sqlite';
import { systemClock } from '../src/base/time.ts';
import {
  type AnswerRoom,
  type BoundStatement,
  type Caller,
  type Database,
  type Description,
  type Outcome,
  responseTooLarge,
  type RowStream,
  type Session,
  SqlError,
  sqliteCodeName,
  type SqlRow,
  type SqlValue,
  type StatementResult,
  valueBytes,
} from '../src/hrana/hrana.ts';
import { scanStatement } from '../src/sqlite/sqlite.ts';

const BUSY_WAIT_MS = 3_000;
const BUSY_POLL_MS = 5;
const ROWS_PER_PIECE = 200;
const DURATION_UNKNOWN_MS = 0;

/** Actions of a statement that changes nothing. */
const READING: ReadonlySet<number> = new Set([
  constants.SQLITE_READ,
  constants.SQLITE_SELECT,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
  constants.SQLITE_PRAGMA,
  constants.SQLITE_TRANSACTION,
]);

export class SqliteEngine implements Database, Disposable {
  readonly #path: string;
  /** Open sessions, for tests that ask whether one was closed. */
  readonly sessions: Set<Session> = new Set();

  constructor(path: string) {
    this.#path = path;
    using db = new DatabaseSync(path);
    db.exec('PRAGMA journal_mode = WAL');
  }

  openSession(caller: Caller): Promise<Session> {
    const session = new SqliteSession(this.#path, caller, () => this.sessions.delete(session));
    this.sessions.add(session);
    return Promise.resolve(session);
  }

  [Symbol.dispose](): void {
    for (const session of this.sessions) void session.close();
  }
}

class SqliteSession implements Session {
  readonly #db: DatabaseSync;
  readonly #onClosed: () => void;

  constructor(path: string, caller: Caller, onClosed: () => void) {
    this.#onClosed = onClosed;
    this.#db = new DatabaseSync(path, { timeout: 0, enableForeignKeyConstraints: true });
    if (caller.readOnly) this.#db.exec('PRAGMA query_only = 1');
  }

  get isAutocommit(): boolean {
    return !this.#db.isTransaction;
  }

  async execute(bound: BoundStatement, room: AnswerRoom): Promise<StatementResult> {
    return await this.#whenFree(bound.sql, () => {
      const statement = this.#prepare(bound.sql);
      const columns = columnsOf(statement);
      // The rows of RETURNING come when all is changed already.
      const undo = columns.length > 0 && /^\s*(?:insert|update|delete|replace)\b/i.test(bound.sql);
      if (undo) this.#db.exec('SAVEPOINT answer_room');
      const before = this.#totalChanges();
      try {
        const rows = collect(statement, bound, room);
        return { columns, rows, ...this.#outcome(before) };
      } catch (error) {
        if (undo) this.#db.exec('ROLLBACK TO answer_room');
        throw error;
      } finally {
        if (undo && this.#db.isTransaction) this.#db.exec('RELEASE answer_room');
      }
    });
  }

  async stream(bound: BoundStatement): Promise<RowStream> {
    return await this.#whenFree(bound.sql, () => {
      const statement = this.#prepare(bound.sql);
      const before = this.#totalChanges();
      const rows = iterate(statement, bound);
      // The first step may find that the database is busy, and begins what changes something.
      let first: IteratorResult<SqlRow> | undefined = rows.next();
      const piece = (): SqlRow[] => {
        const found: SqlRow[] = [];
        while (found.length < ROWS_PER_PIECE) {
          const step = first ?? rows.next();
          first = undefined;
          if (step.done === true) break;
          found.push(step.value);
        }
        return found;
      };
      return {
        columns: columnsOf(statement),
        next: () => this.#whenFree(bound.sql, piece),
        outcome: () => this.#outcome(before),
        [Symbol.asyncDispose]: () => {
          rows.return?.();
          return Promise.resolve();
        },
      };
    });
  }

  sequence(sql: string): Promise<void> {
    return this.#whenFree(sql, () => this.#db.exec(sql));
  }

  async describe(sql: string): Promise<Description> {
    let isReadOnly = true;
    this.#db.setAuthorizer((action) => {
      isReadOnly &&= READING.has(action);
      return constants.SQLITE_OK;
    });
    try {
      const columns = await this.#whenFree(sql, () => columnsOf(this.#prepare(sql)));
      return { columns, isExplain: scanStatement(sql).isExplain, isReadOnly };
    } finally {
      this.#db.setAuthorizer(null);
    }
  }

  close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
    this.#onClosed();
    return Promise.resolve();
  }

  #prepare(sql: string): StatementSync {
    // A word of libSQL, for transactions that only read.
    const statement = this.#db.prepare(sql.replace(/^(\s*BEGIN TRANSACTION) READONLY/i, '$1'));
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    statement.setAllowBareNamedParameters(false);
    return statement;
  }

  #totalChanges(): number {
    return Number(this.#db.prepare('SELECT total_changes() AS n').get()?.['n']);
  }

  #outcome(before: number): Outcome {
    const last = this.#db.prepare('SELECT changes() AS n, last_insert_rowid() AS id');
    last.setReadBigInts(true);
    const { n, id } = last.get() as { readonly n: bigint; readonly id: bigint };
    return {
      affectedRows: this.#totalChanges() === before ? 0 : Number(n),
      lastInsertRowid: id === 0n ? null : id,
      rowsRead: 0,
      rowsWritten: 0,
      durationMs: DURATION_UNKNOWN_MS,
    };
  }

  /** Tries again while another session writes. */
  async #whenFree<T>(sql: string, work: () => T): Promise<T> {
    const until = systemClock.monotonicMs() + BUSY_WAIT_MS;
    for (;;) {
      try {
        return work();
      } catch (error) {
        const known = this.#known(error, sql);
        const isBusy = known instanceof SqlError && known.code === 'SQLITE_BUSY';
        if (!isBusy || this.#db.isTransaction || systemClock.monotonicMs() > until) throw known;
      }
      await systemClock.sleep(BUSY_POLL_MS);
    }
  }

  #known(error: unknown, sql: string): unknown {
    if (!(error instanceof Error) || !('errcode' in error)) return error;
    const offset = this.#offset(error.message, sql);
    return new SqlError(
      sqliteCodeName(Number(error.errcode)),
      error.message,
      offset === undefined ? {} : { offset },
    );
  }

  /**
   * node:sqlite does not tell `sqlite3_error_offset`. A parser without lookahead finds the same mistake in the text up to the
   * end of the token that it names, and in none that ends earlier.
   */
  #offset(message: string, sql: string): number | undefined {
    const token = /^near "(.*)": syntax error$/s.exec(message)?.[1];
    if (token === undefined) return undefined;
    for (let at = sql.indexOf(token); at >= 0; at = sql.indexOf(token, at + 1)) {
      try {
        this.#db.prepare(sql.slice(0, at + token.length));
      } catch (error) {
        if (error instanceof Error && error.message === message) {
          return Buffer.byteLength(sql.slice(0, at));
        }
      }
    }
    return undefined;
  }
}

function columnsOf(statement: StatementSync): StatementResult['columns'] {
  return statement.columns().map(({ name, type }) => ({ name, declaredType: type }));
}

function collect(
  statement: StatementSync,
  bound: BoundStatement,
  { rowsMax, bytesMax }: AnswerRoom,
): SqlRow[] {
  const rows: SqlRow[] = [];
  let bytes = 0;
  for (const row of iterate(statement, bound)) {
    if (!bound.wantRows) continue;
    for (const value of row) bytes += valueBytes(value);
    if (rows.length >= rowsMax) throw responseTooLarge(`${rowsMax} rows`);
    if (bytes > bytesMax) throw responseTooLarge(`${bytesMax} bytes`);
    rows.push(row);
  }
  return rows;
}

/** node:sqlite binds what has a name by name, and the rest, `?7` too, in the order of its numbers. */
function iterate(
  statement: StatementSync,
  { parameters, values }: BoundStatement,
): IterableIterator<SqlRow> {
  const named: Record<string, SqlValue> = {};
  const others: SqlValue[] = [];
  parameters.forEach((name, index) => {
    const value = values[index] ?? null;
    if (name === null || name.startsWith('?')) others.push(value);
    else named[name] = value;
  });
  return statement.iterate(named, ...others) as unknown as IterableIterator<SqlRow>;
}
