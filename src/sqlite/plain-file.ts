/** An SQLite file that is not one of Moln's: a user's, read as it is, or made for a user. Rows as in `MemoryDatabase`. */
import { DatabaseSync } from 'node:sqlite';
import { sqliteError } from './errors.ts';
import { type MemoryStatement, typedStatement } from './memory.ts';

export class PlainFile implements Disposable {
  readonly #raw: DatabaseSync;
  readonly #path: string;

  private constructor(raw: DatabaseSync, path: string) {
    this.#raw = raw;
    this.#path = path;
  }

  /** Only reads. Throws `SQLITE_…` for what is no SQLite file. */
  static open(path: string): PlainFile {
    const file = PlainFile.#open(path, true);
    // The header is looked at by the first statement.
    file.prepare('SELECT count(*) FROM sqlite_schema').all();
    return file;
  }

  /** A new one in place of nothing: written fast, and on the disk only when the caller has synced it. */
  static create(path: string): PlainFile {
    const file = PlainFile.#open(path, false);
    file.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF');
    return file;
  }

  static #open(path: string, readOnly: boolean): PlainFile {
    try {
      const raw = new DatabaseSync(path, { readOnly, enableForeignKeyConstraints: false });
      return new PlainFile(raw, path);
    } catch (error) {
      throw sqliteError(error, path);
    }
  }

  exec(sql: string): void {
    this.#guard(() => this.#raw.exec(sql));
  }

  prepare(sql: string): MemoryStatement {
    return this.#guard(() => typedStatement(this.#raw.prepare(sql)));
  }

  [Symbol.dispose](): void {
    if (this.#raw.isOpen) this.#raw.close();
  }

  #guard<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw sqliteError(error, this.#path);
    }
  }
}
