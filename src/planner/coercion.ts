/** Asks SQLite itself what a column of an affinity makes of a value, for the cases that are not plain. */
import { MemoryDatabase } from '../sqlite/sqlite.ts';
import type { SqlValue } from './values.ts';

export class Coercion implements Disposable {
  readonly #db: MemoryDatabase;

  constructor() {
    this.#db = new MemoryDatabase();
    this.#db.exec(
      'CREATE TABLE c(integer INTEGER, real REAL, numeric NUMERIC, text TEXT, blob BLOB)',
    );
  }

  apply(value: SqlValue, affinity: string): SqlValue {
    this.#db.keep(`INSERT INTO c(${affinity}) VALUES (?)`).run([value]);
    const row = this.#db.keep(`SELECT ${affinity} FROM c`).all()[0];
    this.#db.keep('DELETE FROM c').run();
    return row?.[0] ?? null;
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}
