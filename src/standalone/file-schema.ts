/** The shape of a gateway's file. What it means is in `gateway-file.ts`. */
import { ConfigError } from '../base/errors.ts';
import { array, integer, object, optional, type Schema, withDefault } from '../base/schema.ts';
import {
  duration,
  filePath,
  listenerSchema,
  routeSchema,
  size,
  type WrittenBalancer,
  type WrittenListener,
  type WrittenRoute,
  regionName,
} from '../routes/routes.ts';

const WORKERS_MAX = 256;
const CACHE_MEMORY_BYTES: number = 256 * 1024 * 1024;

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
  readonly limits: FileLimits;
  readonly cache: FileCache;
}

/** In bytes, of all workers together. */
export interface FileCache {
  readonly memory: number;
  readonly disk?: { readonly path: string; readonly size: number };
}

const file: Schema<FileShape> = object({
  workers: optional(integer({ min: 1, max: WORKERS_MAX })),
  region: optional(regionName),
  listeners: array(listenerSchema, { itemsMax: 64 }),
  routes: array(routeSchema, { itemsMax: 10_000 }),
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
  if (decoded.listeners.length > 0) return decoded;
  throw new ConfigError('listeners', 'Key "listeners" is empty, want at least one', {
    hint: 'Write "listeners: [{ port: 8080 }]"',
  });
}
