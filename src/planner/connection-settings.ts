/**
 * What one connection has set with PRAGMA. A few of them change how statements run; the rest tunes a file, and has a database of
 * its own here that remembers it and answers as SQLite does, without any effect on stripes.
 */
import { MemoryDatabase, type SqlRow } from '../sqlite/sqlite.ts';
import type { Binding } from './binding.ts';

export class ConnectionSettings implements Disposable {
  foreignKeys: boolean;
  recursiveTriggers = false;
  /** Until the transaction ends. */
  deferForeignKeys = false;
  queryOnly = false;
  /** Looks at what RETURNING returns before it has happened; see `WriteContext`. */
  admit: ((rows: readonly SqlRow[]) => void) | undefined;
  #tuned: MemoryDatabase | undefined;

  constructor(foreignKeys: boolean) {
    this.foreignKeys = foreignKeys;
  }

  /** What SQLite says to a PRAGMA that only tunes. */
  tune(sql: string): { readonly columns: readonly string[]; readonly rows: readonly SqlRow[] } {
    this.#tuned ??= new MemoryDatabase();
    const statement = this.#tuned.prepare(sql);
    const columns = statement.columns.map(({ name }) => name);
    return { columns, rows: statement.all() };
  }

  /** A text that reads or writes tables is a transaction, and with any of those SQLite forgets that keys are deferred. */
  ranAlone({ readsSchema, tables }: Pick<Binding, 'readsSchema' | 'tables'>): void {
    if (readsSchema || tables.length > 0) this.deferForeignKeys = false;
  }

  [Symbol.dispose](): void {
    this.#tuned?.[Symbol.dispose]();
    this.#tuned = undefined;
  }
}
