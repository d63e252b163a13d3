/** Pure: what the gateways do with requests for an app's hosts. Shaped like the gateway's own route targets. */
import { join } from 'node:path';
import type { App, Instance, InstanceAddress, Release } from './model.ts';

export interface AppRoute {
  /** Lower case, without port. */
  readonly hosts: readonly string[];
  readonly target: AppTarget;
}

export type AppTarget =
  | { readonly kind: 'upstreams'; readonly upstreams: readonly AppUpstream[] }
  | {
      readonly kind: 'static';
      readonly root: string;
      readonly fallback?: string;
      readonly notFound?: string;
    }
  | { readonly kind: 'respond'; readonly status: number; readonly message: string };

export interface AppUpstream {
  /** The instance's id. */
  readonly id: string;
  readonly address: InstanceAddress | NodeAddress;
}

/** An instance on another node, which is reached by way of that node's gateways. */
export interface NodeAddress {
  readonly kind: 'node';
  /** The node's id. */
  readonly node: string;
  readonly host: string;
  /** Where its gateways answer those of other nodes. */
  readonly port: number;
}

/** What is under way on an instance over all gateways. */
export interface UpstreamLoad {
  readonly requests: number;
  readonly upgrades: number;
}

/** The gateways, as this part sees them; the composition root hands it in. */
export interface Router {
  /** Resolves when every gateway of the node uses it; undefined removes the app's route. */
  publish(app: string, route: AppRoute | undefined): Promise<void>;
  /** An id without an entry has nothing under way. */
  load(upstreamIds: readonly string[]): Promise<Readonly<Record<string, UpstreamLoad>>>;
}

export interface RouteInput {
  readonly app: App;
  readonly release: Release | undefined;
  /** Where the release lies on this node; for static sites. */
  readonly releaseFolder: string;
  /** Those that may serve: of the current release, not draining, not on trial. */
  readonly instances: readonly Instance[];
  /** The target that is published now. */
  readonly last: AppTarget | undefined;
}

/** All host names an app answers to, its own first. */
export function hostsOf(app: Pick<App, 'name' | 'domains'>): string[] {
  return [...new Set([`${app.name}.localhost`, ...app.domains])];
}

export function routeOf(input: RouteInput): AppRoute {
  return { hosts: hostsOf(input.app), target: targetOf(input) };
}

function targetOf({ app, release, releaseFolder, instances, last }: RouteInput): AppTarget {
  const say = (message: string): AppTarget => ({ kind: 'respond', status: 503, message });
  if (release === undefined) return say(`App "${app.name}" has nothing deployed yet`);
  if (!app.running) return say(`App "${app.name}" is stopped`);
  const { plan } = release;
  if (plan.staticRoot !== undefined) {
    return {
      kind: 'static',
      root: join(releaseFolder, plan.staticRoot),
      ...(plan.fallback === undefined ? {} : { fallback: plan.fallback }),
      ...(plan.notFound === undefined ? {} : { notFound: plan.notFound }),
    };
  }
  const web = instances.filter((each) => plan.processes[each.process]?.kind === 'http');
  const healthy = upstreamsOf(web.filter((each) => each.state === 'healthy'));
  if (healthy.length > 0) return { kind: 'upstreams', upstreams: healthy };
  // Nobody is well: those that may come back at their old address, rather than a sentence for everybody.
  const known = upstreamsOf(web);
  if (known.length > 0) return { kind: 'upstreams', upstreams: known };
  if (last?.kind === 'upstreams' && last.upstreams.every(isOwnSocket)) return last;
  if (!Object.values(plan.processes).some((process) => process.kind === 'http')) {
    return say(`App "${app.name}" has no process that answers requests`);
  }
  return say(`App "${app.name}" is starting`);
}

/** The port of an instance that is gone may belong to another app by now. */
function isOwnSocket({ address }: AppUpstream): boolean {
  return address.kind === 'socket';
}

/** Sorted, so that the same instances always give the same route. */
function upstreamsOf(instances: readonly Instance[]): AppUpstream[] {
  return instances
    .flatMap(({ id, address }) => (address === undefined ? [] : [{ id, address }]))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
