/** Statements that run now, so that they can be seen and stopped, and those that took long. */
import { Deadlines } from '../base/deadlines.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Caller } from '../hrana/hrana.ts';
import { interrupted, limitMet } from './errors.ts';
import { SHOWN_TEXT_MAX, SLOW_KEPT, type SqlLimits } from './limits.ts';

export interface LiveQuery {
  readonly id: number;
  readonly sql: string;
  readonly caller: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly runningMs: number;
}

export interface SlowQuery {
  readonly sql: string;
  readonly caller: string;
  readonly startedAt: number;
  readonly durationMs: number;
  /** The code of its error, if it failed. */
  readonly error: string | undefined;
}

/** One that runs; to be disposed of when it is over. */
export class LiveStatement implements Disposable {
  readonly id: number;
  readonly sql: string;
  readonly caller: string;
  readonly startedAt: number;
  readonly beganMs: number;
  /** Why it failed, for the list of slow ones. */
  failure: unknown;
  readonly #all: LiveQueries;
  #stop: AbortController | undefined;

  constructor(
    all: LiveQueries,
    began: Pick<LiveStatement, 'id' | 'sql' | 'caller' | 'startedAt' | 'beganMs'>,
  ) {
    this.#all = all;
    this.id = began.id;
    this.sql = began.sql;
    this.caller = began.caller;
    this.startedAt = began.startedAt;
    this.beganMs = began.beganMs;
  }

  /** Made when somebody asks for it: it costs as much as the plan of a statement. */
  get stop(): AbortController {
    this.#stop ??= new AbortController();
    return this.#stop;
  }

  /** `stop` is aborted when the work takes too long. */
  async step<T>(work: () => Promise<T>): Promise<T> {
    using _deadline = this.#all.deadline(this.stop);
    return await work();
  }

  [Symbol.dispose](): void {
    this.#all.end(this);
  }
}

export class LiveQueries {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limits: SqlLimits;
  readonly #deadlines: Deadlines;
  readonly #running = new Map<number, LiveStatement>();
  readonly #slow: SlowQuery[] = [];
  #next = 1;

  constructor(clock: Clock, logger: Logger, limits: SqlLimits) {
    this.#clock = clock;
    this.#logger = logger;
    this.#limits = limits;
    this.#deadlines = new Deadlines(clock, limits.statementMs);
  }

  /** Runs a statement under the eyes of everybody. `stop` is aborted when it is killed or has taken too long. */
  async watch<T>(
    sql: string,
    caller: Caller,
    work: (stop: AbortController) => Promise<T>,
  ): Promise<T> {
    using query = this.begin(sql, caller);
    using _deadline = this.deadline(query.stop);
    try {
      return await work(query.stop);
    } catch (error) {
      query.failure = error;
      throw error;
    }
  }

  /** A statement whose rows are asked for bit by bit: each step may take as long as a whole statement. */
  begin(sql: string, caller: Caller): LiveStatement {
    const { queriesMax } = this.#limits;
    if (this.#running.size >= queriesMax) {
      throw limitMet('queriesMax', `${queriesMax} statements run already`, 'Ask again later');
    }
    const id = this.#next++;
    const beganMs = this.#clock.monotonicMs();
    const startedAt = this.#clock.now();
    const query = new LiveStatement(this, { id, sql, caller: caller.id, startedAt, beganMs });
    this.#running.set(id, query);
    return query;
  }

  /** It is over, however it ended; a second call does nothing. */
  end({ id, sql, caller, startedAt, beganMs, failure }: LiveStatement): void {
    if (!this.#running.delete(id)) return;
    const durationMs = this.#clock.monotonicMs() - beganMs;
    if (durationMs >= this.#limits.slowMs)
      this.#note({ sql, caller, startedAt, durationMs, error: codeOf(failure) });
  }

  deadline(stop: AbortController): Disposable {
    const { statementMs } = this.#limits;
    return this.#deadlines.begin(() =>
      stop.abort(interrupted(`it ran for more than ${statementMs} ms (statementMs)`)),
    );
  }

  /** Statements that run now. */
  get size(): number {
    return this.#running.size;
  }

  /** Oldest first. */
  list(): readonly LiveQuery[] {
    const now = this.#clock.monotonicMs();
    return [...this.#running].map(([id, { sql, caller, startedAt, beganMs }]) => ({
      id,
      sql: sql.slice(0, SHOWN_TEXT_MAX),
      caller,
      startedAt,
      runningMs: now - beganMs,
    }));
  }

  /** False when no such statement runs. One that is being committed is not stopped any more. */
  kill(id: number): boolean {
    const running = this.#running.get(id);
    running?.stop.abort(interrupted('it was killed'));
    return running !== undefined;
  }

  /** The newest that took longer than `slowMs`, oldest first. */
  slow(): readonly SlowQuery[] {
    return [...this.#slow];
  }

  #note(query: SlowQuery): void {
    const shown = { ...query, sql: query.sql.slice(0, SHOWN_TEXT_MAX) };
    this.#slow.push(shown);
    if (this.#slow.length > SLOW_KEPT) this.#slow.shift();
    this.#logger.warn('A statement was slow', { ...shown });
  }
}

function codeOf(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  return error instanceof Error && 'code' in error ? String(error.code) : 'error';
}
