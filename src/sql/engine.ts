/** One database as its clients see it: sessions that plan their statements over its stripes. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { CommitLog, StripeClient } from '../database/database.ts';
import type { Caller, Database, Session } from '../hrana/hrana.ts';
import { type IdSource, Planner } from '../planner/planner.ts';
import { SqlSession } from './session.ts';
import { StripeSet } from './stripe-set.ts';

export interface SqlEngineOptions {
  readonly name: string;
  /** By number; 0 holds single tables and the catalogue. */
  readonly stripes: readonly StripeClient[];
  /** Of the stripes: a transaction over several is one append to it. */
  readonly log: CommitLog;
  readonly ids: IdSource;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What sessions use of it. */
export interface Engine {
  readonly options: SqlEngineOptions;
  readonly set: StripeSet;
  readonly planner: Planner;
}

export class SqlEngine implements Database, Engine, AsyncDisposable {
  readonly options: SqlEngineOptions;
  readonly set: StripeSet;
  readonly planner: Planner;
  readonly #sessions = new Set<Session>();

  constructor(options: SqlEngineOptions) {
    this.options = options;
    this.set = new StripeSet(options.stripes, options.log);
    this.planner = new Planner(this.set, { ids: options.ids });
  }

  /** Rejects while stripe 0 cannot be reached for the first time. */
  async openSession(caller: Caller): Promise<Session> {
    await this.set.load();
    const session = new SqlSession(this, caller);
    this.#sessions.add(session);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()));
    this.planner[Symbol.dispose]();
  }
}
