/** SQL text or an SQLite file into a database, in many transactions: each is whole, and an error tells where it stopped. */
import { MolnError } from '../base/errors.ts';
import type { SqlRow } from '../hrana/hrana.ts';
import { liftLiterals, PlainFile } from '../sqlite/sqlite.ts';
import type { DatabaseStream, SqlStatement } from './db-client.ts';
import type { Copied } from './db-copy-out.ts';
import { Script, type ScriptStatement } from './db-script.ts';
import { atLine } from './db-shell.ts';
import { insertHead, readShape, rebuildIndex, rowsQuery, type TableShape } from './db-shape.ts';
import type { Display } from './progress.ts';
import { count } from './words.ts';

/** Of one transaction. */
const ROWS_MAX = 500;
const BYTES_MAX: number = 2 * 1024 * 1024;
/** Of one INSERT; SQLite takes 32,766 arguments. */
const ARGUMENTS_MAX = 10_000;
/** A text or blob of at least this travels as an argument. */
const LIFTED_CHARACTERS = 4_096;
const STEP_STATEMENTS = 100;
const VALUE_BYTES = 16;

/** Statements that only put rows in: they go together. Others, as CREATE, go alone. */
const FILLING = /^\s*(?:insert|replace|update|delete)\b/i;
/** What a dump says around its statements. Each of our transactions has its own. */
const AROUND = /^\s*(?:begin|commit|end|pragma)\b/i;
/** https://sqlite.org/fileformat2.html#seqtab: kept by the database itself. */
const INTERNAL = /^\s*(?:insert\s+into|delete\s+from)\s+"?sqlite_/i;

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
    if (AROUND.test(bare) || INTERNAL.test(bare)) return;
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
    if (this.#done % STEP_STATEMENTS < statements.length)
      this.#display?.step(count(this.#done, 'statement'));
  }

  async #alone(one: ScriptStatement): Promise<void> {
    try {
      await this.#stream.execute(liftLiterals(one.sql, LIFTED_CHARACTERS));
    } catch (error) {
      this.#fail(error, one);
    }
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
  using file = PlainFile.open(path);
  // All of it as it is now, whatever another process writes meanwhile.
  file.exec('BEGIN');
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
  return { tables: shape.tables.length, rows };
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
    this.#display?.step(`${this.#table.name}: ${count(this.#done, 'row')}`);
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
