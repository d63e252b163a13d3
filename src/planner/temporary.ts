/**
 * What one connection alone has: temporary tables, indexes, views and triggers. Their definitions make a catalogue of its own over that
 * of the database; the rows of its tables are in a database in memory, which the planner treats as one more stripe. Gone with the
 * connection. Foreign keys and triggers are not the store's affair: what they could touch is gathered.
 */
import { MolnError } from '../base/errors.ts';
import { MemoryDatabase, sqliteResultCode } from '../sqlite/sqlite.ts';
import type { Catalogue } from './catalogue.ts';
import { type Measured, measured } from './measured.ts';
import { PlanCache } from './plan-cache.ts';
import { ScratchPool } from './scratch.ts';
import type { OwnTables, StripeWrite, WriteOutcome } from './stripes.ts';
import type { StoredObject } from './table.ts';
import type { SqlRow } from './values.ts';

/** What the temporary tables of one connection may hold, in pages of SQLite. */
export const TEMPORARY_BYTES_MAX: number = 32 * 1024 * 1024;
/** The same for all connections of a database that one process serves. */
export const TEMPORARY_TOTAL_BYTES_MAX: number = 512 * 1024 * 1024;

const PAGE_BYTES = 4096;
/** SQLite's SQLITE_FULL. */
const FULL = 13;

/** What all connections use together. */
export interface TemporaryRoom {
  readonly bytesMax: number;
  readonly totalBytesMax: number;
  usedBytes: number;
}

export function temporaryRoom(bytesMax: number = TEMPORARY_BYTES_MAX): TemporaryRoom {
  return { bytesMax, totalBytesMax: TEMPORARY_TOTAL_BYTES_MAX, usedBytes: 0 };
}

export class TemporaryStore implements Disposable {
  readonly #db: MemoryDatabase = new MemoryDatabase();
  readonly #room: TemporaryRoom;
  #bytes = 0;

  constructor(room: TemporaryRoom) {
    this.#room = room;
    this.#db.exec('PRAGMA temp_store = MEMORY');
  }

  /** Without an open transaction. */
  rows(sql: string, values: SqlRow): readonly SqlRow[] {
    return this.#db.prepare(sql).all(values);
  }

  /** A text of a client that touches nothing but temporary tables, or whose other rows `source` gives. */
  run(sql: string, values: SqlRow, before: bigint): Measured {
    return this.#limited(() => measured(this.#db, { sql, values, before }, 'main'));
  }

  /** `run` while `rows` are a table of the name that `text` is given. */
  runWith(
    rows: readonly SqlRow[],
    width: number,
    run: (source: string) => {
      readonly sql: string;
      readonly values: SqlRow;
      readonly before: bigint;
    },
  ): Measured {
    const columns = Array.from({ length: width }, (_, at) => `c${at}`);
    const name = 'main._moln_source';
    this.#db.exec(`DROP TABLE IF EXISTS ${name}; CREATE TABLE ${name}(${columns.join(', ')})`);
    try {
      const insert = this.#db.prepare(
        `INSERT INTO ${name} VALUES (${columns.map(() => '?').join(', ')})`,
      );
      for (const row of rows) insert.run(row);
      return this.#limited(() => measured(this.#db, run(name), 'main'));
    } finally {
      this.#db.exec(`DROP TABLE IF EXISTS ${name}`);
    }
  }

  write(writes: readonly StripeWrite[]): readonly WriteOutcome[] {
    return this.#limited(() => writes.map((one) => this.#writeOne(one)));
  }

  define(texts: readonly string[]): void {
    this.#limited(() => {
      for (const text of texts) this.#db.exec(text);
      this.#db.forget();
    });
  }

  /** Also in the middle of a client's transaction, with the savepoints that it has. */
  begin(savepoints: readonly string[] = []): void {
    if (this.#db.inTransaction) return;
    this.#db.exec('BEGIN');
    for (const name of savepoints) this.#db.exec(`SAVEPOINT ${name}`);
  }

  /** SQLite ends the transaction itself when it meets a limit in the middle of some statements. */
  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }

  savepoint(words: 'SAVEPOINT' | 'RELEASE' | 'ROLLBACK TO', name: string): void {
    this.#db.exec(`${words} ${name}`);
  }

  commit(): void {
    if (this.#db.inTransaction) this.#db.exec('COMMIT');
    this.#count();
  }

  rollback(): void {
    if (!this.#db.inTransaction) return;
    this.#db.exec('ROLLBACK');
    this.#db.forget();
    this.#count();
  }

  [Symbol.dispose](): void {
    this.#room.usedBytes -= this.#bytes;
    this.#bytes = 0;
    this.#db[Symbol.dispose]();
  }

  #writeOne({ sql, runs }: StripeWrite): WriteOutcome {
    const statement = this.#db.keep(sql);
    const rows: SqlRow[] = [];
    let changes = 0;
    for (const values of runs) {
      rows.push(...statement.all(values));
      changes += Number(this.#db.keep('SELECT changes()').all()[0]?.[0] ?? 0);
    }
    return { changes, rows };
  }

  #limited<T extends object | void>(work: () => T): T {
    const { bytesMax, totalBytesMax, usedBytes } = this.#room;
    const left = Math.min(bytesMax, this.#bytes + Math.max(0, totalBytesMax - usedBytes));
    this.#db.exec(`PRAGMA temp.max_page_count = ${Math.max(1, Math.floor(left / PAGE_BYTES))}`);
    let done: T;
    try {
      done = work();
    } catch (error) {
      throw sqliteResultCode(error) === FULL ? tooLarge(left) : error;
    } finally {
      this.#count();
    }
    if (typeof done !== 'object' || !('failure' in done)) return done;
    return sqliteResultCode(done.failure) === FULL ? { ...done, failure: tooLarge(left) } : done;
  }

  #count(): void {
    const [[pages] = []] = this.#db.keep('PRAGMA temp.page_count').all();
    const bytes = Number(pages ?? 0) * PAGE_BYTES;
    this.#room.usedBytes += bytes - this.#bytes;
    this.#bytes = bytes;
  }
}

function tooLarge(bytes: number): MolnError {
  return new MolnError(
    'PLANNER_TEMPORARY_FULL',
    `The temporary tables of this connection would need more than ${bytes} bytes`,
    { hint: 'Delete rows that are no longer needed, or use an ordinary table that you drop' },
  );
}

/** A connection's own definitions, and what is kept for them. */
export class Temporary implements Disposable {
  /** Left out where only the definitions are known, and the rows are asked for. */
  readonly store: TemporaryStore | undefined;
  readonly plans: PlanCache = new PlanCache();
  readonly pool: ScratchPool = new ScratchPool();
  #objects: readonly StoredObject[];
  #over: { readonly base: Catalogue; readonly catalogue: Catalogue } | undefined;

  constructor(objects: readonly StoredObject[], store?: TemporaryStore) {
    this.#objects = objects;
    this.store = store;
  }

  get objects(): readonly StoredObject[] {
    return this.#objects;
  }

  set objects(objects: readonly StoredObject[]) {
    if (objects === this.#objects) return;
    this.#objects = objects;
    this.#over = undefined;
  }

  /** The definitions of the database with those of the connection. */
  catalogueOver(base: Catalogue): Catalogue {
    if (this.#objects.length === 0) return base;
    if (this.#over?.base !== base) {
      this.#over = { base, catalogue: base.withTemporary(this.#objects) };
    }
    return this.#over.catalogue;
  }

  get ownTables(): OwnTables {
    const { store } = this;
    return {
      objects: this.#objects,
      rows: (sql, values) => store?.rows(sql, values) ?? [],
    };
  }

  [Symbol.dispose](): void {
    this.#over?.catalogue[Symbol.dispose]();
    this.pool[Symbol.dispose]();
    this.store?.[Symbol.dispose]();
  }
}
