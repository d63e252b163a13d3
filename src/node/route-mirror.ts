/**
 * Carries routes from the registry to this node's gateways: lists everything, watches it, and hands over the whole set
 * whenever a gateway would notice the difference. Apps, releases and reports have to be read at one revision, so there is one
 * watch for all. Several commits that arrive while one set is being applied become one further set. When nothing can be
 * read, the gateways go on with what they have.
 */
import { isDeepStrictEqual } from 'node:util';
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { AppRoutes, ComposedRoutes, RouteReport } from '../apps/apps.ts';
import type { Peers } from '../cluster/cluster.ts';
import type { RouteConfig, UpstreamConfig } from '../gateway/config.ts';
import type { PurgeOrders } from '../gateway/gateway.ts';
import type { Change, Entry, RegistryReader, Revision } from '../registry/registry.ts';
import type { CertMirror } from '../certs/certs.ts';
import {
  type AppAnswer,
  type PortConfig,
  type PortGround,
  RecordedRoutes,
} from '../routes/routes.ts';
import { mergeRoutes } from './merge-routes.ts';
import { ownWebsites, websitePlaces } from './website-places.ts';
import { NO_PURGES, PURGES_KEY, readPurges } from './purge-log.ts';

const EVERYTHING = '/';
const RETRY_MS = 500;

/** What goes to the gateways together. */
export interface RouteSet {
  readonly routes: readonly RouteConfig[];
  /** What the gateways of other nodes may reach on this one. */
  readonly locals: readonly UpstreamConfig[];
  readonly purges?: PurgeOrders;
  /** Ids of upstreams that do not answer now: what waits there is asked of others where it may. */
  readonly silent?: readonly string[];
  /** Ports beside the node's own. */
  readonly ports?: readonly PortConfig[];
}

export interface RouteMirrorOptions {
  readonly registry: RegistryReader;
  readonly apps: AppRoutes;
  /** Told of every change, as it has to be at one revision with the routes. */
  readonly certs?: Pick<CertMirror, 'reset' | 'take'>;
  /** Routes and listeners that are records. */
  readonly recorded: RecordedRoutes;
  /** What this node gives them; `websites`: the socket at which its buckets are some. */
  readonly ground: PortGround & { readonly workers: number; readonly websites: string };
  readonly peers: Pick<Peers, 'self' | 'all' | 'onChange'>;
  /** Resolves when every gateway process uses exactly this. */
  readonly apply: (set: RouteSet) => Promise<unknown>;
  readonly log: Logger;
  readonly clock: Clock;
}

interface Waiter {
  readonly revision: Revision;
  readonly done: () => void;
}

export class RouteMirror implements AsyncDisposable {
  readonly #options: RouteMirrorOptions;
  readonly #stop = new AbortController();
  readonly #waiters = new Set<Waiter>();
  #composed: ComposedRoutes = { routes: [], locals: [] };
  #set: RouteSet = { routes: [], locals: [] };
  #purges: PurgeOrders = NO_PURGES;
  #websites: readonly UpstreamConfig[] = [];
  #isFilesSilent = false;
  #refused = '';
  /** Until something was read there is nothing to hand over: gateways of an earlier agent serve what they have. */
  #isRead = false;
  #seen: Revision = 0;
  #applied: Revision = -1;
  /** Counts what the gateways have to hear of: changes of the routes, and of what goes with them. */
  #wanted = 1;
  #reached = 0;
  #peersChange: Disposable | undefined;
  #applying: Promise<void> | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: RouteMirrorOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the routes of now are applied, or cannot be read yet; goes on until disposed. Rejects when the gateways
   * refuse them.
   */
  async start(): Promise<void> {
    const { peers, log } = this.#options;
    this.#takePeers();
    this.#peersChange = peers.onChange(() => {
      this.#takePeers();
      this.#look();
    });
    let from: Revision | undefined;
    try {
      from = await this.#list();
    } catch (error) {
      log.warn('The routes cannot be read yet; the gateways go on with what they have', { error });
    }
    if (from !== undefined) {
      this.#compose();
      await this.#applyAll();
    }
    this.#loop = this.#follow(from);
  }

  routes(): readonly RouteConfig[] {
    return this.#set.routes;
  }

  /** Whether there are ports beside the nodes' own. */
  get hasPorts(): boolean {
    return this.#set.ports !== undefined;
  }

  /** Hands the same routes over again: something else that goes with them has changed. */
  applyAgain(): void {
    this.#wanted++;
    this.#schedule();
  }

  /** True when the gateways use everything that they are to hear of. */
  get isApplied(): boolean {
    return this.#isRead && this.#reached >= this.#wanted;
  }

  /** See `AppRoutes.setOwn`. */
  setOwn(app: string, report: RouteReport | undefined): void {
    this.#options.apps.setOwn(app, report);
    this.#look();
  }

  /** Resolves when every gateway uses the routes as of `revision` or later, or the mirror was disposed of. */
  async appliedAt(revision: Revision, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#applied >= revision || this.#stop.signal.aborted) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { revision, done: resolve };
    const abort = (): void => reject(signal?.reason as Error);
    this.#waiters.add(waiter);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** This node's file process says nothing, or speaks again. */
  setFilesSilent(isSilent: boolean): void {
    this.#isFilesSilent = isSilent;
    this.#takePeers();
    this.#look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#peersChange?.[Symbol.dispose]();
    this.#stop.abort();
    await this.#loop;
    await this.#applying;
    for (const waiter of this.#waiters) waiter.done();
  }

  #takePeers(): void {
    const { apps, ground, peers } = this.#options;
    const all = peers.all();
    apps.setPeers(all);
    const { id: own } = ownWebsites(peers.self, ground.websites);
    const websites = websitePlaces(all, {
      self: peers.self,
      socket: ground.websites,
      isSilent: this.#isFilesSilent,
    });
    if (isDeepStrictEqual(websites, this.#websites)) return;
    this.#websites = websites;
    const leadsThere = ({ target }: RouteConfig): boolean =>
      target.kind === 'upstreams' && target.upstreams.some(({ id }) => id === own);
    if (this.#set.routes.some(leadsThere)) this.#wanted++;
  }

  async #list(): Promise<Revision> {
    const { entries, revision } = await this.#options.registry.list(EVERYTHING);
    this.#options.recorded.clear();
    for (const entry of entries) this.#putRecord(entry);
    this.#options.apps.reset(entries);
    this.#options.certs?.reset(entries);
    this.#isRead = true;
    this.#seen = revision;
    return revision + 1;
  }

  #putRecord(entry: Entry): void {
    if (entry.key === PURGES_KEY) this.#putPurges(entry);
    this.#options.recorded.put(entry);
  }

  /** Routes do not wait for a record of a later Moln. */
  #putPurges(entry: Entry): void {
    try {
      this.#purges = readPurges(entry);
    } catch (error) {
      this.#options.log.error('The purges cannot be read and are passed over', { error });
    }
  }

  async #follow(firstRevision: Revision | undefined): Promise<void> {
    const { registry, log } = this.#options;
    const signal = this.#stop.signal;
    let from = firstRevision;
    while (!signal.aborted) {
      try {
        from ??= await this.#listAgain();
        for await (const batch of registry.watch(EVERYTHING, from, signal)) {
          this.#take(batch.changes, batch.revision);
          from = batch.revision + 1;
        }
      } catch (error) {
        if (signal.aborted) break;
        if (isMolnError(error, 'REGISTRY_COMPACTED')) {
          from = undefined;
          continue;
        }
        log.warn('Route watch failed and will retry', { error });
      }
      // Also after a watch that just ended: one that ends at once must not become a spin.
      await this.#pause();
    }
  }

  async #listAgain(): Promise<Revision> {
    const from = await this.#list();
    // What is known now may be older than what was applied, when the registry moved: said anew in any case.
    this.#wanted++;
    this.#look();
    return from;
  }

  #take(changes: readonly Change[], revision: Revision): void {
    for (const change of changes) {
      if (change.kind === 'put') this.#putRecord(change.entry);
      else this.#options.recorded.remove(change.key);
      const key = change.kind === 'put' ? change.entry.key : change.key;
      if (RecordedRoutes.isAbout(key) || key === PURGES_KEY) this.#wanted++;
    }
    this.#options.apps.take(changes);
    if (this.#options.certs?.take(changes) === true) this.#wanted++;
    this.#seen = revision;
    this.#look();
  }

  /** Most commits are none of the gateways' business: those count as applied at once. */
  #look(): void {
    if (!this.#isRead) return;
    this.#compose();
    if (this.#isBehind) this.#schedule();
    else if (this.#applying === undefined) this.#reachedRevision(this.#seen);
  }

  #compose(): void {
    const composed = this.#options.apps.compose();
    if (composed === this.#composed && this.#reached === this.#wanted) return;
    if (composed !== this.#composed) this.#wanted++;
    this.#composed = composed;
    const { recorded, ground, peers } = this.#options;
    const { workers } = ground;
    const answers = new Map(composed.routes.map((route) => [route.id, route]));
    const app = (name: string): AppAnswer | undefined => answers.get(`app/${name}`);
    const { routes, refused } = mergeRoutes(
      recorded.routes({ workers, websites: this.#websites, app }),
      composed.routes,
    );
    const ports = recorded.ports(ground);
    const websites = ownWebsites(peers.self, ground.websites);
    this.#set = {
      routes,
      locals: [...composed.locals, websites],
      ...(this.#isFilesSilent ? { silent: [websites.id] } : {}),
      ...purgesIn(this.#purges),
      ...(ports.length === 0 ? {} : { ports }),
    };
    const said = refused.join(', ');
    if (said !== this.#refused && said !== '') {
      this.#options.log.warn('Two routes claim the same place; the older one has it', { refused });
    }
    this.#refused = said;
  }

  /** One apply at a time; whatever changed meanwhile goes into the next. */
  #schedule(): void {
    if (!this.#isBehind) return;
    this.#applying ??= this.#applyUntilCurrent().finally(() => {
      this.#applying = undefined;
      // What came after the last look found an apply under way and left it at that.
      if (this.#isBehind) this.#schedule();
      else if (!this.#stop.signal.aborted) this.#reachedRevision(this.#seen);
    });
  }

  get #isBehind(): boolean {
    return this.#isRead && this.#reached < this.#wanted && !this.#stop.signal.aborted;
  }

  async #applyUntilCurrent(): Promise<void> {
    while (this.#isBehind) {
      try {
        await this.#applyAll();
      } catch (error) {
        this.#options.log.error('The gateway did not take the routes and is asked again', {
          error,
        });
        await this.#pause();
      }
    }
  }

  async #applyAll(): Promise<void> {
    const revision = this.#seen;
    const wanted = this.#wanted;
    await this.#options.apply(this.#set);
    this.#reached = wanted;
    this.#reachedRevision(revision);
  }

  #reachedRevision(revision: Revision): void {
    this.#applied = revision;
    for (const waiter of this.#waiters) {
      if (waiter.revision > revision) continue;
      this.#waiters.delete(waiter);
      waiter.done();
    }
  }

  /** Ends early, without an error, when the mirror is disposed. */
  async #pause(): Promise<void> {
    await this.#options.clock.sleep(RETRY_MS, this.#stop.signal).catch(() => undefined);
  }
}

function purgesIn(purges: PurgeOrders): Pick<RouteSet, 'purges'> {
  return purges === NO_PURGES ? {} : { purges };
}
