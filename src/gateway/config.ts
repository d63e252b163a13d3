/**
 * What the agent tells its gateway processes, as plain data over IPC. A new config replaces the old one per route:
 * routes and upstreams with an unchanged id keep their connections and counters.
 */
import type { CacheSettings } from '../cache/cache.ts';
import type { BalanceConfig } from './balancing/balance-config.ts';
import type { BalancerConfig, BalancerTotals } from './balancer-config.ts';
import type { ConfigChange } from './config-change.ts';
import type {
  CacheTierStats,
  GatewayAnswer,
  GatewayQuestion,
  PurgeOrders,
} from './gateway-question.ts';
import type { AccessLogFormat } from './log-settings.ts';
import type { SiteConfig } from './site-config.ts';

export interface GatewayConfig {
  /** Grows with each config; the gateway answers `applied` with it. */
  readonly version: number;
  readonly listeners: readonly ListenerConfig[];
  readonly routes: readonly RouteConfig[];
  /** Where this gateway is: upstreams there are asked before those of other regions, as long as they have room. */
  readonly region?: string;
  /** Ports whose bytes are led on unread. */
  readonly balancers?: readonly BalancerConfig[];
  readonly limits: GatewayLimits;
  /** What certificate authorities ask now. */
  readonly challenges?: ChallengesConfig;
  /** Base64, the newest first; absent: made of the private key, so that processes with the same one share them. */
  readonly ticketKeys?: readonly string[];
  /** Of routes that do not choose; `json` unless said. */
  readonly accessLog?: AccessLogFormat;
  /** Absent: `traceparent` of a client passes as any other field. */
  readonly trace?: TraceConfig;
  /** For the routes that want one. */
  readonly cache?: GatewayCacheConfig;
  /** What is to be purged by whoever has not yet. */
  readonly purges?: PurgeOrders;
  /** How this node's gateways and those of others talk; undefined while there are no others. */
  readonly node?: NodeDoorConfig;
  /** What other nodes may reach here, by instance id. */
  readonly locals?: readonly UpstreamConfig[];
  /** Ids of upstreams that do not answer now: as all those of a node that is not heard. */
  readonly silent?: readonly string[];
  /** Of the processes of this machine that serve this config, ascending; the supervisor says it. */
  readonly slots?: readonly number[];
  /** With whom, beside these, the caches are shared. */
  readonly sharing?: SharingConfig;
}

/** Keys of the caches have one owner among the gateway processes of all nodes that are named here. */
export interface SharingConfig {
  /** This node. */
  readonly self: { readonly node: string; readonly name: string; readonly region: string };
  readonly nodes: readonly SharingNode[];
}

/** Another node whose gateways answer. */
export interface SharingNode {
  readonly node: string;
  readonly name: string;
  readonly region: string;
  readonly host: string;
  readonly port: number;
  /** Its gateway processes. */
  readonly workers: number;
}

/** What a site may choose about its cache. */
export interface RouteCacheConfig extends Partial<Omit<CacheSettings, 'bodyBytesMax'>> {
  /** What was stored under another one is never found again: it is as if it had been purged. */
  readonly generation?: string;
}

/** Of each gateway process. */
export interface GatewayCacheConfig {
  readonly memoryBytes: number;
  /** False: every process keeps to itself. */
  readonly share?: boolean;
  /** Every process makes a folder of its own in it. */
  readonly disk?: { readonly path: string; readonly bytes: number };
  /** In place of a disk. Every process has a name of its own below this one. */
  readonly mongodb?: {
    readonly url: string;
    readonly database: string;
    readonly bytes: number;
    readonly name: string;
  };
}

/** W3C trace context: each request is part of a trace. */
export interface TraceConfig {
  /** Of traces that begin here, 0 to 1; whoever comes with a trace has decided. */
  readonly sample: number;
  /** Where spans of sampled traces go, as OTLP over HTTP: `http://HOST:4318/v1/traces`. */
  readonly export?: string;
  /** `service.name` of the spans; `moln-gateway` unless said. */
  readonly service?: string;
}

/** One certificate serves both directions. PEM. */
export interface NodeDoorConfig {
  readonly address: string;
  readonly port: number;
  readonly cert: string;
  readonly key: string;
  /** The cluster's, one or more; whom none of them has signed does not come in. */
  readonly authority: string;
  readonly clusterId: string;
  /** Ids of nodes whose certificates count for nothing. */
  readonly revoked: readonly string[];
  /** Ids of nodes that are not heard: what waits for them is asked of others where it may. */
  readonly silent: readonly string[];
}

/** Answers to authorities, by which they know whose a host is. */
export interface ChallengesConfig {
  readonly http: readonly HttpChallenge[];
  readonly tls: readonly TlsChallenge[];
}

export interface HttpChallenge {
  readonly token: string;
  readonly answer: string;
}

/** `cert`, `key`: PEM; made for this question alone. */
export interface TlsChallenge extends CertificatePair {
  readonly host: string;
}

export interface ListenerConfig {
  /** Stable; `http`, `https`. */
  readonly id: string;
  /** IP to bind; `::` is all interfaces, IPv4 included. */
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** Required for https; serves everybody who names no host, or none that is known. */
  readonly tls?: CertificatePair;
  /** Further ones, for the hosts that they name. */
  readonly certificates?: readonly CertificatePair[];
  /** For https: clients are told to come over https only. */
  readonly hsts?: HstsConfig;
  /** For http: every request is sent to this port over https. */
  readonly redirectHttpsPort?: number;
  /** Connections from these ranges of addresses begin with a PROXY header; others' are taken as they come. */
  readonly proxyProtocol?: { readonly trust: readonly string[] };
}

/** RFC 6797 6.1. */
export interface HstsConfig {
  readonly maxAgeS: number;
  readonly includeSubDomains?: boolean;
  readonly preload?: boolean;
}

/** PEM: a chain with its own certificate first, and its key. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

export interface RouteConfig {
  /** Stable over changes, unique: metrics, logs and counters go by it. For apps `app/<name>`. */
  readonly id: string;
  /** Lower-case host names without port. `*` matches any host; `*.example.org` one or more labels before the rest. */
  readonly hosts: readonly string[];
  /** Path prefix on segment borders: `/a` matches `/a` and `/a/b`, not `/ab`. The longest wins. */
  readonly path: string;
  readonly target: RouteTarget;
  readonly limits?: Partial<RouteLimits>;
  /** Answers of upstreams are stored as RFC 9111 says; what is not said here is as usual. */
  readonly cache?: RouteCacheConfig;
  readonly accessLog?: AccessLogFormat;
  /** Absent: power of two choices. */
  readonly balance?: BalanceConfig;
  /** Who is let in, and what is changed about requests and answers. */
  readonly site?: SiteConfig;
}

export type RouteTarget =
  | { readonly kind: 'upstreams'; readonly upstreams: readonly UpstreamConfig[] }
  | {
      readonly kind: 'static';
      /**
       * Absolute folder. What follows the route's path is looked up in it: with path `/assets`, `/assets/x.css` is
       * the file `x.css` of this folder. Dotfiles below it are hidden, except `.well-known`.
       */
      readonly root: string;
      /** A file below root that answers unknown paths with 200 (single-page apps). */
      readonly fallback?: string;
      /** A file below root that answers unknown paths with 404. */
      readonly notFound?: string;
      /** Names that the file of a folder may have, the best first; `index.html` unless said. */
      readonly index?: readonly string[];
      /** Folders without such a file are listed. */
      readonly list?: boolean;
    }
  | {
      readonly kind: 'redirect';
      readonly status: 301 | 302 | 307 | 308;
      /** May be made of the request: `https://$host$uri`; see `redirect.ts`. */
      readonly location: string;
      /** A pattern of paths (`path-pattern.ts`); what it does not match is 404. */
      readonly from?: string;
    }
  | { readonly kind: 'respond'; readonly status: number; readonly message: string }
  /** These very characters. */
  | { readonly kind: 'text'; readonly answer: string }
  /** 200, or 503 when this gateway is about to leave: for a balancer before it. */
  | { readonly kind: 'ready' };

export interface UpstreamConfig {
  /** Stable and unique in the whole config; for apps the instance id. */
  readonly id: string;
  readonly address: UpstreamAddress;
  /** How many requests it gets beside the others, where the route has `balance`; 1 unless said. */
  readonly weight?: number;
  /** Where it is; the gateway's own unless said. */
  readonly region?: string;
  /** Asked only when none of the others is well, or none that may be asked again is left. */
  readonly backup?: boolean;
}

export interface UpstreamTlsConfig {
  /** PEM: who signs its certificate; the authorities that Node knows unless said. */
  readonly ca?: string;
  /** Whose certificate it shows, and which host it is told (SNI); the host of the address unless said. */
  readonly name?: string;
  /** False: whoever answers there is taken for it. */
  readonly verify?: boolean;
}

export type UpstreamAddress =
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      /** Absent: in plain text. */
      readonly tls?: UpstreamTlsConfig;
      /** It is spoken from the first byte (RFC 9113 3.3), or chosen by ALPN. Absent: HTTP/1.1. */
      readonly http2?: boolean;
    }
  /** An instance of that name on another node, by way of its gateways. `node`: the id in its certificate. */
  | {
      readonly kind: 'node';
      readonly node: string;
      readonly host: string;
      readonly port: number;
    };

/** Per route; defaults in `limits.ts`. Times in milliseconds, sizes in bytes. */
export interface RouteLimits {
  readonly connectTimeoutMs: number;
  /** From the end of the request to the head of the answer. */
  readonly responseTimeoutMs: number;
  /** Without a byte in either direction, once the answer has begun. */
  readonly idleTimeoutMs: number;
  /** 413 beyond it. */
  readonly requestBodyBytesMax: number;
}

/** Per listener. */
export interface GatewayLimits {
  readonly requestHeadBytesMax: number;
  readonly requestHeadersMax: number;
  readonly targetBytesMax: number;
  /** From the first byte of a request to the end of its head: 408. */
  readonly requestHeadTimeoutMs: number;
  /** Between two bytes of a request body: 408. */
  readonly requestBodyIdleTimeoutMs: number;
  /** A kept-alive connection without a request. */
  readonly keepAliveTimeoutMs: number;
  readonly connectionsMax: number;
}

/** Agent → gateway, one JSON object a line over the worker's unix socket. */
export type GatewayCommand =
  | {
      readonly kind: 'config';
      readonly config: GatewayConfig;
      /** Sockets where processes that are to leave hand over their listening sockets. */
      readonly takeFrom?: readonly string[];
    }
  /** Of the config in use, answered as a config; a process that has another one says GATEWAY_CONFIG_BEHIND, and gets all of it. */
  | { readonly kind: 'change'; readonly change: ConfigChange }
  | { readonly kind: 'stats' }
  /** How busy the nodes of upstreams are, 0 to 1, by upstream id; absent means idle. Not answered. */
  | { readonly kind: 'loads'; readonly loads: Readonly<Record<string, number>> }
  /** Answered by `answer` or `failed` with the same id, in whatever order. */
  | { readonly kind: 'ask'; readonly id: number; readonly question: GatewayQuestion }
  /** Answered by `pong` at once: whether the worker's event loop turns. */
  | { readonly kind: 'ping' }
  /** Stop accepting, let requests and upgraded connections finish until the deadline, exit 0. */
  | { readonly kind: 'drain'; readonly deadlineMs: number };

/** Gateway → agent. */
export type GatewayReply =
  | { readonly kind: 'hello'; readonly pid: number; readonly protocol: 1; readonly version: number }
  | { readonly kind: 'applied'; readonly version: number }
  | {
      readonly kind: 'refused';
      readonly version: number;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: 'stats'; readonly stats: GatewayStats }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: GatewayAnswer }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: 'pong' };

export interface GatewayStats {
  readonly pid: number;
  readonly version: number;
  readonly connections: number;
  readonly memoryBytes: number;
  /** What is under way now, by upstream id; absent means zero. */
  readonly upstreams: Readonly<Record<string, UpstreamLoad>>;
  /** Upstreams that get no requests just now, by route id; absent means none. */
  readonly unfit?: Readonly<Record<string, readonly string[]>>;
  /** Since start, by route id. */
  readonly routes: Readonly<Record<string, RouteTotals>>;
  /** By balancer id; absent when there are none. */
  readonly balancers?: Readonly<Record<string, BalancerTotals>>;
  /** The tiers of the cache; absent without one. */
  readonly cache?: readonly CacheTierStats[];
  readonly metrics: readonly import('../base/metrics.ts').MetricFamily[];
}

export interface UpstreamLoad {
  readonly requests: number;
  readonly upgrades: number;
}

export interface RouteTotals {
  readonly requests: number;
  readonly errors5xx: number;
  readonly errors4xx: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly latencySumMs: number;
  /** Requests on a route with a cache, by what came of it: `hit`, `miss`, … Absent means zero. */
  readonly cache?: Readonly<Record<string, number>>;
}
