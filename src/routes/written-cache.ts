/** What a route may choose about its cache, as people write it, and what workers are told of that. */
import { ConfigError } from '../base/errors.ts';
import {
  boolean,
  literal,
  numberBetween,
  object,
  optional,
  record,
  type Schema,
  string,
} from '../base/schema.ts';
import type { RouteConfig } from './ground.ts';
import { duration, oneOrMore, seconds } from './values.ts';

type RouteCacheConfig = NonNullable<RouteConfig['cache']>;

/** Times in milliseconds. What each means is in `CacheSettings` of `src/cache`. */
export interface WrittenRouteCache {
  /** By status, by class, or `usual`. */
  readonly ttl?: Readonly<Record<string, number>>;
  readonly ttlMin?: number;
  readonly ttlMax?: number;
  readonly query?: NonNullable<RouteCacheConfig['query']>;
  readonly key?: WrittenNames;
  readonly bypass?: WrittenNames;
  readonly negative?: number;
  readonly staleUnreachable?: number;
  readonly heuristicShare?: number;
  readonly heuristicMax?: number;
  readonly requestDirectives?: boolean;
  readonly setCookie?: 'public' | 'always';
}

/** Of fields and cookies. */
interface WrittenNames {
  readonly headers?: readonly string[];
  readonly cookies?: readonly string[];
}

const byStatus = record(duration);
/** A time alone is that of the usual answers. */
const ttl: Schema<Readonly<Record<string, number>>> = {
  decode: (value, path) =>
    typeof value === 'string'
      ? { usual: duration.decode(value, path) }
      : byStatus.decode(value, path),
  json: { oneOf: [duration.json, byStatus.json] },
};

const names = oneOrMore(string());
const whole = literal('whole', 'none');
const parameters = object({ without: optional(names), only: optional(names) });
const query: Schema<NonNullable<WrittenRouteCache['query']>> = {
  decode(value, path) {
    if (typeof value === 'string') return whole.decode(value, path);
    const { without, only } = parameters.decode(value, path);
    if (without !== undefined && only === undefined) return { without };
    if (only !== undefined && without === undefined) return { only };
    throw new ConfigError(path, `Key "${path}" wants one of "without" and "only"`);
  },
  json: { oneOf: [whole.json, parameters.json] },
};

const namesOf: Schema<WrittenNames> = object({
  headers: optional(names),
  cookies: optional(names),
});

export const routeCacheSchema: Schema<WrittenRouteCache> = object({
  ttl: optional(ttl),
  ttlMin: optional(duration),
  ttlMax: optional(duration),
  query: optional(query),
  key: optional(namesOf),
  bypass: optional(namesOf),
  negative: optional(duration),
  staleUnreachable: optional(duration),
  heuristicShare: optional(numberBetween(0, 1)),
  heuristicMax: optional(duration),
  requestDirectives: optional(boolean()),
  setCookie: optional(literal('public', 'always')),
});

export function routeCacheOf(chosen: WrittenRouteCache): RouteCacheConfig {
  const { ttl: ttls, ttlMin, ttlMax, negative, staleUnreachable, heuristicMax } = chosen;
  const { key, bypass, ...rest } = chosen;
  const { heuristicShare, requestDirectives, setCookie } = rest;
  return {
    ...(ttls === undefined
      ? {}
      : {
          ttlS: Object.fromEntries(Object.entries(ttls).map(([at, ms]) => [at, seconds(ms)])),
        }),
    ...(ttlMin === undefined ? {} : { ttlMinS: seconds(ttlMin) }),
    ...(ttlMax === undefined ? {} : { ttlMaxS: seconds(ttlMax) }),
    ...(rest.query === undefined ? {} : { query: rest.query }),
    ...(key === undefined
      ? {}
      : {
          keyFields: [
            ...lowered(key.headers),
            ...(key.cookies ?? []).map((name) => `cookie:${name}`),
          ],
        }),
    ...(bypass === undefined
      ? {}
      : { bypass: { headers: lowered(bypass.headers), cookies: bypass.cookies ?? [] } }),
    ...(negative === undefined ? {} : { negativeS: seconds(negative) }),
    ...(staleUnreachable === undefined ? {} : { staleUnreachableS: seconds(staleUnreachable) }),
    ...(heuristicShare === undefined ? {} : { heuristicShare }),
    ...(heuristicMax === undefined ? {} : { heuristicMaxS: seconds(heuristicMax) }),
    ...(requestDirectives === undefined ? {} : { requestDirectives }),
    ...(setCookie === undefined ? {} : { setCookie }),
  };
}

function lowered(headers: readonly string[] = []): readonly string[] {
  return headers.map((name) => name.toLowerCase());
}
