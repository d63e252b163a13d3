/** Reads for clients over a connection that can only read. Lives in the stripe's thread, and in the processes for long reads. */
import { Connection } from './connection.ts';
import { readApplied, type Applied } from './applied.ts';
import { digestOf } from './digest.ts';
import { schemaChanged } from './errors.ts';
import {
  NEAR_FILE_BYTES_MAX,
  NEAR_GROWING_CALLS_MAX,
  NEAR_READ_MS_MAX,
  NEAR_STATEMENT_BYTES_MAX,
} from './limits.ts';
import {
  isFlatProgram,
  isQuickPlan,
  isQuickProgram,
  isSingleProgram,
  isSteppedProgram,
} from './quick-plan.ts';
import { sizeOf, type Statement, type StatementResult, type StripeDigest } from './statement.ts';

export class Reader implements Disposable {
  readonly #connection: Connection;
  readonly #now: () => number;
  readonly #paces = new Map<string, Pace>();
  #schema = 0n;
  #schemaVersion: number | undefined;
  #pageBytes: number | undefined;
  #held: Applied | undefined;

  constructor(path: string, now: () => number) {
    this.#connection = new Connection(path, 'reader');
    this.#now = now;
  }

  /**
   * Runs a statement that touches so few rows that it cannot take long, or that can be left when it does; undefined for all others. Throws `DATABASE_SCHEMA_CHANGED` when the file has another
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
        const result = isFor ? this.#runAtPace(statement, readMs) : undefined;
        if (isFor && (this.#held !== undefined || !this.#forgetOld())) return result;
        if (!isFor) this.requireSchema(planned);
      } catch (error) {
        if (this.#held !== undefined || !this.#forgetOld()) throw error;
      }
    }
  }

  /** The same with the entry that it is as of; between `hold` and `letGo`. */
  look(
    statement: Statement,
    readMs: number,
    planned: number | undefined,
  ): StatementResult | undefined {
    const at = this.applied().index;
    const result = this.quick(statement, readMs, planned);
    return result && { ...result, at };
  }

  query(statement: Statement, readMs: number): StatementResult {
    this.#forgetOld();
    return this.#run(statement, readMs);
  }

  #runAtPace(statement: Statement, readMs: number): StatementResult | undefined {
    const pace = this.#paceOf(statement);
    if (pace === 'single')
      return this.#connection.runSingle(this.#connection.prepare(statement.sql), statement);
    if (pace === 'quick') return this.#run(statement, readMs);
    if (pace === 'flat') {
      const isShort = sizeOf(statement) <= NEAR_STATEMENT_BYTES_MAX && this.#isSmall();
      return isShort ? this.#run(statement, readMs) : undefined;
    }
    if (pace === 'slow') return undefined;
    const deadline = this.#now() + NEAR_READ_MS_MAX;
    const prepared = this.#connection.prepare(statement.sql);
    const result = this.#connection.runFew(prepared, statement, () => this.#now() > deadline);
    // It most likely has as many rows the next time; but how long it takes is the machine's matter.
    if (result === undefined && this.#now() <= deadline) this.#paces.set(statement.sql, 'slow');
    return result;
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
    return this.#held ?? readApplied(this.#connection);
  }

  /** From now on it sees the file as it is now. */
  hold(): Applied {
    this.#connection.own('BEGIN');
    try {
      this.#forgetOld();
      this.#held = this.applied();
      return this.#held;
    } catch (error) {
      this.letGo();
      throw error;
    }
  }

  /** The end of `hold`. */
  letGo(): void {
    this.#held = undefined;
    // SQLite ends it by itself after some errors.
    if (this.#connection.inTransaction) this.#connection.own('ROLLBACK');
  }

  /** All tables at one entry; see `digestOf`. */
  digest(onBegun: (index: number) => Promise<void>): Promise<StripeDigest> {
    return digestOf(this.#connection, onBegun, this.#now);
  }

  /** A whole copy of the file as it is now, packed, without blocking the writer. */
  copyTo(path: string): void {
    this.#connection.exec(`VACUUM INTO '${path.replaceAll("'", "''")}'`);
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  #isSmall(): boolean {
    this.#pageBytes ??= Number(this.#connection.ownValue('PRAGMA page_size'));
    const pages = Number(this.#connection.ownValue('PRAGMA page_count'));
    return pages * this.#pageBytes <= NEAR_FILE_BYTES_MAX;
  }

  #paceOf(statement: Statement): Pace {
    const known = this.#paces.get(statement.sql);
    if (known !== undefined) return known;
    const pace = this.#foundPace(statement);
    if (this.#paces.size >= PACES_KEPT) this.#paces.clear();
    this.#paces.set(statement.sql, pace);
    return pace;
  }

  #foundPace(statement: Statement): Pace {
    const { deeds } = this.#connection.prepare(statement.sql);
    if (deeds.recursive || deeds.slowCalls || deeds.growingCalls > NEAR_GROWING_CALLS_MAX)
      return 'slow';
    const program = this.#connection.program(statement);
    if (isSteppedProgram(program)) return 'stepped';
    const plan = this.#connection.plan(statement);
    const isQuick = isQuickPlan(plan, (index) => this.#uniqueColumns(index));
    if (isQuick && isQuickProgram(program)) return isSingleProgram(program) ? 'single' : 'quick';
    return deeds.growingCalls === 0 && isFlatProgram(program) ? 'flat' : 'slow';
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

  /** Another connection changes the schema: true when it has since this was asked last. */
  #forgetOld(): boolean {
    const schema = this.#connection.ownValue('PRAGMA schema_version') as bigint;
    if (schema === this.#schema) return false;
    this.#schema = schema;
    this.#schemaVersion = undefined;
    this.#paces.clear();
    this.#connection.forget();
    return true;
  }
}

/** `single`: one row at most, at once. `quick`: few steps in all. `stepped`: few steps to each row. `flat`: as many as there are rows, which are few in a small file. */
type Pace = 'single' | 'quick' | 'stepped' | 'flat' | 'slow';

const PACES_KEPT = 2000;
