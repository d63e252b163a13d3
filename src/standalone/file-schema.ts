/** The shape of a gateway's file. What it means is in `gateway-file.ts`. */
import { ConfigError } from '../base/errors.ts';
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
  withDefault,
} from '../base/schema.ts';
import {
  duration,
  filePath,
  isBalancer,
  listenerSchema,
  routeSchema,
  size,
  type WrittenBalancer,
  type WrittenListener,
  type WrittenRoute,
  regionName,
} from '../routes/routes.ts';
import { type AccessLogFormat, cacheMost } from '../gateway/gateway.ts';

const WORKERS_MAX = 256;
/** A balancer that looks every two seconds and believes the third "no" knows by then. */
const DRAIN_MS = 10_000;
/** Of traces that begin here. */
const TRACE_SAMPLE = 0.01;
/** Less where less fits. */
const CACHE_MEMORY_BYTES: number = Math.min(256 * 1024 * 1024, cacheMost());

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
  readonly region?: string;
  readonly listeners: readonly (WrittenListener | WrittenBalancer)[];
  readonly routes: readonly WrittenRoute[];
  readonly accessLog?: AccessLogFormat;
  readonly trace?: {
    readonly sample: number;
    readonly export?: string;
    readonly service?: string;
  };
  /** Where HAProxy's agent-check is answered. */
  readonly agent?: {
    readonly address: string;
    readonly port: number;
    readonly connections?: number;
  };
  /** From the first "no" of a drain to its end; in milliseconds. */
  readonly drain: number;
  readonly limits: FileLimits;
  readonly cache: FileCache;
}

/** In bytes, of all workers together. */
export interface FileCache {
  readonly memory: number;
  readonly share?: boolean;
  readonly disk?: { readonly path: string; readonly size: number };
  /** `name`: of this gateway, among those that use the database; the machine's unless said. */
  readonly mongodb?: {
    readonly url: string;
    readonly database: string;
    readonly size: number;
    readonly name?: string;
  };
}

const file: Schema<FileShape> = object({
  workers: optional(integer({ min: 1, max: WORKERS_MAX })),
  region: optional(regionName),
  listeners: array(listenerSchema, { itemsMax: 64 }),
  // Ports that lead bytes on unread need none.
  routes: withDefault(array(routeSchema, { itemsMax: 10_000 }), []),
  accessLog: optional(literal('json', 'combined', 'off')),
  trace: optional(
    object({
      sample: withDefault(numberBetween(0, 1), TRACE_SAMPLE),
      export: optional(string()),
      service: optional(string()),
    }),
  ),
  agent: optional(
    object({
      address: withDefault(string(), '::'),
      port: integer({ min: 1, max: 65_535 }),
      connections: optional(integer({ min: 1, max: 1_000_000 })),
    }),
  ),
  drain: withDefault(duration, DRAIN_MS),
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
      share: optional(boolean()),
      disk: optional(object({ path: filePath, size })),
      mongodb: optional(
        object({ url: string(), database: string(), size, name: optional(string()) }),
      ),
    }),
    { memory: CACHE_MEMORY_BYTES },
  ),
});

/** Throws `ConfigError` with the path of the first bad key. */
export function decodeFile(value: unknown): FileShape {
  if (value === null || value === undefined) {
    throw new ConfigError('', 'The file is empty, want "listeners" and "routes"', {
      hint: 'The smallest one has "listeners: [{ port: 8080 }]" and "routes: [{ upstreams: http://127.0.0.1:9000 }]"',
    });
  }
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
