/** One process for reads: does one job at a time, those that must run in it before all others, and is killed when a job is late. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Clock } from '../base/time.ts';
import { tooLong } from './connection.ts';
import { errorOf, type FailureBody, limitMet, viewEnded } from './errors.ts';
import type { Statement } from './statement.ts';
import type { FirstRead } from './stripe-options.ts';

export type ReaderRequest =
  | {
      readonly kind: 'query';
      readonly path: string;
      readonly statement: Statement;
      readonly readMs: number;
      /** The version of the schema that it was planned for. */
      readonly planned: number | undefined;
    }
  | { readonly kind: 'copy'; readonly path: string; readonly to: string }
  | { readonly kind: 'digest'; readonly path: string }
  /** From here on the view sees the file as it is now; `first` is read at once. */
  | {
      readonly kind: 'open';
      readonly view: number;
      readonly path: string;
      readonly first: FirstRead | undefined;
    }
  | {
      readonly kind: 'look';
      readonly view: number;
      readonly statement: Statement;
      readonly readMs: number;
    };

/** Nobody waits for it, and it is not answered. */
export interface ShutView {
  readonly kind: 'shut';
  readonly view: number;
}

export type ReaderReply =
  /** Once, before all others. */
  | { readonly isReady: true }
  /** Of a digest and of a view with something to read, before the value: what it is as of. */
  | { readonly begun: unknown }
  | { readonly value: unknown }
  | { readonly failure: FailureBody };

/** For a process to start, however busy the machine is. */
const START_MS = 30_000;

export interface ReaderJob {
  readonly request: ReaderRequest;
  readonly ms: number;
  /** From `begun` on, where that is another time. */
  readonly begunMs?: number | undefined;
  readonly onStart?: (process: ReaderProcess) => void;
  readonly onBegun?: ((begun: unknown) => void) | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface ReaderProcessOptions {
  readonly clock: Clock;
  readonly heapMb: number;
  readonly idleMs: number;
  readonly onFree: () => void;
  readonly onExit: () => void;
}

export class ReaderProcess implements AsyncDisposable {
  /** Open in it. */
  views = 0;
  readonly #options: ReaderProcessOptions;
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  readonly #queue: ReaderJob[] = [];
  #job: ReaderJob | undefined;
  #late = false;
  #isReady = false;
  #timer: Disposable | undefined;
  #isRunning = true;

  constructor(options: ReaderProcessOptions) {
    this.#options = options;
    this.#child = fork(new URL('reader-main.ts', import.meta.url), [], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${options.heapMb}`],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.on('error', () => this.#child.kill('SIGKILL'));
    this.#child.on('message', (reply: ReaderReply) => this.#answered(reply));
    this.#child.once('exit', () => this.#ended());
  }

  get isBusy(): boolean {
    return this.#job !== undefined;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** At once: it must be free. */
  run(job: ReaderJob): void {
    this.#job = job;
    job.onStart?.(this);
    // What a start takes is not the statement's.
    this.#killAfter(this.#isReady ? job.ms : START_MS);
    if (this.#isReady) this.#child.send(job.request);
  }

  /** When it is its turn. */
  async ask({ request, ms }: Pick<ReaderJob, 'request' | 'ms'>): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const job = { request, ms, resolve, reject };
    if (!this.#isRunning) throw viewEnded('its process had to be ended');
    if (this.isBusy) this.#queue.push(job);
    else this.run(job);
    return await promise;
  }

  /** After what it was given before. */
  shut(view: number): void {
    this.views--;
    if (!this.#isRunning) return;
    this.#child.send({ kind: 'shut', view } satisfies ShutView);
    if (this.isBusy) return;
    this.#rest();
    // One that waits may have the place.
    this.#options.onFree();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  #killAfter(ms: number): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#options.clock.after(ms, () => {
      this.#late = true;
      this.#child.kill('SIGKILL');
    });
  }

  #answered(reply: ReaderReply): void {
    const job = this.#job;
    if ('isReady' in reply) {
      this.#isReady = true;
      if (job === undefined) return;
      this.#killAfter(job.ms);
      return void this.#child.send(job.request);
    }
    if ('begun' in reply) {
      if (job?.begunMs !== undefined) this.#killAfter(job.begunMs);
      return job?.onBegun?.(reply.begun);
    }
    this.#job = undefined;
    if ('failure' in reply) job?.reject(errorOf(reply.failure));
    else job?.resolve(reply.value);
    const next = this.#queue.shift();
    if (next !== undefined) return this.run(next);
    this.#rest();
    this.#options.onFree();
  }

  #rest(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#options.clock.after(this.#options.idleMs, () => {
      if (this.views > 0) return;
      this.#isRunning = false;
      this.#child.kill('SIGKILL');
    });
  }

  #ended(): void {
    this.#isRunning = false;
    this.#timer?.[Symbol.dispose]();
    this.#job?.reject(this.#late ? tooLong() : hungry());
    for (const { reject } of this.#queue.splice(0))
      reject(viewEnded('its process had to be ended'));
    this.#options.onExit();
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
