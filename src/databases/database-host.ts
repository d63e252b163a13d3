/** All databases of the database process: opens, closes and removes them as the agent's config says. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { randomId } from '../base/ids.ts';
import { ensureFolder, removeTree } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { WorkerRunner } from '../base/worker.ts';
import {
  type Applied,
  type LeadOptions,
  type Loan,
  ReaderPool,
  type Stripe,
  type StripeDigest,
} from '../database/database.ts';
import type { HranaServer } from '../hrana/hrana.ts';
import type { SwitchableRegistry } from '../registry/registry.ts';
import {
  CONTROL,
  type DatabaseConfig,
  type DatabasesConfig,
  type MoveRequest,
  type ProcessState,
  type Restored,
  type RestoreLostRequest,
  type RestoreRequest,
} from './control.ts';
import { notFound, notReady } from './errors.ts';
import { LEAVE_MS, OPENING_LOOK_MS, OPENING_MS_MAX } from './limits.ts';
import type { Logs } from './logs.ts';
import { restoreLost } from './lost-database.ts';
import { OpenDatabase, type WireWanted } from './open-database.ts';
import { PeerLinks } from './peer-link.ts';
import { Pulses } from './pulse.ts';
import type { ScrubDuty } from './scrub-duty.ts';
import { ScrubWorker } from './scrub-worker.ts';
import { SnapshotVault } from './snapshot-vault.ts';
import type { Snapshots } from './snapshots.ts';
import { VaultWorker } from './vault-worker.ts';

export interface DatabaseHostOptions {
  readonly folder: string;
  readonly logs: Logs;
  /** Follows what the config says of other nodes. */
  readonly links: PeerLinks;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the process: it is started again, and nothing is lost by it. */
  readonly onStuck: () => void;
}

/** A folder of a database. */
const ID = /^[a-z0-9]{12}$/;

const APPLY_AGAIN_MS = 500;

export class DatabaseHost implements AsyncDisposable {
  readonly #options: DatabaseHostOptions;
  readonly #pool: ReaderPool;
  readonly #life = randomId();
  readonly #open = new Map<string, OpenDatabase>();
  /** Ids of databases that are being made of others. */
  readonly #restoring = new Set<string>();
  readonly #pulses: Pulses;
  readonly #stop = new AbortController();
  readonly #workers: WorkerRunner;
  #digests: Promise<unknown> = Promise.resolve();
  /** Until then it leads nothing new: it is about to go. */
  #leadsAgainMs = -Infinity;
  #config: DatabasesConfig | undefined;
  /** Why the newest config is not in use yet. */
  #why: string | undefined;
  /** Configs are applied one after the other. */
  #turn: Promise<void> = Promise.resolve();
  /** Aborts when there is another config. */
  #newer = new AbortController();

  constructor(options: DatabaseHostOptions) {
    this.#options = options;
    this.#pool = new ReaderPool({ clock: options.clock });
    const { links, clock, logger: log } = options;
    this.#pulses = new Pulses({ links, clock });
    this.#workers = new WorkerRunner({ clock, log });
    const databases = (): readonly OpenDatabase[] => [...this.#open.values()];
    this.#workers.add(new VaultWorker(databases, log));
    this.#workers.add(new ScrubWorker(databases, log));
  }

  /**
   * Waits for one that is being opened, as after a start of the process. Throws `DATABASES_NOT_FOUND`, `DATABASES_NOT_READY`, and what
   * `OpenDatabase.server` throws.
   */
  serverOf(name: string, options: WireWanted): HranaServer | Promise<HranaServer> {
    return this.#serverOf(name, options) ?? this.#whenOpen(name, options);
  }

  async #whenOpen(name: string, options: WireWanted): Promise<HranaServer> {
    const { clock } = this.#options;
    const givenUpMs = clock.monotonicMs() + OPENING_MS_MAX;
    for (;;) {
      const server = this.#serverOf(name, options);
      if (server !== undefined) return server;
      const isLate = this.#stop.signal.aborted || clock.monotonicMs() > givenUpMs;
      if (this.#why !== undefined || isLate)
        throw notReady(name, this.#why ?? 'it is being opened');
      await clock.sleep(OPENING_LOOK_MS, this.#stop.signal).catch(() => undefined);
    }
  }

  /** Answers the agent. */
  async control(path: string, body: unknown): Promise<unknown> {
    switch (path) {
      case CONTROL.config:
        this.#take(body as DatabasesConfig);
        return {};
      case CONTROL.ping:
        return { pid: process.pid };
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
      case CONTROL.move: {
        const { database, stripe, to, why } = body as MoveRequest;
        return await this.#byName(database).move(stripe, to, why);
      }
      case CONTROL.restore: {
        const { database, at, id } = body as RestoreRequest;
        const { history } = this.#byName(database);
        return await this.#restored(id, (folder) => history.restore(at, id, folder));
      }
      case CONTROL.restoreLost: {
        const { from, id } = body as RestoreLostRequest;
        return await this.#restored(id, (folder) => this.#restoreLost(from, id, folder));
      }
      case CONTROL.scrub: {
        const { database } = body as { readonly database: string };
        const stripes = this.#byName(database).scrub.ask();
        this.#workers.wake('scrub');
        return { stripes };
      }
      case CONTROL.caughtUp:
        await this.#options.logs.caughtUp();
        return {};
      case CONTROL.mirrored:
        return { revision: await this.#options.logs.mirroredRevision() };
      case CONTROL.leave: {
        const { why } = body as { readonly why: string };
        this.#leadsAgainMs = this.#options.clock.monotonicMs() + LEAVE_MS;
        await Promise.all([...this.#open.values()].map((one) => one.leave(why)));
        return {};
      }
      default:
        throw new Error(`The agent asked "${path}", which this process does not know`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The process ends'));
    await this.#workers[Symbol.asyncDispose]();
    await this.#turn;
    await Promise.all([...this.#open.values()].map((one) => one[Symbol.asyncDispose]()));
    await this.#pulses[Symbol.asyncDispose]();
    await this.#pool[Symbol.asyncDispose]();
  }

  /** For other nodes: this node's copy of a stripe. Throws when there is none. */
  stripe(database: string, name: string): Stripe {
    return this.#byId(database).copy(name);
  }

  /** For other nodes: this one's copy is to lead soon, and catches up. */
  async beforeLead(database: string, name: string): Promise<Applied> {
    const open = this.#byId(database);
    if (!this.#mayLead()) throw notReady(open.name, 'this node is about to go');
    return await open.copy(name).catchUp();
  }

  /** For other nodes: leads a stripe from now on, if it may. */
  async lead(database: string, name: string, options: LeadOptions): Promise<boolean> {
    return this.#mayLead() && (await this.#byId(database).copy(name).lead(options));
  }

  /** For other nodes: what this one's copy lends theirs; it is called back over the connection there. */
  async lend(database: string, name: string, borrower: string): Promise<Loan | undefined> {
    const { links } = this.#options;
    return this.stripe(database, name).logEnd.lend(borrower, (loan) =>
      links.call(borrower, 'recalled', database, name, loan),
    );
  }

  /** For other nodes: what this one's copy has, as of an entry that the node `by` names; of one copy at a time. */
  async digestAt(database: string, name: string, by: string): Promise<StripeDigest> {
    const mine = this.#digests.then(async () => this.#byId(database).digestAt(name, by));
    this.#digests = mine.catch(() => {});
    return await mine;
  }

  scrub(database: string): ScrubDuty {
    return this.#byId(database).scrub;
  }

  snapshots(database: string): Snapshots {
    return this.#byId(database).snapshots;
  }

  /** Asked for its port by the state. */
  port: () => number = () => 0;

  /** Undefined while it is being opened, and before this process has been told anything. */
  #serverOf(name: string, options: WireWanted): HranaServer | undefined {
    if (this.#config === undefined) return undefined;
    const { databases } = this.#config;
    const config = databases.find((one) => one.name === name);
    if (config !== undefined) return this.#open.get(config.id)?.server(options);
    const names = databases.map((one) => one.name);
    throw notFound(name, names);
  }

  #mayLead(): boolean {
    return this.#options.clock.monotonicMs() > this.#leadsAgainMs;
  }

  #byName(name: string): OpenDatabase {
    const found = [...this.#open.values()].find((one) => one.name === name);
    if (found === undefined) throw notFound(name, []);
    return found;
  }

  #byId(id: string): OpenDatabase {
    const found = this.#open.get(id);
    if (found === undefined) throw notFound(id, []);
    return found;
  }

  #take(config: DatabasesConfig): void {
    const { links, logs } = this.#options;
    this.#config = config;
    // What the one before waits for may hang on this: who is reached where, and where the logs are.
    links.configure(config.peers);
    logs.expect(config.log);
    this.#newer.abort(new Error('There is another config'));
    this.#newer = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, this.#newer.signal]);
    this.#turn = this.#turn.then(() => this.#applyUntilDone(config, signal));
  }

  /** What hangs on a log that cannot be reached yet is tried again, until there is another config. */
  async #applyUntilDone(config: DatabasesConfig, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#apply(config, signal);
        this.#why = undefined;
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#why = messageOf(error);
        logger.error('Databases could not be brought up to date', { why: this.#why });
        await clock.sleep(APPLY_AGAIN_MS, signal).catch(() => undefined);
      }
    }
  }

  async #apply(config: DatabasesConfig, signal: AbortSignal): Promise<void> {
    const logs = await this.#options.logs.follow(config.log, signal);
    const wanted = new Set(config.databases.map(({ id }) => id));
    for (const [id, database] of this.#open) {
      if (wanted.has(id)) continue;
      this.#open.delete(id);
      await database[Symbol.asyncDispose]();
    }
    await this.#removeDropped(config.dropped, logs);
    await Promise.all(
      config.databases.map(async (one) => {
        const known = this.#open.get(one.id);
        if (known !== undefined) return await known.change(one);
        const database = this.#database(one, config.node, logs);
        this.#open.set(one.id, database);
        await database.start();
      }),
    );
  }

  #database(config: DatabaseConfig, node: string, registry: SwitchableRegistry): OpenDatabase {
    const { folder, logs, links, clock, logger } = this.#options;
    return new OpenDatabase({
      config,
      folder: join(folder, config.id),
      registry,
      record: { node, life: this.#life },
      pool: this.#pool,
      confirm: (revision) => logs.confirm(revision),
      links,
      vault: () => this.#config?.vault,
      tokens: () => this.#config?.tokens ?? [],
      mayLead: () => this.#mayLead(),
      isGone: (peer) => this.#pulses.isGone(peer),
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

  async #restoreLost(from: string, id: string, folder: string): Promise<Restored> {
    const { clock, logs } = this.#options;
    const { registry } = logs;
    if (registry === undefined || this.#config === undefined)
      throw notReady(from, 'the logs cannot be reached yet');
    const vault = new SnapshotVault({ database: from, place: () => this.#config?.vault });
    const { node } = this.#config;
    return await restoreLost(vault, { registry, id, folder, node, pool: this.#pool, clock });
  }

  /** Nobody may know of it any more when it is done: then it goes again. */
  async #restored(id: string, make: (folder: string) => Promise<Restored>): Promise<Restored> {
    const { folder, logs } = this.#options;
    this.#restoring.add(id);
    try {
      return await make(join(folder, id));
    } finally {
      this.#restoring.delete(id);
      const { dropped = [] } = this.#config ?? {};
      if (dropped.includes(id) && logs.registry !== undefined)
        await this.#removeDropped(dropped, logs.registry);
    }
  }

  /** The log first: while the folder is there, this is done again. */
  async #removeDropped(dropped: readonly string[], logs: SwitchableRegistry): Promise<void> {
    const { folder, logger } = this.#options;
    await ensureFolder(folder);
    const here = (await readdir(folder)).filter((name) => ID.test(name));
    for (const id of here) {
      if (!dropped.includes(id) || this.#restoring.has(id)) continue;
      await logs.commit([], [{ kind: 'deletePrefix', prefix: `/db/${id}/` }]);
      await removeTree(join(folder, id));
      logger.info('A dropped database is removed', { id });
    }
  }

  async #state(): Promise<ProcessState> {
    return {
      pid: process.pid,
      why: this.#why,
      memoryBytes: process.memoryUsage.rss(),
      port: this.port(),
      databases: await Promise.all([...this.#open.values()].map((one) => one.state())),
    };
  }
}
