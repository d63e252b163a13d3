/** The shell of one database: statements and dot-commands, from wherever their lines come. */
import { resolve } from 'node:path';
import { MolnError } from '../base/errors.ts';
import { nearestName } from '../base/suggest.ts';
import type { Context } from './command.ts';
import type { DatabaseStream } from './db-client.ts';
import { isMode, type Mode, MODES, type Printer, printerOf, writeTo } from './db-print.ts';
import { linesOfFile, Script, type ScriptStatement } from './db-script.ts';
import { count, printable } from './words.ts';

/** Files that read files that read files. */
const READ_DEPTH_MAX = 16;
/** Not what SQLite makes for itself, or for a full-text table. */
const OWN =
  "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')";
const TRANSACTION = /^\s*(?:begin|commit|end|rollback|savepoint|release)\b/i;

interface DotCommand {
  readonly words: string;
  readonly meaning: string;
  readonly run: (rest: string) => Promise<void>;
}

export class Shell implements AsyncDisposable {
  readonly #context: Context;
  readonly #name: string;
  readonly #stream: DatabaseStream;
  readonly #commands: Readonly<Record<string, DotCommand>>;
  #mode: Mode;
  #timing = false;
  #depth = 0;
  #isOver = false;

  constructor(context: Context, name: string) {
    this.#context = context;
    this.#name = name;
    this.#stream = context.client().sql(name);
    this.#mode = context.json ? 'json' : 'table';
    this.#commands = this.#table();
  }

  /** `.quit` was typed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get isAutocommit(): boolean {
    return this.#stream.isAutocommit;
  }

  /** Runs all lines up to the first error, which names its line when it comes from a `file`. */
  async lines(lines: AsyncIterable<string> | Iterable<string>, file?: string): Promise<void> {
    const script = new Script();
    let number = 0;
    for await (const line of lines) {
      number += 1;
      if (!script.isOpen && line.startsWith('.')) {
        await this.#at(file, number, () => this.dot(line));
        if (this.#isOver) return;
        continue;
      }
      for (const one of script.add(line)) await this.#scripted(one, file);
    }
    for (const one of script.end()) await this.#scripted(one, file);
  }

  /** Rolls back what is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream[Symbol.asyncDispose]();
  }

  /** Prints what one statement gives. */
  async statement(sql: string, signal?: AbortSignal): Promise<void> {
    const { io, words, clock, json } = this.#context;
    const began = clock.monotonicMs();
    let printer: Printer | undefined;
    for await (const event of this.#stream.cursor([{ sql }], signal)) {
      if (event.kind === 'begin') {
        if (event.columns.length > 0)
          printer = printerOf(this.#mode, event.columns, { out: io.stdout, words });
      } else if (event.kind === 'row') await printer?.row(event.row);
      else {
        await printer?.end();
        if (printer === undefined && event.changes > 0 && !json)
          words.note(`${count(event.changes, 'row')} changed`);
      }
    }
    if (TRANSACTION.test(sql) || !this.#stream.isAutocommit) await this.#stream.refresh();
    if (this.#timing) words.note(`Time: ${(clock.monotonicMs() - began).toFixed(1)} ms`);
  }

  /** Throws `CLI_DOT` for what is no command. */
  async dot(line: string): Promise<void> {
    const [, name = '', rest = ''] = /^\.(\S*)\s*([\s\S]*)$/.exec(line.trim()) ?? [];
    const command = Object.hasOwn(this.#commands, name) ? this.#commands[name] : undefined;
    if (command === undefined) {
      const near = nearestName(name, Object.keys(this.#commands));
      throw new MolnError('CLI_DOT', `There is no command ".${name}"`, {
        hint: near === undefined ? 'See all with ".help"' : `Did you mean ".${near}"?`,
      });
    }
    await command.run(rest.replace(/;\s*$/, '').trim());
  }

  #table(): Readonly<Record<string, DotCommand>> {
    const quit: DotCommand = {
      words: '.quit',
      meaning: 'leave; Ctrl-D does the same',
      run: () => {
        this.#isOver = true;
        return Promise.resolve();
      },
    };
    return {
      tables: { words: '.tables', meaning: 'tables and views', run: () => this.#tables() },
      schema: {
        words: '.schema [TABLE]',
        meaning: 'the text that made it',
        run: (table) => this.#schema(table),
      },
      explain: {
        words: '.explain SQL',
        meaning: 'which stripes a statement asks, and what each runs',
        run: (sql) => this.#explain(given(sql, 'SQL')),
      },
      mode: {
        words: `.mode ${MODES.join('|')}`,
        meaning: 'how rows are printed',
        run: (mode) => this.#setMode(mode),
      },
      timing: {
        words: '.timing on|off',
        meaning: 'tell how long a statement took',
        run: (text) => this.#setTiming(text),
      },
      read: {
        words: '.read FILE',
        meaning: 'run the statements of a file, up to the first error',
        run: (file) => this.#read(given(file, 'FILE')),
      },
      help: { words: '.help', meaning: 'this', run: () => this.#help() },
      quit,
      exit: quit,
    };
  }

  async #tables(): Promise<void> {
    const { rows } = await this.#stream.execute({
      sql: `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND ${OWN} ORDER BY name`,
    });
    for (const [name] of rows) this.#context.words.line(printable(String(name)));
  }

  async #schema(table: string): Promise<void> {
    const where = table === '' ? '' : ' AND tbl_name = ? COLLATE NOCASE';
    const { rows } = await this.#stream.execute({
      sql: `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND ${OWN}${where} ORDER BY rowid`,
      args: table === '' ? [] : [table.replace(/^"(.*)"$/, '$1')],
    });
    if (rows.length === 0 && table !== '') {
      throw new MolnError('CLI_NO_TABLE', `There is no table "${table}"`, {
        hint: 'See them with ".tables"',
      });
    }
    for (const [sql] of rows) {
      await writeTo(this.#context.io.stdout, `${printable(String(sql))};\n`);
    }
  }

  async #explain(sql: string): Promise<void> {
    const { lines } = await this.#context.client().explainQuery(this.#name, sql);
    for (const line of lines) this.#context.words.line(printable(line));
  }

  #setMode(mode: string): Promise<void> {
    if (!isMode(mode)) throw wrongWord('.mode', mode, MODES);
    this.#mode = mode;
    return Promise.resolve();
  }

  #setTiming(text: string): Promise<void> {
    if (text !== 'on' && text !== 'off') throw wrongWord('.timing', text, ['on', 'off']);
    this.#timing = text === 'on';
    return Promise.resolve();
  }

  async #read(file: string): Promise<void> {
    if (this.#depth >= READ_DEPTH_MAX) {
      throw new MolnError('CLI_READ_DEPTH', `More than ${READ_DEPTH_MAX} files read each other`, {
        hint: `Take ".read" out of "${file}"`,
      });
    }
    this.#depth += 1;
    try {
      await this.lines(linesOfFile(resolve(this.#context.io.cwd, file)), file);
    } finally {
      this.#depth -= 1;
    }
  }

  #help(): Promise<void> {
    const all = [...new Set(Object.values(this.#commands))];
    const width = Math.max(...all.map(({ words }) => words.length));
    const { words } = this.#context;
    for (const one of all) words.line(`${one.words.padEnd(width)}  ${one.meaning}`);
    words.line('A statement ends with a semicolon and may have several lines.');
    return Promise.resolve();
  }

  #scripted({ sql, line }: ScriptStatement, file: string | undefined): Promise<void> {
    return this.#at(file, line, () => this.statement(sql));
  }

  async #at(file: string | undefined, line: number, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw file === undefined ? error : atLine(error, file, line);
    }
  }
}

/** The same error with the place that it comes from; what comes from a file that was read in turn has one already. */
export function atLine(error: unknown, file: string, line: number): unknown {
  if (!(error instanceof MolnError) || error.message.startsWith('Line ')) return error;
  const place = `Line ${line} of ${file}`;
  return new MolnError(error.code, `${place}: ${error.message}`, {
    retryable: error.retryable,
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

function given(text: string, what: string): string {
  if (text !== '') return text;
  throw new MolnError('CLI_DOT', `${what} is missing`, { hint: 'See ".help"' });
}

function wrongWord(command: string, word: string, wanted: readonly string[]): MolnError {
  return new MolnError('CLI_DOT', `${command} takes ${wanted.join(', ')}, not "${word}"`, {
    hint: 'See ".help"',
  });
}
