/** What a gateway process is told about balancers: ports whose bytes go to one of several places unread. Plain data. */
import type { ProxyProtocolVersion } from '../net/net.ts';

export interface BalancerConfig {
  /** Stable, unique among balancers: counters and connections stay with it. */
  readonly id: string;
  /** IP to bind; `::` is all interfaces, IPv4 included. */
  readonly address: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  readonly balance: BalanceBy;
  /** Who gets what `sni` does not name; may be empty beside `sni`. */
  readonly upstreams: readonly BalancerUpstreamConfig[];
  /** TCP only. By the name that a TLS client wants, in lower case; `*.example.org` is one or more labels before the rest. */
  readonly sni?: Readonly<Record<string, readonly BalancerUpstreamConfig[]>>;
  readonly timeouts: BalancerTimeouts;
  /** Open connections, or sessions of UDP, of each process. */
  readonly connectionsMax: number;
  /** TCP only; absent: an upstream is judged by how connecting to it goes. */
  readonly health?: BalancerHealthConfig;
  /** TCP only. */
  readonly proxyProtocol?: BalancerProxyProtocol;
}

export type BalanceBy = 'round-robin' | 'least' | 'source-hash';

export interface BalancerUpstreamConfig {
  readonly id: string;
  readonly address: BalancerAddress;
  /** Its share beside those of the others; 0: no new connections. */
  readonly weight: number;
}

export type BalancerAddress =
  | { readonly kind: 'port'; readonly host: string; readonly port: number }
  /** TCP only. */
  | { readonly kind: 'socket'; readonly path: string };

export interface BalancerTimeouts {
  /** The next upstream is tried beyond it. */
  readonly connectMs: number;
  /** Without a byte in either direction. */
  readonly idleMs: number;
}

export interface BalancerHealthConfig {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface BalancerProxyProtocol {
  /** Ranges of addresses whose connections begin with a header; others' are taken as they come. */
  readonly trust?: readonly string[];
  /** Upstreams are told who the client is. */
  readonly out?: ProxyProtocolVersion;
}

/** Since start, of one process. */
export interface BalancerTotals {
  /** Open now. */
  readonly connections: number;
  readonly accepted: number;
  /** Closed because no upstream took them, or beyond a limit. */
  readonly failed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
