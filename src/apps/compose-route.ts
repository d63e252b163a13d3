/**
 * Pure: what the gateways of one node do with requests for an app's hosts, out of what the registry says of the app, what
 * the nodes report of its instances, and how the nodes are doing. Every node composes its own: near instances by their own
 * address, far ones by way of their node. Tested by tables.
 */
import type { AppRoute, AppTarget, AppUpstream } from './app-route.ts';
import { hostsOf } from './app-route.ts';
import type { App } from './model.ts';
import type { Report, ReportedInstance } from './reporter.ts';

/** The part of a release that routes go by. */
export interface RouteRelease {
  readonly id: string;
  /** Process types that answer requests. */
  readonly httpProcesses: readonly string[];
  /** Of static sites: below the release's tree. */
  readonly site: RouteSite | undefined;
  /** Its answers may be stored. */
  readonly isCached: boolean;
}

export interface RouteSite {
  readonly root: string;
  readonly fallback: string | undefined;
  readonly notFound: string | undefined;
}

/** The part of a reported instance that routes go by. */
export type RouteInstance = Pick<
  ReportedInstance,
  'id' | 'process' | 'generation' | 'state' | 'draining' | 'address'
>;

/** The part of what one node reports of one app. */
export interface RouteReport extends Pick<Report, 'releases'> {
  readonly instances: readonly RouteInstance[];
}

/** Where a node's gateways answer those of other nodes. */
export interface RouteNode {
  readonly host: string;
  readonly port: number;
  readonly region: string;
  /** It was heard of within the time in which nodes have to be heard. */
  readonly isHeard: boolean;
}

export type RouteApp = Pick<
  App,
  'name' | 'domains' | 'release' | 'generation' | 'history' | 'running' | 'createdAt'
>;

export interface RouteFacts {
  /** The id of the node whose route it is. */
  readonly self: string;
  readonly app: RouteApp;
  readonly releases: ReadonlyMap<string, RouteRelease>;
  /** By node id. */
  readonly reports: ReadonlyMap<string, RouteReport>;
  /** The members, this node included. Reports of others count for nothing. */
  readonly nodes: ReadonlyMap<string, RouteNode>;
  /** Absolute folder of a site of a release on this node. */
  readonly siteFolder: (release: string, root: string) => string;
  /** What the route led to so far. */
  readonly last: AppTarget | undefined;
}

interface Candidate {
  readonly upstream: AppUpstream;
  readonly isHealthy: boolean;
  readonly isHeard: boolean;
}

export function composeRoute(facts: RouteFacts): AppRoute {
  const { app, releases } = facts;
  const target = targetOf(facts);
  const release = app.release === undefined ? undefined : releases.get(app.release);
  const isCached = target.kind === 'upstreams' && release?.isCached === true;
  return {
    hosts: hostsOf(app),
    target,
    ...(isCached ? { cache: { generation: app.generation, heuristicShare: 0 } } : {}),
  };
}

function targetOf(facts: RouteFacts): AppTarget {
  const { app, releases, last } = facts;
  const release = app.release === undefined ? undefined : releases.get(app.release);
  if (release === undefined) return say(`App "${app.name}" has nothing deployed yet`);
  if (!app.running) return say(`App "${app.name}" is stopped`);
  if (release.site !== undefined) return siteOf(facts);
  if (release.httpProcesses.length === 0) {
    return say(`App "${app.name}" has no process that answers requests`);
  }
  const upstreams = bestOf(candidatesOf(facts, release));
  if (upstreams.length > 0) return { kind: 'upstreams', upstreams };
  if (last?.kind === 'upstreams' && last.upstreams.every(isSafeToAsk)) return last;
  return say(`App "${app.name}" is starting`);
}

/** The site of the current release, or while that is on its way the newest before it that is here. */
function siteOf({ app, self, releases, reports, siteFolder }: RouteFacts): AppTarget {
  const here = reports.get(self)?.releases ?? [];
  const wished = [app.release, ...app.history.map(({ release }) => release)];
  for (const id of wished) {
    const found = id === undefined ? undefined : releases.get(id);
    if (found?.site === undefined || !here.includes(found.id)) continue;
    const { root, fallback, notFound } = found.site;
    return {
      kind: 'static',
      root: siteFolder(found.id, root),
      ...(fallback === undefined ? {} : { fallback }),
      ...(notFound === undefined ? {} : { notFound }),
    };
  }
  return say(`App "${app.name}" is on its way to this node`);
}

function candidatesOf(
  { app, self, reports, nodes }: RouteFacts,
  { httpProcesses }: RouteRelease,
): Candidate[] {
  const found: Candidate[] = [];
  for (const [nodeId, { instances }] of reports) {
    const node = nodes.get(nodeId);
    if (node === undefined && nodeId !== self) continue;
    for (const each of instances) {
      const { id, address, state } = each;
      if (address === undefined || each.generation !== app.generation) continue;
      if (each.draining || state === 'draining' || state === 'stopped') continue;
      if (!httpProcesses.includes(each.process)) continue;
      const isNear = node === undefined || nodeId === self;
      found.push({
        upstream: {
          id,
          ...(node === undefined ? {} : { region: node.region }),
          address: isNear
            ? address
            : { kind: 'node', node: nodeId, host: node.host, port: node.port },
        },
        isHealthy: state === 'healthy',
        isHeard: isNear || node.isHeard,
      });
    }
  }
  return found;
}

/**
 * The healthy ones of nodes that are heard of. Without any, whoever may still answer is better than a sentence for
 * everybody: the healthy ones of silent nodes, then those that may come back at their old address.
 */
function bestOf(candidates: readonly Candidate[]): readonly AppUpstream[] {
  const choices: ((each: Candidate) => boolean)[] = [
    (each) => each.isHealthy && each.isHeard,
    (each) => each.isHealthy,
    (each) => each.isHeard,
    () => true,
  ];
  for (const isChosen of choices) {
    const chosen = candidates.filter(isChosen);
    if (chosen.length > 0) return chosen.map(({ upstream }) => upstream).toSorted(byId);
  }
  return [];
}

/** The port of an instance that is gone may belong to another app by now; its socket and its id cannot. */
function isSafeToAsk({ address }: AppUpstream): boolean {
  return address.kind !== 'tcp';
}

/** So that the same instances always give the same route. */
function byId(a: AppUpstream, b: AppUpstream): number {
  return a.id < b.id ? -1 : 1;
}

function say(message: string): AppTarget {
  return { kind: 'respond', status: 503, message };
}
