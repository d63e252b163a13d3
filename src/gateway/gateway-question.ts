/**
 * What one may ask of a gateway process beside its stats, and what it answers: as plain data over the control socket, and between
 * nodes.
 */
import type { MetricFamily } from '../base/metrics.ts';
import type { TierStats } from '../cache/cache.ts';
import type { SlowFigures } from './slow-report.ts';

/** What is to be purged. */
export type PurgeTarget =
  /** As it is written: scheme, host, port, path and query. */
  | { readonly kind: 'url'; readonly url: string }
  /** Everything that begins with it. */
  | { readonly kind: 'prefix'; readonly url: string }
  /** Everything that says it in `Cache-Tag` or `Surrogate-Key`. */
  | { readonly kind: 'tag'; readonly tag: string }
  /** Everything of one route, by its id. */
  | { readonly kind: 'route'; readonly route: string }
  | { readonly kind: 'all' };

export interface PurgeRequest {
  readonly targets: readonly PurgeTarget[];
  /** What is stored becomes stale instead of vanishing. */
  readonly soft: boolean;
}

/** A purge that must reach every gateway, also one that is away now. */
export interface PurgeOrder extends PurgeRequest {
  /** Later ones have larger ones. */
  readonly number: number;
}

export interface PurgeOrders {
  /** Orders up to this number may be forgotten: who has not seen it purges everything. */
  readonly floor: number;
  /** Oldest first. */
  readonly orders: readonly PurgeOrder[];
}

export type GatewayQuestion =
  /** Answered when it is done. */
  | {
      readonly kind: 'purge';
      readonly purge: PurgeRequest;
      /** The same at all processes that are asked: they tell by it who of them has done it. */
      readonly id?: number;
    }
  /** What the cache knows of a URL, and what would become of a request with these fields now. */
  | {
      readonly kind: 'explain';
      readonly url: string;
      readonly fields: readonly (readonly [name: string, value: string])[];
    }
  /** Where the time of recent requests went, of the route that answers the URL. */
  | { readonly kind: 'slow'; readonly url: string }
  /** Says no to those who ask whether it is ready, and ends connections with their next answers; it goes on accepting. */
  | { readonly kind: 'leave' }
  /** What Prometheus reads. */
  | { readonly kind: 'metrics' }
  /** Counts requests for so long, then answers. */
  | { readonly kind: 'top'; readonly durationMs: number };

export type GatewayAnswer =
  | { readonly kind: 'purge' }
  | { readonly kind: 'explain'; readonly explanation: CacheExplanation }
  | { readonly kind: 'leave' }
  | {
      readonly kind: 'metrics';
      readonly families: readonly MetricFamily[];
      /** Of the certificates that are served: the same in each process, so they are not added up. */
      readonly certificates: readonly MetricFamily[];
    }
  | { readonly kind: 'slow'; readonly slow: SlowFigures }
  | { readonly kind: 'top'; readonly top: TopReport };

export type AnswerTo<Question extends GatewayQuestion> = Extract<
  GatewayAnswer,
  { readonly kind: Question['kind'] }
>;

export interface CacheExplanation {
  readonly pid: number;
  /** Undefined: no route answers that URL. */
  readonly route: string | undefined;
  /** Whether the route has a cache. */
  readonly isCached: boolean;
  /** What would become of a request now: `hit`, `stale`, `revalidate`, `complete`, `miss`, `bypass`, `unsatisfied`. */
  readonly decision: string;
  /** A word for it: `fresh`, `uri-miss`, `vary-miss`, … */
  readonly why: string;
  readonly variants: readonly StoredVariant[];
  /** This process among those that share; undefined when it shares with nobody. */
  readonly worker: number | undefined;
  /** Who asks the origin for it, of those that share; the owner of the own region, and of all if that is another one. */
  readonly owners: readonly KeyOwner[];
  /** The last answer to this URL that was not stored. */
  readonly refused: StorageRefusal | undefined;
}

export interface KeyOwner {
  /** Its node's name; empty for a gateway by itself. */
  readonly node: string;
  /** Of its node's gateway processes, from 1 on. */
  readonly worker: number;
  /** The one that is asked. */
  readonly isSelf: boolean;
  readonly tier: 'region' | 'cluster';
}

export interface StoredVariant {
  /** The one that this request would get. */
  readonly isSelected: boolean;
  readonly status: number;
  readonly ageS: number;
  /** Seconds for which it stays fresh; negative when stale. */
  readonly ttlS: number;
  readonly staleWhileRevalidateS: number;
  readonly staleIfErrorS: number;
  readonly bodyBytes: number;
  /** Not all of the body is there. */
  readonly isPartial: boolean;
  /** `hot`: a copy of what another process owns, for a moment. */
  readonly tier: 'memory' | 'disk' | 'hot';
  /** Names of the request fields that it depends on. */
  readonly vary: readonly string[];
  readonly tags: readonly string[];
  readonly etag: string;
}

export interface StorageRefusal {
  /** Why the answer was not stored; see Cache-Status. */
  readonly why: string;
  readonly status: number;
  /** Epoch milliseconds. */
  readonly time: number;
  /** So many times in a row. */
  readonly count: number;
}

/** What was asked most, while it was counted. */
export interface TopReport {
  readonly seconds: number;
  readonly routes: readonly TopRow[];
  readonly urls: readonly TopRow[];
  /** Of requests that could go to several regions; absent when none could. */
  readonly regions?: readonly RegionFlow[];
}

/** Requests that gateways of one region had answered in another, or in their own. */
export interface RegionFlow {
  readonly from: string;
  readonly to: string;
  readonly requests: number;
}

export interface TopRow {
  /** Route id, or URL without its scheme. */
  readonly name: string;
  readonly requests: number;
  readonly errors5xx: number;
  /** From the store; see `CACHE_HITS`. */
  readonly hits: number;
  readonly bytesOut: number;
  readonly latencySumMs: number;
  readonly latencyMaxMs: number;
}

export type CacheTierStats = TierStats & { readonly name: string };
