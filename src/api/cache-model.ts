/** What the API says of the gateways' caches. */
import type {
  CacheExplanation,
  CacheTierStats,
  PurgeRequest,
  SlowReport,
  TopReport,
} from '../gateway/gateway.ts';

export type { CacheExplanation, CacheTierStats, PurgeRequest, SlowReport, TopReport };

/** Those that did not answer are named: what they have is not in it. */
interface FromNodes {
  /** Names of nodes. */
  readonly silent: readonly string[];
}

export interface CacheStatus extends FromNodes {
  /** One for each gateway process and tier. */
  readonly tiers: readonly (CacheTierStats & { readonly node: string })[];
  readonly routes: readonly CacheRouteFigures[];
}

/** Since the gateway processes started. */
export interface CacheRouteFigures {
  /** `app/<name>` for those of apps. */
  readonly route: string;
  readonly requests: number;
  /** Answered from a store: hit, stale, collapsed, validated. */
  readonly hits: number;
  /** By what came of it. */
  readonly results: Readonly<Record<string, number>>;
}

export interface PurgeAnswer {
  /** Nodes that have done it. */
  readonly nodes: readonly string[];
  /** Nodes that are not heard of; they do it when they are back. */
  readonly away: readonly string[];
}

export interface CacheExplanations extends FromNodes {
  /** One for each gateway process. */
  readonly explanations: readonly (CacheExplanation & { readonly node: string })[];
}

/** Of all gateway processes. */
export interface ClusterSlow extends SlowReport, FromNodes {}

export interface ClusterTop extends TopReport, FromNodes {}

/** What the API needs of the node for it. */
export interface CacheCloud {
  cacheStatus(): Promise<CacheStatus>;
  /** Resolves when all nodes that are heard of have done it. Throws `NODE_GATEWAYS_BEHIND` with the others. */
  purgeCache(purge: PurgeRequest): Promise<PurgeAnswer>;
  explainCache(
    url: string,
    fields: readonly (readonly [name: string, value: string])[],
  ): Promise<CacheExplanations>;
  /** Where the time of recent requests goes, of the route that answers the URL. */
  gatewaySlow(url: string): Promise<ClusterSlow>;
  gatewayTop(durationMs: number): Promise<ClusterTop>;
}
