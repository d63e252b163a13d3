/** Rows on the screen or for another program: `.mode` of the shell. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { SqlRow, SqlValue } from '../hrana/hrana.ts';
import { shown, toJson } from './db-values.ts';
import { printable, type Words } from './words.ts';

export const MODES = ['table', 'csv', 'json', 'line'] as const;
export type Mode = (typeof MODES)[number];

/** Prints one result: its columns, its rows, its end. */
export interface Printer {
  row(row: SqlRow): Promise<void>;
  end(): Promise<void>;
}

/** Widths of columns are taken from so many rows. */
const MEASURED_ROWS = 500;
const CELL_CHARACTERS_MAX = 400;

export function isMode(text: string): text is Mode {
  return (MODES as readonly string[]).includes(text);
}

export function printerOf(
  mode: Mode,
  columns: readonly string[],
  { out, words }: { readonly out: Writable; readonly words: Words },
): Printer {
  const write = (text: string): Promise<void> => writeTo(out, text);
  switch (mode) {
    case 'table':
      return new TablePrinter(columns, write, words);
    case 'csv':
      return csvPrinter(columns, write);
    case 'json':
      return jsonPrinter(columns, write);
    case 'line':
      return linePrinter(columns, write);
  }
}

/** No faster than the reader takes it. */
export async function writeTo(out: Writable, text: string): Promise<void> {
  if (!out.write(text)) await once(out, 'drain');
}

class TablePrinter implements Printer {
  readonly #columns: readonly string[];
  readonly #write: (text: string) => Promise<void>;
  readonly #words: Words;
  #waiting: (readonly string[])[] = [];
  #widths: readonly number[] | undefined;

  constructor(columns: readonly string[], write: (text: string) => Promise<void>, words: Words) {
    this.#columns = columns.map(cell);
    this.#write = write;
    this.#words = words;
  }

  async row(row: SqlRow): Promise<void> {
    const cells = row.map((value) => cell(shown(value)));
    if (this.#widths !== undefined) {
      await this.#write(this.#line(cells));
      return;
    }
    this.#waiting.push(cells);
    if (this.#waiting.length >= MEASURED_ROWS) await this.end();
  }

  async end(): Promise<void> {
    if (this.#widths !== undefined) return;
    this.#widths = this.#columns.map((name, column) =>
      Math.max(name.length, ...this.#waiting.map((cells) => cells[column]?.length ?? 0)),
    );
    await this.#write(`${this.#words.style('dim', this.#line(this.#columns).trimEnd())}\n`);
    for (const cells of this.#waiting) await this.#write(this.#line(cells));
    this.#waiting = [];
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((text, column) => text.padEnd(this.#widths?.[column] ?? 0));
    return `${padded.join('  ').trimEnd()}\n`;
  }
}

function cell(text: string): string {
  const short = text.length > CELL_CHARACTERS_MAX ? `${text.slice(0, CELL_CHARACTERS_MAX)}…` : text;
  return printable(short.replaceAll('\n', '\\n').replaceAll('\t', '\\t'));
}

/** https://www.rfc-editor.org/rfc/rfc4180 */
function csvPrinter(columns: readonly string[], write: (text: string) => Promise<void>): Printer {
  const line = (cells: readonly string[]): Promise<void> =>
    write(
      `${cells.map((text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(',')}\r\n`,
    );
  let head: Promise<void> | undefined = line(columns);
  const begun = async (): Promise<void> => {
    await head;
    head = undefined;
  };
  return {
    row: async (row) => {
      await begun();
      await line(row.map((value) => (value === null ? '' : whole(value))));
    },
    end: begun,
  };
}

/** A list of objects; of columns with one name the last one counts. */
function jsonPrinter(columns: readonly string[], write: (text: string) => Promise<void>): Printer {
  let count = 0;
  return {
    row: async (row) => {
      const fields = columns.map((name, index) => [name, toJson(row[index] ?? null)] as const);
      await write(`${count === 0 ? '[' : ',\n '}${JSON.stringify(Object.fromEntries(fields))}`);
      count += 1;
    },
    end: () => write(count === 0 ? '[]\n' : ']\n'),
  };
}

function linePrinter(columns: readonly string[], write: (text: string) => Promise<void>): Printer {
  const width = Math.max(0, ...columns.map((name) => name.length));
  let count = 0;
  return {
    row: async (row) => {
      const lines = row.map(
        (value, index) =>
          `${(columns[index] ?? '').padStart(width)} = ${printable(whole(value))}\n`,
      );
      await write(`${count === 0 ? '' : '\n'}${lines.join('')}`);
      count += 1;
    },
    end: () => Promise.resolve(),
  };
}

/** Nothing is cut off. */
function whole(value: SqlValue): string {
  return value instanceof Uint8Array
    ? `X'${Buffer.from(value).toString('hex').toUpperCase()}'`
    : shown(value);
}
