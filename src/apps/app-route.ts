/**
 * What the gateways do with requests for an app's hosts, shaped like the gateway's own route targets; and what apps ask of
 * the gateways. `compose-route.ts` decides.
 */
import type { App, InstanceAddress } from './model.ts';

export interface AppRoute {
  /** Lower case, without port. */
  readonly hosts: readonly string[];
  readonly target: AppTarget;
  /** Answers may be stored; what was stored of another generation is never found again. */
  readonly cache?: { readonly generation: string; readonly heuristicShare: number };
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
  /** Of its node. Requests go to those of the gateway's own region as long as they have room. */
  readonly region?: string;
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

/** This node's gateways, as this part sees them; the composition root hands it in. */
export interface Router {
  /** Of instances on this node, also what comes from other nodes. An id without an entry has nothing under way. */
  load(upstreamIds: readonly string[]): Promise<Readonly<Record<string, UpstreamLoad>>>;
}

/** All host names an app answers to, its own first. */
export function hostsOf(app: Pick<App, 'name' | 'domains'>): string[] {
  return [...new Set([`${app.name}.localhost`, ...app.domains])];
}
