/**
 * Processes for reads that may take long. A running statement of SQLite cannot be stopped; a process can. Each does one read at a
 * time; one that does not end in time is killed and its client told so.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Clock } from '../base/time.ts';
import type { Applied } from './applied.ts';
import { tooLong } from './connection.ts';
import { errorOf, type FailureBody, limitMet } from './errors.ts';
import type { Statement, StatementResult, StripeDigest } from './statement.ts';
import type { SlowReads } from './stripe.ts';

export type ReaderRequest =
  | {
      readonly kind: 'query';
      readonly path: string;
      readonly statement: Statement;
      readonly readMs: number;
      readonly planned: number | undefined;
    }
  | { readonly kind: 'copy'; readonly path: string; readonly to: string }
  | { readonly kind: 'digest'; readonly path: string };

export type ReaderReply = { readonly value: unknown } | { readonly failure: FailureBody };

export interface ReaderPoolOptions {
  readonly clock: Clock;
  readonly processesMax?: number;
  /** V8's heap of one process; SQLite's own memory comes on top. */
  readonly heapMb?: number;
}

interface Job {
  readonly request: ReaderRequest;
  readonly ms: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const PROCESSES_MAX = 2;
const WAITING_MAX = 1000;
const HEAP_MB = 256;
/** A process that has nothing to do for so long ends. */
const IDLE_MS = 30_000;
const COPY_MS = 3_600_000;
/** For the way there and back. */
const GRACE_MS = 250;

export class ReaderPool implements SlowReads, AsyncDisposable {
  readonly #options: ReaderPoolOptions;
  readonly #all = new Set<ChildProcess>();
  readonly #idle = new Map<ChildProcess, Disposable>();
  readonly #waiting: Job[] = [];
  #closed = false;

  constructor(options: ReaderPoolOptions) {
    this.#options = options;
  }

  /** Processes that run now. */
  get size(): number {
    return this.#all.size;
  }

  async query(
    path: string,
    statement: Statement,
    readMs: number,
    planned?: number,
  ): Promise<StatementResult> {
    const request: ReaderRequest = { kind: 'query', path, statement, readMs, planned };
    return (await this.#ask(request, readMs + GRACE_MS)) as StatementResult;
  }

  async copy(path: string, to: string): Promise<Applied> {
    return (await this.#ask({ kind: 'copy', path, to }, COPY_MS)) as Applied;
  }

  async digest(path: string): Promise<StripeDigest> {
    return (await this.#ask({ kind: 'digest', path }, COPY_MS)) as StripeDigest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const timer of this.#idle.values()) timer[Symbol.dispose]();
    for (const job of this.#waiting.splice(0))
      job.reject(new Error('The database is being closed'));
    const gone = [...this.#all].map(
      (child) => new Promise((resolve) => child.once('exit', resolve)),
    );
    for (const child of this.#all) child.kill('SIGKILL');
    await Promise.all(gone);
  }

  async #ask(request: ReaderRequest, ms: number): Promise<unknown> {
    if (this.#waiting.length >= WAITING_MAX) {
      throw limitMet(
        'waitingReads',
        `${WAITING_MAX} long reads wait already`,
        'Ask again later',
        5,
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ request, ms, resolve, reject });
    this.#next();
    return await promise;
  }

  #next(): void {
    if (this.#closed || this.#waiting.length === 0) return;
    const child = this.#free();
    const job = child === undefined ? undefined : this.#waiting.shift();
    if (child !== undefined && job !== undefined) this.#run(child, job);
  }

  #free(): ChildProcess | undefined {
    for (const [child, timer] of this.#idle) {
      timer[Symbol.dispose]();
      this.#idle.delete(child);
      return child;
    }
    if (this.#all.size >= (this.#options.processesMax ?? PROCESSES_MAX)) return undefined;
    const child = fork(new URL('reader-main.ts', import.meta.url), [], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${this.#options.heapMb ?? HEAP_MB}`],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#all.add(child);
    child.on('error', () => child.kill('SIGKILL'));
    child.once('exit', () => {
      this.#all.delete(child);
      this.#idle.get(child)?.[Symbol.dispose]();
      this.#idle.delete(child);
      this.#next();
    });
    return child;
  }

  #run(child: ChildProcess, job: Job): void {
    let late = false;
    const timer = this.#options.clock.after(job.ms, () => {
      late = true;
      child.kill('SIGKILL');
    });
    const onExit = (): void => {
      timer[Symbol.dispose]();
      child.off('message', onMessage);
      job.reject(late ? tooLong() : hungry());
    };
    const onMessage = (reply: ReaderReply): void => {
      timer[Symbol.dispose]();
      child.off('exit', onExit);
      if ('failure' in reply) job.reject(errorOf(reply.failure));
      else job.resolve(reply.value);
      this.#idle.set(
        child,
        this.#options.clock.after(IDLE_MS, () => child.kill('SIGKILL')),
      );
      this.#next();
    };
    child.once('message', onMessage);
    child.once('exit', onExit);
    child.send(job.request);
  }
}

function hungry(): Error {
  return limitMet(
    'readMemory',
    'The process that ran the statement ended: it needed too much memory, or was killed',
    'Read fewer rows or columns at once',
    7,
  );
}
