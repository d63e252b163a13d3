/**
 * Which route answers a request: exact host, then the longest wildcard, then `*`; within a host the longest path
 * prefix on segment borders. A host tier without a fitting path is passed over, so `*` may still answer.
 * A table never changes; a new config makes a new one, which takes over routes that are the same object in both, and of others meters and
 * upstreams with the same id.
 */
import { isDeepStrictEqual } from 'node:util';
import { Balancer } from './balancing/balancer.ts';
import { Regions } from './balancing/regions.ts';
import type { GatewayConfig, RouteConfig, RouteLimits, UpstreamConfig } from './config.ts';
import { HttpChallenges } from './challenges.ts';
import { withLetters } from '../http/path-readings.ts';
import { pathKey } from './routes-check.ts';
import { routeLimits } from './limits.ts';
import type { AccessLogFormat } from './log-settings.ts';
import { RouteMeter } from './route-meter.ts';
import { SlowMeter } from './slow-meter.ts';
import type { NodeClient } from './node-client.ts';
import { Site } from './site.ts';
import { Upstream } from './upstream.ts';

/** A request keeps the route that it was matched to, whatever happens to the table meanwhile. */
export interface Route {
  readonly id: string;
  readonly config: RouteConfig;
  /** The path without a final slash: what a static target cuts off. */
  readonly prefix: string;
  readonly limits: RouteLimits;
  /** Shared by all generations of the route id: `totals.record(…)` once per finished request. */
  readonly totals: RouteMeter;
  /** Where the time of recent requests went; shared like `totals`. */
  readonly slow: SlowMeter;
  readonly logFormat: AccessLogFormat;
  /** Empty unless the target is `upstreams`. */
  readonly upstreams: readonly Upstream[];
  /** Of them, those that are asked in place of the others alone; undefined when there are none, or the balancer knows them. */
  readonly backups: ReadonlySet<Upstream> | undefined;
  /** Undefined for power of two choices and nothing else. */
  readonly balancer: Balancer | undefined;
  /** Undefined when there is none to choose, or the balancer does. */
  readonly regions: Regions<Upstream> | undefined;
  /** Undefined unless the route wants something around its target. */
  readonly site: Site | undefined;
}

/** The routes of one host pattern by path prefix (without a final slash). */
interface HostRoutes {
  readonly byPath: Map<string, Route>;
  /** Characters of the longest prefix: nothing beyond it needs a look. */
  longest: number;
}

export class RouteTable {
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #upstreams: ReadonlyMap<string, Upstream>;
  readonly #exact: ReadonlyMap<string, HostRoutes>;
  /** Keys without the `*.`. */
  readonly #wildcards: ReadonlyMap<string, HostRoutes>;
  readonly #any: HostRoutes | undefined;
  readonly #challenges: HttpChallenges | undefined;
  readonly #region: string | undefined;
  readonly #accessLog: AccessLogFormat | undefined;

  private constructor(
    config: GatewayConfig,
    routes: ReadonlyMap<string, Route>,
    upstreams: ReadonlyMap<string, Upstream>,
    hosts: ReadonlyMap<string, HostRoutes>,
  ) {
    this.#region = config.region;
    this.#accessLog = config.accessLog;
    this.#challenges = HttpChallenges.of(config);
    this.#routes = routes;
    this.#upstreams = upstreams;
    const exact = new Map<string, HostRoutes>();
    const wildcards = new Map<string, HostRoutes>();
    for (const [host, entry] of hosts) {
      if (host.startsWith('*.')) wildcards.set(host.slice(2), entry);
      else if (host !== '*') exact.set(host, entry);
    }
    this.#exact = exact;
    this.#wildcards = wildcards;
    this.#any = hosts.get('*');
  }

  /** A table of a config that `checkGatewayConfig` has passed. Upstreams that `previous` alone has are retired. */
  static build(
    config: GatewayConfig,
    previous: RouteTable | undefined,
    nodes?: NodeClient,
  ): RouteTable {
    const routes = new Map<string, Route>();
    const upstreams = new Map<string, Upstream>();
    const hosts = new Map<string, HostRoutes>();
    const upstreamOf = (wanted: UpstreamConfig): Upstream => {
      const made =
        upstreams.get(wanted.id) ?? reusable(previous, wanted) ?? new Upstream(wanted, nodes);
      upstreams.set(wanted.id, made);
      return made;
    };
    const isAlike = previous?.isAlike(config) === true;
    for (const item of config.routes) {
      const { target, balance } = item;
      const configs = target.kind === 'upstreams' ? target.upstreams : [];
      const made = configs.map(upstreamOf);
      const before = previous?.route(item.id);
      if (isAlike && before?.config === item) {
        routes.set(item.id, before);
        for (const host of item.hosts) addRoute(hosts, host, before);
        continue;
      }
      const backups = new Set(made.filter((_, index) => configs[index]?.backup === true));
      const route: Route = {
        id: item.id,
        config: item,
        prefix: pathKey(item.path),
        limits: routeLimits(item.limits),
        totals: before?.totals ?? new RouteMeter(),
        slow: before?.slow ?? new SlowMeter(),
        logFormat: item.accessLog ?? config.accessLog ?? 'json',
        upstreams: made,
        backups: balance === undefined && backups.size > 0 ? backups : undefined,
        balancer:
          balance === undefined
            ? undefined
            : new Balancer({
                config: balance,
                upstreams: made,
                configs,
                region: config.region,
                previous: before?.balancer,
              }),
        regions:
          balance === undefined
            ? Regions.of({
                own: config.region,
                all: made,
                configs,
                before: before?.regions,
                useOf: (one, nowMs) => (backups.has(one) ? undefined : usableUse(one, nowMs)),
                isProbed: (upstream) => upstream.statesLoad,
              })
            : undefined,
        site: Site.of(item.site, before?.site),
      };
      routes.set(item.id, route);
      for (const host of item.hosts) addRoute(hosts, host, route);
    }
    for (const upstream of previous?.upstreams() ?? []) {
      if (upstreams.get(upstream.config.id) !== upstream) upstream.retire();
    }
    return new RouteTable(config, routes, upstreams, hosts);
  }

  /** Whether a route with the same config would be the same route. */
  private isAlike({ region, accessLog }: GatewayConfig): boolean {
    return region === this.#region && accessLog === this.#accessLog;
  }

  /** `host`: lower-case, without port. `path`: as received, without the query. */
  match(host: string, path: string): Route | undefined {
    const challenge = this.#challenges?.match(path);
    if (challenge !== undefined) return challenge;
    const exact = this.#exact.get(host);
    if (exact !== undefined) {
      const route = matchPath(exact, path);
      if (route !== undefined) return route;
    }
    if (this.#wildcards.size > 0) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        const entry = this.#wildcards.get(host.slice(dot + 1));
        const route = entry === undefined ? undefined : matchPath(entry, path);
        if (route !== undefined) return route;
      }
    }
    return this.#any === undefined ? undefined : matchPath(this.#any, path);
  }

  /** Whether it is the same for every path of the host, but for questions of certificate authorities. */
  hasOneRoute(host: string): boolean {
    let entry = this.#exact.get(host);
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1))
      entry ??= this.#wildcards.get(host.slice(dot + 1));
    return (entry ?? this.#any)?.longest === 0;
  }

  route(id: string): Route | undefined {
    return this.#routes.get(id);
  }

  routes(): Iterable<Route> {
    return this.#routes.values();
  }

  /** Each once, even when several routes share it. */
  upstreams(): Iterable<Upstream> {
    return this.#upstreams.values();
  }

  upstream(id: string): Upstream | undefined {
    return this.#upstreams.get(id);
  }
}

/** The upstream of that id if it has that very address. */
function reusable(previous: RouteTable | undefined, wanted: UpstreamConfig): Upstream | undefined {
  const known = previous?.upstream(wanted.id);
  return known !== undefined && sameAddress(known.config, wanted) ? known : undefined;
}

function usableUse({ busy, downUntilMs }: Upstream, nowMs: number): number | undefined {
  return downUntilMs > nowMs ? undefined : busy;
}

function addRoute(hosts: Map<string, HostRoutes>, host: string, route: Route): void {
  let entry = hosts.get(host);
  if (entry === undefined) {
    entry = { byPath: new Map(), longest: 0 };
    hosts.set(host, entry);
  }
  entry.byPath.set(route.prefix, route);
  // As `readingsOf` writes it.
  const decoded = withLetters(route.prefix);
  if (!entry.byPath.has(decoded)) entry.byPath.set(decoded, route);
  entry.longest = Math.max(entry.longest, route.prefix.length);
}

/** Tries the path, then each shorter one that ends before a slash. */
function matchPath(entry: HostRoutes, path: string): Route | undefined {
  const { byPath, longest } = entry;
  // Most hosts have one route, for everything.
  if (longest === 0) return byPath.get('');
  // Prefixes end at most at `longest`; a border there is seen because the next character is kept.
  let end = path.length;
  if (end > longest) end = Math.max(0, path.lastIndexOf('/', longest));
  for (;;) {
    const route = byPath.get(path.slice(0, end));
    if (route !== undefined) return route;
    if (end <= 0) return undefined;
    end = path.lastIndexOf('/', end - 1);
  }
}

function sameAddress(a: UpstreamConfig, b: UpstreamConfig): boolean {
  const one = a.address;
  const two = b.address;
  if (one.kind === 'socket') return two.kind === 'socket' && one.path === two.path;
  if (two.kind === 'socket' || one.host !== two.host || one.port !== two.port) return false;
  if (one.kind === 'node') return two.kind === 'node' && one.node === two.node;
  if (two.kind !== 'tcp' || one.http2 !== two.http2) return false;
  // Whom it has to prove to be is a part of where it is.
  return isDeepStrictEqual(one.tls, two.tls);
}
