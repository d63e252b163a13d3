/** From the text of a gateway's file to what its workers are told. Paths in it are relative to the file. */
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { ConfigError, messageOf, MolnError, systemCode } from '../base/errors.ts';
import {
  checkGatewayConfig,
  DEFAULT_GATEWAY_LIMITS,
  type GatewayConfigContent,
  requireCacheFits,
} from '../gateway/gateway.ts';
import {
  balancerOf,
  inRouteWords,
  isBalancer,
  listenerOf,
  parseYaml,
  refuseIdle,
  routeOf,
} from '../routes/routes.ts';
import { decodeFile, type FileShape } from './file-schema.ts';
import {
  NOTHING_YET,
  type OrderedCertificates,
  orderedOf,
  withCertificates,
} from './ordered-certificates.ts';

export interface GatewayFile {
  /** Processes; undefined: one per core. */
  readonly workers: number | undefined;
  /** Where certificates are ordered, its listeners have none yet. */
  readonly content: GatewayConfigContent;
  readonly ordered: OrderedCertificates | undefined;
  readonly agent: FileShape['agent'];
  /** From the first "no" of a drain to its end. */
  readonly drainMs: number;
}

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
    const ordered = orderedOf(shape, dirname(path));
    checkGatewayConfig({ ...withCertificates(content, ordered, NOTHING_YET), version: 1 });
    if (content.cache !== undefined) fitting(shape.cache.memory);
    const { workers, agent, drain: drainMs } = shape;
    return { workers, content, ordered, agent, drainMs };
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
  const { limits, region } = shape;
  const usual = DEFAULT_GATEWAY_LIMITS;
  const httpsPort = shape.listeners.find(({ protocol }) => protocol === 'https')?.port ?? 443;
  return {
    listeners: shape.listeners.flatMap((one, index) =>
      isBalancer(one) ? [] : [listenerOf(one, { path: `listeners[${index}]`, folder, httpsPort })],
    ),
    ...(shape.listeners.some(isBalancer) ? { balancers: balancersOf(shape) } : {}),
    ...(region === undefined ? {} : { region }),
    routes: shape.routes.map((one, index) => {
      refuseIdle(one, `routes[${index}]`);
      return routeOf(one, `routes[${index}]`, { folder, workers: shape.workers });
    }),
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
    ...(shape.routes.some(({ cache }) => typeof cache === 'object')
      ? { cache: cacheOf(shape, folder) }
      : {}),
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
  return (
    inRouteWords(words)
      .replaceAll(
        /\b(balancers|listeners)\[(\d+)\]/g,
        (_all, kind: string, at: string) =>
          `listeners[${(kind === 'balancers' ? balancers : others)[Number(at)] ?? at}]`,
      )
      // Ids are made of places.
      .replace(/^Key "(routes\[\d+\])\.id" repeats the id/, '"$1" has the host and path of')
      .replace(/^Key "(listeners\[\d+\])\.id" repeats the id/, '"$1" has the port of')
  );
}

/** Each worker gets its share. */
function cacheOf(
  { cache, workers = availableParallelism() }: FileShape,
  folder: string,
): NonNullable<GatewayConfigContent['cache']> {
  const { memory, share, disk, mongodb } = cache;
  return {
    memoryBytes: Math.floor(memory / workers),
    ...(share === undefined ? {} : { share }),
    ...(disk === undefined
      ? {}
      : { disk: { path: resolve(folder, disk.path), bytes: Math.floor(disk.size / workers) } }),
    ...(mongodb === undefined
      ? {}
      : {
          mongodb: {
            url: mongodb.url,
            database: mongodb.database,
            bytes: Math.floor(mongodb.size / workers),
            name: mongodb.name ?? hostname(),
          },
        }),
  };
}
