/**
 * What is to be ordered now, and when to look again: a pure function of what is wanted, held, under way and failed. It never
 * asks more of an authority than authorities take.
 */
import {
  BACKOFF_MS,
  BACKOFF_SPREAD_RATIO,
  ORDER_WINDOW_MS,
  ORDERS_AT_ONCE_MAX,
  ORDERS_PER_WINDOW_MAX,
  REFUSED_PAUSE_MS,
  RENEW_AT_RATIO,
  RENEW_SPREAD_RATIO,
  TROUBLED_PAUSE_MS,
} from './limits.ts';
import { covers } from './hosts.ts';
import type { Failure } from './model.ts';
import { CERTS_RATE_LIMITED, CERTS_REFUSED, CERTS_UNREACHABLE } from './errors.ts';

/** What is held, as far as it matters here. */
export interface Held {
  readonly host: string;
  readonly source: 'acme' | 'own';
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly addedAt: number;
}

export interface Situation {
  readonly nowMs: number;
  /** Public hosts. */
  readonly wanted: readonly string[];
  readonly held: readonly Held[];
  readonly orders: readonly { readonly host: string; readonly startedAt: number }[];
  readonly failures: readonly Failure[];
  /** Whether wildcards can be ordered. */
  readonly hasDns: boolean;
}

export interface Decision {
  /** To be ordered or gone on with, the most urgent first. */
  readonly work: readonly string[];
  /** Orders and failures of hosts that nobody wants any more. */
  readonly drop: readonly string[];
  /** The next moment at which there may be something to do. */
  readonly lookAt: number;
}

export function decide(situation: Situation): Decision {
  const { nowMs, held, orders, failures } = situation;
  const hosts = toOrder(situation);
  const failed = new Map(failures.map((one) => [one.host, one]));
  const underWay = new Set(orders.map(({ host }) => host));
  const due = hosts
    .map((host) => {
      const own = bestFor(host, held);
      const renewAt = own === undefined ? 0 : renewalOf(own);
      const at = Math.max(underWay.has(host) ? 0 : renewAt, failed.get(host)?.retryAt ?? 0);
      return { host, at, endsAt: own?.notAfter ?? 0 };
    })
    .toSorted((a, b) => a.endsAt - b.endsAt || (a.host < b.host ? -1 : 1));
  const ready = due.filter(({ at }) => at <= nowMs);
  const resumed = ready.filter(({ host }) => underWay.has(host));
  const fresh = ready.filter(({ host }) => !underWay.has(host));
  const room = roomOf(situation, resumed.length);
  const later = due.filter(({ at }) => at > nowMs).map(({ at }) => at);
  const postponed = fresh.length > room.count ? [room.againAt] : [];
  return {
    work: [...resumed, ...fresh.slice(0, room.count)]
      .slice(0, ORDERS_AT_ONCE_MAX)
      .map(({ host }) => host),
    drop: [...new Set([...underWay, ...failed.keys()])].filter((host) => !hosts.includes(host)),
    lookAt: Math.min(Infinity, ...later, ...postponed),
  };
}

/** What is wanted and not served by somebody's own certificate, or by a wildcard that is wanted too. */
function toOrder({ wanted, held, hasDns }: Situation): readonly string[] {
  const own = held.filter(({ source }) => source === 'own').flatMap(({ names }) => names);
  const wildcards = hasDns ? wanted.filter((host) => host.startsWith('*.')) : [];
  return wanted.filter((host) => {
    if (host.startsWith('*.') && !hasDns) return false;
    if (own.some((name) => covers(name, host))) return false;
    return !wildcards.some((name) => name !== host && covers(name, host));
  });
}

function bestFor(host: string, held: readonly Held[]): Held | undefined {
  return held
    .filter(({ source, names }) => source === 'acme' && names.includes(host))
    .toSorted((a, b) => b.notAfter - a.notAfter)[0];
}

/** Two thirds into its life, a little earlier by its name: so those of one day are not renewed at one moment. */
export function renewalOf({
  host,
  notBefore,
  notAfter,
}: Pick<Held, 'host' | 'notBefore' | 'notAfter'>): number {
  const life = notAfter - notBefore;
  return notBefore + life * (RENEW_AT_RATIO - RENEW_SPREAD_RATIO * shareOf(host));
}

/** FNV-1a of the name as a share of one. */
function shareOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  }
  return hash / 2 ** 32;
}

/** How many new orders may begin now, and when again. */
function roomOf(
  { nowMs, held, orders, failures }: Situation,
  resumed: number,
): { readonly count: number; readonly againAt: number } {
  const begun = [
    ...held.filter(({ source }) => source === 'acme').map(({ addedAt }) => addedAt),
    ...orders.map(({ startedAt }) => startedAt),
    ...failures.map(({ at }) => at),
  ].filter((at) => at > nowMs - ORDER_WINDOW_MS);
  if (begun.length >= ORDERS_PER_WINDOW_MAX) {
    return { count: 0, againAt: Math.min(...begun) + ORDER_WINDOW_MS };
  }
  // The authority itself is in trouble or tired of us: who is next finds out for all whether it is over.
  const troubled = failures.filter(
    ({ code, retryAt }) =>
      retryAt > nowMs && (code === CERTS_RATE_LIMITED || code === CERTS_UNREACHABLE),
  );
  if (troubled.length > 0) {
    const againAt = Math.max(...troubled.map(({ at }) => at)) + TROUBLED_PAUSE_MS;
    return {
      count: againAt <= nowMs && resumed === 0 ? 1 : 0,
      againAt: Math.max(againAt, nowMs + 1000),
    };
  }
  const count = Math.min(
    ORDERS_PER_WINDOW_MAX - begun.length,
    Math.max(0, ORDERS_AT_ONCE_MAX - resumed),
  );
  // Those under way make room at any moment, and whoever does them looks again then.
  return { count, againAt: Infinity };
}

/** The failure that follows `before`. `random`: 0 to 1. */
export function nextFailure(
  before: Failure | undefined,
  now: {
    readonly host: string;
    readonly at: number;
    readonly code: string;
    readonly message: string;
    readonly retryAfterMs: number | undefined;
  },
  random: number,
): Failure {
  const count = (before?.count ?? 0) + 1;
  const { retryAfterMs = 0, ...said } = now;
  const usual = BACKOFF_MS[Math.min(count, BACKOFF_MS.length) - 1] ?? REFUSED_PAUSE_MS;
  const isUnwanted = now.code === CERTS_RATE_LIMITED || now.code === CERTS_REFUSED;
  const least = Math.max(usual, retryAfterMs, isUnwanted ? REFUSED_PAUSE_MS : 0);
  return {
    ...said,
    count,
    retryAt: Math.ceil(now.at + least * (1 + BACKOFF_SPREAD_RATIO * random)),
  };
}
