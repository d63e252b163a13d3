/** Reads for clients over a connection that can only read. Lives in the stripe's thread, and in the processes for long reads. */
import { Connection } from './connection.ts';
import { readApplied, tableNames, type Applied } from './applied.ts';
import { createHash } from 'node:crypto';
import { schemaChanged } from './errors.ts';
import { isQuickPlan, isQuickProgram } from './quick-plan.ts';
import type { SqlValue, Statement, StatementResult, StripeDigest } from './statement.ts';

export class Reader implements Disposable {
  readonly #connection: Connection;
  readonly #now: () => number;
  readonly #quick = new Map<string, boolean>();
  #schema = 0n;
  #schemaVersion: number | undefined;

  constructor(path: string, now: () => number) {
    this.#connection = new Connection(path, 'reader');
    this.#now = now;
  }

  /**
   * Runs a statement that touches so few rows that it cannot take long; undefined when this one may. Throws `DATABASE_SCHEMA_CHANGED` when the file has another
   * version than it was planned for.
   */
  quick(
    statement: Statement,
    readMs: number,
    planned: number | undefined,
  ): StatementResult | undefined {
    // What is remembered is of one schema, and looking before each statement costs more than it: so it is looked at afterwards.
    for (;;) {
      try {
        const isFor = planned === undefined || this.#schemaVersion === planned;
        const result = isFor && this.#isQuick(statement) ? this.#run(statement, readMs) : undefined;
        if (isFor && !this.#forgetOld()) return result;
        if (!isFor) this.requireSchema(planned);
      } catch (error) {
        if (!this.#forgetOld()) throw error;
      }
    }
  }

  query(statement: Statement, readMs: number): StatementResult {
    this.#forgetOld();
    return this.#run(statement, readMs);
  }

  #run(statement: Statement, readMs: number): StatementResult {
    const deadline = this.#now() + readMs;
    const prepared = this.#connection.prepare(statement.sql);
    return this.#connection.run(prepared, statement, () => this.#now() > deadline);
  }

  /** Throws `DATABASE_SCHEMA_CHANGED` when the file has another version than a statement was planned for. */
  requireSchema(planned: number | undefined): void {
    if (planned === undefined) return;
    this.#forgetOld();
    this.#schemaVersion ??= this.applied().schemaVersion;
    if (this.#schemaVersion !== planned) throw schemaChanged(planned, this.#schemaVersion);
  }

  applied(): Applied {
    return readApplied(this.#connection);
  }

  /** From now on it sees the file as it is now. */
  hold(): Applied {
    this.#connection.exec('BEGIN');
    return this.applied();
  }

  /** The end of `hold`. */
  letGo(): void {
    this.#connection.exec('ROLLBACK');
  }

  /** All tables at one entry. */
  digest(): StripeDigest {
    this.#connection.exec('BEGIN');
    try {
      const { index } = this.applied();
      const tables = tableNames(this.#connection).map(
        (table) => [table, this.#digestOf(table)] as const,
      );
      return { index, tables: Object.fromEntries(tables) };
    } finally {
      this.#connection.exec('ROLLBACK');
    }
  }

  /** A whole copy of the file as it is now, packed, without blocking the writer. */
  copyTo(path: string): void {
    this.#connection.exec(`VACUUM INTO '${path.replaceAll("'", "''")}'`);
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  #isQuick(statement: Statement): boolean {
    const known = this.#quick.get(statement.sql);
    if (known !== undefined) return known;
    const { deeds } = this.#connection.prepare(statement.sql);
    const quick =
      !deeds.recursive &&
      !deeds.slowCalls &&
      isQuickPlan(this.#connection.plan(statement), (index) => this.#uniqueColumns(index)) &&
      isQuickProgram(this.#connection.program(statement));
    if (this.#quick.size >= QUICK_KEPT) this.#quick.clear();
    this.#quick.set(statement.sql, quick);
    return quick;
  }

  #uniqueColumns(index: string): number | undefined {
    const count = this.#connection.ownValue(
      `SELECT (SELECT count(*) FROM pragma_index_info(?1))
         FROM sqlite_schema s JOIN pragma_index_list(s.tbl_name) l ON l.name = s.name
        WHERE s.type = 'index' AND s.name = ?1 AND l."unique" AND NOT l.partial`,
      index,
    );
    return count === null ? undefined : Number(count);
  }

  #digestOf(table: string): string {
    const name = `"${table.replaceAll('"', '""')}"`;
    const keys = this.#connection
      .own('SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk', table)
      .map(([key]) => `"${String(key).replaceAll('"', '""')}"`);
    const order = keys.length > 0 ? ` ORDER BY ${keys.join(', ')}` : '';
    const hash = createHash('sha256');
    for (const row of this.#connection.ownRows(`SELECT * FROM ${name}${order}`)) {
      for (const value of row) hashValue(hash, value);
    }
    return hash.digest('hex');
  }

  /** Another connection changes the schema: true when it has since this was asked last. */
  #forgetOld(): boolean {
    const schema = this.#connection.ownValue('PRAGMA schema_version') as bigint;
    if (schema === this.#schema) return false;
    this.#schema = schema;
    this.#schemaVersion = undefined;
    this.#quick.clear();
    this.#connection.forget();
    return true;
  }
}

const QUICK_KEPT = 2000;

/** Type and length go before the bytes, so that no two rows look alike. */
function hashValue(hash: ReturnType<typeof createHash>, value: SqlValue): void {
  if (value === null) return void hash.update('n;');
  if (value instanceof Uint8Array) hash.update(`b${value.byteLength};`).update(value);
  else if (typeof value === 'string') hash.update(`t${value.length};`).update(value);
  else hash.update(`${typeof value === 'bigint' ? 'i' : 'r'}${String(value)};`);
}
