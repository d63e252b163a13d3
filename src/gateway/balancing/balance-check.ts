/** Strict check of what a route chooses about its upstreams. */
import { ConfigError } from '../../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  numberBetween,
  object,
  optional,
  type Schema,
  string,
} from '../../base/schema.ts';
import type { RouteConfig } from '../config.ts';
import { ALGORITHMS, type BalanceConfig } from './balance-config.ts';

const DAY_MS = 86_400_000;
const COUNT_MAX = 1_000_000;

const time = integer({ min: 1, max: DAY_MS });
/** Checks begin with the sweep, which is not much finer. */
const interval = integer({ min: 50, max: DAY_MS });
const statuses = array(integer({ min: 200, max: 599 }), { itemsMax: 100 });

const name = string({
  pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/,
  patternMeans: 'a name of letters, digits and -',
});

/** RFC 9112 3.2.1: goes into a request line as it is. */
const checkPath = string({
  pattern: /^\/[\x21\x22\x24-\x7e]*$/,
  patternMeans: 'a path that starts with / and has no spaces or #',
  lengthMax: 1024,
});

export const balanceSchema: Schema<BalanceConfig> = object({
  algorithm: optional(literal(...ALGORITHMS)),
  hash: optional(
    object({
      by: literal('uri', 'header', 'cookie', 'client'),
      name: optional(name),
      bound: optional(numberBetween(1, 100)),
    }),
  ),
  sticky: optional(object({ cookie: name })),
  health: optional(
    object({
      path: checkPath,
      host: optional(string({ pattern: /^[\x21-\x7e]+$/, patternMeans: 'a host' })),
      intervalMs: interval,
      timeoutMs: time,
      status: optional(statuses),
      rise: integer({ min: 1, max: 100 }),
      fall: integer({ min: 1, max: 100 }),
    }),
  ),
  agent: optional(object({ port: integer({ min: 1, max: 65_535 }), intervalMs: interval })),
  eject: optional(
    object({
      failures: integer({ min: 1, max: COUNT_MAX }),
      shareMax: numberBetween(0, 1),
      timeMs: time,
      timeMsMax: time,
    }),
  ),
  limits: optional(
    object({
      perUpstream: optional(integer({ min: 1, max: COUNT_MAX })),
      queue: integer({ min: 0, max: COUNT_MAX }),
      queueTimeoutMs: time,
      adaptive: optional(boolean()),
    }),
  ),
  retries: optional(
    object({
      attempts: integer({ min: 0, max: 10 }),
      budget: numberBetween(0, 1),
      perSecond: numberBetween(0, COUNT_MAX),
      status: optional(statuses),
    }),
  ),
  hedge: optional(object({ afterMs: time })),
  slowStartMs: optional(time),
});

/** What the keys have to do with one another and with the target. */
export function checkBalance({ balance, target }: RouteConfig, path: string): void {
  if (balance === undefined) return;
  if (target.kind !== 'upstreams') {
    const [first] = Object.keys(balance);
    const key = first === undefined ? path : `${path}.${first}`;
    throw new ConfigError(key, `Key "${key}" is for routes with upstreams`);
  }
  const { algorithm, hash, agent } = balance;
  if (algorithm === 'hash' && hash === undefined) {
    const key = `${path}.algorithm`;
    throw new ConfigError(key, `Key "${key}" is "hash" and needs "${path}.hash": by what?`);
  }
  if (algorithm !== 'hash' && hash !== undefined) {
    const key = `${path}.hash`;
    throw new ConfigError(key, `Key "${key}" is for the algorithm "hash" alone`);
  }
  if (
    hash !== undefined &&
    hash.name === undefined &&
    (hash.by === 'header' || hash.by === 'cookie')
  ) {
    throw new ConfigError(
      `${path}.hash.name`,
      `Key "${path}.hash.name" is missing: which ${hash.by}?`,
    );
  }
  if (agent !== undefined && target.upstreams.some((one) => one.address.kind !== 'tcp')) {
    throw new ConfigError(
      `${path}.agent`,
      `Key "${path}.agent" is for upstreams with a host and port`,
    );
  }
}
