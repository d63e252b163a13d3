/**
 * The routes of all apps on this node, kept up with the registry and with how the nodes are doing. Told of changes, it
 * composes anew what they touch and nothing else. It does no I/O: whoever follows the registry hands it in.
 */
import { join } from 'node:path';
import type { Logger } from '../base/log.ts';
import type { Change, Entry, Registry } from '../registry/registry.ts';
import type { AppRoute, AppUpstream } from './app-route.ts';
import {
  composeRoute,
  type RouteApp,
  type RouteNode,
  type RouteRelease,
  type RouteReport,
} from './compose-route.ts';
import { ReleaseStore } from './release-store.ts';
import { REPORTS_PREFIX } from './reporter.ts';
import { APPS_PREFIX, RELEASES_PREFIX, RouteRecords } from './route-records.ts';

/** A route of the gateway's config but for the path, which is always `/`. */
export interface ComposedRoute extends AppRoute {
  /** `app/<name>` */
  readonly id: string;
}

export interface ComposedRoutes {
  /** The oldest app first: of two that claim a host, it is hers. */
  readonly routes: readonly ComposedRoute[];
  /** What the gateways of other nodes may reach here, by instance id. */
  readonly locals: readonly AppUpstream[];
}

/** How another node is doing, and where its gateways are; `PeerNode` of the cluster is one. */
export interface RoutePeer {
  readonly id: string;
  readonly state: 'ready' | 'suspect' | 'lost' | 'draining';
  readonly address: string;
  readonly region: string;
  readonly gatewayPort: number;
}

export interface AppRoutesOptions {
  /** This node's id. */
  readonly self: string;
  /** Whose records are handed in. */
  readonly registry: Registry;
  readonly dataFolder: string;
  readonly log: Logger;
}

/** Everything known of one app, and what was made of it. */
interface Known {
  app: RouteApp | undefined;
  readonly releases: Map<string, RouteRelease>;
  readonly reports: Map<string, RouteReport>;
  /** What runs here, first hand. */
  own: RouteReport | undefined;
  route: ComposedRoute | undefined;
  /** Of `route`, to tell whether anything is new. */
  said: string;
}

/** `said` of an app without a route and without instances here. */
const NOTHING = JSON.stringify([undefined, undefined, []]);

export class AppRoutes {
  readonly #options: AppRoutesOptions;
  readonly #records: RouteRecords;
  readonly #releases: ReleaseStore;
  readonly #known = new Map<string, Known>();
  readonly #stale = new Set<string>();
  #nodes: ReadonlyMap<string, RouteNode> = new Map();
  #composed: ComposedRoutes = { routes: [], locals: [] };

  constructor(options: AppRoutesOptions) {
    this.#options = options;
    this.#releases = new ReleaseStore(options);
    this.#records = new RouteRecords(options);
  }

  /** Everything anew, out of a list of the whole registry. Targets of before are remembered. */
  reset(entries: readonly Entry[]): void {
    for (const [name, known] of this.#known) {
      known.app = undefined;
      known.releases.clear();
      known.reports.clear();
      this.#stale.add(name);
    }
    for (const entry of entries) this.#put(entry);
  }

  /** What one commit changed; keys of others are passed over. */
  take(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'put') this.#put(change.entry);
      else this.#remove(change.key);
    }
  }

  /** All members, this node included. */
  setPeers(peers: readonly RoutePeer[]): void {
    const before = this.#nodes;
    this.#nodes = new Map(
      peers.map(({ id, state, address, region, gatewayPort }) => [
        id,
        {
          host: address,
          port: gatewayPort,
          region,
          isHeard: state === 'ready' || state === 'draining',
        },
      ]),
    );
    const changed = new Set(
      [...before.keys(), ...this.#nodes.keys()].filter(
        (id) => !isSameNode(before.get(id), this.#nodes.get(id)),
      ),
    );
    if (changed.size === 0) return;
    for (const [name, { reports }] of this.#known) {
      if ([...reports.keys()].some((node) => changed.has(node))) this.#stale.add(name);
    }
  }

  /**
   * What runs on this node, before it is in the registry, and when no manager answers instead of it: a port that nobody
   * listens on any more may be another app's in a moment. Undefined when the app is gone.
   */
  setOwn(app: string, report: RouteReport | undefined): void {
    this.#of(app).own = report;
    this.#stale.add(app);
  }

  /** The very same object as long as nothing has changed that a gateway would notice. */
  compose(): ComposedRoutes {
    let isNew = false;
    for (const name of this.#stale) isNew = this.#composeOne(name) || isNew;
    this.#stale.clear();
    if (isNew) this.#composed = this.#collect();
    return this.#composed;
  }

  #composeOne(name: string): boolean {
    const known = this.#known.get(name);
    if (known === undefined) return false;
    const route = this.#routeOf(known);
    const said = JSON.stringify([route, known.app?.createdAt, this.#localsOf(known)]);
    const isNew = said !== known.said;
    known.route = route;
    known.said = said;
    const { app, releases, reports, own } = known;
    const isGone = app === undefined && (own?.instances ?? []).length === 0;
    if (isGone && releases.size + reports.size === 0) this.#known.delete(name);
    return isNew;
  }

  /** The one before when it cannot be composed: one app's strange record must not stop all others. */
  #routeOf({ app, releases, reports, own, route }: Known): ComposedRoute | undefined {
    if (app === undefined) return undefined;
    const { self } = this.#options;
    try {
      const composed = composeRoute({
        self,
        app,
        releases,
        reports: own === undefined ? reports : new Map(reports).set(self, own),
        nodes: this.#nodes,
        siteFolder: (release, root) => join(this.#releases.pathOf(app.name, release), root),
        last: route?.target,
      });
      return { id: `app/${app.name}`, ...composed };
    } catch (error) {
      this.#options.log.warn('The route of an app cannot be composed', { app: app.name, error });
      return route;
    }
  }

  #collect(): ComposedRoutes {
    const all = [...this.#known.values()];
    const oldestFirst = all
      .flatMap(({ app, route }) => (app === undefined || route === undefined ? [] : { app, route }))
      .toSorted((a, b) => a.app.createdAt - b.app.createdAt || (a.app.name < b.app.name ? -1 : 1));
    return {
      routes: oldestFirst.map(({ route }) => route),
      locals: all.flatMap((known) => this.#localsOf(known)),
    };
  }

  /** Also those on trial or draining: another node may be a moment ahead of this one, or behind. */
  #localsOf({ reports, own }: Known): AppUpstream[] {
    const here = own ?? reports.get(this.#options.self);
    return (here?.instances ?? []).flatMap(({ id, address }) =>
      address === undefined ? [] : [{ id, address }],
    );
  }

  #of(name: string): Known {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const created: Known = {
      app: undefined,
      releases: new Map(),
      reports: new Map(),
      own: undefined,
      route: undefined,
      said: NOTHING,
    };
    this.#known.set(name, created);
    return created;
  }

  #put(entry: Entry): void {
    const { key } = entry;
    if (key.startsWith(APPS_PREFIX)) {
      const [name] = partsOf(key, APPS_PREFIX);
      const app = this.#records.app(entry);
      if (app === undefined) return;
      this.#of(name).app = app;
      this.#stale.add(name);
    } else if (key.startsWith(RELEASES_PREFIX)) {
      const [name, id] = partsOf(key, RELEASES_PREFIX);
      const release = this.#records.release(entry);
      if (release === undefined) return;
      this.#of(name).releases.set(id, release);
      this.#stale.add(name);
    } else if (key.startsWith(REPORTS_PREFIX)) {
      const [name, node] = partsOf(key, REPORTS_PREFIX);
      const report = this.#records.report(entry);
      if (report === undefined) return;
      this.#of(name).reports.set(node, report);
      this.#stale.add(name);
    }
  }

  #remove(key: string): void {
    const prefix = [APPS_PREFIX, RELEASES_PREFIX, REPORTS_PREFIX].find((each) =>
      key.startsWith(each),
    );
    if (prefix === undefined) return;
    const [name, id] = partsOf(key, prefix);
    const known = this.#known.get(name);
    if (known === undefined) return;
    if (prefix === APPS_PREFIX) known.app = undefined;
    else if (prefix === RELEASES_PREFIX) known.releases.delete(id);
    else known.reports.delete(id);
    this.#stale.add(name);
  }
}

/** `<prefix><app>/<id>` */
function partsOf(key: string, prefix: string): readonly [app: string, id: string] {
  const [app = '', id = ''] = key.slice(prefix.length).split('/');
  return [app, id];
}

function isSameNode(a: RouteNode | undefined, b: RouteNode | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.host === b.host && a.port === b.port && a.region === b.region && a.isHeard === b.isHeard;
}
