/** The databases of the cluster as people make, look at and drop them: records in the registry, and the process of this node. */
import { existsSync } from 'node:fs';
import type { Accounts, KnownToken } from '../accounts/accounts.ts';
import { followAgain } from '../base/again.ts';
import { randomId } from '../base/ids.ts';
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Peers } from '../cluster/cluster.ts';
import type { ObjectPlace } from '../net/net.ts';
import type { Collection, Registry, Revision, Stored } from '../registry/registry.ts';
import {
  CONTROL,
  type DatabasesConfig,
  type DatabaseState,
  type Moved,
  type MoveRequest,
  type ProcessState,
  type Restored,
  type RestoreLostRequest,
  type RestoreRequest,
} from './control.ts';
import { nameInvalid, nameTaken, notFound, notReady, stripeNotFound, tooMany } from './errors.ts';
import {
  CAUGHT_UP_TIMEOUT_MS,
  DATABASES_MAX,
  LEAVE_TIMEOUT_MS,
  MOVE_TIMEOUT_MS,
  READY_TIMEOUT_MS,
  RESTORE_TIMEOUT_MS,
  STRIPES_AUTO_MAX,
} from './limits.ts';
import type { FoundDatabase } from './lost-databases.ts';
import { firstPlaces } from './places.ts';
import { type DatabaseView, viewOf } from './database-view.ts';
import { type Company, processConfig } from './process-config.ts';
import type { DatabaseFolders } from './process-record.ts';
import { type Claim, Restores } from './restores.ts';
import { askSplit, withStripes } from './splits.ts';
import { ProcessSupervisor } from './process-supervisor.ts';
import {
  type AskedLead,
  checkCopies,
  checkForPeople,
  checkStripes,
  type CreateRequest,
  databaseRecords,
  type DatabaseRecord,
  type DroppedRecord,
  droppedRecords,
  isDatabaseName,
  type PlacesRecord,
  placesRecords,
} from './records.ts';
import { type KeySealer, TokenKeys } from './token-keys.ts';
import { environmentOf } from './app-environment.ts';
import { type DatabaseGrant, makeToken } from './tokens.ts';

export interface DatabasesOptions {
  readonly folders: DatabaseFolders;
  readonly registry: Registry;
  readonly sealer: KeySealer;
  readonly accounts: Accounts;
  readonly peers: Pick<Peers, 'self' | 'all' | 'ready' | 'onChange'>;
  /** Where the logs belong now, and what it takes to call other nodes; undefined while alone. Asked at each config. */
  readonly cluster: () => Company | undefined;
  readonly onDropped: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const COPIES_DEFAULT = 2;
const RETRY_MS = 1000;
const READY_LOOK_MS = 50;

export class Databases implements AsyncDisposable {
  readonly supervisor: ProcessSupervisor<DatabasesConfig, ProcessState>;
  readonly #options: DatabasesOptions;
  readonly #records: Collection<DatabaseRecord>;
  readonly #dropped: Collection<DroppedRecord>;
  readonly #restores: Restores;
  readonly #keys: TokenKeys;
  readonly #places: Collection<PlacesRecord>;
  readonly #stop = new AbortController();
  #known: ReadonlyMap<string, DatabaseRecord> | undefined;
  #gone: readonly string[] = [];
  #where: ReadonlyMap<string, PlacesRecord> | undefined;
  #peersChange: Disposable | undefined;
  #tokens: readonly KnownToken[] | undefined;
  #vault: ObjectPlace | undefined;
  #told = '';
  #following: readonly Promise<void>[] = [];

  constructor(options: DatabasesOptions) {
    this.#options = options;
    const { folders, registry, clock, log } = options;
    this.supervisor = new ProcessSupervisor({ folders, clock, log });
    this.#records = databaseRecords(registry);
    this.#dropped = droppedRecords(registry);
    this.#restores = new Restores({ dropped: this.#dropped, clock });
    this.#keys = new TokenKeys(options.sealer);
    this.#places = placesRecords(registry);
  }

  /** Adopts the process of an earlier agent, and follows the records from now on. */
  async start(): Promise<void> {
    await this.supervisor.start();
    const { accounts, peers } = this.#options;
    const { signal } = this.#stop;
    this.#peersChange = peers.onChange(() => this.#tell());
    this.#following = [
      this.#follow(async () => {
        for await (const { records } of this.#records.watch(signal)) {
          // Before it is told that one is gone, it must know that it was dropped.
          await this.#readDropped();
          this.#known = records;
          this.#tell();
        }
      }),
      this.#follow(async () => {
        for await (const { records } of this.#places.watch(signal)) {
          this.#where = records;
          this.#tell();
        }
      }),
      this.#follow(async () => {
        for await (const tokens of accounts.watchTokens(signal)) {
          this.#tokens = tokens;
          this.#tell();
        }
      }),
    ];
  }

  /** Answers when it can be used. Throws `DATABASES_NAME_INVALID`, `DATABASES_NAME_TAKEN` and their like. */
  async create(request: CreateRequest): Promise<DatabaseView> {
    const { name, by } = request;
    const id = randomId();
    const record: DatabaseRecord = {
      id,
      createdAt: this.#options.clock.now(),
      by,
      stripes: checkStripes(request.stripes ?? this.#autoStripes()),
      copies: checkCopies(request.copies ?? COPIES_DEFAULT),
      regions: request.regions ?? [],
      tokenKey: this.#keys.make(id),
    };
    if (!isDatabaseName(name)) throw nameInvalid(name);
    if ((await this.#records.list()).length >= DATABASES_MAX) throw tooMany();
    // By the nodes of now; later the leader's placer looks after it.
    const places = firstPlaces(record, this.#where?.values() ?? [], this.#options.peers.all());
    await this.#enter(name, record, places);
    return await this.show(name);
  }

  /** A new database that has what another one had at a time. Throws `DATABASES_OUT_OF_REACH`. */
  async restore(request: {
    readonly name: string;
    readonly at: number;
    readonly as: string;
    readonly by: string;
  }): Promise<Restored> {
    const { name: database, at, ...wish } = request;
    const { value } = await this.#get(database);
    return await this.#make(wish, value, (id) => this.#ask({ database, at, id }));
  }

  /** A new database of the snapshots of a lost one. Throws `DATABASES_LOST_INCOMPLETE`. */
  async restoreLost(
    { id: from, description }: FoundDatabase,
    wish: { readonly as: string; readonly by: string },
  ): Promise<Restored> {
    return await this.#make(wish, description, (id) => this.#ask({ from, id }));
  }

  async list(): Promise<readonly DatabaseView[]> {
    const stored = await this.#records.list();
    const states = await this.#states();
    return stored.map((one) => viewOf(one, states, this.#where));
  }

  /** Throws `DATABASES_NOT_FOUND`. */
  async show(name: string): Promise<DatabaseView> {
    return viewOf(await this.#get(name), await this.#states(), this.#where);
  }

  /** It cannot be used any more when this resolves; its files go soon after. */
  async drop(name: string, by: string): Promise<void> {
    const { registry, clock, log } = this.#options;
    const { value, revision } = await this.#get(name);
    const key = this.#records.keyOf(name);
    const result = await registry.commit(
      [{ key, revision }],
      [
        this.#dropped.putOperation(value.id, { name, at: clock.now() }),
        { kind: 'delete', key },
        { kind: 'delete', key: this.#places.keyOf(value.id) },
      ],
    );
    if (result.kind === 'conflict') throw notReady(name, 'it was changed just now');
    log.info('Database dropped', { audit: true, name, id: value.id, by });
    this.#options.onDropped();
  }

  /** A token for this database alone; it is kept nowhere. */
  async token(name: string, grant: DatabaseGrant): Promise<string> {
    const { value } = await this.#get(name);
    this.#options.log.info('Token of a database made', {
      audit: true,
      database: name,
      name: grant.name,
      readOnly: grant.readOnly,
    });
    return makeToken(this.#keys.of(value), grant);
  }

  /** No token of this database that was made before opens anything from now on. */
  async revokeTokens(name: string): Promise<void> {
    const { id } = (await this.#get(name)).value;
    const tokenKey = this.#keys.make(id);
    await this.#records.update(name, (current) => {
      if (current === undefined) throw notFound(name, []);
      return { ...current, tokenKey };
    });
    this.#options.log.info('Tokens of a database revoked', { audit: true, database: name });
  }

  /**
   * That node is to lead the stripe, from as soon as it can; it gets a copy if it has none. The leader has it done. Throws
   * `DATABASES_STRIPE_NOT_FOUND`.
   */
  async askLead(name: string, { stripe, node, by }: AskedLead): Promise<void> {
    const { id, stripes } = (await this.#get(name)).value;
    if (stripe >= stripes) throw stripeNotFound(name, stripe, stripes);
    await this.#places.update(id, (current) => {
      if (current === undefined) throw notFound(name, []);
      const others = (current.asked ?? []).filter((one) => one.stripe !== stripe);
      return { ...current, asked: [...others, { stripe, node, by }] };
    });
    this.#options.log.info('A stripe is to be led by another node', {
      audit: true,
      database: name,
      stripe,
      node,
      by,
    });
  }

  /** A new stripe is to take half of that one's slots; resolves to its number. It is done where stripe 0 is led. */
  async split(name: string, stripe: number, by: string): Promise<number> {
    const found = await this.#get(name);
    await askSplit(name, stripe, found, {
      registry: this.#options.registry,
      records: this.#records,
      places: this.#places,
    });
    this.#options.log.info('A stripe is to be split', { audit: true, database: name, stripe, by });
    return found.value.stripes;
  }

  /** A stripe that is led here. Answers when the other node leads it. */
  async move(request: MoveRequest): Promise<Moved> {
    return (await this.supervisor.ask(CONTROL.move, request, MOVE_TIMEOUT_MS)) as Moved;
  }

  /** What is led here is led by others when this resolves, as far as they can. */
  async leave(why: string): Promise<void> {
    if (!this.supervisor.isWanted) return;
    try {
      await this.supervisor.ask(CONTROL.leave, { why }, LEAVE_TIMEOUT_MS);
    } catch (error) {
      // Then they take over by themselves, a little later.
      this.#options.log.warn('The stripes led here are not handed over', { why: messageOf(error) });
    }
  }

  /** False when that statement does not run any more. */
  async kill(name: string, query: string): Promise<boolean> {
    await this.#get(name);
    const answer = await this.supervisor.ask(CONTROL.kill, { database: name, query });
    return (answer as { readonly killed: boolean }).killed;
  }

  /** The copies of the stripes that are led here are compared soon: their numbers. */
  async scrub(name: string): Promise<{ readonly stripes: readonly number[] }> {
    const answer = await this.supervisor.ask(CONTROL.scrub, { database: name });
    return answer as { readonly stripes: readonly number[] };
  }

  /** How a statement would be run. Throws what is wrong with it. */
  async explain(name: string, sql: string): Promise<unknown> {
    await this.#get(name);
    return await this.supervisor.ask(CONTROL.explain, { database: name, sql });
  }

  /** What an app finds in its environment: see there. */
  async environmentOf(
    app: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, string>>> {
    const { folders } = this.#options;
    return await environmentOf(app, settings, {
      records: this.#records,
      keys: this.#keys,
      folders,
    });
  }

  /** What this node's process says of its databases. */
  async states(): Promise<readonly DatabaseState[]> {
    return (await this.processState())?.databases ?? [];
  }

  /** Of the standby: resolves when its copy of the logs has all that they have now. Throws while that cannot be said. */
  async caughtUp(): Promise<void> {
    if (await this.#hasNone()) return;
    await this.supervisor.ask(CONTROL.caughtUp, {}, CAUGHT_UP_TIMEOUT_MS);
  }

  /** Of the standby: whether its copy of the logs is at least as new as that. True when there are no databases. */
  async hasLogsOf(revision: Revision): Promise<boolean> {
    if (await this.#hasNone()) return true;
    const answer = (await this.supervisor.ask(CONTROL.mirrored, {})) as { revision?: Revision };
    return answer.revision !== undefined && answer.revision >= revision;
  }

  /** The process may be on its way still when there is one already. */
  async #hasNone(): Promise<boolean> {
    return !this.supervisor.isWanted && (await this.#records.list()).length === 0;
  }

  /** Undefined while there is no process, or none that answers. */
  async processState(): Promise<ProcessState | undefined> {
    if (!this.supervisor.isWanted) return undefined;
    try {
      return await this.supervisor.state();
    } catch (error) {
      if (isMolnError(error, 'DATABASES_AWAY')) return undefined;
      throw error;
    }
  }

  /** Ends the process too: the node stops. */
  async stopProcess(): Promise<void> {
    await this.#end();
    await this.supervisor.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    await this.supervisor.detach();
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    this.#peersChange?.[Symbol.dispose]();
    await Promise.all(this.#following);
  }

  /** `ask` has its beginning made. */
  async #make(
    { as, by }: { readonly as: string; readonly by: string },
    of: Pick<DatabaseRecord, 'stripes' | 'splits' | 'copies' | 'regions'>,
    ask: (id: string) => Promise<Restored>,
  ): Promise<Restored> {
    checkForPeople(as);
    if (!isDatabaseName(as)) throw nameInvalid(as);
    if ((await this.#records.get(as)) !== undefined) throw nameTaken(as);
    const { clock, peers } = this.#options;
    try {
      return await this.#restores.make(as, ask, async (id, { stripes }, claim) => {
        const { splits, copies, regions } = withStripes(of, stripes);
        const tokenKey = this.#keys.make(id);
        const record = {
          id,
          by,
          createdAt: clock.now(),
          stripes,
          splits,
          copies,
          regions,
          tokenKey,
        };
        // The other copies come by themselves.
        const places = { stripes: Array.from({ length: stripes }, () => [peers.self]) };
        await this.#enter(as, record, places, claim);
      });
    } catch (error) {
      // What there is of it goes.
      await this.#readDropped();
      this.#tell();
      throw error;
    }
  }

  async #ask(asked: RestoreRequest | RestoreLostRequest): Promise<Restored> {
    const what = 'from' in asked ? CONTROL.restoreLost : CONTROL.restore;
    return (await this.supervisor.ask(what, asked, RESTORE_TIMEOUT_MS)) as Restored;
  }

  async #readDropped(): Promise<void> {
    this.#gone = await this.#restores.dropped();
  }

  /** Resolves when it can be used. */
  async #enter(
    name: string,
    record: DatabaseRecord,
    places: PlacesRecord,
    claim: Claim = { conditions: [], operations: [] },
  ): Promise<void> {
    const { registry, log } = this.#options;
    const { id, by } = record;
    const result = await registry.commit(
      [{ key: this.#records.keyOf(name), revision: 0 }, ...claim.conditions],
      [
        this.#records.putOperation(name, record),
        this.#places.putOperation(id, places),
        ...claim.operations,
      ],
    );
    if (result.kind === 'conflict') throw nameTaken(name);
    log.info('Database created', { audit: true, name, id, by });
    await this.#untilReady(name, record);
  }

  async #get(name: string): Promise<Stored<DatabaseRecord>> {
    const found = isDatabaseName(name) ? await this.#records.get(name) : undefined;
    if (found !== undefined) return found;
    const known = (await this.#records.list()).map(({ id }) => id);
    throw notFound(name, known);
  }

  async #states(): Promise<ReadonlyMap<string, DatabaseState>> {
    return new Map((await this.states()).map((one) => [one.id, one]));
  }

  #follow(work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.warn('Cannot follow the databases and will retry', { error });
    return followAgain(work, { clock, signal, pauseMs: RETRY_MS, onError });
  }

  /** There is a file store: snapshots belong there, too. */
  keepSnapshotsIn(place: ObjectPlace): void {
    this.#vault = place;
    this.#tell();
  }

  /** To be called when what `cluster` says has changed. */
  changed(): void {
    this.#tell();
  }

  /** The process starts with the first database, and goes on until the node stops. */
  #tell(): void {
    const { folders, peers, cluster, log } = this.#options;
    const known = this.#known;
    const where = this.#where;
    if (known === undefined || where === undefined || this.#tokens === undefined) return;
    const isNeeded = known.size > 0 || existsSync(folders.folder);
    if (!isNeeded || this.#stop.signal.aborted) return;
    const config = processConfig({
      self: peers.self,
      nodes: peers.all(),
      company: cluster(),
      databases: known,
      places: where,
      vault: this.#vault,
      dropped: this.#gone,
      tokens: this.#tokens,
      keyOf: (record) => this.#keys.of(record),
    });
    // Peers change with every word of presence; the process need not hear of what is nothing to it.
    const text = JSON.stringify(config);
    if (text === this.#told) return;
    this.#told = text;
    log.debug('The database process gets a config', { databases: known.size });
    this.supervisor.configure(config);
  }

  async #untilReady(name: string, record: DatabaseRecord): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + READY_TIMEOUT_MS;
    for (;;) {
      const state = (await this.#states()).get(record.id);
      if (state?.state === 'open' && state.primaries.every((one) => one !== null)) return;
      if (clock.monotonicMs() > deadlineMs) {
        throw notReady(name, state?.why ?? 'its process does not answer yet');
      }
      await clock.sleep(READY_LOOK_MS, this.#stop.signal);
    }
  }

  #autoStripes(): number {
    return Math.min(STRIPES_AUTO_MAX, Math.max(1, this.#options.peers.ready().length));
  }
}
