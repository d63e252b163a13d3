/**
 * Runs transactions on the primary's file. A group of them is one transaction of SQLite: each runs in a savepoint of its own, a
 * session records what all of them changed, and `finish` makes the entry. What the log then says is done by `commit` or `rollBack`.
 * Synchronous; it lives in the stripe's thread.
 */
import type { Session } from 'node:sqlite';
import { isMolnError } from '../base/errors.ts';
import {
  type Applied,
  checkKeys,
  hasDeferredKeys,
  hasSequences,
  prepareFile,
  readApplied,
  readSequences,
  releaseTriggers,
  schemaDigest,
  writeApplied,
} from './applied.ts';
import { summarize } from './changeset.ts';
import { Connection, type Prepared, tooLong } from './connection.ts';
import { crashPoint } from './crash-points.ts';
import { type EncodedEntry, encodeEntry, type EntryKind, type Part } from './entry.ts';
import { fromSqlite, limitMet, sqlError, transactionTooLarge, withTransaction } from './errors.ts';
import { TRANSACTION_BYTES_MAX, TRANSACTION_ROWS_MAX } from './limits.ts';
import type { SavepointStep, Statement, StatementResult } from './statement.ts';

/** What became of one transaction of a group. */
export type Outcome =
  | { readonly kind: 'done'; readonly results: readonly StatementResult[] }
  /** Rolled back; the others of the group are not touched. `at` is the statement's place. */
  | { readonly kind: 'failed'; readonly error: unknown; readonly at: number }
  /** Changes the schema, or takes more time than is left for the group, so it must run without others. Nothing was changed. */
  | { readonly kind: 'alone' };

/** The transaction of SQLite is gone, with all that ran in it: the group has to be run again, one by one. */
export class GroupLost extends Error {
  override readonly name = 'GroupLost';
}

export interface EntryFacts {
  readonly epoch: number;
  readonly group: Uint8Array;
  readonly cross: boolean;
}

/** What the entry was to hold when a savepoint was opened. */
interface Mark {
  readonly name: string;
  readonly parts: number;
  readonly changes: number;
  readonly bytes: number;
  readonly schemaChanged: boolean;
}

export class Writer implements Disposable {
  readonly #connection: Connection;
  readonly #now: () => number;
  #applied: Applied;
  #session: Session | undefined;
  #parts: Part[] = [];
  #changes = 0;
  #bytes = 0;
  #transactions = 0;
  #schemaChanged = false;
  /** Of the open transaction, when it is to be more than the next. */
  #schemaWanted: number | undefined;
  /** Foreign keys that are looked at late: of the schema, and in the open transaction. */
  #hasDeferred: boolean;
  #deferred = false;
  #sequences: ReadonlyMap<string, bigint>;
  #hasSequences: boolean;
  #sequencesNow: ReadonlyMap<string, bigint> = new Map();
  /** Of the open transaction, so that the whole of it can be measured. */
  #rowsBefore = 0n;
  #next: Applied | undefined;
  /** Why the file lacks an entry that the log has. */
  #behind: Error | undefined;
  /** The session may have seen something. */
  #isDirty = false;
  #marks: Mark[] = [];

  /** `now` in milliseconds, for the time limit of statements. */
  constructor(path: string, now: () => number) {
    this.#now = now;
    this.#connection = new Connection(path, 'writer');
    prepareFile(this.#connection);
    this.#transact(() => releaseTriggers(this.#connection));
    crashPoint('promotion:triggers-made');
    this.#applied = readApplied(this.#connection);
    this.#hasDeferred = hasDeferredKeys(this.#connection);
    this.#sequences = readSequences(this.#connection);
    this.#hasSequences = hasSequences(this.#connection);
  }

  get applied(): Applied {
    return this.#applied;
  }

  get isOpen(): boolean {
    return this.#connection.inTransaction;
  }

  begin(): void {
    this.#requireCurrent();
    this.#connection.own('BEGIN IMMEDIATE');
    this.#reset();
    this.#next = undefined;
    this.#rowsBefore = this.#rows();
  }

  /**
   * Runs one whole transaction. `isAlone`: no other is in the group, so it may change the schema. Its statements share `statementMs`: whoever waits
   * takes the thread for stuck after twice that.
   */
  run(
    statements: readonly Statement[],
    options: { readonly isAlone: boolean; readonly statementMs: number },
  ): Outcome {
    const results: StatementResult[] = [];
    const { isAlone } = options;
    const untilMs = this.#now() + options.statementMs;
    this.#connection.own('SAVEPOINT client');
    try {
      for (const statement of statements) {
        const statementMs = untilMs - this.#now();
        if (statementMs < 0) throw tooLong();
        results.push(this.#statement(statement, { isAlone, statementMs }));
      }
      this.checkForeignKeys();
      this.#connection.own('RELEASE client');
      this.#transactions++;
      return { kind: 'done', results };
    } catch (error) {
      this.#requireOpen(error);
      this.#connection.exec('ROLLBACK TO client; RELEASE client');
      // By itself it has the time that others of the group have used.
      if (error === ALONE || (!isAlone && this.#now() > untilMs)) return { kind: 'alone' };
      // What it had done before its schema change was noted already. It is alone, so there is nothing else.
      if (isAlone) {
        // What was prepared behind it has columns that there are not.
        if (this.#schemaChanged) this.#connection.forget();
        this.#reset();
      }
      return { kind: 'failed', error: fromSqlite(error), at: results.length };
    }
  }

  /** One statement of a transaction that goes on; when it throws, the others stay, and nothing of itself: what comes too late or returns too much has run. */
  step(statement: Statement, statementMs: number): StatementResult {
    this.#connection.own('SAVEPOINT step');
    try {
      const result = this.#statement(statement, { isAlone: true, statementMs });
      this.#connection.own('RELEASE step');
      this.#transactions = 1;
      return result;
    } catch (error) {
      this.#requireOpen(error);
      this.#connection.exec('ROLLBACK TO step; RELEASE step');
      throw fromSqlite(error);
    }
  }

  /** Savepoints of the transaction that goes on, in which the schema may change too. */
  savepoint({ savepoint, name }: SavepointStep): [] {
    if (savepoint === 'open') {
      // What was seen so far must stay apart from what may be rolled back together with a change of the schema.
      if (this.#isDirty) this.#renewSession();
      this.#connection.own(`SAVEPOINT ${name}`);
      this.#marks.push({
        name,
        parts: this.#parts.length,
        changes: this.#changes,
        bytes: this.#bytes,
        schemaChanged: this.#schemaChanged,
      });
      return [];
    }
    const at = this.#marks.findLastIndex((one) => one.name === name);
    const mark = this.#marks[at];
    if (mark === undefined) throw new Error(`There is no savepoint "${name}"`);
    this.#connection.own(`${savepoint === 'release' ? 'RELEASE' : 'ROLLBACK TO'} ${name}`);
    this.#marks.length = savepoint === 'release' ? at : at + 1;
    if (savepoint === 'rollBack') this.#returnTo(mark);
    return [];
  }

  raiseSchema(schemaVersion: number): [] {
    this.#schemaWanted = schemaVersion;
    return [];
  }

  #returnTo(mark: Mark): void {
    if (this.#parts.length === mark.parts) return;
    this.#closeSession();
    this.#session = this.#connection.session();
    this.#isDirty = false;
    this.#parts.length = mark.parts;
    this.#changes = mark.changes;
    this.#bytes = mark.bytes;
    if (this.#schemaChanged !== mark.schemaChanged || mark.schemaChanged) this.#connection.forget();
    this.#schemaChanged = mark.schemaChanged;
  }

  /**
   * SQLite looks at deferred foreign keys when the outermost transaction commits, and then the entry is in the log already. So they
   * are looked at here. Throws `DATABASE_SQL`.
   */
  checkForeignKeys(): void {
    if (!this.#deferred) return;
    const [broken] = this.#connection.own('PRAGMA foreign_key_check');
    if (broken !== undefined) throw sqlError('FOREIGN KEY constraint failed', 787);
  }

  /**
   * The entry of everything since `begin`; undefined when nothing was changed. The file already says that it contains the entry,
   * inside the open transaction. Throws `DATABASE_LIMIT` or what a bad schema is.
   */
  finish(facts: EntryFacts): EncodedEntry | undefined {
    this.#cut();
    // Whoever went on after `#cut` refused what came before would have an entry without that.
    this.#requireFewBytes();
    this.#noteSequences();
    if (this.#schemaChanged) {
      checkKeys(this.#connection);
      this.#parts.push({ kind: 'schema', digest: schemaDigest(this.#connection) });
    }
    if (this.#parts.length === 0) return undefined;
    const kind: EntryKind = this.#schemaChanged ? 'ddl' : 'data';
    const { index, hash } = this.#applied;
    const schemaVersion = this.#nextSchema();
    const encoded = encodeEntry(
      {
        ...facts,
        kind,
        index: index + 1,
        schemaVersion,
        transactions: this.#transactions,
        changes: this.#changes,
        previousHash: hash,
      },
      this.#parts,
    );
    this.#note(encoded, schemaVersion, facts.epoch);
    return encoded;
  }

  #nextSchema(): number {
    const { schemaVersion } = this.#applied;
    if (!this.#schemaChanged) return schemaVersion;
    return Math.max(schemaVersion + 1, this.#schemaWanted ?? 0);
  }

  /** The log has the entry. When this throws, the log is ahead, and this writer does nothing any more: the copy has to catch up. */
  commit(): void {
    this.#requireCurrent();
    this.#closeSession();
    try {
      this.#connection.own('COMMIT');
    } catch (error) {
      this.#fellBehind(error);
    }
    if (this.#next !== undefined) this.#applied = this.#next;
    this.#sequences = this.#sequencesNow;
    if (!this.#schemaChanged) return;
    this.#connection.forget();
    this.#hasDeferred = hasDeferredKeys(this.#connection);
    this.#hasSequences = hasSequences(this.#connection);
  }

  /** The log does not have it and never will. */
  rollBack(): void {
    this.#closeSession();
    if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
    if (this.#schemaChanged) this.#connection.forget();
    this.#next = undefined;
  }

  /** An entry that changes nothing: takes the place of one that may be on its way. */
  barrier(facts: EntryFacts): EncodedEntry {
    this.#requireCurrent();
    const { index, hash, schemaVersion } = this.#applied;
    return encodeEntry(
      {
        ...facts,
        kind: 'barrier',
        index: index + 1,
        schemaVersion,
        transactions: 0,
        changes: 0,
        previousHash: hash,
      },
      [],
    );
  }

  /** The log has that barrier. When this throws, as with `commit`. */
  passed(barrier: EncodedEntry, epoch: number): void {
    this.#requireCurrent();
    try {
      this.#transact(() => this.#note(barrier, this.#applied.schemaVersion, epoch));
    } catch (error) {
      this.#fellBehind(error);
    }
    if (this.#next !== undefined) this.#applied = this.#next;
    this.#next = undefined;
  }

  [Symbol.dispose](): void {
    this.#closeSession();
    this.#connection[Symbol.dispose]();
  }

  #statement(
    statement: Statement,
    { isAlone, statementMs }: { readonly isAlone: boolean; readonly statementMs: number },
  ): StatementResult {
    const prepared = this.#connection.prepare(statement.sql);
    const { deeds } = prepared;
    if (deeds.ddl && !isAlone) throw ALONE;
    if (deeds.defersForeignKeys) this.#deferred = true;
    if (deeds.writes) this.#isDirty = true;
    return deeds.ddl
      ? this.#ddl(prepared, statement, statementMs)
      : this.#timed(prepared, statement, statementMs);
  }

  /** What a session saw before the schema changed must not be mixed with what it sees afterwards. */
  #ddl(prepared: Prepared, statement: Statement, statementMs: number): StatementResult {
    this.#cut();
    try {
      const result = this.#timed(prepared, statement, statementMs);
      this.#parts.push({ kind: 'ddl', sql: statement.sql });
      this.#schemaChanged = true;
      this.#connection.forget();
      this.#deferred = this.#deferred || hasDeferredKeys(this.#connection);
      crashPoint('ddl:run');
      return result;
    } finally {
      if (this.#connection.inTransaction) this.#session = this.#connection.session();
    }
  }

  #timed(prepared: Prepared, statement: Statement, statementMs: number): StatementResult {
    const deadline = this.#now() + statementMs;
    const result = this.#connection.run(prepared, statement, () => this.#now() > deadline);
    if (this.#now() > deadline) throw tooLong();
    if (prepared.deeds.writes) this.#requireFewRows();
    return result;
  }

  #renewSession(): void {
    this.#cut();
    this.#session = this.#connection.session();
  }

  #reset(): void {
    this.#closeSession();
    this.#session = this.#connection.session();
    this.#isDirty = false;
    this.#marks = [];
    this.#parts = [];
    this.#changes = 0;
    this.#bytes = 0;
    this.#transactions = 0;
    this.#schemaChanged = false;
    this.#schemaWanted = undefined;
    this.#deferred = this.#hasDeferred;
    this.#sequencesNow = this.#sequences;
  }

  /** Ends the session, and keeps what it saw as a part. */
  #cut(): void {
    const session = this.#session;
    if (session === undefined) return;
    const changeset = session.changeset();
    this.#closeSession();
    this.#isDirty = false;
    if (changeset.byteLength === 0) return;
    this.#bytes += changeset.byteLength;
    this.#requireFewBytes();
    this.#changes += summarize(changeset).changes;
    this.#parts.push({ kind: 'changes', changeset });
  }

  #requireFewBytes(): void {
    if (this.#bytes > TRANSACTION_BYTES_MAX)
      throw transactionTooLarge(this.#bytes, TRANSACTION_BYTES_MAX);
  }

  #noteSequences(): void {
    if (!this.#hasSequences && !this.#schemaChanged) return;
    this.#sequencesNow = readSequences(this.#connection);
    const values = [...this.#sequencesNow].filter(
      ([table, value]) => this.#sequences.get(table) !== value,
    );
    if (values.length > 0) this.#parts.push({ kind: 'sequences', values });
  }

  #note(entry: EncodedEntry, schemaVersion: number, epoch: number): void {
    this.#next = { index: entry.index, hash: entry.hash, schemaVersion, epoch };
    writeApplied(this.#connection, this.#next);
  }

  #requireFewRows(): void {
    const rows = Number(this.#rows() - this.#rowsBefore);
    if (rows <= TRANSACTION_ROWS_MAX) return;
    throw limitMet(
      'transactionRows',
      `The transaction changes ${rows} rows, at most ${TRANSACTION_ROWS_MAX} fit into one`,
      'Do it in several smaller transactions; nothing was changed',
    );
  }

  /** Some errors, and ON CONFLICT ROLLBACK, take the whole transaction with them. */
  #requireOpen(error: unknown): void {
    if (this.#connection.inTransaction) return;
    this.#closeSession();
    this.#next = undefined;
    throw new GroupLost('SQLite rolled the group back', {
      cause: withTransaction(fromSqlite(error)),
    });
  }

  /** An entry made now would take the place of one that the log has. */
  #requireCurrent(): void {
    if (this.#behind !== undefined) throw this.#behind;
  }

  #fellBehind(error: unknown): never {
    this.#behind = error instanceof Error ? error : new Error(String(error));
    throw this.#behind;
  }

  #rows(): bigint {
    return this.#connection.ownValue('SELECT total_changes()') as bigint;
  }

  #closeSession(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) session.close();
  }

  #transact(work: () => void): void {
    this.#connection.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#connection.exec('COMMIT');
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }
}

/** Thrown and caught here: the transaction changes the schema and is not alone. */
const ALONE: Error = new Error('alone');

/** The reason of a lost group for its only transaction. */
export function causeOf(lost: GroupLost): unknown {
  return isMolnError(lost.cause) ? lost.cause : lost;
}
