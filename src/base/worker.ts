/**
 * Background work obeys one contract: a name, a status in words, and one small step at a time.
 * The runner alone decides when a step runs, so that every worker can be seen, paused and slowed down.
 */
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import { type Clock, untilSecond } from './time.ts';

/** What a step says about the next one: at once, after a pause, or when `wake` is called. */
export type StepResult =
  | { readonly kind: 'busy' }
  | { readonly kind: 'idle'; readonly retryInMs?: number }
  | { readonly kind: 'done' };

export interface Worker {
  readonly name: string;
  /** One plain sentence about what it is doing now. */
  status(): string;
  /** One small piece of work. A throw is logged, counted and retried with back-off. */
  step(signal: AbortSignal): Promise<StepResult>;
}

export interface WorkerState {
  readonly name: string;
  readonly status: string;
  readonly state: 'busy' | 'idle' | 'failing' | 'done';
  readonly errors: number;
  readonly lastError: string | undefined;
}

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MOST_MS = 30_000;

interface Running {
  readonly worker: Worker;
  readonly loop: Promise<void>;
  wake: () => void;
  state: WorkerState['state'];
  errors: number;
  lastError: string | undefined;
}

/** Runs workers until disposed. */
export class WorkerRunner implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  readonly #running = new Map<string, Running>();

  constructor(options: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Starts a worker; names are unique. */
  add(worker: Worker): void {
    if (this.#running.has(worker.name)) throw new Error(`Worker "${worker.name}" runs already`);
    const entry: Running = {
      worker,
      loop: Promise.resolve().then(() => this.#loop(entry)),
      wake: () => {},
      state: 'idle',
      errors: 0,
      lastError: undefined,
    };
    this.#running.set(worker.name, entry);
  }

  /** Ends an idle worker's pause now. */
  wake(name: string): void {
    this.#running.get(name)?.wake();
  }

  list(): WorkerState[] {
    return [...this.#running.values()].map((entry) => ({
      name: entry.worker.name,
      status: entry.worker.status(),
      state: entry.state,
      errors: entry.errors,
      lastError: entry.lastError,
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('stopped'));
    for (const entry of this.#running.values()) entry.wake();
    await Promise.all([...this.#running.values()].map((entry) => entry.loop));
  }

  async #loop(entry: Running): Promise<void> {
    const signal = this.#stop.signal;
    let backoffMs = BACKOFF_FIRST_MS;
    // A wake that comes while a step runs must not be lost: it is remembered here.
    let woken = false;
    entry.wake = () => {
      woken = true;
    };
    while (!signal.aborted) {
      woken = false;
      let pauseMs: number | undefined;
      try {
        entry.state = 'busy';
        const result = await entry.worker.step(signal);
        backoffMs = BACKOFF_FIRST_MS;
        if (result.kind === 'done') {
          entry.state = 'done';
          return;
        }
        if (result.kind === 'busy') continue;
        entry.state = 'idle';
        const { retryInMs } = result;
        pauseMs = retryInMs === undefined ? undefined : untilSecond(this.#clock, retryInMs);
      } catch (error) {
        if (signal.aborted) return;
        entry.state = 'failing';
        entry.errors++;
        entry.lastError = messageOf(error);
        this.#log.warn(`Worker "${entry.worker.name}" failed and will retry`, { error, backoffMs });
        pauseMs = backoffMs;
        backoffMs = Math.min(backoffMs * 2, BACKOFF_MOST_MS);
      }
      if (woken) continue;
      await new Promise<void>((resolve) => {
        const timer = pauseMs === undefined ? undefined : this.#clock.after(pauseMs, resolve);
        entry.wake = () => {
          timer?.[Symbol.dispose]();
          resolve();
        };
        if (signal.aborted) entry.wake();
      });
      entry.wake = () => {
        woken = true;
      };
    }
  }
}
