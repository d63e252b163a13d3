/**
 * The data plane of one process: listeners, the route table in force, and the sweep that keeps time limits. A new
 * config touches nothing that is under way: requests hold the route and upstream objects that they started with.
 */
import { randomInt } from 'node:crypto';
import type { Logger } from '../base/log.ts';
import type { MetricFamily } from '../base/metrics.ts';
import { systemClock, type Clock } from '../base/time.ts';
import { createRandom } from './balance.ts';
import { Balancers, type OpenedBalancers } from './balancers.ts';
import { requireCacheFits } from './cache-fit.ts';
import { CacheRoom } from './cache-room.ts';
import { certificateTroubles, requireUsableTls } from './certificates.ts';
import type {
  GatewayCacheConfig,
  GatewayConfig,
  ListenerConfig,
  TraceConfig,
  UpstreamLoad,
} from './config.ts';
import { createDispatch } from './dispatch.ts';
import { explain } from './cache-explanation.ts';
import type {
  CacheTierStats,
  GatewayAnswer,
  GatewayQuestion,
  PurgeOrders,
  PurgeRequest,
  TopReport,
} from './gateway-question.ts';
import { DEFAULT_GATEWAY_LIMITS, REPLACED_DRAIN_MS } from './limits.ts';
import { sweepInterval } from './sweep-interval.ts';
import { Listener } from './listener.ts';
import { ListeningSockets } from './listening-sockets.ts';
import { NodeClient } from './node-client.ts';
import { NodeDoor, type ProcessSockets } from './node-door.ts';
import { Plane, type AccessRecorder } from './plane.ts';
import { QuestionDoor } from './question-door.ts';
import { ObeyedPurges, purge } from './purge-orders.ts';
import { regionFlows } from './region-flows.ts';
import type { Dispatch } from './responder.ts';
import { RouteTable } from './route-table.ts';
import { slowFigures } from './slow-figures.ts';
import { SilentNodes } from './silent-nodes.ts';
import { Sharing, type SharingCounts } from './sharing.ts';
import { StaticFiles } from './static-files.ts';
import { measureTop } from './top-meter.ts';
import { Tracer } from './tracer.ts';
import { unfitUpstreams } from './unfit-upstreams.ts';
import type { Upstream } from './upstream.ts';
import { upstreamFamilies } from './upstream-families.ts';

/** How often a drain looks whether everything is done. */
const DRAIN_LOOK_MS = 20;

export interface DataPlaneOptions {
  readonly log: Logger;
  readonly accessLog?: AccessRecorder;
  /** Share ports with other processes. */
  readonly reusePort: boolean;
  readonly clock?: Clock;
  /** Tells this process from others that share a folder; `1` unless said. */
  readonly name?: string;
  /** Where this process and its siblings ask each other about the cache; without it nothing is shared. */
  readonly place?: SharingPlace;
}

export interface SharingPlace {
  /** Of this process. */
  readonly slot: number;
  readonly socketOf: (slot: number) => string;
  /** Where processes of this node answer those of others. */
  readonly processes?: ProcessSockets;
}

export interface DataPlaneStats {
  readonly connections: number;
  readonly connectionsRefused: number;
  /** By upstream id; those with nothing under way are left out. */
  readonly upstreams: Readonly<Record<string, UpstreamLoad>>;
  /** Upstream ids by route id. */
  readonly unfit: ReturnType<typeof unfitUpstreams>;
}

const EMPTY_CONFIG: GatewayConfig = {
  version: 0,
  listeners: [],
  routes: [],
  limits: DEFAULT_GATEWAY_LIMITS,
};

export class DataPlane implements AsyncDisposable {
  readonly #plane: Plane;
  readonly #clock: Clock;
  readonly #files: StaticFiles;
  readonly #dispatch: Dispatch;
  readonly #sockets: ListeningSockets;
  readonly #listeners = new Map<string, Listener>();
  /** Closed listeners whose connections are not all done. */
  readonly #leaving = new Set<Listener>();
  /** Upstreams that left the config with requests or tunnels under way. */
  readonly #retired = new Set<Upstream>();
  readonly #balancers: Balancers;
  readonly #door: NodeDoor;
  readonly #nodes: NodeClient = new NodeClient();
  readonly #silent = new SilentNodes();
  readonly #name: string;
  readonly #place: SharingPlace | undefined;
  readonly #questions: QuestionDoor;
  #slots: readonly number[] = [];
  #room: CacheRoom | undefined;
  #cacheConfig = '';
  #traceConfig = 'null';
  #troubles: readonly string[] = [];
  readonly #purges: ObeyedPurges;
  #sweep: Disposable | undefined;
  #sweepMs = 0;

  constructor(options: DataPlaneOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#sockets = new ListeningSockets(options.reusePort);
    this.#name = options.name ?? '1';
    this.#place = options.place;
    this.#purges = new ObeyedPurges(this.#clock);
    this.#plane = new Plane({
      clock: this.#clock,
      log: options.log,
      accessLog: options.accessLog,
      sockets: this.#sockets,
      random: createRandom(randomInt(1, 0x7fff_ffff)),
      table: RouteTable.build(EMPTY_CONFIG, undefined),
    });
    this.#balancers = new Balancers(this.#plane, options.reusePort);
    this.#door = new NodeDoor({
      log: options.log,
      clock: this.#clock,
      sockets: this.#sockets,
      socketOf: (worker) => this.#socketOf(worker),
      processes: options.place?.processes ?? { '@databases': '', '@files': '' },
    });
    this.#questions = new QuestionDoor({
      plane: this.#plane,
      room: () => this.#room,
      purges: this.#purges,
    });
    this.#files = new StaticFiles(this.#plane);
    this.#dispatch = createDispatch(this.#files, () => this.#room);
  }

  /**
   * Makes `config` the one in force. Throws GATEWAY_PORT_TAKEN or GATEWAY_LISTEN_FAILED, and then nothing has
   * changed. Calls must not overlap. `takeFrom`: where processes that are to leave hand over their listening sockets.
   */
  async apply(config: GatewayConfig, takeFrom: readonly string[] = []): Promise<void> {
    await this.#sockets.take(takeFrom, this.#clock);
    let isUsed = false;
    try {
      await this.#applyAll(config);
      isUsed = true;
    } finally {
      await this.#sockets.settle(isUsed, this.#clock);
    }
  }

  /** So that a successor can take over the listening sockets. */
  async serveSockets(path: string): Promise<void> {
    await this.#sockets.serve(path);
  }

  async #applyAll(config: GatewayConfig): Promise<void> {
    const plane = this.#plane;
    plane.tick();
    const opened = await this.#openNew(config.listeners);
    let ports: OpenedBalancers | undefined;
    try {
      await this.#openCache(config.cache);
      ports = await this.#balancers.open(config.balancers ?? []);
      await this.#door.apply(config.node, config.locals ?? []);
    } catch (error) {
      if (ports !== undefined) this.#balancers.giveUp(ports);
      for (const listener of opened.values()) listener.destroy();
      throw error;
    }
    this.#nodes.configure(config.node);
    const before = [...plane.table.upstreams()];
    plane.setLimits(config.limits);
    plane.logFormat = config.accessLog ?? 'json';
    await this.#openTracer(config.trace);
    plane.table = RouteTable.build(config, plane.table, this.#nodes);
    plane.edges.keep(config.routes);
    if (config.purges !== undefined) await this.#obey(config.purges);
    await this.#share(config);
    const current = new Set(plane.table.upstreams());
    for (const upstream of before) {
      if (!current.has(upstream) && upstream.load > 0) this.#retired.add(upstream);
    }
    const mayBeAsked = new Set([...before, ...this.#retired, ...this.#nodes.inUse()]);
    this.#silent.take([config.node?.silent, config.silent], mayBeAsked, plane.coarseMs);
    const wanted = new Map(config.listeners.map((item) => [item.id, item]));
    for (const [id, listener] of this.#listeners) {
      const item = wanted.get(id);
      if (item !== undefined && !opened.has(id)) {
        listener.update(item);
        continue;
      }
      this.#listeners.delete(id);
      listener.stop();
      this.#leaving.add(listener);
    }
    for (const [id, listener] of opened) this.#listeners.set(id, listener);
    for (const listener of this.#listeners.values()) listener.share(config);
    for (const listener of opened.values()) listener.serve();
    this.#balancers.use(ports);
    for (const listener of this.#listeners.values()) listener.limitHandshakes();
    this.#scheduleSweep(config);
    this.#tellTroubles(config);
  }

  /** The table in force. */
  table(): RouteTable {
    return this.#plane.table;
  }

  /** Port of the listener, for those configured with port 0. */
  port(listenerId: string): number | undefined {
    return this.#listeners.get(listenerId)?.port ?? this.#balancers.port(listenerId);
  }

  get balancers(): Balancers {
    return this.#balancers;
  }

  /** Throws `CONFIG_INVALID`, or what the cache's disk says. */
  async answer(question: Exclude<GatewayQuestion, { kind: 'metrics' }>): Promise<GatewayAnswer> {
    const { table } = this.#plane;
    const { kind } = question;
    switch (kind) {
      case 'purge':
        return await this.#purge(question.purge, question.id);
      case 'explain':
        return { kind, explanation: await explain(question, this.#room, table) };
      case 'leave':
        this.#plane.draining = true;
        this.#plane.leavesGently = true;
        return { kind };
      case 'slow':
        return { kind, slow: slowFigures(question.url, this.#plane) };
      case 'top':
        return { kind, top: await this.#top(question.durationMs) };
    }
  }

  #top(durationMs: number): Promise<TopReport> {
    const plane = this.#plane;
    return measureTop(plane, durationMs, () => regionFlows(plane.table.routes()));
  }

  /** Of the cache; none without one. */
  cacheStats(): readonly CacheTierStats[] {
    return this.#room?.cache.stats ?? [];
  }

  /** Beside those of routes, balancers and the process. */
  families(): MetricFamily[] {
    const { table, clock, limitHits } = this.#plane;
    return [...upstreamFamilies([...table.routes()], clock.monotonicMs()), limitHits.family()];
  }

  /** Undefined unless they are exported. */
  get spans(): { readonly exported: number; readonly dropped: number } | undefined {
    return this.#plane.tracer?.exporter;
  }

  /** Undefined while this process shares with nobody. */
  get sharingCounts(): SharingCounts | undefined {
    return this.#plane.sharing?.counts;
  }

  setLoads(loads: Readonly<Record<string, number>>): void {
    for (const upstream of this.#plane.table.upstreams()) {
      const busy = Object.hasOwn(loads, upstream.id) ? Number(loads[upstream.id]) : 0;
      upstream.learnNodeLoad(busy >= 0 && busy <= 1 ? busy : 0, this.#plane.coarseMs);
    }
  }

  stats(): DataPlaneStats {
    const { connections, connectionsRefused, table } = this.#plane;
    const upstreams: Record<string, UpstreamLoad> = {};
    for (const upstream of [...this.#retired, ...table.upstreams()]) {
      if (upstream.load === 0) continue;
      const known = upstreams[upstream.id];
      upstreams[upstream.id] = {
        requests: upstream.requests + (known?.requests ?? 0),
        upgrades: upstream.upgrades + (known?.upgrades ?? 0),
      };
    }
    const unfit = unfitUpstreams(table.routes(), this.#plane.coarseMs);
    return { connections, connectionsRefused, upstreams, unfit };
  }

  /**
   * Stops accepting, lets requests and tunnels finish for `deadlineMs`, then breaks what is left. `isGentle`: a kept connection that
   * is idle is not closed at once, since the client may be about to use it.
   */
  async drain(deadlineMs: number, isGentle = false): Promise<void> {
    const plane = this.#plane;
    plane.draining = true;
    plane.leavesGently ||= isGentle;
    // Beside a successor they go on, as WebSockets do.
    plane.endsStreams = deadlineMs < REPLACED_DRAIN_MS;
    const endMs = this.#clock.monotonicMs() + deadlineMs;
    for (const listener of this.#all()) listener.stop();
    this.#balancers.stop();
    this.#door.stop();
    this.#questions.stop();
    const isBusy = (): boolean =>
      plane.connections > 0 ||
      this.#door.tunnels > 0 ||
      this.#questions.connections > 0 ||
      this.#balancers.isBusy;
    while (isBusy() && this.#clock.monotonicMs() < endMs) {
      await this.#clock.sleep(DRAIN_LOOK_MS);
    }
    for (const listener of this.#all()) listener.destroy();
    this.#balancers.destroy();
    this.#door.destroy();
    this.#questions.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sockets.stopServing();
    for (const listener of this.#all()) listener.destroy();
    this.#balancers.destroy();
    this.#door.destroy();
    this.#questions.destroy();
    this.#listeners.clear();
    this.#leaving.clear();
    this.#sweep?.[Symbol.dispose]();
    this.#plane.sharing?.retire();
    this.#plane.sharing = undefined;
    // Retires all upstreams: their idle sockets would keep the process alive.
    this.#plane.table = RouteTable.build(EMPTY_CONFIG, this.#plane.table);
    await this.#plane.tracer?.[Symbol.asyncDispose]();
    this.#plane.edges[Symbol.dispose]();
    await this.#room?.[Symbol.asyncDispose]();
    await this.#files[Symbol.asyncDispose]();
  }

  /** Of another size it begins anew; what is on disk stays. */
  async #openCache(config: GatewayCacheConfig | undefined): Promise<void> {
    const text = JSON.stringify(config ?? null);
    if (text === this.#cacheConfig) return;
    if (config !== undefined) requireCacheFits(config.memoryBytes);
    this.#cacheConfig = text;
    const before = this.#room;
    this.#room = undefined;
    await before?.[Symbol.asyncDispose]();
    if (config === undefined) return;
    try {
      this.#room = await CacheRoom.open(this.#plane, config, this.#name);
    } catch (error) {
      // The config of before is asked for next, and its cache with it.
      this.#cacheConfig = '';
      throw error;
    }
  }

  /** Spans that wait are sent off; the new one does not wait for that. */
  async #openTracer(config: TraceConfig | undefined): Promise<void> {
    const text = JSON.stringify(config ?? null);
    if (text === this.#traceConfig) return;
    this.#traceConfig = text;
    const plane = this.#plane;
    const before = plane.tracer;
    plane.tracer = config === undefined ? undefined : await Tracer.open(config, plane);
    void before?.[Symbol.asyncDispose]();
  }

  /** Each is told when it is new, not with every config. */
  #tellTroubles(config: GatewayConfig): void {
    const troubles = certificateTroubles(config, this.#clock.now());
    for (const trouble of troubles) {
      if (!this.#troubles.includes(trouble)) this.#plane.log.warn(trouble);
    }
    this.#troubles = troubles;
  }

  /** That the disk refuses is no reason to refuse a config: what was purged is not found again while this process lives. */
  async #obey(orders: PurgeOrders): Promise<void> {
    try {
      await this.#purges.obey(orders, this.#room, this.#plane.table);
    } catch (error) {
      this.#plane.log.error('The disk does not remember what was purged', { error });
    }
  }

  async #purge(order: PurgeRequest, id: number | undefined): Promise<GatewayAnswer> {
    const done = this.#room === undefined ? undefined : purge(order, this.#room, this.#plane.table);
    // It has taken effect already; what is waited for is the disk.
    if (id !== undefined) this.#purges.note(id);
    await done;
    return { kind: 'purge' };
  }

  /** Caches and rate limits of one machine's processes, and of all nodes, are one. Whoever cannot be asked is passed over by the others. */
  async #share({ cache, routes, slots = [], sharing }: GatewayConfig): Promise<void> {
    const place = this.#place;
    const isOfUse =
      (cache !== undefined && cache.share !== false) ||
      routes.some(({ site }) => site?.rate !== undefined);
    const wants = isOfUse && place !== undefined && slots.includes(place.slot);
    this.#slots = slots;
    this.#plane.sharing = Sharing.of(
      {
        plane: this.#plane,
        nodes: this.#nodes,
        purges: this.#purges,
        socketOf: (slot) => place?.socketOf(slot) ?? '',
      },
      wants ? { slots, slot: place.slot, sharing } : { slots: [], slot: 0, sharing: undefined },
      this.#plane.sharing,
    );
    if (this.#plane.sharing === undefined) this.#questions.stop();
    else if (place !== undefined && !this.#questions.isOpen) {
      try {
        await this.#questions.open(place.socketOf(place.slot));
      } catch (error) {
        this.#plane.log.error('Other gateway processes cannot ask this one', { error });
      }
    }
  }

  /** Of the process with that number, counted from 1 on, of those that serve. */
  #socketOf(worker: number): string | undefined {
    const slot = this.#slots[worker - 1];
    return slot === undefined ? undefined : this.#place?.socketOf(slot);
  }

  #all(): Listener[] {
    return [...this.#listeners.values(), ...this.#leaving];
  }

  /** Opens what is new or has moved; all or nothing. */
  async #openNew(configs: readonly ListenerConfig[]): Promise<Map<string, Listener>> {
    const opened = new Map<string, Listener>();
    try {
      for (const config of configs) {
        requireUsableTls(config);
        const known = this.#listeners.get(config.id);
        if (known !== undefined && samePlace(known.config, config)) continue;
        const listener = new Listener({
          config,
          plane: this.#plane,
          dispatch: this.#dispatch,
        });
        opened.set(config.id, listener);
        await listener.open();
      }
    } catch (error) {
      for (const listener of opened.values()) listener.destroy();
      throw error;
    }
    return opened;
  }

  #scheduleSweep(config: GatewayConfig): void {
    const everyMs = sweepInterval(config);
    if (everyMs === this.#sweepMs) return;
    this.#sweepMs = everyMs;
    this.#sweep?.[Symbol.dispose]();
    this.#sweep = this.#clock.every(everyMs, () => this.#sweepAll());
  }

  #sweepAll(): void {
    const plane = this.#plane;
    // Stamps are as old as the last tick, so a limit is due one grain later: never early.
    const horizonMs = plane.coarseMs;
    plane.tick();
    for (const listener of this.#listeners.values()) listener.sweep(horizonMs);
    for (const listener of this.#leaving) {
      listener.sweep(horizonMs);
      if (listener.connections.size === 0) this.#leaving.delete(listener);
    }
    this.#balancers.sweep(horizonMs);
    this.#questions.sweep(horizonMs);
    this.#room?.sweep(horizonMs);
    plane.sharing?.sweep(plane.coarseMs);
    for (const upstream of plane.table.upstreams()) upstream.sweep(plane.coarseMs);
    for (const { balancer } of plane.table.routes()) balancer?.sweep(this.#clock);
    for (const upstream of this.#retired) if (upstream.load === 0) this.#retired.delete(upstream);
  }
}

function samePlace(a: ListenerConfig, b: ListenerConfig): boolean {
  const [isProxied, wasProxied] = [a, b].map(({ proxyProtocol }) => proxyProtocol !== undefined);
  const isSame = a.address === b.address && a.port === b.port && a.protocol === b.protocol;
  return isSame && isProxied === wasProxied;
}
