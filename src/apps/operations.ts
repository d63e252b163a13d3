/**
 * One operation at a time per app, and its progress as a stream. An operation begins at once, whether or not anybody
 * reads; a reader that goes away asks it to stop, which it does as long as nothing has been decided.
 */
import { type ErrorBody, isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { appBusy } from './run-errors.ts';
import { PROGRESS_QUEUE_MAX } from './run-limits.ts';

/** Items of a deploy, rollback, scale or restart, as they happen; the last is `done` or `failed`. Times: epoch ms. */
export type Progress =
  | { readonly kind: 'step'; readonly at: number; readonly message: string }
  | { readonly kind: 'output'; readonly at: number; readonly line: string }
  | { readonly kind: 'done'; readonly app: string; readonly release: string; readonly url: string }
  | { readonly kind: 'failed'; readonly error: ErrorBody; readonly logTail: readonly string[] };

/** What an operation does while it is under way. */
export interface Report {
  step(message: string): void;
  output(line: string): void;
  /** Aborted when the client went away before `decided` was called. */
  readonly signal: AbortSignal;
  /** From here on it runs to its end, with or without a client. */
  decided(): void;
}

/** The operations during which an app shows as `deploying`. */
export const DEPLOY = 'a deploy';
export const ROLLBACK = 'a rollback';

export interface Operation {
  /** As in "App x is busy: a deploy is under way". */
  readonly what: string;
  /** Epoch milliseconds. */
  readonly since: number;
}

export interface OperationResult {
  readonly release: string;
  readonly url: string;
}

export class Operations {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #running = new Map<string, Operation>();
  #changes = 0;
  readonly #ends = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();

  constructor(options: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  current(app: string): Operation | undefined {
    return this.#running.get(app);
  }

  /** Grows whenever an operation begins or ends: what was read before may no longer be true. */
  get changes(): number {
    return this.#changes;
  }

  /** Runs `work` alone; throws `APPS_BUSY` when another one is under way. */
  async alone<T>(app: string, what: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(app);
    if (running !== undefined) throw appBusy(app, running.what, running.since);
    this.#running.set(app, { what, since: this.#clock.now() });
    this.#changes++;
    const end = work().finally(() => {
      this.#running.delete(app);
      this.#changes++;
    });
    this.#ends.add(end);
    try {
      return await end;
    } finally {
      this.#ends.delete(end);
    }
  }

  /** The same as a stream that ends with `done` or `failed`. */
  stream(
    app: string,
    what: string,
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly work: (report: Report) => Promise<OperationResult>;
    },
  ): AsyncIterable<Progress> {
    const items = new ItemQueue<Progress>();
    const gone = new AbortController();
    const signals = [gone.signal, this.#stop.signal];
    if (options.signal !== undefined) signals.push(options.signal);
    let decided = false;
    const undecided = new AbortController();
    const whole = AbortSignal.any(signals);
    const abort = (): void => {
      if (!decided) undecided.abort(abandoned(app, what));
    };
    if (whole.aborted) abort();
    whole.addEventListener('abort', abort, { once: true });
    const report: Report = {
      step: (message) => items.push({ kind: 'step', at: this.#clock.now(), message }),
      output: (line) => items.push({ kind: 'output', at: this.#clock.now(), line }),
      signal: undecided.signal,
      decided: () => {
        undecided.signal.throwIfAborted();
        decided = true;
      },
    };
    const run = async (): Promise<void> => {
      try {
        const result = await this.alone(app, what, () => options.work(report));
        items.end({ kind: 'done', app, ...result });
      } catch (error) {
        items.end(failedItem(this.#expected(app, what, error)));
      } finally {
        whole.removeEventListener('abort', abort);
      }
    };
    const end = run();
    this.#ends.add(end);
    void end.then(() => this.#ends.delete(end));
    return items.iterable(() => gone.abort());
  }

  /** Asks undecided operations to stop and waits for all. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#ends);
  }

  #expected(app: string, what: string, error: unknown): MolnError {
    if (error instanceof MolnError) return error;
    if (isMolnError(error)) return MolnError.from((error as MolnError).toJSON());
    this.#log.error('An operation failed unexpectedly', { app, what, error });
    return new MolnError('APPS_FAILED', `${what} of "${app}" failed: ${messageOf(error)}`, {
      hint: 'The log of the node has more',
      cause: error,
    });
  }
}

/** `details.lines` of an error are what the build or the app printed last; they travel beside it. */
function failedItem(error: MolnError): Progress {
  const { lines, ...details } = error.details ?? {};
  const logTail = Array.isArray(lines) ? lines.map(String) : [];
  return { kind: 'failed', error: { ...error.toJSON(), details }, logTail };
}

function abandoned(app: string, what: string): MolnError {
  return new MolnError('APPS_ABANDONED', `${what} of "${app}" was given up: nobody waits for it`, {
    hint: 'Nothing was changed; try again',
    retryable: true,
  });
}

/** A queue with one reader. When it is full the oldest output goes: progress must never stop the work. */
class ItemQueue<T extends { readonly kind: string }> {
  #items: T[] = [];
  #ended = false;
  #wake: () => void = () => {};

  push(item: T): void {
    if (this.#ended) return;
    if (this.#items.length >= PROGRESS_QUEUE_MAX) this.#items.shift();
    this.#items.push(item);
    this.#wake();
  }

  end(item: T): void {
    this.push(item);
    this.#ended = true;
    this.#wake();
  }

  async *iterable(left: () => void): AsyncGenerator<T, void, undefined> {
    try {
      while (true) {
        const item = this.#items.shift();
        if (item !== undefined) {
          yield item;
          continue;
        }
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (this.#items.length > 0 || this.#ended) resolve();
        });
      }
    } finally {
      left();
    }
  }
}
