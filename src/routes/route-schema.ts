/** The shape of a route as people write it, in a file or in the registry. What it means is in `written-route.ts`. */
import { ConfigError } from '../base/errors.ts';
import {
  boolean,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
  withDefault,
} from '../base/schema.ts';
import { type WrittenSite, SITE_FIELDS } from './site-schema.ts';
import { isPem } from './pem.ts';
import { duration, filePath, oneOrMore, regionName, size, trueOr, urlOr } from './values.ts';
import {
  BALANCE_FIELDS,
  CONCURRENCY_FIELDS,
  type WrittenBalance,
  type WrittenConcurrency,
} from './written-balance.ts';
import { routeCacheSchema, type WrittenRouteCache } from './written-cache.ts';

export interface WrittenRouteUpstream {
  readonly url: string;
  readonly weight?: number;
  readonly region?: string;
  readonly backup?: boolean;
  /** In place of HTTP/1.1. */
  readonly http2?: boolean;
  /** Of `https://`. */
  readonly tls?: WrittenUpstreamTls;
}

export interface WrittenUpstreamTls {
  /** A file in PEM, or what would be in it. */
  readonly ca?: string;
  readonly name?: string;
  readonly verify?: boolean;
}

/** Times in milliseconds, sizes in bytes. */
export interface WrittenRoute extends WrittenBalance, WrittenSite {
  readonly host: readonly string[];
  readonly path: string;
  readonly upstreams?: readonly WrittenRouteUpstream[];
  /** Its name; in a cluster. */
  readonly app?: string;
  /** Its name: what it shows as a website; in a cluster. */
  readonly bucket?: string;
  readonly static?: {
    readonly root: string;
    readonly fallback?: string;
    readonly notFound?: string;
    readonly index?: readonly string[];
    readonly list?: boolean;
  };
  readonly redirect?: { readonly status: number; readonly to: string; readonly from?: string };
  readonly respond?: { readonly status: number; readonly message: string };
  /** Says whether the gateway is about to leave. */
  readonly ready?: true;
  /** As of all routes unless said. */
  readonly accessLog?: 'json' | 'combined' | 'off';
  readonly timeouts: {
    readonly connect?: number;
    readonly response?: number;
    readonly idle?: number;
  };
  readonly limits: WrittenConcurrency & { readonly requestBody?: number };
  /** `false`, or what is chosen about it. Absent: as the app has it; none of upstreams. */
  readonly cache?: false | WrittenRouteCache;
}

/** Of some twenty certificates. */
const PEM_CHARACTERS_MAX: number = 64 * 1024;
const pem = string({ lengthMax: PEM_CHARACTERS_MAX });
const pemOrPath: Schema<string> = {
  decode: (value, path) => (isPem(value) ? pem : filePath).decode(value, path),
  json: pem.json,
};

const upstream: Schema<WrittenRouteUpstream> = object({
  url: string(),
  weight: optional(integer({ min: 0, max: 256 })),
  region: optional(regionName),
  backup: optional(boolean()),
  http2: optional(boolean()),
  tls: optional(
    object({ ca: optional(pemOrPath), name: optional(string()), verify: optional(boolean()) }),
  ),
});

const onlyTrue: Schema<true> = {
  decode(value, path) {
    if (value === true) return true;
    throw new ConfigError(path, `Key "${path}" is ${JSON.stringify(value)}, want true`);
  },
  json: { enum: [true] },
};

export const routeSchema: Schema<WrittenRoute> = object({
  host: withDefault(oneOrMore(string()), ['*']),
  path: withDefault(string(), '/'),
  upstreams: optional(oneOrMore(urlOr(upstream))),
  app: optional(string({ lengthMax: 100 })),
  bucket: optional(string({ lengthMax: 63 })),
  static: optional(
    object({
      root: filePath,
      fallback: optional(filePath),
      notFound: optional(filePath),
      index: optional(oneOrMore(filePath)),
      list: optional(boolean()),
    }),
  ),
  redirect: optional(
    object({
      status: withDefault(integer({ min: 300, max: 399 }), 308),
      to: string(),
      from: optional(string()),
    }),
  ),
  respond: optional(
    object({ status: integer({ min: 200, max: 599 }), message: withDefault(string(), '') }),
  ),
  ready: optional(onlyTrue),
  accessLog: optional(literal('json', 'combined', 'off')),
  timeouts: withDefault(
    object({
      connect: optional(duration),
      response: optional(duration),
      idle: optional(duration),
    }),
    {},
  ),
  limits: withDefault(object({ requestBody: optional(size), ...CONCURRENCY_FIELDS }), {}),
  cache: optional(trueOr(routeCacheSchema)),
  ...BALANCE_FIELDS,
  ...SITE_FIELDS,
});
