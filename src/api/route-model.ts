/** What the API says of routes and listeners: as they were written, and what became of them. */
import type { RecordChange } from '../routes/routes.ts';

export type { RecordChange };

interface RecordDetail {
  readonly name: string;
  /** In the keys of a gateway's file. Hashes of passwords are shown as `(kept)`, and stay when that is written back. */
  readonly written: Readonly<Record<string, unknown>>;
  readonly createdAt: number;
  readonly changedAt: number;
  /** Who changed it last. */
  readonly by: string;
  readonly revision: number;
}

export interface RouteDetail extends RecordDetail {
  readonly hosts: readonly string[];
  readonly path: string;
  readonly target: 'upstreams' | 'app' | 'bucket' | 'redirect' | 'respond';
  /** Where it leads, for people. */
  readonly leadsTo: string;
  readonly isCached: boolean;
  /** Since the gateway processes started. */
  readonly requests: number;
  /** What is wrong with it now, a sentence each. */
  readonly troubles: readonly string[];
}

export interface ListenerDetail extends RecordDetail {
  readonly protocol: 'http' | 'https' | 'tcp' | 'udp';
  /** `gateway`: as the gateway of each node. */
  readonly address: string;
  readonly port: number;
  readonly leadsTo: string;
  /** Where it is not open. */
  readonly troubles: readonly { readonly node: string; readonly message: string }[];
}

/** Answered when the gateways of all nodes that are heard of have it. */
export interface RouteAnswer {
  readonly nodes: readonly string[];
  /** Not heard of; they have it when they are back. */
  readonly away: readonly string[];
  /** Of a listener: where it could not be opened. */
  readonly troubles: readonly { readonly node: string; readonly message: string }[];
}

/** What the API needs of the node for it. */
export interface RouteCloud {
  listRoutes(): Promise<readonly RouteDetail[]>;
  /** Throws `ROUTES_NOT_FOUND`. */
  showRoute(name: string): Promise<RouteDetail>;
  /** What it would be. Throws as `setRoute` does, and changes nothing. */
  checkRoute(name: string, change: RecordChange): Promise<RouteDetail['written']>;
  /** Throws `CONFIG_INVALID` with the key, `ROUTES_PLACE_TAKEN`, `ROUTES_CHANGED_CONFLICT`, `NODE_GATEWAYS_BEHIND`. */
  setRoute(name: string, change: RecordChange, by: string): Promise<RouteAnswer>;
  removeRoute(name: string, by: string): Promise<RouteAnswer>;
  listListeners(): Promise<readonly ListenerDetail[]>;
  showListener(name: string): Promise<ListenerDetail>;
  checkListener(name: string, change: RecordChange): Promise<ListenerDetail['written']>;
  /** Throws `ROUTES_PORT_TAKEN` and `NODE_PORT_TAKEN` too. */
  setListener(name: string, change: RecordChange, by: string): Promise<RouteAnswer>;
  removeListener(name: string, by: string): Promise<RouteAnswer>;
}
