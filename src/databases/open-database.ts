/** One database in the database process: this node's copies of its stripes, the engine over them, and its wire. */
import { join } from 'node:path';
import { ensureFolder, removeTree } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  FolderSnapshots,
  type PrimaryRecord,
  type ReaderPool,
  RegistryLog,
  runCandidate,
  runSnapshots,
  Stripe,
} from '../database/database.ts';
import type { KnownToken } from '../accounts/accounts.ts';
import { HranaServer } from '../hrana/hrana.ts';
import type { Registry } from '../registry/registry.ts';
import { SqlEngine, TableIds } from '../sql/sql.ts';
import { callerOf, LOCAL_CALLER } from './callers.ts';
import type { DatabaseConfig, DatabaseState, StripeState } from './control.ts';
import { notReady } from './errors.ts';
import { queryPlan, type QueryPlan } from './query-plan.ts';
import { LEAD_EVERY_MS, SNAPSHOT_EVERY_MS } from './limits.ts';
import { stripeName } from './records.ts';
import { stripeState } from './stripe-state.ts';

export interface OpenDatabaseOptions {
  readonly config: DatabaseConfig;
  /** Of this database alone. */
  readonly folder: string;
  /** Holds the logs. */
  readonly registry: Registry;
  /** This life of this node. */
  readonly record: PrimaryRecord;
  readonly pool: ReaderPool;
  /** Those of the API as they are now. */
  readonly tokens: () => readonly KnownToken[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** A statement that writes does not end: only the end of the process helps. */
  readonly onStuck: (database: string, ms: number) => void;
}

const NOTHING_RUNS = {
  begin: () => Promise.reject(new Error('Explaining runs nothing')),
};

export class OpenDatabase implements AsyncDisposable {
  readonly #options: OpenDatabaseOptions;
  readonly #log: RegistryLog;
  readonly #stop = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  readonly #duties: Promise<void>[] = [];
  readonly #stripes: Stripe[] = [];
  #engine: SqlEngine | undefined;
  #open: HranaServer | undefined;
  #local: HranaServer | undefined;
  #why: string | undefined;

  constructor(options: OpenDatabaseOptions) {
    this.#options = options;
    const { registry, config, clock } = options;
    this.#log = new RegistryLog({ registry, database: config.id, clock });
  }

  get name(): string {
    return this.#options.config.name;
  }

  /** For clients with tokens, or for those who need none; undefined while it is being opened. */
  server({ isLocal }: { readonly isLocal: boolean }): HranaServer | undefined {
    return isLocal ? this.#local : this.#open;
  }

  /** Resolves when its stripes are open; that they are led comes later. Never rejects: `state` tells. */
  async start(): Promise<void> {
    try {
      await this.#start();
      this.#why = undefined;
    } catch (error) {
      this.#why = messageOf(error);
      this.#options.logger.error('A database cannot be opened', { database: this.name, error });
    }
  }

  async state(): Promise<DatabaseState> {
    const { config } = this.#options;
    const stripes = await Promise.all(this.#stripes.map((stripe, at) => this.#stripe(stripe, at)));
    const open = [this.#open, this.#local].map((server) => server?.open);
    const sum = (key: 'streams' | 'connections'): number =>
      open.reduce((total, one) => total + (one?.[key] ?? 0), 0);
    return {
      name: config.name,
      id: config.id,
      state: this.#why !== undefined ? 'failed' : this.#open === undefined ? 'opening' : 'open',
      why: this.#why,
      stripes,
      connections: sum('connections'),
      streams: sum('streams'),
      queries: [],
      slow: [],
    };
  }

  /** False when there is no such statement any more. */
  kill(query: string): boolean {
    return query === '';
  }

  /** How a statement would be run. Throws what is wrong with it. */
  async explain(sql: string): Promise<QueryPlan> {
    const engine = this.#engine;
    if (engine === undefined) throw notReady(this.name, 'it is being opened');
    await engine.set.load();
    const connection = engine.planner.connect(NOTHING_RUNS);
    try {
      return queryPlan(connection.explain(sql));
    } finally {
      await connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The database is being closed'));
    await Promise.all(this.#duties);
    await this.#stack.disposeAsync();
  }

  /** Removes what this node has of it. Only after it was closed. */
  async remove(): Promise<void> {
    await removeTree(this.#options.folder);
  }

  async #start(): Promise<void> {
    const { config, folder, record, pool, clock, logger } = this.#options;
    await ensureFolder(folder);
    const snapshots = new FolderSnapshots(new Map([[record.node, join(folder, 'snapshots')]]));
    for (let number = 0; number < config.stripes; number++) {
      const name = stripeName(number);
      const stripe = new Stripe({
        name,
        path: join(folder, `${name}.sqlite`),
        record,
        log: this.#log,
        slowReads: pool,
        snapshots,
        clock,
        logger,
        onStuck: (ms) => this.#options.onStuck(config.name, ms),
      });
      this.#stack.use(stripe);
      this.#stripes.push(stripe);
    }
    await Promise.all(this.#stripes.map((stripe) => this.#run(stripe)));
    this.#serve();
  }

  async #run(stripe: Stripe): Promise<void> {
    const { record, clock, logger } = this.#options;
    const { signal } = this.#stop;
    await stripe.start();
    const shared = { stripe, log: this.#log, clock, logger };
    this.#duties.push(
      runCandidate({ ...shared, record, everyMs: LEAD_EVERY_MS }, signal),
      runSnapshots({ ...shared, everyMs: SNAPSHOT_EVERY_MS }, signal),
    );
  }

  #serve(): void {
    const { config, clock, logger, tokens } = this.#options;
    const database = new SqlEngine({
      name: config.name,
      stripes: this.#stripes,
      log: this.#log,
      ids: new TableIds(this.#options.registry, config.id),
      clock,
      logger,
    });
    this.#engine = this.#stack.use(database);
    const tokenKey = Buffer.from(config.tokenKey, 'base64');
    this.#open = this.#stack.use(
      new HranaServer({
        database,
        authenticate: (token) =>
          Promise.resolve().then(() =>
            callerOf(token, { tokenKey, tokens: tokens(), now: clock.now() }),
          ),
        clock,
        log: logger,
      }),
    );
    this.#local = this.#stack.use(
      new HranaServer({
        database,
        authenticate: () => Promise.resolve(LOCAL_CALLER),
        clock,
        log: logger,
      }),
    );
  }

  async #stripe(stripe: Stripe, number: number): Promise<StripeState> {
    return await stripeState(stripe, { number, log: this.#log, folder: this.#options.folder });
  }
}
