/**
 * Shows a stream of `Progress`: in place with a spinner and the time on a terminal, one plain line a step
 * otherwise. Goes to stderr, so that stdout holds the result alone.
 */
import type { Progress } from '../api/model.ts';
import { MolnError } from '../base/errors.ts';
import { formatDuration } from '../base/time.ts';
import type { Context } from './command.ts';
import { streamBroken } from './errors.ts';
import { printable } from './words.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const COLUMNS_USUAL = 80;
/** Spinner, the spaces, and the last column, which some terminals wrap at. */
const MARGIN = 4;
/** Of numbers that only grow, where each line stays. */
const COUNT_EVERY_MS = 10_000;
const CLEAR_LINE = '\r\u001B[2K';

export type Done = Extract<Progress, { kind: 'done' }>;

/** Follows the stream to its end. Throws the error of `failed`, or one that says that the stream broke off. */
export async function followProgress(
  context: Context,
  title: string,
  stream: AsyncIterable<Progress>,
): Promise<Done> {
  using display = context.json ? undefined : openDisplay(context, title);
  for await (const item of stream) {
    switch (item.kind) {
      case 'step':
        display?.step(item.message);
        break;
      case 'output':
        display?.output(item.line);
        break;
      case 'done':
        return item;
      case 'failed':
        for (const line of item.logTail) display?.output(line);
        throw MolnError.from(item.error);
    }
  }
  context.signal.throwIfAborted();
  throw streamBroken();
}

/** Shows on a terminal that something is waited for, until disposed; says nothing elsewhere. */
export function showWaiting(context: Context, title: string): Disposable | undefined {
  return context.json || !context.io.isTerminal ? undefined : new SpinnerDisplay(context, title);
}

/** For work that the CLI does itself, step by step. */
export function showSteps(context: Context, title: string): Display | undefined {
  return context.json ? undefined : openDisplay(context, title);
}

export interface Display extends Disposable {
  step(message: string): void;
  /** A step of very many: without a terminal, one line in a while. */
  count(message: string): void;
  output(line: string): void;
}

function openDisplay(context: Context, title: string): Display {
  return context.io.isTerminal
    ? new SpinnerDisplay(context, title)
    : new PlainDisplay(context, title);
}

class PlainDisplay implements Display {
  readonly #context: Context;
  readonly #title: string;
  #begun = false;
  #nextCountMs = -Infinity;

  constructor(context: Context, title: string) {
    this.#context = context;
    this.#title = title;
  }

  step(message: string): void {
    this.#note(`  ${printable(message)}`);
  }

  count(message: string): void {
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs < this.#nextCountMs) return;
    this.#nextCountMs = nowMs + COUNT_EVERY_MS;
    this.step(message);
  }

  output(line: string): void {
    this.#note(`  | ${printable(line)}`);
  }

  /** Under the title, which stands there once something is under way. */
  #note(text: string): void {
    if (!this.#begun) this.#context.words.note(this.#title);
    this.#begun = true;
    this.#context.words.note(text);
  }

  [Symbol.dispose](): void {}
}

class SpinnerDisplay implements Display {
  readonly #context: Context;
  readonly #startedMs: number;
  readonly #timer: Disposable;
  #message: string;
  #frame = 0;

  constructor(context: Context, title: string) {
    this.#context = context;
    this.#message = title;
    this.#startedMs = context.clock.monotonicMs();
    this.#timer = context.clock.every(FRAME_MS, () => this.#draw());
    this.#draw();
  }

  step(message: string): void {
    this.#message = printable(message);
    this.#draw();
  }

  count(message: string): void {
    this.step(message);
  }

  output(line: string): void {
    const { io, words } = this.#context;
    io.stderr.write(`${CLEAR_LINE}${words.style('dim', `  | ${printable(line)}`)}\n`);
    this.#draw();
  }

  #draw(): void {
    const { io, words, clock } = this.#context;
    const frame = FRAMES[this.#frame++ % FRAMES.length] ?? '';
    const time = formatDuration(clock.monotonicMs() - this.#startedMs);
    // A line that wraps could not be cleared again.
    const known = 'columns' in io.stderr ? Number(io.stderr.columns) : 0;
    const columns = known > 0 ? known : COLUMNS_USUAL;
    const message = this.#message.slice(0, Math.max(0, columns - time.length - MARGIN));
    io.stderr.write(
      `${CLEAR_LINE}${words.style('cyan', frame)} ${message} ${words.style('dim', time)}`,
    );
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#context.io.stderr.write(CLEAR_LINE);
  }
}
