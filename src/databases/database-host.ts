/** All databases of the database process: opens, closes and removes them as the agent's config says. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { randomId } from '../base/ids.ts';
import { ensureFolder, removeTree } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { ReaderPool } from '../database/database.ts';
import type { HranaServer } from '../hrana/hrana.ts';
import type { SwitchableRegistry } from '../registry/registry.ts';
import { CONTROL, type DatabasesConfig, type ProcessState } from './control.ts';
import { notFound, notReady } from './errors.ts';
import { OpenDatabase } from './open-database.ts';

export interface DatabaseHostOptions {
  readonly folder: string;
  readonly logs: SwitchableRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the process: it is started again, and nothing is lost by it. */
  readonly onStuck: () => void;
}

/** A folder of a database. */
const ID = /^[a-z0-9]{12}$/;

export class DatabaseHost implements AsyncDisposable {
  readonly #options: DatabaseHostOptions;
  readonly #pool: ReaderPool;
  readonly #life = randomId();
  readonly #open = new Map<string, OpenDatabase>();
  #config: DatabasesConfig | undefined;
  /** Configs are applied one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: DatabaseHostOptions) {
    this.#options = options;
    this.#pool = new ReaderPool({ clock: options.clock });
  }

  /** Throws `DATABASES_NOT_FOUND` or `DATABASES_NOT_READY`. */
  serverOf(name: string, options: { readonly isLocal: boolean }): HranaServer {
    const config = this.#config?.databases.find((one) => one.name === name);
    if (config === undefined) {
      throw notFound(name, this.#config?.databases.map((one) => one.name) ?? []);
    }
    const server = this.#open.get(config.id)?.server(options);
    if (server === undefined) throw notReady(name, 'it is being opened');
    return server;
  }

  /** Answers the agent. */
  async control(path: string, body: unknown): Promise<unknown> {
    switch (path) {
      case CONTROL.config:
        this.#take(body as DatabasesConfig);
        return {};
      case CONTROL.state:
        return await this.#state();
      case CONTROL.kill: {
        const { database, query } = body as { readonly database: string; readonly query: string };
        return { killed: this.#byName(database).kill(query) };
      }
      case CONTROL.explain: {
        const { database, sql } = body as { readonly database: string; readonly sql: string };
        return await this.#byName(database).explain(sql);
      }
      default:
        throw new Error(`The agent asked "${path}", which this process does not know`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    await Promise.all([...this.#open.values()].map((one) => one[Symbol.asyncDispose]()));
    await this.#pool[Symbol.asyncDispose]();
  }

  /** Asked for its port by the state. */
  port: () => number = () => 0;

  #byName(name: string): OpenDatabase {
    const found = [...this.#open.values()].find((one) => one.name === name);
    if (found === undefined) throw notFound(name, []);
    return found;
  }

  #take(config: DatabasesConfig): void {
    this.#config = config;
    this.#turn = this.#turn
      .then(() => this.#apply(config))
      .catch((error: unknown) => {
        this.#options.logger.error('Databases could not be brought up to date', {
          why: messageOf(error),
        });
      });
  }

  async #apply(config: DatabasesConfig): Promise<void> {
    if (this.#isClosed || config !== this.#config) return;
    const wanted = new Set(config.databases.map(({ id }) => id));
    for (const [id, database] of this.#open) {
      if (wanted.has(id)) continue;
      this.#open.delete(id);
      await database[Symbol.asyncDispose]();
    }
    await this.#removeDropped(config.dropped);
    const fresh = config.databases.filter(({ id }) => !this.#open.has(id));
    await Promise.all(
      fresh.map(async (one) => {
        const database = this.#database(one, config.node);
        this.#open.set(one.id, database);
        await database.start();
      }),
    );
  }

  #database(config: DatabasesConfig['databases'][number], node: string): OpenDatabase {
    const { folder, logs, clock, logger } = this.#options;
    return new OpenDatabase({
      config,
      folder: join(folder, config.id),
      registry: logs,
      record: { node, life: this.#life },
      pool: this.#pool,
      tokens: () => this.#config?.tokens ?? [],
      clock,
      logger,
      onStuck: (database, ms) => {
        logger.error('A statement that writes does not end: the process begins anew', {
          database,
          ms,
        });
        this.#options.onStuck();
      },
    });
  }

  /** The log first: while the folder is there, this is done again. */
  async #removeDropped(dropped: readonly string[]): Promise<void> {
    const { folder, logs, logger } = this.#options;
    await ensureFolder(folder);
    const here = (await readdir(folder)).filter((name) => ID.test(name));
    for (const id of here) {
      if (!dropped.includes(id)) continue;
      await logs.commit([], [{ kind: 'deletePrefix', prefix: `/db/${id}/` }]);
      await removeTree(join(folder, id));
      logger.info('A dropped database is removed', { id });
    }
  }

  async #state(): Promise<ProcessState> {
    return {
      pid: process.pid,
      memoryBytes: process.memoryUsage.rss(),
      port: this.port(),
      databases: await Promise.all([...this.#open.values()].map((one) => one.state())),
    };
  }
}
