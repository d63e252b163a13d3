/** The entries, in one SQLite file that several instances may have open. */
import { DatabaseSync } from 'node:sqlite';

export interface Entry {
  readonly id: number;
  readonly name: string;
  readonly message: string;
  /** Epoch milliseconds. */
  readonly writtenAt: number;
}

export const NAME_CHARACTERS_MAX = 60;
export const MESSAGE_CHARACTERS_MAX = 1000;

export class Entries {
  readonly #database: DatabaseSync;

  /** `file` may be `:memory:`. */
  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: 5000 });
    this.#database.exec('PRAGMA journal_mode = WAL');
    this.#database.exec(`CREATE TABLE IF NOT EXISTS entries (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL,
      message TEXT NOT NULL,
      written_at INTEGER NOT NULL
    ) STRICT`);
  }

  add(entry: Omit<Entry, 'id'>): void {
    this.#database
      .prepare('INSERT INTO entries (name, message, written_at) VALUES (?, ?, ?)')
      .run(entry.name, entry.message, entry.writtenAt);
  }

  /** Newest first, at most `limit`, only those before the entry `before` when that is given. */
  list(limit: number, before: number = Number.MAX_SAFE_INTEGER): Entry[] {
    const rows = this.#database
      .prepare(
        'SELECT id, name, message, written_at FROM entries WHERE id < ? ORDER BY id DESC LIMIT ?',
      )
      .all(before, limit);
    return rows.map((row) => ({
      id: Number(row['id']),
      name: String(row['name']),
      message: String(row['message']),
      writtenAt: Number(row['written_at']),
    }));
  }

  count(): number {
    return Number(this.#database.prepare('SELECT count(*) AS n FROM entries').get()?.['n'] ?? 0);
  }

  close(): void {
    this.#database.close();
  }
}
