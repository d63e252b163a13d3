/** Defaults of the gateway's limits, and those that are not configurable. Each says what happens beyond it. */
import type { GatewayLimits, RouteLimits } from './config.ts';

const SECOND = 1000;
const KIB = 1024;
const GIB = 1024 ** 3;

/** Per route; a route's own `limits` replace single values. */
export const DEFAULT_ROUTE_LIMITS: RouteLimits = {
  /** An upstream is on this machine or in the same network; 503 and the next upstream beyond it. */
  connectTimeoutMs: 5 * SECOND,
  /** Slow reports are common, endless ones are bugs; 504 beyond it. */
  responseTimeoutMs: 60 * SECOND,
  /** Longer than the pings that WebSocket and event-stream libraries send; the connection is cut beyond it. */
  idleTimeoutMs: 300 * SECOND,
  /** Bodies are streamed, so this protects the app and its disk, not the gateway; 413 beyond it. */
  requestBodyBytesMax: 16 * GIB,
};

/** Per listener. */
export const DEFAULT_GATEWAY_LIMITS: GatewayLimits = {
  /** Request line and fields together; 431 beyond it. Cookies of big sites reach 16 KiB. */
  requestHeadBytesMax: 32 * KIB,
  /** 431 beyond it. */
  requestHeadersMax: 128,
  /** 414 beyond it. RFC 9110 section 4.1 asks for at least 8000. */
  targetBytesMax: 8 * KIB,
  /** Slowloris; 408 beyond it. */
  requestHeadTimeoutMs: 15 * SECOND,
  /** Slow body; 408 beyond it. */
  requestBodyIdleTimeoutMs: 30 * SECOND,
  /** Longer than the minute that browsers keep their side; closed without an answer beyond it. */
  keepAliveTimeoutMs: 75 * SECOND,
  /** Per process; a further connection is closed at once. About 4 KiB of memory each when idle. */
  connectionsMax: 20_000,
};

/** A route's own values over the defaults. */
export function routeLimits(own: Partial<RouteLimits> | undefined): RouteLimits {
  return own === undefined ? DEFAULT_ROUTE_LIMITS : { ...DEFAULT_ROUTE_LIMITS, ...own };
}

/** Routes in one config; the table is built anew on each change. */
export const ROUTES_MAX = 10_000;
export const HOSTS_PER_ROUTE_MAX = 1000;
export const UPSTREAMS_PER_ROUTE_MAX = 1000;
export const LISTENERS_MAX = 64;
/** Characters of a route's path; bounds the work of one match. */
export const PATH_CHARACTERS_MAX = 1024;
/** `sun_path` of unix(7) without its final zero. */
export const SOCKET_PATH_BYTES_MAX = 107;
