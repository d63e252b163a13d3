/** One database in the database process: this node's copies of its stripes, the engine over them, and its wire. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ensureFolder, removeTree } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  type Loan,
  type PrimaryRecord,
  type ReaderPool,
  RegistryLog,
  Stripe,
  type StripeDigest,
} from '../database/database.ts';
import type { KnownToken } from '../accounts/accounts.ts';
import { type Caller, type Database, HranaServer } from '../hrana/hrana.ts';
import type { ObjectPlace } from '../net/net.ts';
import type { Registry, Revision } from '../registry/registry.ts';
import { SqlEngine, TableIds } from '../sql/sql.ts';
import { callerOf, LOCAL_CALLER } from './callers.ts';
import type { DatabaseConfig, DatabaseState, Moved } from './control.ts';
import { Copy } from './copy.ts';
import { DescriptionDuty } from './description-duty.ts';
import { notReady, sqlWrong, tooManyLevels } from './errors.ts';
import { queryPlan, type QueryPlan } from './query-plan.ts';
import { Fillings } from './fillings.ts';
import { handOver } from './hand-over.ts';
import { History } from './history.ts';
import { LedStripe } from './led-stripe.ts';
import { WIRES_MAX } from './limits.ts';
import type { PeerLinks } from './peer-link.ts';
import { isSystemDatabase, stripeName } from './records.ts';
import { queryState, slowState } from './query-state.ts';
import { ScrubDuty } from './scrub-duty.ts';
import { SnapshotVault } from './snapshot-vault.ts';
import { Snapshots } from './snapshots.ts';
import { SplitDuty } from './split-duty.ts';
import { firstStripes, slotCounts } from './splits.ts';
import { stripeState, unlessAway } from './stripe-state.ts';
import { KnownTokens } from './tokens.ts';
import { VaultDuty } from './vault-duty.ts';

export interface OpenDatabaseOptions {
  /** `places` of it change; see `place`. */
  readonly config: DatabaseConfig;
  /** Of this database alone. */
  readonly folder: string;
  /** Holds the logs. */
  readonly registry: Registry;
  /** See `RegistryLogOptions`. */
  readonly confirm: (revision: Revision) => Promise<void>;
  /** This life of this node. */
  readonly record: PrimaryRecord;
  readonly pool: ReaderPool;
  readonly links: PeerLinks;
  /** Where the file store keeps snapshots, once there is one. */
  readonly vault: () => ObjectPlace | undefined;
  /** Those of the API as they are now. */
  readonly tokens: () => readonly KnownToken[];
  /** False while this node hands over what it leads. */
  readonly mayLead: () => boolean;
  /** Whether the process of that node has clearly ended. */
  readonly isGone: (node: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A statement that writes does not end: only the end of the process helps. */
  readonly onStuck: (database: string, ms: number) => void;
}

/** How a client comes in. */
export interface WireWanted {
  readonly isLocal: boolean;
  /** A read level for all that it asks; undefined: the usual one. */
  readonly level: string | undefined;
}

interface Wire {
  readonly isLocal: boolean;
  readonly server: HranaServer;
}

const NOTHING_RUNS = {
  begin: () => Promise.reject(new Error('Explaining runs nothing')),
};

export class OpenDatabase implements AsyncDisposable {
  readonly #options: OpenDatabaseOptions;
  readonly #log: RegistryLog;
  readonly #stack = new AsyncDisposableStack();
  /** By the stripe's number. */
  readonly #copies = new Map<number, Copy>();
  readonly snapshots: Snapshots;
  readonly history: History;
  readonly scrub: ScrubDuty;
  readonly #vault: VaultDuty;
  readonly #description: DescriptionDuty;
  #config: DatabaseConfig;
  #tokens: KnownTokens;
  #engine: SqlEngine | undefined;
  /** By who may come in and how it reads. */
  readonly #wires = new Map<string, Wire>();
  readonly #fillings: Fillings;
  #splits: SplitDuty | undefined;
  #why: string | undefined;
  #vaultWhy: string | undefined;

  constructor(options: OpenDatabaseOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#tokens = tokensOf(options.config);
    const { registry, confirm, config, folder, record, links, clock, logger: log } = options;
    this.#log = new RegistryLog({ registry, database: config.id, clock, confirm });
    const place = isSystemDatabase(config.name) ? (): undefined => undefined : options.vault;
    const vault = new SnapshotVault({ database: config.id, place });
    this.snapshots = new Snapshots({
      folder: join(folder, 'snapshots'),
      database: config.id,
      node: record.node,
      others: (stripe) => this.#othersOf(stripe),
      links,
      vault,
      log,
    });
    const { snapshots } = this;
    this.#vault = new VaultDuty({ vault, snapshots, log: this.#log, folder, clock });
    const { id, name } = config;
    this.scrub = new ScrubDuty({
      database: id,
      name,
      node: record.node,
      folder,
      copies: () => [...this.#copies].map(([number, { stripe }]) => [number, stripe] as const),
      others: (stripe) => this.#othersOf(stripe),
      links,
      log: this.#log,
      snapshots,
      slowReads: options.pool,
      clock,
      logger: log,
    });
    this.history = new History({
      name,
      id,
      stripes: () => this.#config.stripes,
      node: record.node,
      registry,
      log: this.#log,
      snapshots,
      pool: options.pool,
      clock,
      logger: log,
    });
    this.#fillings = new Fillings({
      open: async (number) => await this.#openCopy(number, this.#rankOf(number)),
      clock,
      logger: log,
    });
    this.#description = new DescriptionDuty({
      vault,
      config: () => this.#config,
      log: this.#log,
      marks: () => this.history.marks,
    });
  }

  get name(): string {
    return this.#options.config.name;
  }

  /** Undefined while it is being opened. Throws `DATABASES_NOT_READY` when that failed, `SQL_READ_LEVEL`, and `DATABASES_LEVELS_MANY`. */
  server({ isLocal, level }: WireWanted): HranaServer | undefined {
    const engine = this.#engine;
    if (engine === undefined && this.#why !== undefined) throw notReady(this.name, this.#why);
    if (engine === undefined) return undefined;
    const key = `${isLocal ? 'local' : 'token'} ${level ?? ''}`;
    const known = this.#wires.get(key);
    if (known !== undefined) return known.server;
    const database = level === undefined ? engine : engine.reading(level);
    if (this.#wires.size >= WIRES_MAX) throw tooManyLevels(this.name);
    const server = this.#wire(database, isLocal);
    this.#wires.set(key, { isLocal, server });
    return server;
  }

  /** Resolves when its copies are open; that they are led comes later. Never rejects: `state` tells. */
  async start(): Promise<void> {
    await this.#try(async () => {
      await ensureFolder(this.#options.folder);
      await this.#placeCopies();
      this.#beginDuties(this.#serve());
    });
  }

  /** Other places, or another key for tokens. */
  async change(config: DatabaseConfig): Promise<void> {
    if (isDeepStrictEqual(config, this.#config)) return;
    const { tokenKey } = this.#config;
    this.#config = config;
    if (tokenKey !== config.tokenKey) this.#tokens = tokensOf(config);
    await this.#try(async () => {
      await this.#placeCopies();
      // Who has come in by the old key must not stay.
      if (tokenKey !== config.tokenKey) await this.#closeWires(({ isLocal }) => !isLocal);
    });
  }

  /** This node's copy. Throws when there is none. */
  copy(name: string): Stripe {
    for (const { stripe } of this.#copies.values()) if (stripe.name === name) return stripe;
    throw notReady(this.name, `this node has no copy of stripe ${name}`);
  }

  /** For the node that leads: what this one's copy has. Throws while it is being filled. */
  async digestAt(name: string, by: string): Promise<StripeDigest> {
    const copies = [...this.#copies.values()].map(({ started }) => started);
    const stripe = copies.find((one) => one?.name === name);
    if (stripe === undefined) throw notReady(this.name, `the copy of ${name} is being filled`);
    return await this.scrub.digestAt(stripe, by);
  }

  async state(): Promise<DatabaseState> {
    const config = this.#config;
    const copies = [...this.#copies].toSorted(([a], [b]) => a - b);
    const { folder } = this.#options;
    const { node } = this.#options.record;
    const stripes = await Promise.all(
      copies.map(([number, { stripe }]) =>
        stripeState(stripe, {
          number,
          log: this.#log,
          folder,
          vault: this.#vault,
          scrub: this.scrub,
        }),
      ),
    );
    const open = [...this.#wires.values()].map(({ server }) => server.open);
    const sum = (key: 'streams' | 'connections'): number =>
      open.reduce((total, one) => total + one[key], 0);
    return {
      name: config.name,
      id: config.id,
      state: this.#why !== undefined ? 'failed' : this.#engine === undefined ? 'opening' : 'open',
      why: this.#why,
      primaries: await this.#primaries(),
      stripes,
      vaultWhy: this.#vaultWhy,
      fillWhy: this.#fillings.why,
      restorable: this.history.reach,
      split: this.#splits?.state,
      slots: slotCounts(this.#engine?.set.slots.stripes ?? []),
      slotsVersion: this.#engine?.set.slots.version,
      connections: sum('connections'),
      streams: sum('streams'),
      queries: (this.#engine?.queries.list() ?? []).map((query) => queryState(query, node)),
      slow: (this.#engine?.queries.slow() ?? []).map(slowState),
      figures: this.#engine?.figures,
    };
  }

  /** False when there is no such statement any more. */
  kill(query: string): boolean {
    const [node, id] = query.split('-');
    if (node !== this.#options.record.node) return false;
    return this.#engine?.queries.kill(Number(id)) ?? false;
  }

  /** A stripe that is led here is led by that node from now on. Throws `DATABASES_NOT_READY` when it stays as it was. */
  async move(number: number, to: string, why: string): Promise<Moved> {
    const { links, clock } = this.#options;
    const stripe = this.copy(stripeName(number));
    return await handOver({
      stripe,
      database: this.#config.id,
      name: this.name,
      to,
      why,
      links,
      clock,
    });
  }

  /** Hands over each stripe that is led here, to the first that can take it. */
  async leave(why: string): Promise<void> {
    const { logger } = this.#options;
    for (const [number, { stripe }] of this.#copies) {
      for (const node of this.#othersOf(stripe.name)) {
        if (stripe.primary === undefined) break;
        try {
          await this.move(number, node, why);
        } catch (error) {
          logger.warn('A node does not take a stripe over', { node, why: messageOf(error) });
        }
      }
    }
  }

  /** Brings snapshots of what is led here into the file store. A stripe of which something cannot be put holds up no other, and is the error. */
  async tendVault(signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    for (const { stripe } of this.#copies.values()) {
      if (stripe.primary === undefined) continue;
      signal.throwIfAborted();
      await this.#vault.tend(stripe.name, signal).catch((error: unknown) => failures.push(error));
    }
    await this.#description.tend().catch((error: unknown) => failures.push(error));
    this.#vaultWhy = failures.length === 0 ? undefined : messageOf(failures[0]);
    if (failures.length > 0) throw failures[0];
  }

  /** How a statement would be run. Throws what is wrong with it. */
  async explain(sql: string): Promise<QueryPlan> {
    const engine = this.#engine;
    if (engine === undefined) throw notReady(this.name, 'it is being opened');
    await engine.set.load();
    const connection = engine.planner.connect(NOTHING_RUNS);
    try {
      return queryPlan(connection.explain(sql));
    } catch (error) {
      throw error instanceof Error && 'errcode' in error ? sqlWrong(error.message) : error;
    } finally {
      await connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What is being opened ends when its copy is closed.
    const filled = this.#fillings[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
    await Promise.all([...this.#copies.values()].map((copy) => copy[Symbol.asyncDispose]()));
    await filled;
    this.#copies.clear();
  }

  async #primaries(): Promise<readonly (string | null)[]> {
    const { stripes } = this.#config;
    const names = Array.from({ length: stripes }, (_, number) => stripeName(number));
    return await Promise.all(
      names.map(async (name) => {
        return (await unlessAway(() => this.#log.primary(name)))?.node ?? null;
      }),
    );
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#why = undefined;
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#why = messageOf(error);
    this.#options.logger.error('A database cannot be opened', { database: this.name, error });
  }

  /** Opens what should be here and closes what should not be any more. While others serve the database, a new copy is filled beside: nobody waits for it. */
  async #placeCopies(): Promise<void> {
    const { record, folder } = this.#options;
    await Promise.all(
      this.#config.places.map(async (nodes, number) => {
        const rank = nodes.indexOf(record.node);
        const copy = this.#copies.get(number);
        if (rank >= 0 && copy === undefined) {
          if (this.#engine === undefined) await this.#openCopy(number, rank);
          else this.#fillings.fill(number);
        }
        if (rank < 0) this.#fillings.leave(number);
        if (rank >= 0 || copy === undefined) return;
        this.#copies.delete(number);
        await copy[Symbol.asyncDispose]();
        for (const suffix of ['', '-wal', '-shm', '.scrubbed'])
          await removeTree(join(folder, `${stripeName(number)}.sqlite${suffix}`));
      }),
    );
  }

  async #openCopy(number: number, rank: number): Promise<void> {
    const { folder, record, pool, mayLead, isGone, clock, logger, links, registry, config } =
      this.#options;
    const name = stripeName(number);
    const stripe = new Stripe({
      name,
      path: join(folder, `${name}.sqlite`),
      record,
      log: this.#log,
      slowReads: pool,
      snapshots: this.snapshots,
      clock,
      logger,
      onStuck: (ms) => this.#options.onStuck(this.name, ms),
      loans: {
        borrow: async (primary) =>
          (await links.call(primary.node, 'lend', config.id, name, record.node)) as
            | Loan
            | undefined,
        mayBeOut: () => registry.engine === 'etcd',
      },
    });
    const copy = new Copy(stripe);
    this.#copies.set(number, copy);
    try {
      const isKeptElsewhere = (): boolean => this.snapshots.further.length > 0;
      const shared = { mayLead, isGone, isKeptElsewhere, clock, logger };
      await copy.start({ log: this.#log, record, rank, ...shared });
    } catch (error) {
      // It went again meanwhile.
      if (this.#stack.disposed || this.#copies.get(number) !== copy) return;
      this.#copies.delete(number);
      await copy[Symbol.asyncDispose]();
      throw error;
    }
  }

  #rankOf(number: number): number {
    return this.#config.places[number]?.indexOf(this.#options.record.node) ?? -1;
  }

  #othersOf(stripe: string): readonly string[] {
    const number = this.#config.places.findIndex((_, at) => stripeName(at) === stripe);
    const { node } = this.#options.record;
    return (this.#config.places[number] ?? []).filter((each) => each !== node);
  }

  #serve(): SqlEngine {
    const { clock, logger, registry, links, record } = this.#options;
    const { id, name } = this.#config;
    const led = (number: number): LedStripe =>
      new LedStripe({
        name: stripeName(number),
        database: id,
        databaseName: name,
        log: this.#log,
        links,
        own: () => this.#copies.get(number)?.started,
        node: record.node,
        clock,
      });
    const first = Array.from({ length: firstStripes(this.#config) }, (_, number) => led(number));
    const engine = this.#stack.use(
      new SqlEngine({
        name,
        stripes: first,
        more: led,
        log: this.#log,
        ids: new TableIds(registry, id),
        clock,
        logger,
      }),
    );
    this.#stack.defer(() => this.#closeWires(() => true));
    this.#engine = engine;
    return engine;
  }

  /** What is done where stripe 0 is led. */
  #beginDuties(engine: SqlEngine): void {
    const stop = new AbortController();
    const isMine = (): boolean => this.#copies.get(0)?.stripe.primary !== undefined;
    const { clock, logger } = this.#options;
    const splits = (): DatabaseConfig['splits'] => this.#config.splits;
    const duty = new SplitDuty({ name: this.name, engine, splits, isMine, clock, logger });
    this.#splits = duty;
    const running = [this.history.run(isMine, stop.signal), duty.run(stop.signal)];
    this.#stack.defer(async () => {
      stop.abort(new Error('The database is closed'));
      await Promise.all(running);
    });
  }

  async #closeWires(which: (wire: Wire) => boolean): Promise<void> {
    const closing = [...this.#wires].filter(([, wire]) => which(wire));
    for (const [key] of closing) this.#wires.delete(key);
    await Promise.all(closing.map(([, { server }]) => server[Symbol.asyncDispose]()));
  }

  #wire(database: Database, isLocal: boolean): HranaServer {
    const { clock, logger: log } = this.#options;
    return new HranaServer({
      database,
      authenticate: isLocal ? () => LOCAL_CALLER : (token) => this.#callerOf(token),
      clock,
      log,
    });
  }

  #callerOf(token: string | undefined): Caller {
    const { tokens, clock } = this.#options;
    return callerOf(token, { ofDatabase: this.#tokens, tokens: tokens(), now: clock.now() });
  }
}

function tokensOf({ tokenKey }: DatabaseConfig): KnownTokens {
  return new KnownTokens(Buffer.from(tokenKey, 'base64'));
}
