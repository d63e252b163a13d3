/**
 * Databases in memory with the user's own definitions, where gathered rows are put and the original text runs. They are
 * kept for the next statement and are empty in between. Without triggers, which would fire while rows are put in, and
 * without virtual tables, which are made when they are needed.
 */
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import {
  type Catalogue,
  foldName,
  list,
  makeSequence,
  ownColumns,
  type Table,
} from './catalogue.ts';
import { quoted } from './syntax.ts';
import type { SqlRow } from './values.ts';

/** Kept between statements; more are made when more run at once. */
const KEPT = 4;

export class Scratch implements Disposable {
  readonly db: MemoryDatabase;
  readonly catalogue: Catalogue;
  readonly #loaded = new Set<string>();
  /** Holds what the next statement must not see: it is thrown away. */
  spoiled = false;

  constructor(catalogue: Catalogue, db: MemoryDatabase) {
    this.catalogue = catalogue;
    this.db = db;
  }

  /** Says which tables the statement may touch, and makes the virtual ones among them. */
  open(tables: readonly Table[]): void {
    for (const table of tables) {
      this.#loaded.add(foldName(table.name));
      if (!table.virtual) continue;
      this.spoiled = true;
      this.db.exec(table.sql);
    }
  }

  put(table: Table, rows: readonly SqlRow[]): void {
    const columns = ownColumns(table);
    const marks = columns.map(() => '?').join(', ');
    const insert = this.db.keep(
      `INSERT INTO ${quoted(table.name)}(${list(columns)}) VALUES (${marks})`,
    );
    for (const row of rows) insert.run(row);
  }

  /** What a table holds now, in the columns of `put`. */
  read(table: Table): SqlRow[] {
    return this.db.keep(`SELECT ${list(ownColumns(table))} FROM ${quoted(table.name)}`).all();
  }

  clear(): void {
    for (const name of this.#loaded) this.db.exec(`DELETE FROM ${quoted(name)}`);
    this.#loaded.clear();
  }

  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
  }
}

export class ScratchPool implements Disposable {
  #free: Scratch[] = [];

  take(catalogue: Catalogue): Scratch {
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      if (free.catalogue === catalogue) return free;
      free[Symbol.dispose]();
    }
    const db = new MemoryDatabase();
    for (const { type, name, sql } of catalogue.objects) {
      if (type === 'trigger' || catalogue.table(name)?.virtual === true) continue;
      db.exec(sql);
    }
    if (catalogue.sequence) makeSequence(db);
    // A row that is put in was checked when it was written.
    db.exec('PRAGMA ignore_check_constraints = ON');
    return new Scratch(catalogue, db);
  }

  give(scratch: Scratch): void {
    if (scratch.spoiled || this.#free.length >= KEPT) {
      scratch[Symbol.dispose]();
      return;
    }
    scratch.clear();
    this.#free.push(scratch);
  }

  [Symbol.dispose](): void {
    for (const scratch of this.#free) scratch[Symbol.dispose]();
    this.#free = [];
  }
}
