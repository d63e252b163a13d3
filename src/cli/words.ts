/** Everything that the CLI prints goes through here: plain text, colours on terminals only, tables, JSON. */
import type { CliIo } from './io.ts';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const SGR: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

export class Words {
  readonly #io: CliIo;
  readonly #colours: boolean;

  constructor(io: CliIo) {
    this.#io = io;
    const off = io.env['NO_COLOR'];
    this.#colours = io.isTerminal && (off === undefined || off === '') && io.env['TERM'] !== 'dumb';
  }

  /** Wraps the text in the style's escape codes, on terminals that show colours. */
  style(style: Style, text: string): string {
    if (!this.#colours) return text;
    const [on, off] = SGR[style];
    return `\u001B[${on}m${text}\u001B[${off}m`;
  }

  /** One line of result. */
  line(text = ''): void {
    this.#io.stdout.write(`${text}\n`);
  }

  /** One line beside the result: progress, warnings, errors. */
  note(text: string): void {
    this.#io.stderr.write(`${text}\n`);
  }

  json(value: unknown): void {
    this.#io.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
  }

  /** Columns two spaces apart; the heads are dimmed. Cells come from outside, so they are cleaned. */
  table(heads: readonly string[], rows: readonly (readonly string[])[]): void {
    const cells = rows.map((row) => row.map(printable));
    const widths = heads.map((head, column) =>
      Math.max(head.length, ...cells.map((row) => row[column]?.length ?? 0)),
    );
    const join = (row: readonly string[]): string =>
      row
        .map((cell, column) => cell.padEnd(column === row.length - 1 ? 0 : (widths[column] ?? 0)))
        .join('  ')
        .trimEnd();
    this.line(this.style('dim', join(heads)));
    for (const row of cells) this.line(join(row));
  }
}

/** Control characters made visible: text from apps must not move a terminal's cursor. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replace(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, (control) =>
    control === '\r' ? '' : `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** `1 node`, `2 nodes`, `2 processes`. */
export function count(number: number, noun: string): string {
  const plural = noun.endsWith('s') ? `${noun}es` : `${noun}s`;
  return `${number} ${number === 1 ? noun : plural}`;
}
