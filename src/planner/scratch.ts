/**
 * Databases in memory with the user's own definitions, where gathered rows are put and the original text runs. They are
 * kept for the next statement and are empty in between. Without triggers, which would fire while rows are put in, and
 * without virtual tables, which are made when they are needed.
 */
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import { type Catalogue, makeSequence } from './catalogue.ts';
import { definitionIn, fullName, list, ownColumns, type Schema, type Table } from './table.ts';
import { withOwnContent } from './full-text.ts';
import { PROCESS_ROOM, type ScratchRoom } from './scratch-room.ts';
import type { SqlRow } from './values.ts';

/** Kept between statements; more are made when more run at once. */
const KEPT = 4;
/** A scratch that took more memory than this is not kept: SQLite gives none of it back. */
const KEPT_BYTES_MAX: number = 16 * 1024 * 1024;

export class Scratch implements Disposable {
  readonly db: MemoryDatabase;
  readonly catalogue: Catalogue;
  readonly #loaded = new Set<Table>();
  /** Tables whose rows stay for the next statement that reads, all of them as of `at`: the entry of each stripe's log. */
  readonly kept: Set<Table> = new Set();
  readonly at: Map<number, number> = new Map();
  /** Holds what the next statement must not see: it is thrown away. */
  spoiled = false;

  constructor(catalogue: Catalogue, db: MemoryDatabase) {
    this.catalogue = catalogue;
    this.db = db;
  }

  /** Says which tables the statement may touch, and makes the virtual ones among them. */
  open(tables: readonly Table[]): void {
    for (const table of tables) {
      this.#loaded.add(table);
      if (!table.virtual) continue;
      this.spoiled = true;
      this.db.exec(definitionIn(table.schema, { sql: withOwnContent(table) }));
    }
  }

  put(table: Table, rows: readonly SqlRow[]): void {
    const columns = ownColumns(table);
    const marks = columns.map(() => '?').join(', ');
    const insert = this.db.keep(
      `INSERT INTO ${fullName(table)}(${list(columns)}) VALUES (${marks})`,
    );
    for (const row of rows) insert.run(row);
  }

  /** What a table holds now, in the columns of `put`. */
  read(table: Table): SqlRow[] {
    return this.db.keep(`SELECT ${list(ownColumns(table))} FROM ${fullName(table)}`).all();
  }

  clear(): void {
    this.forget();
    this.tidy();
  }

  /** Nothing is kept. */
  forget(): void {
    this.kept.clear();
    this.at.clear();
  }

  /** Leaves what is kept. */
  tidy(): void {
    for (const table of this.#loaded) {
      if (this.kept.has(table)) continue;
      this.db.exec(`DELETE FROM ${fullName(table)}`);
      this.#loaded.delete(table);
    }
  }

  get bytes(): number {
    const [row] = this.db
      .keep('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size')
      .all();
    return Number(row?.[0] ?? 0);
  }

  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
  }
}

export class ScratchPool implements Disposable {
  readonly #room: ScratchRoom;
  #free: Scratch[] = [];
  #isClosed = false;

  constructor(room: ScratchRoom = PROCESS_ROOM) {
    this.#room = room;
  }

  /** `filled`: rather one that keeps rows than an empty one. */
  take(catalogue: Catalogue, filled = false): Scratch {
    for (const free of this.#free) if (free.catalogue !== catalogue) this.#drop(free);
    const wanted = this.#free.findLastIndex(({ kept }) => kept.size > 0 === filled);
    const found = wanted < 0 && filled ? this.#free.length - 1 : wanted;
    const free = this.#free[found];
    if (free === undefined) return this.#make(catalogue);
    this.#remove(free);
    return free;
  }

  #make(catalogue: Catalogue): Scratch {
    const db = new MemoryDatabase();
    fill(db, catalogue, 'main');
    if (catalogue.sequence) makeSequence(db);
    if (catalogue.temporary.length > 0) {
      db.exec('PRAGMA temp_store = MEMORY');
      fill(db, catalogue, 'temp');
    }
    // A row that is put in was checked when it was written.
    db.exec('PRAGMA ignore_check_constraints = ON');
    return new Scratch(catalogue, db);
  }

  give(scratch: Scratch): void {
    const isSpoiled = scratch.spoiled || this.#isClosed || this.#free.length >= KEPT;
    const bytes = isSpoiled ? 0 : scratch.bytes;
    if (isSpoiled || bytes > KEPT_BYTES_MAX) {
      scratch[Symbol.dispose]();
      return;
    }
    scratch.tidy();
    this.#free.push(scratch);
    this.#room.add(scratch, bytes, () => this.#drop(scratch));
  }

  #drop(scratch: Scratch): void {
    this.#remove(scratch);
    scratch[Symbol.dispose]();
  }

  #remove(scratch: Scratch): void {
    this.#room.remove(scratch);
    this.#free = this.#free.filter((free) => free !== scratch);
  }

  /** What is in use goes when it is given back. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const scratch of this.#free) this.#drop(scratch);
  }
}

function fill(db: MemoryDatabase, catalogue: Catalogue, schema: Schema): void {
  for (const object of schema === 'main' ? catalogue.objects : catalogue.temporary) {
    if (object.type === 'trigger' || catalogue.table(object.name, schema)?.virtual === true)
      continue;
    db.exec(definitionIn(schema, object));
  }
}

/** When the rows are there. */
export function makeTriggers(db: MemoryDatabase, { objects, temporary }: Catalogue): void {
  for (const one of objects) if (one.type === 'trigger') db.exec(definitionIn('main', one));
  for (const one of temporary) if (one.type === 'trigger') db.exec(definitionIn('temp', one));
}
