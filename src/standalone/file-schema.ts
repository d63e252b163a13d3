/** The shape of a gateway's file. What it means is in `gateway-file.ts`. */
import { ConfigError } from '../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  type Schema,
  string,
  withDefault,
} from '../base/schema.ts';
import type { AccessLogFormat } from '../gateway/gateway.ts';
import {
  type FileBalancer,
  fileBalancer,
  type FileProxyProtocol,
  fileProxyProtocol,
  isBalancer,
} from './balancer-file.ts';
import {
  BALANCE_FIELDS,
  CONCURRENCY_FIELDS,
  type FileBalance,
  type FileConcurrency,
} from './file-balance.ts';
import { duration, filePath, oneOrMore, ratio, size } from './file-values.ts';
import { type FileSite, SITE_FIELDS } from './site-schema.ts';

const WORKERS_MAX = 256;
const CACHE_MEMORY_BYTES: number = 256 * 1024 * 1024;

/** A balancer that looks every two seconds and believes the third "no" knows by then. */
const DRAIN_MS = 10_000;
/** Of traces that begin here. */
const TRACE_SAMPLE = 0.01;

const share = ratio(0, 1);

export interface FileListener {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
  /** The first is the default; the others are for the hosts that they name. */
  readonly tls?: readonly { readonly cert: string; readonly key: string }[];
  readonly hsts: false | FileHsts;
  /** Of http: where every request is sent. */
  readonly redirect?: 'https';
  readonly proxyProtocol?: FileProxyProtocol;
}

/** In milliseconds. */
export interface FileHsts {
  readonly maxAge?: number;
  readonly includeSubDomains?: boolean;
  readonly preload?: boolean;
}

/** Times in milliseconds, sizes in bytes. */
export interface FileRoute extends FileBalance, FileSite {
  readonly host: readonly string[];
  readonly path: string;
  readonly upstreams?: readonly { readonly url: string; readonly weight?: number }[];
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
  readonly timeouts: {
    readonly connect?: number;
    readonly response?: number;
    readonly idle?: number;
  };
  readonly limits: FileConcurrency & { readonly requestBody?: number };
  /** As the whole file has it unless said. */
  readonly accessLog?: AccessLogFormat;
  /** `false`, or what is chosen about it. */
  readonly cache: false | FileRouteCache;
}

export interface FileLimits {
  readonly requestHead?: number;
  readonly requestHeaders?: number;
  readonly target?: number;
  readonly requestHeadTimeout?: number;
  readonly requestBodyIdleTimeout?: number;
  readonly keepAliveTimeout?: number;
  readonly connections?: number;
}

export interface FileShape {
  readonly workers?: number;
  readonly listeners: readonly (FileListener | FileBalancer)[];
  readonly routes: readonly FileRoute[];
  /** Where HAProxy's agent-check is answered. */
  readonly agent?: {
    readonly address: string;
    readonly port: number;
    readonly connections?: number;
  };
  /** From the first "no" of a drain to its end; in milliseconds. */
  readonly drain: number;
  readonly accessLog?: AccessLogFormat;
  readonly trace?: {
    readonly sample: number;
    readonly export?: string;
    readonly service?: string;
  };
  readonly limits: FileLimits;
  readonly cache: FileCache;
}

/** Times in milliseconds. */
export interface FileRouteCache {
  readonly negative?: number;
  readonly staleUnreachable?: number;
  readonly heuristicShare?: number;
  readonly heuristicMax?: number;
  readonly requestDirectives?: boolean;
  readonly setCookie?: 'public' | 'always';
}

/** In bytes, of all workers together. */
export interface FileCache {
  readonly memory: number;
  readonly disk?: { readonly path: string; readonly size: number };
}

/** `true` is the usual, which is what `{}` says too. */
function trueOr<T extends object>(chosen: Schema<T>): Schema<false | T> {
  return {
    decode(value, path) {
      if (value === false) return false;
      return chosen.decode(value === true ? {} : value, path);
    },
    json: { oneOf: [{ type: 'boolean' }, chosen.json] },
  };
}

const chosenHsts: Schema<FileHsts> = object({
  maxAge: optional(duration),
  includeSubDomains: optional(boolean()),
  preload: optional(boolean()),
});

const listener: Schema<FileListener> = object({
  address: withDefault(string(), '::'),
  port: integer({ min: 0, max: 65_535 }),
  protocol: withDefault(literal('http', 'https'), 'http'),
  tls: optional(oneOrMore(object({ cert: filePath, key: filePath }))),
  hsts: withDefault(trueOr(chosenHsts), false),
  redirect: optional(literal('https')),
  proxyProtocol: optional(fileProxyProtocol),
});

const PROTOCOLS = literal('http', 'https', 'tcp', 'udp');

/** Its protocol says which keys there are. */
const anyListener: Schema<FileListener | FileBalancer> = {
  decode(value, path) {
    const { protocol } = (value ?? {}) as { readonly protocol?: unknown };
    if (protocol === undefined) return listener.decode(value, path);
    const known = { protocol: PROTOCOLS.decode(protocol, `${path}.protocol`) };
    return isBalancer(known) ? fileBalancer.decode(value, path) : listener.decode(value, path);
  },
  json: { oneOf: [listener.json, fileBalancer.json] },
};

const chosen: Schema<FileRouteCache> = object({
  negative: optional(duration),
  staleUnreachable: optional(duration),
  heuristicShare: optional(share),
  heuristicMax: optional(duration),
  requestDirectives: optional(boolean()),
  setCookie: optional(literal('public', 'always')),
});

const onlyTrue: Schema<true> = {
  decode(value, path) {
    if (value === true) return true;
    throw new ConfigError(path, `Key "${path}" is ${JSON.stringify(value)}, want true`);
  },
  json: { enum: [true] },
};

const accessLog = optional(literal('json', 'combined', 'off'));

const route: Schema<FileRoute> = object({
  host: withDefault(oneOrMore(string()), ['*']),
  path: withDefault(string(), '/'),
  upstreams: optional(
    array(object({ url: string(), weight: optional(integer({ min: 0, max: 256 })) }), {
      itemsMax: 1000,
    }),
  ),
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
  timeouts: withDefault(
    object({
      connect: optional(duration),
      response: optional(duration),
      idle: optional(duration),
    }),
    {},
  ),
  accessLog,
  limits: withDefault(object({ requestBody: optional(size), ...CONCURRENCY_FIELDS }), {}),
  cache: withDefault(trueOr(chosen), false),
  ...BALANCE_FIELDS,
  ...SITE_FIELDS,
});

const file: Schema<FileShape> = object({
  workers: optional(integer({ min: 1, max: WORKERS_MAX })),
  listeners: array(anyListener, { itemsMax: 64 }),
  // Ports that lead bytes on unread need none.
  routes: withDefault(array(route, { itemsMax: 10_000 }), []),
  agent: optional(
    object({
      address: withDefault(string(), '::'),
      port: integer({ min: 1, max: 65_535 }),
      connections: optional(integer({ min: 1, max: 1_000_000 })),
    }),
  ),
  drain: withDefault(duration, DRAIN_MS),
  accessLog,
  trace: optional(
    object({
      sample: withDefault(share, TRACE_SAMPLE),
      export: optional(string()),
      service: optional(string()),
    }),
  ),
  limits: withDefault(
    object({
      requestHead: optional(size),
      requestHeaders: optional(integer({ min: 8, max: 10_000 })),
      target: optional(size),
      requestHeadTimeout: optional(duration),
      requestBodyIdleTimeout: optional(duration),
      keepAliveTimeout: optional(duration),
      connections: optional(integer({ min: 1, max: 1_000_000 })),
    }),
    {},
  ),
  cache: withDefault(
    object({
      memory: withDefault(size, CACHE_MEMORY_BYTES),
      disk: optional(object({ path: filePath, size })),
    }),
    { memory: CACHE_MEMORY_BYTES },
  ),
});

/** Throws `ConfigError` with the path of the first bad key. */
export function decodeFile(value: unknown): FileShape {
  const decoded = file.decode(value, '');
  const isRouted = decoded.listeners.some((one) => !isBalancer(one));
  const { routes } = (value ?? {}) as { readonly routes?: unknown };
  if (isRouted && routes === undefined) {
    throw new ConfigError('routes', 'Key "routes" is missing, want a list of them', {
      hint: 'Ports of tcp and udp need none, those of http and https do',
    });
  }
  if (decoded.listeners.length > 0) return decoded;
  throw new ConfigError('listeners', 'Key "listeners" is empty, want at least one', {
    hint: 'Write "listeners: [{ port: 8080 }]"',
  });
}
