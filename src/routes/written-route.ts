/** From a route as people write it to what workers are told. Files that it names are read here, once. */
import { readFileSync, statSync } from 'node:fs';
import { ConfigError, messageOf } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
import { readFacts } from '../certs/certs.ts';
import {
  type AppAnswer,
  fileOf,
  type Ground,
  type RouteConfig,
  type RouteTarget,
} from './ground.ts';
import { isPem } from './pem.ts';
import type { WrittenRoute, WrittenRouteUpstream, WrittenUpstreamTls } from './route-schema.ts';
import { balanceOf } from './written-balance.ts';
import { routeCacheOf } from './written-cache.ts';
import { siteOf } from './written-site.ts';

type UpstreamConfig = Extract<RouteTarget, { kind: 'upstreams' }>['upstreams'][number];
type UpstreamTlsConfig = NonNullable<Extract<UpstreamConfig['address'], { kind: 'tcp' }>['tls']>;

/** As the gateway takes them. */
const ID_CHARACTERS_MAX = 200;
const TARGETS = ['upstreams', 'app', 'bucket', 'static', 'redirect', 'respond', 'ready'] as const;
/** Of them, those that only a cluster has. */
const OF_CLUSTER: ReadonlySet<string> = new Set(['app', 'bucket']);
const FILES_HINT =
  'Take it away: files are kept in memory anyway. What browsers keep is said by "headers: { response: { set: { Cache-Control: … } } }"';
/** Which bucket is asked for, where websites are (`src/s3/website-door.ts`). */
const BUCKET_FIELD = 'x-moln-bucket';

/** `path` is its key. Its id is made of its place unless said. Throws `ConfigError`. */
export function routeOf(one: WrittenRoute, path: string, ground: Ground, id?: string): RouteConfig {
  const { timeouts, limits } = one;
  const { target, cache } = answerOf(one, path, ground);
  const isWeighted = one.upstreams?.some(({ weight }) => weight !== undefined) ?? false;
  const balance = balanceOf(one, isWeighted, ground.workers);
  // An app may have no instance to lead to just now; what is about upstreams then waits for one.
  const isIdle = one.app !== undefined && target.kind !== 'upstreams';
  const { rewrite: _rewrite, ...around } = one;
  const own = siteOf(isIdle ? around : one, path, ground.folder);
  const site = one.bucket === undefined ? own : withBucket(own, one.bucket);
  return {
    id: id ?? idOf(one),
    hosts: one.host,
    path: one.path,
    target,
    limits: {
      ...(timeouts.connect === undefined ? {} : { connectTimeoutMs: timeouts.connect }),
      ...(timeouts.response === undefined ? {} : { responseTimeoutMs: timeouts.response }),
      ...(timeouts.idle === undefined ? {} : { idleTimeoutMs: timeouts.idle }),
      ...(limits.requestBody === undefined ? {} : { requestBodyBytesMax: limits.requestBody }),
    },
    ...(one.accessLog === undefined ? {} : { accessLog: one.accessLog }),
    ...(cache === undefined ? {} : { cache }),
    ...(site === undefined ? {} : { site }),
    ...(balance === undefined || isIdle ? {} : { balance }),
  };
}

/** Of its place. One that is too long to be a label of a metric is told by its beginning and a hash of all. */
function idOf({ host, path }: WrittenRoute): string {
  const place = `${host.join(',')}${path}`;
  if (place.length <= ID_CHARACTERS_MAX) return place;
  const hash = sha256Hex(place).slice(0, 16);
  return `${place.slice(0, ID_CHARACTERS_MAX - hash.length - 1)}~${hash}`;
}

function answerOf(one: WrittenRoute, path: string, ground: Ground): AppAnswer {
  const named = TARGETS.filter((name) => one[name] !== undefined);
  if (named.length !== 1) {
    const found = named.length === 0 ? 'none of them' : named.join(' and ');
    const known = TARGETS.filter((name) => !OF_CLUSTER.has(name) || ground.app !== undefined);
    throw new ConfigError(path, `"${path}" has ${found}, want one of ${known.join(', ')}`);
  }
  if (one.app !== undefined) return appAnswerOf(one, one.app, path, ground);
  if (one.bucket !== undefined) return bucketAnswerOf(one, path, ground);
  const target = targetOf(one, path, ground.folder);
  if (one.cache === undefined || one.cache === false || target.kind !== 'upstreams') {
    return { target };
  }
  return { target, cache: routeCacheOf(one.cache) };
}

/** What means nothing where a route answers by itself. Routes that were let through once go on without it. Throws `ConfigError`. */
export function refuseIdle(one: WrittenRoute, path: string): void {
  const { cache, errors, upstreams, app, bucket } = one;
  if ((upstreams ?? app ?? bucket) !== undefined) return;
  const hint = one.static === undefined ? 'Take it away' : FILES_HINT;
  if (cache !== undefined && cache !== false) throw forUpstreams(`${path}.cache`, hint);
  if (errors?.upstream !== undefined) throw forUpstreams(`${path}.errors.upstream`, 'Take it away');
}

function forUpstreams(key: string, hint: string): ConfigError {
  return new ConfigError(key, `Key "${key}" is for routes with upstreams`, { hint });
}

function appAnswerOf(one: WrittenRoute, name: string, path: string, { app }: Ground): AppAnswer {
  if (app === undefined) {
    const key = `${path}.app`;
    throw new ConfigError(key, `Key "${key}" is for a cluster: a gateway by itself has no apps`);
  }
  const answer = app(name);
  if (answer === undefined) {
    const message = `This leads to app "${name}", which there is not`;
    return { target: { kind: 'respond', status: 503, message } };
  }
  const { target, cache } = answer;
  if (one.cache === undefined) return answer;
  if (one.cache === false || target.kind !== 'upstreams') return { target };
  return { target, cache: { ...cache, ...routeCacheOf(one.cache) } };
}

/** Cached unless that is turned off: what of it is fresh, the bucket's answers say. */
function bucketAnswerOf({ cache }: WrittenRoute, path: string, { websites }: Ground): AppAnswer {
  if (websites === undefined) {
    const key = `${path}.bucket`;
    throw new ConfigError(key, `Key "${key}" is for a cluster: a gateway by itself has no buckets`);
  }
  return {
    target: { kind: 'upstreams', upstreams: websites },
    ...(cache === false ? {} : { cache: routeCacheOf(cache ?? {}) }),
  };
}

/** What was written about fields stays, but for that one. */
function withBucket(site: RouteConfig['site'], bucket: string): RouteConfig['site'] {
  const { request, ...rest } = site?.headers ?? {};
  const set = { ...request?.set, [BUCKET_FIELD]: bucket };
  return { ...site, headers: { ...rest, request: { ...request, set } } };
}

function targetOf(one: WrittenRoute, path: string, folder: string | undefined): RouteTarget {
  const { upstreams, static: files, redirect, respond } = one;
  if (upstreams !== undefined) return upstreamsOf(upstreams, `${path}.upstreams`, folder);
  if (files !== undefined) {
    const key = `${path}.static.root`;
    const instead =
      'Put the folder online as an app, "moln deploy DIR --name NAME", and write "app: NAME"';
    const root = fileOf(folder, files.root, key, instead);
    if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new ConfigError(key, `Key "${key}" is "${files.root}": "${root}" is no folder`);
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

/** Sockets of a machine are open to whoever writes the file that is on it, not to a cluster: the agent's own is one. */
function upstreamsOf(
  upstreams: readonly WrittenRouteUpstream[],
  path: string,
  folder: string | undefined,
): RouteTarget {
  const list = upstreams.map(({ url, weight, region, backup, http2 = false, tls }, at) => {
    const key = `${path}[${at}].url`;
    const authorities = upstreamTlsOf(tls, `${path}[${at}].tls`, folder);
    const upstream = upstreamOf(url, key, { tls: authorities, http2 });
    if (folder === undefined && upstream.address.kind === 'socket') {
      const what = `Key "${key}" is "${url}", a socket that only one machine has; want http://HOST:PORT`;
      throw new ConfigError(key, what);
    }
    return {
      ...upstream,
      ...(weight === undefined ? {} : { weight }),
      ...(region === undefined ? {} : { region }),
      ...(backup === undefined ? {} : { backup }),
    };
  });
  return { kind: 'upstreams', upstreams: unique(list, path) };
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

/** `http://host:port`, `https://host:port` or `unix:/run/app.sock`. `tls`: what was said about it. */
function upstreamOf(
  url: string,
  path: string,
  { tls, http2 }: { readonly tls: UpstreamTlsConfig | undefined; readonly http2: boolean },
): UpstreamConfig {
  if (tls !== undefined && !url.startsWith('https:')) {
    throw new ConfigError(path, `Key "${path}" is "${url}", and "tls" is for https://HOST:PORT`);
  }
  if (url.startsWith('unix:') && http2) {
    throw new ConfigError(path, `Key "${path}" is "${url}", and "http2" is for hosts and ports`);
  }
  if (url.startsWith('unix:')) {
    const address = { kind: 'socket', path: url.slice('unix:'.length) } as const;
    return { id: url, address };
  }
  const parsed = URL.parse(url);
  const isPlain =
    (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') &&
    parsed.username === '' &&
    parsed.pathname === '/' &&
    parsed.search === '' &&
    parsed.hash === '';
  if (parsed === null || !isPlain) {
    const wanted = 'http://HOST:PORT, https://HOST:PORT or unix:/PATH';
    throw new ConfigError(path, `Key "${path}" is "${url}", want ${wanted}`);
  }
  const { protocol, hostname } = parsed;
  const host = hostname.replace(/^\[|\]$/g, '');
  const isTls = protocol === 'https:';
  const port = parsed.port === '' ? (isTls ? 443 : 80) : Number(parsed.port);
  const suffix = `${tls === undefined ? '' : tlsSuffix(tls)}${http2 ? '#http2' : ''}`;
  return {
    id: `${protocol}//${hostname}:${port}${suffix}`,
    address: {
      kind: 'tcp',
      host,
      port,
      ...(isTls ? { tls: tls ?? {} } : {}),
      ...(http2 ? { http2 } : {}),
    },
  };
}

/** Another route may reach the same place in another way: one id with two addresses would have the gateways refuse all routes. */
function tlsSuffix({ ca, name, verify }: UpstreamTlsConfig): string {
  const said = JSON.stringify([ca, name, verify]);
  return said === '[null,null,null]' ? '' : `#${sha256Hex(said).slice(0, 16)}`;
}

function upstreamTlsOf(
  tls: WrittenUpstreamTls | undefined,
  path: string,
  folder: string | undefined,
): UpstreamTlsConfig | undefined {
  if (tls?.ca === undefined) return tls;
  const key = `${path}.ca`;
  const instead = 'Write the certificate itself in PEM; "moln route set" reads the file';
  const file = isPem(tls.ca) ? undefined : fileOf(folder, tls.ca, key, instead);
  try {
    const ca = file === undefined ? tls.ca : readFileSync(file, 'utf8');
    readFacts(ca);
    return { ...tls, ca };
  } catch (error) {
    const said = file === undefined ? 'a text' : `"${tls.ca}"`;
    const what = `Key "${key}" is ${said}, which is no certificate in PEM: ${messageOf(error)}`;
    throw new ConfigError(key, what, { cause: error });
  }
}
