/** A striped table whose rows move between stripes: the texts for that, by the key that the stripes know its rows by. */
import type { SqlValue, Statement } from '../database/database.ts';
import { quoted, type slotOf, type SqlRow, storedColumns, type Table } from '../planner/planner.ts';
import { SPLIT_CHUNK_ROWS } from './limits.ts';

/** Keys of rows, each once. Most keys are one integer, which is all that is kept of them. */
export class KeySet {
  readonly #keys = new Map<SqlValue, readonly SqlValue[] | undefined>();

  get size(): number {
    return this.#keys.size;
  }

  /** False when it is known. */
  add(key: readonly SqlValue[]): boolean {
    const [only] = key;
    const isPlain = key.length === 1 && typeof only === 'bigint';
    const name = isPlain ? only : nameOf(key);
    if (this.#keys.has(name)) return false;
    this.#keys.set(name, isPlain ? undefined : key);
    return true;
  }

  *[Symbol.iterator](): Generator<readonly SqlValue[]> {
    for (const [name, key] of this.#keys) yield key ?? [name];
  }
}

function nameOf(key: readonly SqlValue[]): string {
  return JSON.stringify(
    key.map((value) => {
      if (value instanceof Uint8Array) return ['b', Buffer.from(value).toString('hex')];
      return [typeof value, String(value)];
    }),
  );
}

export class MovingTable {
  readonly #table: Table;
  /** In the order of the columns, as changesets have them. */
  readonly #key: readonly string[];
  readonly #columns: readonly string[];

  constructor(table: Table) {
    this.#table = table;
    this.#columns = storedColumns(table);
    this.#key = table.key.toSorted((a, b) => this.#columns.indexOf(a) - this.#columns.indexOf(b));
  }

  /** Rows of key and distribution column, by the key, behind `last`, which is such a row. */
  page(last: SqlRow | undefined, rows: number): Statement {
    const key = this.#key.map(quoted).join(', ');
    const marks = this.#key.map(() => '?').join(', ');
    const behind = last === undefined ? '' : ` WHERE (${key}) > (${marks})`;
    return {
      sql: `${this.#select()}${behind} ORDER BY ${key} LIMIT ${rows}`,
      args: last?.slice(0, -1) ?? [],
    };
  }

  /** The same of the rows with these keys. */
  find(keys: Iterable<readonly SqlValue[]>): readonly Statement[] {
    return this.#chunks(keys, (where) => `${this.#select()} WHERE ${where}`);
  }

  /** Whole rows, with key and distribution column behind. */
  read(keys: Iterable<readonly SqlValue[]>): readonly Statement[] {
    const columns = [...this.#columns, ...this.#key, this.#distkey].map(quoted).join(', ');
    const from = `SELECT ${columns} FROM ${quoted(this.#table.name)}`;
    return this.#chunks(keys, (where) => `${from} WHERE ${where}`);
  }

  keyOf(row: SqlRow): readonly SqlValue[] {
    return row.slice(this.#columns.length, -1);
  }

  /** Of a row of `page`, `find` or `read`. */
  slotOf(row: SqlRow, hash: typeof slotOf): number {
    return hash(row.at(-1) ?? null, this.#table.distkey?.collation ?? 'BINARY');
  }

  remove(keys: Iterable<readonly SqlValue[]>): readonly Statement[] {
    return this.#chunks(keys, (where) => `DELETE FROM ${quoted(this.#table.name)} WHERE ${where}`);
  }

  /** Puts in what `read` gave. */
  put(rows: readonly SqlRow[]): readonly Statement[] {
    const columns = this.#columns.map(quoted).join(', ');
    const one = `(${this.#columns.map(() => '?').join(', ')})`;
    const head = `INSERT INTO ${quoted(this.#table.name)}(${columns}) VALUES `;
    const width = this.#columns.length;
    // One text for most of them, which stays prepared.
    const many = Math.max(1, Math.floor(SPLIT_CHUNK_ROWS / width));
    const statements: Statement[] = [];
    for (let at = 0; at < rows.length;) {
      const count = rows.length - at >= many ? many : 1;
      const args = rows.slice(at, at + count).flatMap((row) => row.slice(0, width));
      statements.push({ sql: head + Array.from({ length: count }, () => one).join(', '), args });
      at += count;
    }
    return statements;
  }

  get #distkey(): string {
    return this.#table.distkey?.name ?? '';
  }

  #select(): string {
    const columns = [...this.#key, this.#distkey].map(quoted).join(', ');
    return `SELECT ${columns} FROM ${quoted(this.#table.name)}`;
  }

  /** The last key fills up, so that the text is the same for all but a few. */
  #chunks(
    keys: Iterable<readonly SqlValue[]>,
    textOf: (where: string) => string,
  ): readonly Statement[] {
    const all = [...keys];
    const [only] = this.#key;
    const one = `(${this.#key.map(() => '?').join(', ')})`;
    const statements: Statement[] = [];
    for (let at = 0; at < all.length; at += SPLIT_CHUNK_ROWS) {
      const some = all.slice(at, at + SPLIT_CHUNK_ROWS);
      const last = some.at(-1) ?? [];
      while (some.length < SPLIT_CHUNK_ROWS && all.length > SPLIT_CHUNK_ROWS / 4) some.push(last);
      const where =
        this.#key.length === 1
          ? `${quoted(only ?? '')} IN (${some.map(() => '?').join(', ')})`
          : `(${this.#key.map(quoted).join(', ')}) IN (VALUES ${some.map(() => one).join(', ')})`;
      statements.push({ sql: textOf(where), args: some.flat() });
    }
    return statements;
  }
}
