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
} from '../gateway/gateway.ts';
import {
  decodeFile,
  type FileListener,
  type FileRoute,
  type FileRouteCache,
  type FileShape,
} from './file-schema.ts';
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
}

const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Reads and checks all of it. Throws `ConfigError` that names the file, the line and the key. */
export function readGatewayFile(path: string): GatewayFile {
  const text = readText(path);
  let lineOf: (key: string) => number | undefined = () => undefined;
  try {
    const yaml = parseYaml(text);
    lineOf = yaml.lineOf;
    const shape = decodeFile(yaml.value);
    const content = contentOf(shape, dirname(path));
    checkGatewayConfig({ ...content, version: 1 });
    return { workers: shape.workers, content };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const line = lineOf(error.key);
    const place = line === undefined ? path : `${path}:${line}`;
    throw new ConfigError(error.key, `${place}: ${error.message}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
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
  return {
    listeners: shape.listeners.map((one, index) => listenerOf(one, `listeners[${index}]`, folder)),
    routes: shape.routes.map((one, index) => routeOf(one, `routes[${index}]`, folder)),
    limits: {
      requestHeadBytesMax: limits.requestHead ?? usual.requestHeadBytesMax,
      requestHeadersMax: limits.requestHeaders ?? usual.requestHeadersMax,
      targetBytesMax: limits.target ?? usual.targetBytesMax,
      requestHeadTimeoutMs: limits.requestHeadTimeout ?? usual.requestHeadTimeoutMs,
      requestBodyIdleTimeoutMs: limits.requestBodyIdleTimeout ?? usual.requestBodyIdleTimeoutMs,
      keepAliveTimeoutMs: limits.keepAliveTimeout ?? usual.keepAliveTimeoutMs,
      connectionsMax: limits.connections ?? usual.connectionsMax,
    },
    ...(shape.routes.some(({ cache }) => cache !== false) ? { cache: cacheOf(shape, folder) } : {}),
  };
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

function listenerOf(one: FileListener, path: string, folder: string): ListenerConfig {
  const { address, port, protocol, tls } = one;
  const listener = { id: `${protocol}-${address}-${port}`, address, port, protocol };
  if (tls === undefined) return listener;
  const cert = readPem(resolve(folder, tls.cert), `${path}.tls.cert`);
  const key = readPem(resolve(folder, tls.key), `${path}.tls.key`);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const what = `Certificate and key of "${path}.tls" cannot be used: ${messageOf(error)}`;
    throw new ConfigError(`${path}.tls`, what, {
      hint: 'Both have to be PEM and belong together',
      cause: error,
    });
  }
  return { ...listener, tls: { cert, key } };
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
    ...(one.cache === false ? {} : { cache: routeCacheOf(one.cache) }),
    ...(site === undefined ? {} : { site }),
  };
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

const TARGETS = ['upstreams', 'static', 'redirect', 'respond'] as const;

function targetOf(one: FileRoute, path: string, folder: string): RouteTarget {
  const named = TARGETS.filter((name) => one[name] !== undefined);
  if (named.length !== 1) {
    const found = named.length === 0 ? 'none of them' : named.join(' and ');
    throw new ConfigError(path, `"${path}" has ${found}, want one of ${TARGETS.join(', ')}`);
  }
  const { upstreams, static: files, redirect, respond } = one;
  if (upstreams !== undefined) {
    const list = upstreams.map(({ url }, at) => upstreamOf(url, `${path}.upstreams[${at}].url`));
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
