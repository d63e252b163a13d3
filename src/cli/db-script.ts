/** SQL that comes in lines, typed or from a file: cut into statements, each with the number of its first line. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { MolnError, messageOf, systemCode } from '../base/errors.ts';
import { splitStatements } from '../sqlite/sqlite.ts';

export interface ScriptStatement {
  readonly sql: string;
  /** From 1. */
  readonly line: number;
}

/** What a statement may be that never ends. */
const OPEN_CHARACTERS_MAX: number = 512 * 1024 * 1024;

export class Script {
  #open = '';
  #startLine = 1;
  #line = 0;

  /** Whether a statement has begun. */
  get isOpen(): boolean {
    return this.#open !== '';
  }

  /** Statements that end on this line. */
  add(line: string): readonly ScriptStatement[] {
    this.#line += 1;
    if (this.#open === '') this.#startLine = this.#line;
    this.#open += `${line}\n`;
    if (this.#open.length > OPEN_CHARACTERS_MAX) throw endless(this.#startLine);
    // What is long is looked through only when it may end here.
    if (!line.includes(';') && line.trim() !== '' && !/^\s*--|\*\//.test(line)) return [];
    const { complete, rest } = splitStatements(this.#open);
    const statements = complete.map((sql) => ({ sql, line: this.#startLine }));
    if (rest === '' || complete.length > 0) this.#startLine = this.#line;
    this.#open = rest;
    return statements;
  }

  /** What is left without a semicolon. */
  end(): readonly ScriptStatement[] {
    const sql = splitStatements(`${this.#open};`).complete[0];
    const line = this.#startLine;
    this.clear();
    return sql === undefined ? [] : [{ sql, line }];
  }

  clear(): void {
    this.#open = '';
  }
}

/** Lines without their newline; a carriage return stays, for it may belong to a value. */
export async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let open = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = chunk.split('\n');
    lines[0] = open + (lines[0] ?? '');
    open = lines.pop() ?? '';
    yield* lines;
  }
  if (open !== '') yield open;
}

/** The same of a file. Throws `CLI_FILE`. */
export async function* linesOfFile(path: string): AsyncGenerator<string> {
  try {
    yield* linesOf(createReadStream(path));
  } catch (error) {
    throw fileError(path, 'read', error);
  }
}

export function fileError(path: string, verb: 'read' | 'written', cause: unknown): MolnError {
  const why = systemCode(cause) === 'ENOENT' ? 'there is no such file' : messageOf(cause);
  return new MolnError('CLI_FILE', `"${path}" cannot be ${verb}: ${why}`, {
    hint: 'Check the name, and that you may use it',
    cause,
  });
}

function endless(line: number): MolnError {
  return new MolnError('CLI_SQL_ENDLESS', `The statement of line ${line} does not end`, {
    hint: 'Look for a quote or a comment that is not closed, or a semicolon that is missing',
  });
}
