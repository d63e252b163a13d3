/**
 * Reads what SQLite's session extension wrote, as far as a copy must know before it applies it: whether it is whole, which
 * tables it touches, and how many rows. `node:sqlite` cannot tell, and applying silently does nothing where a table is missing.
 *
 * Format (sqlite3session.c, "CHANGESET BLOB FORMAT"): per table `T`, columns (varint), one byte per column (part of the key),
 * name, NUL; then per row its operation, one byte "indirect", the old values unless inserted, the new ones unless deleted.
 */
import type { SqlValue } from '../sqlite/sqlite.ts';
import { corrupt } from './errors.ts';

export interface ChangesetSummary {
  readonly tables: ReadonlySet<string>;
  /** Rows inserted, updated and deleted: what applying it adds to `total_changes()`. */
  readonly changes: number;
}

const TABLE = 0x54;
const INSERT = 18;
const UPDATE = 23;
const DELETE = 9;

const VALUE_NONE = 0;
const VALUE_INTEGER = 1;
const VALUE_FLOAT = 2;
const VALUE_TEXT = 3;
const VALUE_BLOB = 4;
const VALUE_NULL = 5;
const NUMBER_BYTES = 8;

/** Throws `DATABASE_CORRUPT` when it is not a whole changeset. */
export function summarize(changeset: Uint8Array): ChangesetSummary {
  const tables = new Set<string>();
  const cursor = new Cursor(changeset);
  let changes = 0;
  let columns = 0;
  while (!cursor.atEnd) {
    const op = cursor.byte();
    if (op === TABLE) {
      columns = cursor.varint();
      cursor.skip(columns);
      tables.add(cursor.text());
      continue;
    }
    if (columns === 0 || (op !== INSERT && op !== UPDATE && op !== DELETE)) throw broken(cursor.at);
    cursor.skip(1);
    for (let left = op === UPDATE ? 2 * columns : columns; left > 0; left--) cursor.skipValue();
    changes++;
  }
  return { tables, changes };
}

/** A row that a changeset touches, by its primary key, in the order of the table's columns. */
export interface TouchedRow {
  readonly table: string;
  readonly key: readonly SqlValue[];
}

/** Throws `DATABASE_CORRUPT` when it is not a whole changeset. */
export function touchedRows(changeset: Uint8Array): readonly TouchedRow[] {
  const rows: TouchedRow[] = [];
  const cursor = new Cursor(changeset);
  let table = '';
  let isKey: readonly boolean[] = [];
  while (!cursor.atEnd) {
    const op = cursor.byte();
    if (op === TABLE) {
      const columns = cursor.varint();
      isKey = Array.from({ length: columns }, () => cursor.byte() !== 0);
      table = cursor.text();
      continue;
    }
    cursor.skip(1);
    // The old values of an update have its key, the new ones only what changed.
    rows.push({ table, key: isKey.map(() => cursor.value()).filter((_, at) => isKey[at]) });
    if (op === UPDATE) for (const _ of isKey) cursor.skipValue();
  }
  return rows;
}

class Cursor {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at === this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw broken(this.at);
    return byte;
  }

  skip(count: number): void {
    this.at += count;
    if (this.at > this.#bytes.length) throw broken(this.at);
  }

  /** SQLite's own: seven bits a byte, the high ones first; lengths stay below 2^31, so five bytes at most. */
  varint(): number {
    let value = 0;
    for (let count = 0; count < 5; count++) {
      const byte = this.byte();
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    throw broken(this.at);
  }

  text(): string {
    const end = this.#bytes.indexOf(0, this.at);
    if (end < 0) throw broken(this.at);
    const text = Buffer.from(this.#bytes.subarray(this.at, end)).toString();
    this.at = end + 1;
    return text;
  }

  skipValue(): void {
    const kind = this.byte();
    if (kind === VALUE_INTEGER || kind === VALUE_FLOAT) this.skip(NUMBER_BYTES);
    else if (kind === VALUE_TEXT || kind === VALUE_BLOB) this.skip(this.varint());
    else if (kind !== VALUE_NONE && kind !== VALUE_NULL) throw broken(this.at);
  }

  /** Null also for one that is left out. */
  value(): SqlValue {
    const kind = this.byte();
    if (kind === VALUE_NONE || kind === VALUE_NULL) return null;
    if (kind === VALUE_INTEGER) return this.#piece(NUMBER_BYTES).readBigInt64BE();
    if (kind === VALUE_FLOAT) return this.#piece(NUMBER_BYTES).readDoubleBE();
    if (kind === VALUE_TEXT) return this.#piece(this.varint()).toString();
    if (kind === VALUE_BLOB) return Uint8Array.from(this.#piece(this.varint()));
    throw broken(this.at);
  }

  #piece(bytes: number): Buffer {
    const from = this.at;
    this.skip(bytes);
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, bytes);
  }
}

function broken(at: number): Error {
  return corrupt(`A changeset is broken at byte ${at}`);
}
