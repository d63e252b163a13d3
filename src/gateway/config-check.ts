/**
 * Strict check of a whole `GatewayConfig`, done by the worker that gets one whole, and by the agent before it sends what has changed
 * (`config-checker.ts`): an unknown key, a double id or two routes for the same place refuse the config as a whole, and the one before stays.
 */
import { isAbsolute, normalize } from 'node:path';
import { ConfigError } from '../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  string,
  union,
  type Schema,
} from '../base/schema.ts';
import { parseHost } from '../http/host.ts';
import { balanceSchema } from './balancing/balance-check.ts';
import { balancersSchema, checkBalancers, trustedRanges } from './balancer-check.ts';
import type {
  CertificatePair,
  ChallengesConfig,
  GatewayCacheConfig,
  GatewayConfig,
  GatewayLimits,
  HstsConfig,
  ListenerConfig,
  NodeDoorConfig,
  RouteConfig,
  RouteLimits,
  RouteTarget,
  SharingConfig,
  UpstreamAddress,
  UpstreamConfig,
} from './config.ts';
import { checkRoutes, requireNew } from './routes-check.ts';
import { routeCacheSchema } from './route-cache-check.ts';
import { pathPattern, siteSchema } from './site-check.ts';
import {
  CACHE_DISK_BYTES_MIN,
  CACHE_MEMORY_BYTES_MIN,
  CERTIFICATES_PER_LISTENER_MAX,
  CHALLENGES_MAX,
  HOSTS_PER_ROUTE_MAX,
  LISTENERS_MAX,
  PATH_CHARACTERS_MAX,
  ROUTES_MAX,
  SHARING,
  SOCKET_PATH_BYTES_MAX,
  TICKET_KEY_BYTES,
  TICKET_KEYS_MAX,
  UPSTREAM_WEIGHT_MAX,
  UPSTREAMS_PER_ROUTE_MAX,
} from './limits.ts';
import { traceSchema } from './trace-check.ts';
import { purgeOrdersSchema } from './purge-schema.ts';

const TIMEOUT_MS_MAX = 86_400_000;

const id = string({
  pattern: /^[\x21-\x7e]{1,200}$/,
  patternMeans: '1 to 200 printable characters without spaces',
});
const port = integer({ min: 0, max: 65_535 });
const region = string({
  pattern: /^[a-z0-9-]{1,63}$/,
  patternMeans: 'lower-case letters, digits and -',
});
const timeout = integer({ min: 1, max: TIMEOUT_MS_MAX });

/** A schema whose value must also pass `check`, which throws `ConfigError` with the path. */
function checked<T>(inner: Schema<T>, check: (value: T, path: string) => void): Schema<T> {
  return {
    ...inner,
    decode(value, path) {
      const decoded = inner.decode(value, path);
      check(decoded, path);
      return decoded;
    },
  };
}

const absolutePath = checked(string({ lengthMax: 4096 }), (value, path) => {
  if (!isAbsolute(value) || value.includes('\0') || normalize(value) !== value) {
    throw new ConfigError(path, `Key "${path}" is "${value}", want an absolute path without ".."`);
  }
});

/** A file below a folder: no way out of it. */
const pathBelow = checked(string({ lengthMax: 1024 }), (value, path) => {
  const parts = value.split('/');
  const bad = parts.some((part) => part === '' || part === '.' || part === '..');
  if (bad || value.includes('\0')) {
    throw new ConfigError(path, `Key "${path}" is "${value}", want a path below the root`);
  }
});

const INDEX_NAMES_MAX = 16;
const fileName = checked(pathBelow, (value, path) => {
  if (!value.includes('/')) return;
  throw new ConfigError(path, `Key "${path}" is "${value}", want the name of a file`);
});

const socketPath = checked(absolutePath, (value, path) => {
  const bytes = Buffer.byteLength(value);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  throw new ConfigError(
    path,
    `Key "${path}" has ${bytes} bytes, a socket path has at most ${SOCKET_PATH_BYTES_MAX}`,
  );
});

const hostPattern = checked(string({ lengthMax: 253 }), (value, path) => {
  if (value === '*') return;
  const name = value.startsWith('*.') ? value.slice(2) : value;
  const parsed = parseHost(name);
  if (parsed?.host === name && parsed.port === undefined && !name.endsWith(':')) return;
  throw new ConfigError(
    path,
    `Key "${path}" is "${value}", want a lower-case host name without port, "*.name" or "*"`,
  );
});

const routePath = string({
  pattern: /^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/,
  patternMeans: 'a path that starts with / and has no spaces, ? or #',
  lengthMax: PATH_CHARACTERS_MAX,
});

/** Visible ASCII: the value goes into a head as it is. */
const location = string({
  pattern: /^[\x21-\x7e]+$/,
  patternMeans: 'a URL or path without spaces',
  lengthMax: 4096,
});

const redirectStatus: Schema<301 | 302 | 307 | 308> = {
  decode(value, path) {
    if (value === 301 || value === 302 || value === 307 || value === 308) return value;
    throw new ConfigError(
      path,
      `Key "${path}" is ${JSON.stringify(value)}, want 301, 302, 307 or 308`,
    );
  },
  json: { enum: [301, 302, 307, 308] },
};

const LOCALS_MAX = 20_000;
const NODES_MAX = 100_000;

const nodeId = string({ pattern: /^[0-9a-z]{1,32}$/, patternMeans: 'letters and digits' });

const address: Schema<UpstreamAddress> = union<UpstreamAddress, 'kind'>('kind', {
  socket: object({ kind: literal('socket'), path: socketPath }),
  tcp: object({
    kind: literal('tcp'),
    host: string({ pattern: /^[^\s]+$/, patternMeans: 'a host name or IP address' }),
    port: integer({ min: 1, max: 65_535 }),
    tls: optional(
      object({
        ca: optional(string({ lengthMax: 1024 * 1024 })),
        name: optional(string({ pattern: /^[^\s]+$/, patternMeans: 'a host name' })),
        verify: optional(boolean()),
      }),
    ),
    http2: optional(boolean()),
  }),
  node: object({
    kind: literal('node'),
    node: nodeId,
    host: string({ pattern: /^[^\s]+$/, patternMeans: 'a host name or IP address' }),
    port: integer({ min: 1, max: 65_535 }),
  }),
});

const upstream: Schema<UpstreamConfig> = object({
  id,
  address,
  weight: optional(integer({ min: 0, max: UPSTREAM_WEIGHT_MAX })),
  region: optional(region),
  backup: optional(boolean()),
});

const target: Schema<RouteTarget> = union<RouteTarget, 'kind'>('kind', {
  upstreams: object({
    kind: literal('upstreams'),
    upstreams: array(upstream, { itemsMax: UPSTREAMS_PER_ROUTE_MAX }),
  }),
  static: object({
    kind: literal('static'),
    root: absolutePath,
    fallback: optional(pathBelow),
    notFound: optional(pathBelow),
    index: optional(array(fileName, { itemsMax: INDEX_NAMES_MAX })),
    list: optional(boolean()),
  }),
  redirect: object({
    kind: literal('redirect'),
    status: redirectStatus,
    location,
    from: optional(pathPattern),
  }),
  ready: object({ kind: literal('ready') }),
  respond: object({
    kind: literal('respond'),
    status: integer({ min: 200, max: 599 }),
    message: string({ lengthMax: 4096 }),
  }),
  text: object({ kind: literal('text'), answer: string({ lengthMax: 4096 }) }),
});

const routeLimitFields = {
  connectTimeoutMs: optional(timeout),
  responseTimeoutMs: optional(timeout),
  idleTimeoutMs: optional(timeout),
  requestBodyBytesMax: optional(integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
};

const accessLog = optional(literal('json', 'combined', 'off'));

function once(inner: Schema<RouteConfig>): Schema<RouteConfig> {
  return {
    ...inner,
    decode(value, path) {
      if (passed.has(value as object)) return value as RouteConfig;
      const decoded = inner.decode(value, path);
      passed.add(decoded);
      return decoded;
    },
  };
}

/** Routes that came out of a check. Nobody changes them, so they are good wherever they come again. */
const passed = new WeakSet<object>();

const route: Schema<RouteConfig> = once(
  object({
    // Before the id, which a file makes of both.
    hosts: array(hostPattern, { itemsMax: HOSTS_PER_ROUTE_MAX }),
    path: routePath,
    id,
    target,
    limits: optional(object(routeLimitFields) as Schema<Partial<RouteLimits>>),
    cache: optional(routeCacheSchema),
    accessLog,
    // Before the checks, which name the host that it sets.
    site: optional(siteSchema),
    balance: optional(balanceSchema),
  }),
);

const ipAddress = checked(string({ lengthMax: 100 }), (value, path) => {
  const text = value.includes(':') ? `[${value}]` : value;
  const parsed = parseHost(text);
  if (parsed?.host === text && !/[a-z]/.test(text.replaceAll(/[:a-f[\]]/g, ''))) return;
  throw new ConfigError(path, `Key "${path}" is "${value}", want an IP address`);
});
const pem = string({ lengthMax: 1024 * 1024 });

const pair: Schema<CertificatePair> = object({ cert: pem, key: pem });

const challenges: Schema<ChallengesConfig> = object({
  http: array(
    object({
      token: string({ pattern: /^[\w-]{1,200}$/, patternMeans: 'a token (RFC 8555 8.3)' }),
      answer: string({ pattern: /^[\w.-]{1,400}$/, patternMeans: 'a key authorization' }),
    }),
    { itemsMax: CHALLENGES_MAX },
  ),
  tls: array(object({ host: string({ lengthMax: 253 }), cert: pem, key: pem }), {
    itemsMax: CHALLENGES_MAX,
  }),
});

const ticketKey = checked(string({ lengthMax: 100 }), (value, path) => {
  if (Buffer.from(value, 'base64').length === TICKET_KEY_BYTES) return;
  throw new ConfigError(path, `Key "${path}" is no key of ${TICKET_KEY_BYTES} bytes in base64`);
});

/** Ten years. */
const HSTS_SECONDS_MAX = 315_360_000;

const hsts: Schema<HstsConfig> = object({
  maxAgeS: integer({ min: 0, max: HSTS_SECONDS_MAX }),
  includeSubDomains: optional(boolean()),
  preload: optional(boolean()),
});

const listener: Schema<ListenerConfig> = object({
  id,
  address: ipAddress,
  port,
  protocol: literal('http', 'https'),
  tls: optional(pair),
  certificates: optional(array(pair, { itemsMax: CERTIFICATES_PER_LISTENER_MAX })),
  hsts: optional(hsts),
  redirectHttpsPort: optional(integer({ min: 1, max: 65_535 })),
  proxyProtocol: optional(object({ trust: trustedRanges })),
});

const limits: Schema<GatewayLimits> = object({
  requestHeadBytesMax: integer({ min: 1024, max: 1024 * 1024 }),
  requestHeadersMax: integer({ min: 8, max: 10_000 }),
  targetBytesMax: integer({ min: 256, max: 1024 * 1024 }),
  requestHeadTimeoutMs: timeout,
  requestBodyIdleTimeoutMs: timeout,
  keepAliveTimeoutMs: timeout,
  connectionsMax: integer({ min: 1, max: 1_000_000 }),
});

const nodeDoor: Schema<NodeDoorConfig> = object({
  address: ipAddress,
  port,
  cert: pem,
  key: pem,
  authority: pem,
  clusterId: nodeId,
  revoked: array(nodeId, { itemsMax: NODES_MAX }),
  silent: array(nodeId, { itemsMax: NODES_MAX }),
});

const sharingSelf = { node: nodeId, name: string({ lengthMax: 253 }), region: id };
const sharingSchema: Schema<SharingConfig> = object({
  self: object(sharingSelf),
  nodes: array(
    object({
      ...sharingSelf,
      host: string({ pattern: /^[^\s]+$/, patternMeans: 'a host name or IP address' }),
      port: integer({ min: 1, max: 65_535 }),
      workers: integer({ min: 1, max: SHARING.slotsMax }),
    }),
    { itemsMax: SHARING.nodesMax },
  ),
});

/** What is wrong with it is not shown: there may be a password in it. */
const mongoUrl = checked(string({ lengthMax: 4096 }), (value, path) => {
  if (/^mongodb(?:\+srv)?:\/\/\S+$/.test(value)) return;
  throw new ConfigError(path, `Key "${path}" is no address of MongoDB, want mongodb://HOST:PORT`);
});

const cache: Schema<GatewayCacheConfig> = checked(
  object({
    memoryBytes: integer({ min: CACHE_MEMORY_BYTES_MIN, max: Number.MAX_SAFE_INTEGER }),
    share: optional(boolean()),
    disk: optional(
      object({
        path: absolutePath,
        bytes: integer({ min: CACHE_DISK_BYTES_MIN, max: Number.MAX_SAFE_INTEGER }),
      }),
    ),
    mongodb: optional(
      object({
        url: mongoUrl,
        database: string({
          pattern: /^[^\s/\\."$*<>:|?]{1,63}$/,
          patternMeans: 'the name of a database',
        }),
        bytes: integer({ min: CACHE_DISK_BYTES_MIN, max: Number.MAX_SAFE_INTEGER }),
        name: string({ pattern: /^[\x21-\x7e]{1,253}$/, patternMeans: 'a name without spaces' }),
      }),
    ),
  }),
  ({ disk, mongodb }, path) => {
    if (disk === undefined || mongodb === undefined) return;
    throw new ConfigError(path, `Key "${path}" has both "disk" and "mongodb", want one of them`);
  },
);

const config: Schema<GatewayConfig> = object({
  version: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  listeners: array(listener, { itemsMax: LISTENERS_MAX }),
  routes: array(route, { itemsMax: ROUTES_MAX }),
  region: optional(region),
  balancers: optional(balancersSchema),
  limits,
  challenges: optional(challenges),
  ticketKeys: optional(array(ticketKey, { itemsMax: TICKET_KEYS_MAX })),
  accessLog,
  trace: optional(traceSchema),
  cache: optional(cache),
  purges: optional(purgeOrdersSchema),
  node: optional(nodeDoor),
  locals: optional(array(upstream, { itemsMax: LOCALS_MAX })),
  silent: optional(array(id, { itemsMax: LOCALS_MAX })),
  slots: optional(array(integer({ min: 1, max: 1_000_000 }), { itemsMax: SHARING.slotsMax })),
  sharing: optional(sharingSchema),
});

/** Returns the config, or throws `ConfigError` with the path of the first bad key. */
export function checkGatewayConfig(value: unknown): GatewayConfig {
  const decoded = config.decode(value, '');
  checkListeners(decoded.listeners);
  checkBalancers(decoded.balancers ?? [], decoded.listeners);
  checkRoutes(decoded.routes);
  checkCache(decoded);
  return decoded;
}

function checkCache({ routes, cache: shared }: GatewayConfig): void {
  const at = routes.findIndex((one) => one.cache !== undefined);
  if (at === -1 || shared !== undefined) return;
  const message = `Route "${routes[at]?.id}" wants a cache, and there is no key "cache" that says how large it is`;
  throw new ConfigError(`routes[${at}].cache`, message);
}

function checkListeners(listeners: readonly ListenerConfig[]): void {
  const ids = new Set<string>();
  const places = new Map<string, string>();
  for (const [index, item] of listeners.entries()) {
    const path = `listeners[${index}]`;
    requireNew(ids, item.id, `${path}.id`);
    const place = `${item.address} port ${item.port}`;
    const other = places.get(place);
    if (item.port !== 0 && other !== undefined) {
      throw new ConfigError(
        `${path}.port`,
        `Listeners "${other}" and "${item.id}" both want ${place}`,
      );
    }
    places.set(place, item.id);
    if (item.protocol === 'https' && item.tls === undefined) {
      throw new ConfigError(`${path}.tls`, `Listener "${item.id}" is https and needs "tls"`);
    }
    requireFitting(item, path);
  }
}

/** Each half of "https only" belongs to one protocol. */
function requireFitting(item: ListenerConfig, path: string): void {
  if (item.protocol === 'http' && item.hsts !== undefined) {
    throw new ConfigError(`${path}.hsts`, `Listener "${item.id}" is http and cannot have "hsts"`);
  }
  if (item.protocol === 'https' && item.redirectHttpsPort !== undefined) {
    const message = `Listener "${item.id}" is https already and cannot redirect to it`;
    throw new ConfigError(`${path}.redirectHttpsPort`, message);
  }
}
