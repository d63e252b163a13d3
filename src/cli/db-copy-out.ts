/** A whole database as SQL text or as an SQLite file, as it is at one moment. */
import type { Display } from './progress.ts';
import type { SqlRow } from '../hrana/hrana.ts';
import { PlainFile } from '../sqlite/sqlite.ts';
import type { DatabaseStream } from './db-client.ts';
import { readDatabase } from './db-read.ts';
import {
  insertHead,
  lostText,
  rebuildIndex,
  type Shape,
  type TableShape,
  terminated,
} from './db-shape.ts';
import { toSql } from './db-values.ts';
import { count } from './words.ts';

export interface Copied {
  readonly tables: number;
  readonly rows: number;
  /** What is not as it was, in a sentence. */
  readonly doubt: string | undefined;
}

/** What takes a database in: each call in its order, `shape` first. */
interface Sink {
  shape(shape: Shape): Promise<void> | void;
  table(table: TableShape): Promise<void> | void;
  row(row: SqlRow): Promise<void> | void;
  end(): Promise<void> | void;
}

/** Of one INSERT: small enough for any reader. */
const INSERT_CHARACTERS = 64 * 1024;
const STEP_ROWS = 10_000;

/** Text that `moln db restore` and `sqlite3` read. */
export function dumpTo(
  stream: DatabaseStream,
  write: (text: string) => Promise<void>,
  display: Display | undefined,
): Promise<Copied> {
  return copyOut(stream, new DumpSink(write), display);
}

/** Makes the file at `path`, where nothing may be. */
export async function exportTo(
  stream: DatabaseStream,
  path: string,
  display: Display | undefined,
): Promise<Copied> {
  using file = PlainFile.create(path);
  return await copyOut(stream, new FileSink(file), display);
}

async function copyOut(
  stream: DatabaseStream,
  sink: Sink,
  display: Display | undefined,
): Promise<Copied> {
  let tables = 0;
  let rows = 0;
  let name = '';
  let ofTable = 0;
  let doubt: string | undefined;
  const step = (): void => {
    if (name !== '') display?.count(`${name}: ${count(ofTable, 'row')}`);
  };
  for await (const part of readDatabase(stream)) {
    if (part.kind === 'shape') {
      doubt = lostText(part.shape);
      await sink.shape(part.shape);
    } else if (part.kind === 'table') {
      step();
      ({ name } = part.table);
      tables += 1;
      ofTable = 0;
      await sink.table(part.table);
    } else {
      rows += 1;
      ofTable += 1;
      if (ofTable % STEP_ROWS === 0) step();
      await sink.row(part.row);
    }
  }
  step();
  await sink.end();
  return { tables, rows, doubt };
}

class DumpSink implements Sink {
  readonly #write: (text: string) => Promise<void>;
  #shape: Shape = { tables: [], after: [] };
  #table: TableShape | undefined;
  #rows: string[] = [];
  #characters = 0;

  constructor(write: (text: string) => Promise<void>) {
    this.#write = write;
  }

  async shape(shape: Shape): Promise<void> {
    this.#shape = shape;
    await this.#write('PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n');
    for (const { sql } of shape.tables) await this.#write(terminated(sql));
  }

  async table(table: TableShape): Promise<void> {
    await this.#flush();
    this.#table = table;
  }

  async row(row: SqlRow): Promise<void> {
    const text = `(${row.map(toSql).join(',')})`;
    this.#rows.push(text);
    this.#characters += text.length;
    if (this.#characters >= INSERT_CHARACTERS) await this.#flush();
  }

  async end(): Promise<void> {
    await this.#flush();
    for (const sql of [...fillings(this.#shape), ...this.#shape.after])
      await this.#write(terminated(sql));
    await this.#write('COMMIT;\n');
  }

  async #flush(): Promise<void> {
    if (this.#table !== undefined && this.#rows.length > 0)
      await this.#write(`${insertHead(this.#table)}\n${this.#rows.join(',\n')};\n`);
    this.#rows = [];
    this.#characters = 0;
  }
}

class FileSink implements Sink {
  readonly #file: PlainFile;
  #shape: Shape = { tables: [], after: [] };
  #insert: ReturnType<PlainFile['prepare']> | undefined;

  constructor(file: PlainFile) {
    this.#file = file;
  }

  shape(shape: Shape): void {
    this.#shape = shape;
    this.#file.exec('BEGIN');
    for (const { sql } of shape.tables) this.#file.exec(sql);
  }

  table(table: TableShape): void {
    const places = table.columns.map(() => '?').join(', ');
    this.#insert = this.#file.prepare(`${insertHead(table)}(${places})`);
  }

  row(row: SqlRow): void {
    this.#insert?.run(row);
  }

  end(): void {
    for (const sql of fillings(this.#shape)) this.#file.exec(sql);
    for (const sql of this.#shape.after) this.#file.exec(sql);
    this.#file.exec('COMMIT');
  }
}

function fillings({ tables }: Shape): readonly string[] {
  return tables.filter(({ fill }) => fill === 'index').map(rebuildIndex);
}
