/** SQL text or an SQLite file into a database, in many transactions: each is whole, and an error tells where it stopped. */
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { SqlRow } from '../hrana/hrana.ts';
import { liftLiterals, PlainFile } from '../sqlite/sqlite.ts';
import type { DatabaseStream, SqlStatement } from './db-client.ts';
import type { Copied } from './db-copy-out.ts';
import { Script, type ScriptStatement } from './db-script.ts';
import { atLine } from './db-shell.ts';
import {
  insertHead,
  lostText,
  raiseSequence,
  readShape,
  rebuildIndex,
  rowsQuery,
  type TableShape,
} from './db-shape.ts';
import type { Display } from './progress.ts';
import { count } from './words.ts';

/** Of one transaction. */
const ROWS_MAX = 500;
const BYTES_MAX: number = 2 * 1024 * 1024;
/** Of one INSERT; SQLite takes 32,766 arguments. */
const ARGUMENTS_MAX = 10_000;
/** A text or blob of at least this travels as an argument. */
const LIFTED_CHARACTERS = 4_096;
const VALUE_BYTES = 16;

/** Statements that only put rows in: they go together. Others, as CREATE, go alone. */
const FILLING = /^\s*(?:insert|replace|update|delete)\b/i;
/** What a dump says around its statements. Each of our transactions has its own. */
const AROUND =
  /^(?:begin|commit|end|pragma(?!\s+(?:user_version|application_id)\s*=\s*-?\d+\s*;?\s*$))\b/i;
const KEYS_OFF = /^pragma\s+foreign_keys\s*=\s*(?:off|no|false|0)\s*;?\s*$/i;
/** How `sqlite3 .dump` begins virtual tables; SQLite's own pages of them follow. */
const OWN_PAGES = /^pragma\s+writable_schema\s*=\s*on\b/i;
/** https://sqlite.org/fileformat2.html#stat1tab: kept by the database itself. */
const INTERNAL = /^(?:insert\s+into|delete\s+from)\s+"?sqlite_(?!sequence\b)/i;
/** As `sqlite3 .dump` writes https://sqlite.org/fileformat2.html#seqtab; other tables keep theirs. */
const NO_SEQUENCE = /^delete\s+from\s+"?sqlite_sequence"?\s*;?\s*$/i;
const SEQUENCE =
  /^insert\s+into\s+"?sqlite_sequence"?\s*values\s*\(\s*'((?:[^']|'')*)'\s*,\s*(\d+)\s*\)\s*;?\s*$/i;

/** Runs the statements of a dump. Returns how many. */
export async function restoreFrom(
  stream: DatabaseStream,
  { lines, file }: { readonly lines: AsyncIterable<string>; readonly file: string },
  display: Display | undefined,
): Promise<number> {
  const restoring = new Restoring(stream, file, display);
  const script = new Script();
  for await (const line of lines) for (const one of script.add(line)) await restoring.add(one);
  for (const one of script.end()) await restoring.add(one);
  return await restoring.end();
}

class Restoring {
  readonly #stream: DatabaseStream;
  readonly #file: string;
  readonly #display: Display | undefined;
  #waiting: ScriptStatement[] = [];
  #characters = 0;
  #done = 0;

  constructor(stream: DatabaseStream, file: string, display: Display | undefined) {
    this.#stream = stream;
    this.#file = file;
    this.#display = display;
  }

  async add(one: ScriptStatement): Promise<void> {
    const bare = one.sql.replace(/^(?:\s+|--[^\n]*\n|\/\*[\s\S]*?\*\/)+/, '');
    if (OWN_PAGES.test(bare)) throw this.#ownPages(one);
    if (KEYS_OFF.test(bare)) await this.#stream.ignoreForeignKeys();
    if (AROUND.test(bare) || INTERNAL.test(bare) || NO_SEQUENCE.test(bare)) return;
    const [, table, given] = SEQUENCE.exec(bare) ?? [];
    if (table === undefined || given === undefined) return await this.#add(one, bare);
    const raised = raiseSequence(table.replaceAll("''", "'"), BigInt(given));
    for (const sql of raised) await this.#add({ ...one, sql }, sql);
  }

  async #add(one: ScriptStatement, bare: string): Promise<void> {
    if (!FILLING.test(bare)) await this.#flush();
    this.#waiting.push(one);
    this.#characters += one.sql.length;
    const isFull = this.#waiting.length >= ROWS_MAX || this.#characters >= BYTES_MAX;
    if (isFull || !FILLING.test(bare)) await this.#flush();
  }

  async end(): Promise<number> {
    await this.#flush();
    return this.#done;
  }

  async #flush(): Promise<void> {
    const statements = this.#waiting;
    this.#waiting = [];
    this.#characters = 0;
    const [only] = statements;
    if (only === undefined) return;
    if (statements.length === 1) await this.#alone(only);
    else {
      const failure = await this.#stream.together(
        statements.map(({ sql }) => liftLiterals(sql, LIFTED_CHARACTERS)),
      );
      // The first statement when it was the transaction itself that failed.
      if (failure !== undefined) this.#fail(failure.error, statements[failure.index] ?? only);
    }
    this.#done += statements.length;
    this.#display?.count(count(this.#done, 'statement'));
  }

  async #alone(one: ScriptStatement): Promise<void> {
    try {
      await this.#stream.execute(liftLiterals(one.sql, LIFTED_CHARACTERS));
    } catch (error) {
      this.#fail(error, one);
    }
  }

  #ownPages({ line }: ScriptStatement): MolnError {
    return new MolnError(
      'CLI_DUMP_PAGES',
      `Line ${line} of ${this.#file}: virtual tables come as SQLite's own pages from here on`,
      {
        hint: 'Drop the database, make a file with "sqlite3 shop.sqlite < DUMP", and take that in with "moln db import"',
      },
    );
  }

  #fail(error: unknown, { line }: ScriptStatement): never {
    throw atLine(error, this.#file, line);
  }
}

/** Makes the tables of the file and copies their rows. */
export async function importFrom(
  stream: DatabaseStream,
  path: string,
  display: Display | undefined,
): Promise<Copied> {
  using file = openFile(path);
  // All of it as it is now, whatever another process writes meanwhile.
  file.exec('BEGIN');
  const keys = doubtOfKeys(file);
  // Tables that lead to each other have no order, and rows of one table none that is known.
  await stream.ignoreForeignKeys();
  const shape = await readShape((sql) => Promise.resolve(file.prepare(sql).all() as SqlRow[]));
  for (const { name, sql } of shape.tables) await make(stream, sql, `Table "${name}"`);
  let rows = 0;
  for (const table of shape.tables) {
    if (table.fill === 'rows') rows += await new TableImport(stream, file, table, display).run();
    if (table.fill === 'index') await make(stream, rebuildIndex(table), `Table "${table.name}"`);
  }
  for (const sql of shape.after) {
    const [, what = 'Object'] =
      /^\s*CREATE\s+(?:UNIQUE\s+)?([^(]+?)\s+(?:ON|AS|BEFORE|AFTER|INSTEAD|\()/i.exec(sql) ?? [];
    await make(stream, sql, what);
  }
  const doubts = [keys, lostText(shape)].filter((one) => one !== undefined);
  return { tables: shape.tables.length, rows, doubt: doubts.join('\n') || undefined };
}

function openFile(path: string): PlainFile {
  try {
    return PlainFile.open(path);
  } catch (error) {
    if (!isMolnError(error, 'SQLITE_CORRUPT')) throw error;
    throw new MolnError(error.code, `"${path}" is damaged, or no SQLite database`, {
      hint: 'Give a file that SQLite made; SQL text is taken in with "moln db restore"',
      cause: error,
    });
  }
}

/** SQLite keeps no foreign keys unless a program asks for it, so files have rows that break them. */
function doubtOfKeys(file: PlainFile): string | undefined {
  try {
    const broken = file.prepare('PRAGMA foreign_key_check').all().length;
    if (broken === 0) return undefined;
    return `${count(broken, 'foreign key')} lead nowhere, as in the file: see PRAGMA foreign_key_check`;
  } catch (error) {
    return `The foreign keys of the file cannot be checked: ${messageOf(error)}`;
  }
}

async function make(stream: DatabaseStream, sql: string, what: string): Promise<void> {
  try {
    await stream.execute({ sql });
  } catch (error) {
    throw error instanceof MolnError ? told(error, what) : error;
  }
}

/** The rows of one table, so many in a transaction. */
class TableImport {
  readonly #stream: DatabaseStream;
  readonly #file: PlainFile;
  readonly #table: TableShape;
  readonly #display: Display | undefined;
  readonly #rowsOfInsert: number;
  #done = 0;

  constructor(
    stream: DatabaseStream,
    file: PlainFile,
    table: TableShape,
    display: Display | undefined,
  ) {
    this.#stream = stream;
    this.#file = file;
    this.#table = table;
    this.#display = display;
    this.#rowsOfInsert = Math.max(1, Math.floor(ARGUMENTS_MAX / table.columns.length));
  }

  async run(): Promise<number> {
    let rows: SqlRow[] = [];
    let bytes = 0;
    for (const row of this.#file.prepare(rowsQuery(this.#table)).iterate() as Iterable<SqlRow>) {
      rows.push(row);
      for (const value of row)
        bytes +=
          typeof value === 'string' || value instanceof Uint8Array ? value.length : VALUE_BYTES;
      if (rows.length < ROWS_MAX && bytes < BYTES_MAX) continue;
      await this.#write(rows);
      rows = [];
      bytes = 0;
    }
    if (rows.length > 0) await this.#write(rows);
    return this.#done;
  }

  async #write(rows: readonly SqlRow[]): Promise<void> {
    const statements: SqlStatement[] = [];
    for (let at = 0; at < rows.length; at += this.#rowsOfInsert) {
      statements.push(this.#insert(rows.slice(at, at + this.#rowsOfInsert)));
    }
    const failure = await this.#stream.together(statements);
    if (failure !== undefined) await this.#findRow(rows, failure.error);
    this.#done += rows.length;
    this.#display?.count(`${this.#table.name}: ${count(this.#done, 'row')}`);
  }

  /** Nothing of these rows was written: one after the other, to say which one it is. */
  async #findRow(rows: readonly SqlRow[], error: MolnError): Promise<never> {
    const failure = await this.#stream.together(rows.map((row) => this.#insert([row])));
    if (failure === undefined) throw told(error, `Table "${this.#table.name}"`);
    const number = this.#done + failure.index + 1;
    throw told(failure.error, `Table "${this.#table.name}", row ${number}`);
  }

  #insert(rows: readonly SqlRow[]): SqlStatement {
    const places = `(${this.#table.columns.map(() => '?').join(', ')})`;
    const sql = `${insertHead(this.#table)} ${rows.map(() => places).join(', ')}`;
    return { sql, args: rows.flat() };
  }
}

function told(error: MolnError, where: string): MolnError {
  return new MolnError(error.code, `${where}: ${error.message}`, {
    retryable: error.retryable,
    hint:
      error.hint ??
      'What came before it is in the database; drop it, mend the file and import again',
    cause: error,
  });
}
