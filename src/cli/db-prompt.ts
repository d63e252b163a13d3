/** The shell at a terminal: prompt, history, and Ctrl-C, which ends a statement or throws away a line, never the shell. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { messageOf, systemCode } from '../base/errors.ts';
import type { Context } from './command.ts';
import { Script } from './db-script.ts';
import type { Shell } from './db-shell.ts';
import { errorBody } from './errors.ts';
import { printable } from './words.ts';

const HISTORY_LINES_MAX = 2_000;

/** Resolves when the person leaves. */
export async function converse(context: Context, shell: Shell, name: string): Promise<void> {
  const { io, words } = context;
  words.note(`${name}: end statements with ";", see ".help", leave with ".quit"`);
  const history = new History(context);
  const lines = createInterface({
    input: io.stdin,
    output: io.stdout,
    terminal: true,
    history: history.read(),
    historySize: HISTORY_LINES_MAX,
    removeHistoryDuplicates: true,
  });
  const script = new Script();
  let running: AbortController | undefined;
  lines.on('SIGINT', () => {
    if (running !== undefined) running.abort();
    else {
      script.clear();
      // The line that is being typed, too.
      lines.write(null, { ctrl: true, name: 'e' });
      lines.write(null, { ctrl: true, name: 'u' });
      io.stdout.write('^C\n');
      prompt(lines, shell, script, name);
    }
  });
  prompt(lines, shell, script, name);
  for await (const line of lines) {
    history.add(line);
    running = new AbortController();
    await handle(line, { context, shell, script, signal: running.signal });
    running = undefined;
    if (shell.isOver) break;
    prompt(lines, shell, script, name);
  }
  lines.close();
  if (!shell.isOver) io.stdout.write('\n');
}

function prompt(lines: Interface, shell: Shell, script: Script, name: string): void {
  // A star: a transaction is open.
  const mark = shell.isAutocommit ? '' : '*';
  lines.setPrompt(script.isOpen ? `${' '.repeat(name.length)}${mark}…> ` : `${name}${mark}> `);
  lines.prompt();
}

/** Never rejects: an error is told, and the next line may be typed. */
async function handle(
  line: string,
  {
    context: { words },
    shell,
    script,
    signal,
  }: {
    readonly context: Context;
    readonly shell: Shell;
    readonly script: Script;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  try {
    if (!script.isOpen && line.startsWith('.')) await shell.dot(line);
    else for (const { sql } of script.add(line)) await shell.statement(sql, signal);
  } catch (error) {
    script.clear();
    if (signal.aborted) {
      words.note('Interrupted');
      return;
    }
    const { message, hint } = errorBody(error);
    words.note(`${words.style('red', 'Error')}: ${printable(message)}`);
    if (hint !== undefined) words.note(`  ${printable(hint)}`);
  }
}

/** What was typed, oldest first in the file, newest first in readline. A line that begins with a space is not kept. */
class History {
  readonly #context: Context;
  readonly #path: string | undefined;

  constructor(context: Context) {
    this.#context = context;
    const { env } = context.io;
    const home = env['HOME'];
    const state = env['XDG_STATE_HOME'];
    const folder = state?.startsWith('/') === true ? state : home && join(home, '.local/state');
    this.#path =
      folder === undefined || folder === '' ? undefined : join(folder, 'moln', 'db-history');
  }

  read(): string[] {
    if (this.#path === undefined) return [];
    try {
      const lines = readFileSync(this.#path, 'utf8').split('\n');
      return lines
        .filter((line) => line !== '')
        .slice(-HISTORY_LINES_MAX)
        .reverse();
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') this.#complain(error);
      return [];
    }
  }

  add(line: string): void {
    if (this.#path === undefined || line.trim() === '' || line.startsWith(' ')) return;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      appendFileSync(this.#path, `${line}\n`, { mode: 0o600 });
    } catch (error) {
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    this.#context.words.note(`The history is not kept: ${messageOf(error)}`);
  }
}
