/**
 * Which rows of a stripe belong to slots that are to move, found while clients write on: first a walk through its tables, then, again
 * and again, whatever the log says was touched since. A row that exists when the stripe is held was either there all the time, and the
 * walk has met it, or was touched, and the log names it. So no index by slot is needed, and nothing is walked while clients wait.
 */
import { type CommitLog, type Entry, type Statement, touchedRows } from '../database/database.ts';
import { slotOf, type SqlRow, type Table } from '../planner/planner.ts';
import { SPLIT_KEYS_MAX, SPLIT_PAGE_ROWS } from './limits.ts';
import { KeySet, MovingTable } from './moving-table.ts';

/** Asks the stripe; the answer contains entry `index` at least. */
export type Ask = (statement: Statement, index: number) => Promise<readonly SqlRow[]>;

export interface Portion {
  readonly slots: ReadonlySet<number>;
  readonly keys: ReadonlyMap<MovingTable, KeySet>;
}

export class MovingRows {
  readonly #log: CommitLog;
  readonly #stripe: string;
  /** By the name in lower case. */
  readonly #tables: ReadonlyMap<string, MovingTable>;
  readonly #slots = new Map<number, Map<MovingTable, KeySet>>();
  #keys = 0;
  /** The log is known up to this entry. */
  #index = 0;

  /** `slots`: those that are to move; it may be too much to know the rows of all of them at once. */
  constructor(options: {
    readonly log: CommitLog;
    readonly stripe: string;
    readonly tables: Iterable<Table>;
    readonly slots: Iterable<number>;
  }) {
    this.#log = options.log;
    this.#stripe = options.stripe;
    const striped = [...options.tables].filter(({ distkey }) => distkey !== undefined);
    this.#tables = new Map(
      striped.map((table) => [table.name.toLowerCase(), new MovingTable(table)]),
    );
    for (const slot of [...options.slots].toSorted((a, b) => a - b))
      this.#slots.set(slot, new Map());
  }

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  /** Walks through the tables. Throws what `ask` throws. */
  async scan(ask: Ask, signal: AbortSignal): Promise<void> {
    this.#index = (await this.#log.head(this.#stripe)).index;
    for (const table of this.#tables.values()) {
      for (let last: SqlRow | undefined, full = true; full;) {
        signal.throwIfAborted();
        const rows = await ask(table.page(last, SPLIT_PAGE_ROWS), this.#index);
        for (const row of rows) this.#note(table, row);
        last = rows.at(-1);
        full = rows.length === SPLIT_PAGE_ROWS;
      }
    }
  }

  /** Takes in what was touched since, up to the newest entry. Throws `DATABASE_TRIMMED` when the log has been trimmed before that. */
  async catchUp(ask: Ask): Promise<void> {
    for (;;) {
      const entries = await this.#log.read(this.#stripe, this.#index + 1);
      const newest = entries.at(-1);
      if (newest === undefined) return;
      for (const [table, keys] of this.#touched(entries)) {
        for (const statement of table.find(keys))
          for (const row of await ask(statement, newest.index)) this.#note(table, row);
      }
      this.#index = newest.index;
    }
  }

  /** The next slots, with about so many keys; at least one slot. Keys may be of rows that are no more, or belong elsewhere now. */
  next(keysMax: number): Portion {
    const slots = new Set<number>();
    const keys = new Map<MovingTable, KeySet>();
    let count = 0;
    for (const [slot, tables] of this.#slots) {
      const own = sizeOf(tables);
      if (slots.size > 0 && count + own > keysMax) break;
      count += own;
      slots.add(slot);
      for (const [table, more] of tables) {
        const known = keys.get(table) ?? new KeySet();
        keys.set(table, known);
        for (const key of more) known.add(key);
      }
    }
    return { slots, keys };
  }

  /** They have moved, by the entry `index`: what that one touched need not be looked at. */
  moved(slots: ReadonlySet<number>, index: number): void {
    for (const slot of slots) this.#forget(slot);
    if (index === this.#index + 1) this.#index = index;
  }

  #note(table: MovingTable, row: SqlRow): void {
    const slot = table.slotOf(row, slotOf);
    const tables = this.#slots.get(slot);
    if (tables === undefined) return;
    const keys = tables.get(table) ?? new KeySet();
    tables.set(table, keys);
    if (keys.add(row.slice(0, -1))) this.#keys++;
    // What does not fit is looked for later, when these have moved.
    if (this.#keys <= SPLIT_KEYS_MAX || this.#slots.size === 1) return;
    this.#forget([...this.#slots.keys()].at(-1) ?? slot);
  }

  #forget(slot: number): void {
    this.#keys -= sizeOf(this.#slots.get(slot) ?? new Map());
    this.#slots.delete(slot);
  }

  #touched(entries: readonly Entry[]): ReadonlyMap<MovingTable, KeySet> {
    const found = new Map<MovingTable, KeySet>();
    for (const part of entries.flatMap(({ parts }) => parts)) {
      if (part.kind !== 'changes') continue;
      for (const { table: name, key } of touchedRows(part.changeset)) {
        const table = this.#tables.get(name.toLowerCase());
        if (table === undefined) continue;
        const keys = found.get(table) ?? new KeySet();
        found.set(table, keys);
        keys.add(key);
      }
    }
    return found;
  }
}

function sizeOf(tables: ReadonlyMap<MovingTable, KeySet>): number {
  let size = 0;
  for (const keys of tables.values()) size += keys.size;
  return size;
}
