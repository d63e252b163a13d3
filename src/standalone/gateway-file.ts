/** From the text of a gateway's file to what its workers are told. Paths in it are relative to the file. */
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { ConfigError, messageOf, MolnError, systemCode } from '../base/errors.ts';
import {
  checkGatewayConfig,
  DEFAULT_GATEWAY_LIMITS,
  type GatewayConfigContent,
  requireCacheFits,
} from '../gateway/gateway.ts';
import { balancerOf, isBalancer, proxyProtocolOf } from './balancer-file.ts';
import {
  decodeFile,
  type FileHsts,
  type FileListener,
  type FileRoute,
  type FileRouteCache,
  type FileShape,
} from './file-schema.ts';
import { balanceOf } from './file-balance.ts';
import { siteOf } from './site-file.ts';
import { parseYaml } from './yaml.ts';

type RouteConfig = GatewayConfigContent['routes'][number];
type RouteTarget = RouteConfig['target'];
type ListenerConfig = GatewayConfigContent['listeners'][number];
type UpstreamConfig = Extract<RouteTarget, { kind: 'upstreams' }>['upstreams'][number];

export interface GatewayFile {
  /** Processes; undefined: one per core. */
  readonly workers: number | undefined;
  readonly content: GatewayConfigContent;
  readonly agent: FileShape['agent'];
  /** From the first "no" of a drain to its end. */
  readonly drainMs: number;
}

/** A year, unless said. */
const HSTS_MS: number = 365 * 86_400_000;
const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Reads and checks all of it. Throws `ConfigError` that names the file, the line and the key. */
export function readGatewayFile(path: string): GatewayFile {
  const text = readText(path);
  let lineOf: (key: string) => number | undefined = () => undefined;
  let written = (words: string): string => words;
  try {
    const yaml = parseYaml(text);
    lineOf = yaml.lineOf;
    const shape = decodeFile(yaml.value);
    const content = contentOf(shape, dirname(path));
    written = (words) => asWritten(words, shape);
    checkGatewayConfig({ ...content, version: 1 });
    if (content.cache !== undefined) fitting(content.cache.memoryBytes);
    const { workers, agent, drain: drainMs } = shape;
    return { workers, content, agent, drainMs };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const key = written(error.key);
    const line = lineOf(key);
    const place = line === undefined ? path : `${path}:${line}`;
    throw new ConfigError(key, `${place}: ${written(error.message)}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}

function fitting(memoryBytes: number): void {
  try {
    requireCacheFits(memoryBytes);
  } catch (error) {
    if (!(error instanceof MolnError)) throw error;
    const options = error.hint === undefined ? {} : { hint: error.hint };
    throw new ConfigError('cache.memory', error.message, { ...options, cause: error });
  }
}

function readText(path: string): string {
  try {
    const bytes = statSync(path).size;
    if (bytes > FILE_BYTES_MAX) {
      throw new ConfigError('', `"${path}" has ${bytes} bytes, at most ${FILE_BYTES_MAX}`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw new MolnError('CONFIG_INVALID', `"${path}" cannot be read: ${messageOf(error)}`, {
      hint: 'Name the file that says what the gateway serves',
      cause: error,
    });
  }
}

function contentOf(shape: FileShape, folder: string): GatewayConfigContent {
  const { limits } = shape;
  const usual = DEFAULT_GATEWAY_LIMITS;
  const httpsPort = shape.listeners.find(({ protocol }) => protocol === 'https')?.port ?? 443;
  return {
    listeners: shape.listeners.flatMap((one, index) =>
      isBalancer(one) ? [] : [listenerOf(one, { path: `listeners[${index}]`, folder, httpsPort })],
    ),
    ...(shape.listeners.some(isBalancer) ? { balancers: balancersOf(shape) } : {}),
    routes: shape.routes.map((one, index) => ({
      ...routeOf(one, `routes[${index}]`, folder),
      ...balancing(one, shape.workers),
    })),
    limits: {
      requestHeadBytesMax: limits.requestHead ?? usual.requestHeadBytesMax,
      requestHeadersMax: limits.requestHeaders ?? usual.requestHeadersMax,
      targetBytesMax: limits.target ?? usual.targetBytesMax,
      requestHeadTimeoutMs: limits.requestHeadTimeout ?? usual.requestHeadTimeoutMs,
      requestBodyIdleTimeoutMs: limits.requestBodyIdleTimeout ?? usual.requestBodyIdleTimeoutMs,
      keepAliveTimeoutMs: limits.keepAliveTimeout ?? usual.keepAliveTimeoutMs,
      connectionsMax: limits.connections ?? usual.connectionsMax,
    },
    ...(shape.accessLog === undefined ? {} : { accessLog: shape.accessLog }),
    ...(shape.trace === undefined ? {} : { trace: shape.trace }),
    ...(shape.routes.some(({ cache }) => cache !== false) ? { cache: cacheOf(shape, folder) } : {}),
  };
}

function balancersOf({ listeners }: FileShape): NonNullable<GatewayConfigContent['balancers']> {
  return listeners.flatMap((one, index) =>
    isBalancer(one) ? [balancerOf(one, `listeners[${index}]`)] : [],
  );
}

/** Workers are told of balancers and other listeners apart; people wrote one list. */
function asWritten(words: string, { listeners }: FileShape): string {
  const places = (wanted: boolean): number[] =>
    [...listeners.keys()].filter((index) => {
      const one = listeners[index];
      return one !== undefined && isBalancer(one) === wanted;
    });
  const [balancers, others] = [places(true), places(false)];
  const route = /\b(routes\[\d+\])\./;
  const flat = words
    .replaceAll(new RegExp(`${route.source}balance\\.algorithm\\b`, 'g'), '$1.balance')
    .replaceAll(new RegExp(`${route.source}balance\\.(?=[a-z])`, 'g'), '$1.')
    .replaceAll(new RegExp(`${route.source}target\\.upstreams\\b`, 'g'), '$1.upstreams');
  return flat.replaceAll(
    /\b(balancers|listeners)\[(\d+)\]/g,
    (_all, kind: string, at: string) =>
      `listeners[${(kind === 'balancers' ? balancers : others)[Number(at)] ?? at}]`,
  );
}

/** Each worker gets its share. */
function cacheOf(
  { cache, workers = availableParallelism() }: FileShape,
  folder: string,
): NonNullable<GatewayConfigContent['cache']> {
  const { memory, disk } = cache;
  return {
    memoryBytes: Math.floor(memory / workers),
    ...(disk === undefined
      ? {}
      : { disk: { path: resolve(folder, disk.path), bytes: Math.floor(disk.size / workers) } }),
  };
}

function hstsOf({ maxAge = HSTS_MS, ...chosen }: FileHsts): NonNullable<ListenerConfig['hsts']> {
  return { maxAgeS: seconds(maxAge), ...chosen };
}

function listenerOf(
  one: FileListener,
  { path, folder, httpsPort }: { path: string; folder: string; httpsPort: number },
): ListenerConfig {
  const { address, port, protocol, tls, hsts, redirect } = one;
  const proxied = proxyProtocolOf(one.proxyProtocol, `${path}.proxyProtocol`);
  if (proxied?.out !== undefined) {
    const key = `${path}.proxyProtocol.out`;
    throw new ConfigError(key, `Key "${key}" is for protocol tcp, not ${protocol}`);
  }
  const listener = {
    id: `${protocol}-${address}-${port}`,
    address,
    port,
    protocol,
    ...(hsts === false ? {} : { hsts: hstsOf(hsts) }),
    ...(redirect === undefined ? {} : { redirectHttpsPort: httpsPort }),
    ...(proxied?.trust === undefined ? {} : { proxyProtocol: { trust: proxied.trust } }),
  };
  if (tls === undefined) return listener;
  const isOne = tls.length === 1;
  const [first, ...certificates] = tls.map((pair, index) =>
    pairOf(pair, isOne ? `${path}.tls` : `${path}.tls[${index}]`, folder),
  );
  if (first === undefined) {
    throw new ConfigError(`${path}.tls`, `Key "${path}.tls" is empty, want at least one`);
  }
  return { ...listener, tls: first, ...(isOne ? {} : { certificates }) };
}

function pairOf(
  pair: NonNullable<FileListener['tls']>[number],
  path: string,
  folder: string,
): NonNullable<ListenerConfig['tls']> {
  const cert = readPem(resolve(folder, pair.cert), `${path}.cert`);
  const key = readPem(resolve(folder, pair.key), `${path}.key`);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const what = `Certificate and key of "${path}" cannot be used: ${messageOf(error)}`;
    throw new ConfigError(path, what, {
      hint: 'Both have to be PEM and belong together',
      cause: error,
    });
  }
  return { cert, key };
}

function readPem(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(
      path,
      `Key "${path}" names a file that cannot be read: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function routeOf(one: FileRoute, path: string, folder: string): RouteConfig {
  const { timeouts } = one;
  const site = siteOf(one, path, folder);
  return {
    id: `${one.host.join(',')}${one.path}`,
    hosts: one.host,
    path: one.path,
    target: targetOf(one, path, folder),
    limits: {
      ...(timeouts.connect === undefined ? {} : { connectTimeoutMs: timeouts.connect }),
      ...(timeouts.response === undefined ? {} : { responseTimeoutMs: timeouts.response }),
      ...(timeouts.idle === undefined ? {} : { idleTimeoutMs: timeouts.idle }),
      ...(one.limits.requestBody === undefined
        ? {}
        : { requestBodyBytesMax: one.limits.requestBody }),
    },
    ...(one.accessLog === undefined ? {} : { accessLog: one.accessLog }),
    ...(one.cache === false ? {} : { cache: routeCacheOf(one.cache) }),
    ...(site === undefined ? {} : { site }),
  };
}

function balancing(one: FileRoute, workers: number | undefined): Pick<RouteConfig, 'balance'> {
  const isWeighted = one.upstreams?.some(({ weight }) => weight !== undefined) ?? false;
  const balance = balanceOf(one, isWeighted, workers);
  return balance === undefined ? {} : { balance };
}

function routeCacheOf(chosen: FileRouteCache): NonNullable<RouteConfig['cache']> {
  const { negative, staleUnreachable, heuristicShare, heuristicMax, requestDirectives, setCookie } =
    chosen;
  return {
    ...(negative === undefined ? {} : { negativeS: seconds(negative) }),
    ...(staleUnreachable === undefined ? {} : { staleUnreachableS: seconds(staleUnreachable) }),
    ...(heuristicShare === undefined ? {} : { heuristicShare }),
    ...(heuristicMax === undefined ? {} : { heuristicMaxS: seconds(heuristicMax) }),
    ...(requestDirectives === undefined ? {} : { requestDirectives }),
    ...(setCookie === undefined ? {} : { setCookie }),
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}

const TARGETS = ['upstreams', 'static', 'redirect', 'respond', 'ready'] as const;

function targetOf(one: FileRoute, path: string, folder: string): RouteTarget {
  const named = TARGETS.filter((name) => one[name] !== undefined);
  if (named.length !== 1) {
    const found = named.length === 0 ? 'none of them' : named.join(' and ');
    throw new ConfigError(path, `"${path}" has ${found}, want one of ${TARGETS.join(', ')}`);
  }
  const { upstreams, static: files, redirect, respond } = one;
  if (upstreams !== undefined) {
    const list = upstreams.map(({ url, weight }, at) => ({
      ...upstreamOf(url, `${path}.upstreams[${at}].url`),
      ...(weight === undefined ? {} : { weight }),
    }));
    return { kind: 'upstreams', upstreams: unique(list, `${path}.upstreams`) };
  }
  if (files !== undefined) {
    const root = resolve(folder, files.root);
    if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new ConfigError(`${path}.static.root`, `"${root}" is no folder`);
    }
    return { ...files, kind: 'static', root };
  }
  if (redirect !== undefined) {
    const status = statusOf(redirect.status, `${path}.redirect.status`);
    const { to: location, from } = redirect;
    return { kind: 'redirect', status, location, ...(from === undefined ? {} : { from }) };
  }
  if (one.ready === true) return { kind: 'ready' };
  if (respond !== undefined) return { kind: 'respond', ...respond };
  throw new Error('A route without a target was let through');
}

function statusOf(status: number, path: string): 301 | 302 | 307 | 308 {
  if (status === 301 || status === 302 || status === 307 || status === 308) return status;
  throw new ConfigError(path, `Key "${path}" is ${status}, want 301, 302, 307 or 308`);
}

function unique(list: readonly UpstreamConfig[], path: string): readonly UpstreamConfig[] {
  const at = list.findIndex(({ id }, index) => list.slice(0, index).some((one) => one.id === id));
  if (at === -1) return list;
  throw new ConfigError(`${path}[${at}]`, `"${path}[${at}]" repeats "${list[at]?.id}"`);
}

/** `http://host:port` or `unix:/run/app.sock`. */
function upstreamOf(url: string, path: string): UpstreamConfig {
  if (url.startsWith('unix:')) {
    const address = { kind: 'socket', path: url.slice('unix:'.length) } as const;
    return { id: url, address };
  }
  const parsed = URL.parse(url);
  const isPlain =
    parsed?.protocol === 'http:' &&
    parsed.username === '' &&
    parsed.pathname === '/' &&
    parsed.search === '' &&
    parsed.hash === '';
  if (parsed === null || !isPlain) {
    throw new ConfigError(path, `Key "${path}" is "${url}", want http://HOST:PORT or unix:/PATH`);
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  const port = parsed.port === '' ? 80 : Number(parsed.port);
  return { id: `http://${parsed.hostname}:${port}`, address: { kind: 'tcp', host, port } };
}
