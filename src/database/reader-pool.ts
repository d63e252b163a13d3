/**
 * Processes for reads that may take long. A running statement of SQLite cannot be stopped; a process can. Each does one thing at a
 * time; one that does not end in time is killed and its client told so. Views stay with the process that opened them.
 */
import type { Clock } from '../base/time.ts';
import type { Applied } from './applied.ts';
import { limitMet, viewEnded } from './errors.ts';
import { VIEW_IDLE_MS, VIEW_MS_MAX, VIEWS_PER_PROCESS_MAX } from './limits.ts';
import { type ReaderJob, ReaderProcess } from './reader-process.ts';
import type { BegunDigest, Statement, StatementResult, StripeDigest } from './statement.ts';
import type { FileView, FirstRead, SlowReads } from './stripe-options.ts';
import { wholeFileMs } from './whole-file.ts';

export interface ReaderPoolOptions {
  readonly clock: Clock;
  readonly processesMax?: number;
  /** V8's heap of one process; SQLite's own memory comes on top. */
  readonly heapMb?: number;
}

const PROCESSES_MAX = 4;
const WAITING_MAX = 1000;
const HEAP_MB = 256;
/** A process that has nothing to do for so long ends. */
const IDLE_MS = 30_000;
const COPY_MS = 3_600_000;
/** For the way there and back. */
const GRACE_MS = 250;
/** Opening or closing a view. */
const VIEW_STEP_MS = 30_000;

export class ReaderPool implements SlowReads, AsyncDisposable {
  readonly #options: ReaderPoolOptions;
  readonly #all = new Set<ReaderProcess>();
  /** For whichever process is free first. */
  readonly #waiting: ReaderJob[] = [];
  #nextView = 0;
  #closed = false;

  constructor(options: ReaderPoolOptions) {
    this.#options = options;
  }

  /** Processes that run now. */
  get size(): number {
    return this.#all.size;
  }

  /** Views that are open now. */
  get views(): number {
    return [...this.#all].reduce((sum, { views }) => sum + views, 0);
  }

  async query(
    path: string,
    statement: Statement,
    readMs: number,
    planned?: number,
  ): Promise<StatementResult> {
    const work = {
      request: { kind: 'query', path, statement, readMs, planned },
      ms: readMs + GRACE_MS,
    } as const;
    return (await this.#ask(work)) as StatementResult;
  }

  async copy(path: string, to: string): Promise<Applied> {
    return (await this.#ask({ request: { kind: 'copy', path, to }, ms: COPY_MS })) as Applied;
  }

  async digest(path: string): Promise<BegunDigest> {
    const ms = await wholeFileMs(path);
    const begun = Promise.withResolvers<unknown>();
    const work = { request: { kind: 'digest', path }, ms, onBegun: begun.resolve } as const;
    const reading = this.#ask(work) as Promise<StripeDigest>;
    const index = await Promise.race([
      begun.promise as Promise<number>,
      reading.then((read) => read.index),
    ]);
    return { index, reading };
  }

  async view(path: string, first?: FirstRead): Promise<FileView> {
    const view = this.#nextView++;
    const begun = Promise.withResolvers<unknown>();
    const begunMs = first && first.readMs + GRACE_MS;
    const request = { kind: 'open', view, path, first } as const;
    let process = undefined as ReaderProcess | undefined;
    const onStart = (on: ReaderProcess): void => {
      process = on;
      on.views++;
    };
    try {
      const times = { ms: VIEW_STEP_MS, begunMs };
      const answered = this.#ask({ request, ...times, onStart, onBegun: begun.resolve });
      const applied = (await Promise.race([begun.promise, answered])) as Applied;
      if (process === undefined) throw viewEnded('its process has ended');
      if (first === undefined) return this.#viewOn(process, view, applied);
      // Whoever asks for it is told.
      answered.catch(() => {});
      const read = { statement: first.statement, result: answered as Promise<StatementResult> };
      return this.#viewOn(process, view, applied, read);
    } catch (error) {
      if (process !== undefined) process.views--;
      this.#next();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0))
      job.reject(new Error('The database is being closed'));
    await Promise.all([...this.#all].map((process) => process[Symbol.asyncDispose]()));
  }

  #viewOn(
    process: ReaderProcess,
    view: number,
    applied: Applied,
    first?: { readonly statement: Statement; readonly result: Promise<StatementResult> },
  ): FileView {
    const { clock } = this.#options;
    const lasts = clock.after(VIEW_MS_MAX, () => end(`open for more than ${VIEW_MS_MAX} ms`));
    const idle = (): Disposable =>
      clock.after(VIEW_IDLE_MS, () => end(`not read from for ${VIEW_IDLE_MS} ms`));
    let unread = idle();
    let early = first;
    let ended: string | undefined;
    const end = (why: string): void => {
      if (ended !== undefined) return;
      ended = `it was ${why}`;
      lasts[Symbol.dispose]();
      unread[Symbol.dispose]();
      process.shut(view);
    };
    return {
      applied,
      query: async (statement, readMs) => {
        if (ended !== undefined || !process.isRunning)
          throw viewEnded(ended ?? 'its process had to be ended');
        unread[Symbol.dispose]();
        unread = idle();
        if (early?.statement === statement) {
          const { result } = early;
          early = undefined;
          return await result;
        }
        const request = { kind: 'look', view, statement, readMs } as const;
        return (await process.ask({ request, ms: readMs + GRACE_MS })) as StatementResult;
      },
      [Symbol.asyncDispose]() {
        end('closed');
        return Promise.resolve();
      },
    };
  }

  async #ask(
    work: Pick<ReaderJob, 'request' | 'ms' | 'begunMs' | 'onStart' | 'onBegun'>,
  ): Promise<unknown> {
    if (this.#closed) throw new Error('The database is being closed');
    if (this.#waiting.length >= WAITING_MAX) {
      throw limitMet(
        'waitingReads',
        `${WAITING_MAX} long reads wait already`,
        'Ask again later',
        5,
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ ...work, resolve, reject });
    this.#next();
    return await promise;
  }

  #next(): void {
    const [job] = this.#waiting;
    if (this.#closed || job === undefined) return;
    const process = this.#free(job.request.kind === 'open');
    if (process === undefined) return;
    this.#waiting.shift();
    process.run(job);
  }

  /** One that rests, those with few views first. */
  #free(forView: boolean): ReaderProcess | undefined {
    const [resting] = [...this.#all]
      .filter(
        ({ isBusy, isRunning, views }) =>
          !isBusy && isRunning && !(forView && views >= VIEWS_PER_PROCESS_MAX),
      )
      .toSorted((a, b) => a.views - b.views);
    const isFull = this.#all.size >= (this.#options.processesMax ?? PROCESSES_MAX);
    // A view of its own process each, so that they can be read at the same time.
    if (resting !== undefined && (isFull || !forView || resting.views === 0)) return resting;
    if (isFull) return undefined;
    const process = new ReaderProcess({
      clock: this.#options.clock,
      heapMb: this.#options.heapMb ?? HEAP_MB,
      idleMs: IDLE_MS,
      onFree: () => this.#next(),
      onExit: () => {
        this.#all.delete(process);
        this.#next();
      },
    });
    this.#all.add(process);
    return process;
  }
}
