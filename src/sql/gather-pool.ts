/**
 * Processes for reading texts whose rows have to come into one place. What SQLite computes over them may take long or for ever, and
 * cannot be stopped; a process can.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Clock } from '../base/time.ts';
import type { SqlRow } from '../planner/planner.ts';
import { limitMet } from './errors.ts';
import {
  type Answer,
  type Ask,
  errorOf,
  failureOf,
  type FromProcess,
  type GatherJob,
  type SeenRows,
  type ToProcess,
  type Used,
} from './gather-calls.ts';
import { GATHER_HEAP_MB, GATHER_IDLE_MS, GATHERERS_MAX, GATHERS_WAITING_MAX } from './limits.ts';

export interface Gathering {
  readonly job: GatherJob;
  /** Rows of a stripe. */
  readonly rows: (stripe: number, sql: string, values: SqlRow) => Promise<SeenRows>;
  /** Rows that were seen before were used. */
  readonly onUsed: (used: Used) => void;
  readonly signal: AbortSignal | undefined;
}

export class GatherPool implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #all = new Set<ChildProcess>();
  /** What each was told last. */
  readonly #catalogues = new WeakMap<ChildProcess, string>();
  readonly #idle = new Map<ChildProcess, Disposable>();
  readonly #waiting: (() => void)[] = [];
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async run(gathering: Gathering): Promise<readonly SqlRow[]> {
    const child = this.#take() ?? (await this.#turn());
    try {
      // Before it counts as told.
      gathering.signal?.throwIfAborted();
      const { catalogue } = gathering.job;
      const isKnown = this.#catalogues.get(child) === catalogue;
      this.#catalogues.set(child, catalogue);
      return await work(child, gathering, isKnown);
    } finally {
      this.#give(child);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#idle.values()) timer[Symbol.dispose]();
    const gone = [...this.#all].map(
      (child) => new Promise((resolve) => child.once('exit', resolve)),
    );
    for (const child of this.#all) child.kill('SIGKILL');
    await Promise.all(gone);
  }

  /** When another one is done. */
  async #turn(): Promise<ChildProcess> {
    if (this.#waiting.length >= GATHERS_WAITING_MAX) {
      throw limitMet(
        'gathersWaiting',
        `${GATHERS_WAITING_MAX} statements wait already to be computed in one place`,
        'Ask again later, or let the statement name the distribution column: see "moln why query"',
      );
    }
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
      const child = this.#take();
      if (child !== undefined) return child;
    }
  }

  #take(): ChildProcess | undefined {
    for (const [child, timer] of this.#idle) {
      timer[Symbol.dispose]();
      this.#idle.delete(child);
      return child;
    }
    if (this.#isClosed || this.#all.size >= GATHERERS_MAX) return undefined;
    const child = fork(new URL('gather-main.ts', import.meta.url), [], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${GATHER_HEAP_MB}`],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#all.add(child);
    child.on('error', () => child.kill('SIGKILL'));
    child.once('exit', () => {
      this.#all.delete(child);
      this.#idle.get(child)?.[Symbol.dispose]();
      this.#idle.delete(child);
      this.#waiting.shift()?.();
    });
    return child;
  }

  #give(child: ChildProcess): void {
    // One that was killed is gone soon, and lets the next one in.
    if (!child.connected || child.killed) return;
    const timer = this.#clock.after(GATHER_IDLE_MS, () => child.kill('SIGKILL'));
    this.#idle.set(child, timer);
    this.#waiting.shift()?.();
  }
}

async function work(
  child: ChildProcess,
  { job, onUsed, rows, signal }: Gathering,
  isCatalogueKnown: boolean,
): Promise<readonly SqlRow[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly SqlRow[]>();
  /** Of a stripe: what the process makes of it says less. */
  let failure: unknown;
  const say = (message: ToProcess): void => void child.send(message, () => {});
  let answers: Answer[] = [];
  const sendAnswers = (): void => {
    say({ kind: 'answers', answers });
    answers = [];
  };
  const answerTo = async ({ id, sql, stripe, values }: Ask): Promise<Answer> => {
    try {
      return { id, ...(await rows(stripe, sql, values)) };
    } catch (error) {
      failure ??= error;
      return { id, failure: failureOf(error) };
    }
  };
  const answer = async (ask: Ask): Promise<void> => {
    const found = await answerTo(ask);
    answers.push(found);
    // A message costs more than most answers: those of one turn go as one.
    if (answers.length === 1) setImmediate(sendAnswers);
  };
  const parts: (readonly SqlRow[])[] = [];
  const onMessage = (message: FromProcess): void => {
    if (message.kind === 'part') return void parts.push(message.rows);
    if (message.kind === 'ask') {
      for (const ask of message.asks) void answer(ask);
      return;
    }
    onUsed(message.used);
    if (message.kind === 'done')
      resolve(parts.length === 0 ? message.rows : [...parts, message.rows].flat());
    else reject((failure ?? errorOf(message.failure)) as Error);
  };
  const onExit = (): void =>
    reject(
      limitMet(
        'gatherMemory',
        `The process that computed the statement ended: it needed more than ${GATHER_HEAP_MB} MB, or was killed`,
        'Read fewer rows or columns at once',
      ),
    );
  const onAbort = (): void => {
    reject(signal?.reason as Error);
    child.kill('SIGKILL');
  };
  child.on('message', onMessage);
  child.once('exit', onExit);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    say({ kind: 'run', job: isCatalogueKnown ? { ...job, catalogue: undefined } : job });
    return await promise;
  } finally {
    child.off('message', onMessage);
    child.off('exit', onExit);
    signal?.removeEventListener('abort', onAbort);
  }
}
