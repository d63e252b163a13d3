/** One database as its clients see it: sessions that plan their statements over its stripes. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { CommitLog, StripeClient } from '../database/database.ts';
import type { BoundStatement, Caller, Database, Session, StatementResult } from '../hrana/hrana.ts';
import { type IdSource, Planner } from '../planner/planner.ts';
import { Counts, type SqlFigures } from './figures.ts';
import { GatherPool } from './gather-pool.ts';
import { DEFAULT_SQL_LIMITS, type SqlLimits } from './limits.ts';
import { loneWrite } from './lone-write.ts';
import { LiveQueries } from './queries.ts';
import { type Level, parseLevel } from './read-level.ts';
import { SqlSession } from './session.ts';
import { Splitter, type SplitStep } from './splitter.ts';
import { StripeSet } from './stripe-set.ts';

export interface SqlEngineOptions {
  readonly name: string;
  /** Those that the database began with, by number; 0 holds single tables and the catalogue. */
  readonly stripes: readonly StripeClient[];
  /** Those that came since, by number. Left out: there are none. */
  readonly more?: (stripe: number) => StripeClient;
  /** Of the stripes: a transaction over several is one append to it. */
  readonly log: CommitLog;
  /** Left out: ids are those that SQLite would give, and an insert without one asks every stripe. */
  readonly ids?: IdSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<SqlLimits>;
}

/** What sessions use of it. */
export interface Engine {
  readonly options: SqlEngineOptions;
  readonly limits: SqlLimits;
  readonly set: StripeSet;
  readonly planner: Planner;
  readonly queries: LiveQueries;
  readonly counts: Counts;
  readonly gatherers: GatherPool;
}

const DEFAULT_LEVEL: Level = { kind: 'snapshot' };

export class SqlEngine implements Database, Engine, AsyncDisposable {
  readonly options: SqlEngineOptions;
  readonly limits: SqlLimits;
  readonly set: StripeSet;
  readonly planner: Planner;
  /** What runs now, and what took long. */
  readonly queries: LiveQueries;
  readonly counts: Counts = new Counts();
  readonly gatherers: GatherPool;
  readonly #sessions = new Set<Session>();

  constructor(options: SqlEngineOptions) {
    this.options = options;
    this.limits = { ...DEFAULT_SQL_LIMITS, ...options.limits };
    this.set = new StripeSet(options.stripes, options.log, {
      ...(options.more === undefined ? {} : { more: options.more }),
      onForeign: () => options.ids?.forget?.(),
    });
    this.gatherers = new GatherPool(options.clock);
    this.queries = new LiveQueries(options.clock, options.logger, this.limits);
    const { gatherBytesMax: bytesMax, gatherRowsMax: rowsMax } = this.limits;
    this.planner = new Planner(this.set, {
      ...(options.ids === undefined ? {} : { ids: options.ids }),
      budget: { bytesMax, rowsMax },
      temporaryBytesMax: this.limits.temporaryBytesMax,
    });
  }

  get figures(): SqlFigures {
    return this.counts.figures(this.#sessions.size, this.queries.size);
  }

  /** Rejects while stripe 0 cannot be reached for the first time. */
  openSession(caller: Caller): Promise<SqlSession> {
    return this.#open(caller, DEFAULT_LEVEL);
  }

  /** See `Database`. At whatever level somebody reads, it is written the same way. */
  once(
    caller: Caller,
    statement: BoundStatement,
  ): Promise<StatementResult | undefined> | undefined {
    return loneWrite(caller, statement, this);
  }

  /** The same database for clients that begin with another read level, such as `stale:5s`. Throws `SQL_READ_LEVEL`. */
  reading(level: string): Database {
    const parsed = parseLevel(level);
    return {
      openSession: (caller) => this.#open(caller, parsed),
      once: (caller, statement) => this.once(caller, statement),
    };
  }

  /** Moves half of a stripe's slots into a new one; see `Splitter`. */
  splitter(onStep?: (step: SplitStep) => void): Splitter {
    const { clock, logger } = this.options;
    const { planner, set } = this;
    return new Splitter({
      set,
      planner,
      clock,
      logger,
      ...(onStep === undefined ? {} : { onStep }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()));
    await this.gatherers[Symbol.asyncDispose]();
    this.planner[Symbol.dispose]();
  }

  async #open(caller: Caller, level: Level): Promise<SqlSession> {
    if (!this.set.isLoaded) await this.set.load();
    const session = new SqlSession(this, caller, level, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    return session;
  }
}
