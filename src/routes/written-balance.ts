/** What a route of a gateway's file may choose about its upstreams, and what the workers are told of it. */
import { availableParallelism } from 'node:os';
import {
  boolean,
  integer,
  literal,
  numberBetween,
  object,
  optional,
  type Schema,
  string,
  withDefault,
} from '../base/schema.ts';
import type { GatewayConfigContent } from '../gateway/gateway.ts';
import { duration, oneOrMore } from './values.ts';
import type { WrittenSite } from './site-schema.ts';

type BalanceConfig = NonNullable<GatewayConfigContent['routes'][number]['balance']>;

const COUNT_MAX = 1_000_000;
const SECOND = 1000;
const USUAL_QUEUE = 100;

/** Times in milliseconds. */
export interface WrittenBalance {
  readonly balance?: NonNullable<BalanceConfig['algorithm']>;
  readonly hash?: NonNullable<BalanceConfig['hash']>;
  readonly sticky?: { readonly cookie: string };
  readonly health?: WrittenHealth;
  readonly agent?: { readonly port: number; readonly interval: number };
  readonly eject?: WrittenEject;
  readonly retries?: WrittenRetries;
  readonly hedge?: { readonly after: number };
  readonly slowStart?: number;
}

/** Under `limits`. Counts are of all workers together. */
export interface WrittenConcurrency {
  readonly perUpstream?: number;
  readonly queue?: number;
  readonly queueTimeout?: number;
  readonly adaptive?: boolean;
}

interface WrittenHealth {
  readonly path: string;
  readonly interval: number;
  readonly timeout: number;
  readonly status?: readonly number[];
  readonly rise: number;
  readonly fall: number;
}

interface WrittenEject {
  readonly failures: number;
  readonly share: number;
  readonly time: number;
  readonly timeMax: number;
}

interface WrittenRetries {
  readonly attempts: number;
  readonly budget: number;
  readonly perSecond: number;
  readonly status?: readonly number[];
}

const count = integer({ min: 1, max: COUNT_MAX });
const status = oneOrMore(integer({ min: 200, max: 599 }));
const share = numberBetween(0, 1);

const health: Schema<WrittenHealth> = object({
  path: string(),
  interval: withDefault(duration, 2 * SECOND),
  timeout: withDefault(duration, SECOND),
  status: optional(status),
  rise: withDefault(count, 2),
  fall: withDefault(count, 3),
});

const eject: Schema<WrittenEject> = object({
  failures: withDefault(count, 5),
  share: withDefault(share, 0.5),
  time: withDefault(duration, 10 * SECOND),
  timeMax: withDefault(duration, 300 * SECOND),
});

const retries: Schema<WrittenRetries> = object({
  attempts: withDefault(integer({ min: 0, max: 10 }), 3),
  budget: withDefault(share, 0.2),
  perSecond: withDefault(numberBetween(0, COUNT_MAX), 10),
  status: optional(status),
});

/** All of them may be absent. */
type FieldsOf<T> = { readonly [K in keyof T]-?: Schema<T[K] | undefined> };

/** Keys of a route. */
export const BALANCE_FIELDS: FieldsOf<WrittenBalance> = {
  balance: optional(literal('p2c', 'least', 'round-robin', 'weighted', 'random', 'ewma', 'hash')),
  hash: optional(
    object({
      by: literal('uri', 'header', 'cookie', 'client'),
      name: optional(string()),
      bound: optional(numberBetween(1, 100)),
    }),
  ),
  sticky: optional(object({ cookie: string() })),
  health: optional(health),
  agent: optional(
    object({ port: integer({ min: 1, max: 65_535 }), interval: withDefault(duration, 2 * SECOND) }),
  ),
  eject: optional(eject),
  retries: optional(retries),
  hedge: optional(object({ after: duration })),
  slowStart: optional(duration),
};

/** Keys of a route's `limits`. */
export const CONCURRENCY_FIELDS: FieldsOf<WrittenConcurrency> = {
  perUpstream: optional(count),
  queue: optional(integer({ min: 0, max: COUNT_MAX })),
  queueTimeout: optional(duration),
  adaptive: optional(boolean()),
};

/** Undefined when the route chooses nothing: power of two choices, the quickest way. */
export function balanceOf(
  route: WrittenBalance & Pick<WrittenSite, 'headers'> & { readonly limits: WrittenConcurrency },
  isWeighted: boolean,
  workers: number = availableParallelism(),
): BalanceConfig | undefined {
  const { health: checks, agent, eject: out, hedge, slowStart } = route;
  const config: BalanceConfig = {
    ...(route.balance === undefined ? {} : { algorithm: route.balance }),
    ...(route.hash === undefined ? {} : { hash: route.hash }),
    ...(route.sticky === undefined ? {} : { sticky: route.sticky }),
    ...(checks === undefined ? {} : { health: healthOf(checks, route) }),
    ...(agent === undefined ? {} : { agent: { port: agent.port, intervalMs: agent.interval } }),
    ...(out === undefined ? {} : { eject: ejectOf(out) }),
    ...(route.retries === undefined ? {} : { retries: route.retries }),
    ...(hedge === undefined ? {} : { hedge: { afterMs: hedge.after } }),
    ...(slowStart === undefined ? {} : { slowStartMs: slowStart }),
    ...limitsOf(route.limits, workers),
  };
  return isWeighted || Object.keys(config).length > 0 ? config : undefined;
}

/** Checks name the host that requests name. */
function healthOf(
  health: WrittenHealth,
  { headers }: Pick<WrittenSite, 'headers'>,
): NonNullable<BalanceConfig['health']> {
  const set = Object.entries(headers?.request?.set ?? {});
  const host = set.find(([name]) => name.toLowerCase() === 'host')?.[1];
  const { path, interval, timeout, status: wanted, rise, fall } = health;
  const times = { intervalMs: interval, timeoutMs: timeout };
  return {
    path,
    ...(host === undefined ? {} : { host }),
    ...times,
    rise,
    fall,
    ...(wanted === undefined ? {} : { status: wanted }),
  };
}

function ejectOf({
  failures,
  share: most,
  time,
  timeMax,
}: WrittenEject): NonNullable<BalanceConfig['eject']> {
  return { failures, shareMax: most, timeMs: time, timeMsMax: timeMax };
}

/** Each worker gets its share of the counts, and none gets nothing. */
function limitsOf(limits: WrittenConcurrency, workers: number): Pick<BalanceConfig, 'limits'> {
  const { perUpstream, queue = USUAL_QUEUE, queueTimeout = SECOND, adaptive } = limits;
  const names = Object.keys(CONCURRENCY_FIELDS) as (keyof WrittenConcurrency)[];
  if (names.every((name) => limits[name] === undefined)) return {};
  return {
    limits: {
      ...(perUpstream === undefined ? {} : { perUpstream: Math.ceil(perUpstream / workers) }),
      queue: Math.ceil(queue / workers),
      queueTimeoutMs: queueTimeout,
      ...(adaptive === undefined ? {} : { adaptive }),
    },
  };
}
