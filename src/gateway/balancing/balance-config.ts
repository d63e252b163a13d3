/** What a route may choose about its upstreams. Absent as a whole: power of two choices and nothing else. */

export const ALGORITHMS = [
  /** Of two drawn by weight, the one with less under way for its weight. */
  'p2c',
  /** The least under way for its weight, of all. */
  'least',
  /** In turn, each as often. */
  'round-robin',
  /** In turn, as often as the weights say, evenly mixed. */
  'weighted',
  /** By chance, by weight. */
  'random',
  /** Of two, the one with the smaller product of latency and what is under way. */
  'ewma',
  /** The same key to the same upstream, as long as that one has no more than its share. */
  'hash',
] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** Times in milliseconds. */
export interface BalanceConfig {
  readonly algorithm?: Algorithm;
  /** Required by `hash`. */
  readonly hash?: HashConfig;
  readonly sticky?: { readonly cookie: string };
  readonly health?: HealthConfig;
  readonly agent?: AgentConfig;
  readonly eject?: EjectConfig;
  readonly limits?: ConcurrencyConfig;
  readonly retries?: RetryConfig;
  readonly hedge?: { readonly afterMs: number };
  readonly slowStartMs?: number;
}

export interface HashConfig {
  readonly by: 'uri' | 'header' | 'cookie' | 'client';
  /** Of the header or cookie. */
  readonly name?: string;
  /** How much more than its share of what is under way an upstream may have; 1.25 unless said. */
  readonly bound?: number;
}

export interface HealthConfig {
  readonly path: string;
  /** What it is told as Host; its own address unless said. */
  readonly host?: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** What counts as healthy; 200 to 399 unless said. */
  readonly status?: readonly number[];
  /** Good checks in a row before it gets requests again. */
  readonly rise: number;
  /** Bad ones in a row before it gets none. */
  readonly fall: number;
}

export interface AgentConfig {
  /** On the upstream's host. */
  readonly port: number;
  readonly intervalMs: number;
}

export interface EjectConfig {
  /** Answers of 500 and more, broken connections and time-outs in a row. */
  readonly failures: number;
  /** Of a route's upstreams, 0 to 1, that may be out at once. One may always, unless it is the only one. */
  readonly shareMax: number;
  /** Doubles with each ejection that follows. */
  readonly timeMs: number;
  readonly timeMsMax: number;
}

/** Of each gateway process. */
export interface ConcurrencyConfig {
  /** Requests and upgraded connections under way at one upstream. */
  readonly perUpstream?: number;
  /** Requests that wait for room; 503 beyond it. */
  readonly queue: number;
  /** 503 beyond it. */
  readonly queueTimeoutMs: number;
  /** The limit follows the latency, up to `perUpstream`. */
  readonly adaptive?: boolean;
}

export interface RetryConfig {
  /** Further upstreams that a request is asked of when one broke off. */
  readonly attempts: number;
  /** Second requests, hedges too, as a share of requests. */
  readonly budget: number;
  /** So many a second are allowed whatever the share says: a quiet route may repeat too. */
  readonly perSecond: number;
  /** Answers in whose place another upstream is asked. */
  readonly status?: readonly number[];
}
