/** Where a route or a listener was written down, and what it may therefore name. */
import { resolve } from 'node:path';
import { ConfigError } from '../base/errors.ts';
import type { GatewayConfigContent } from '../gateway/gateway.ts';

export type RouteConfig = GatewayConfigContent['routes'][number];
export type RouteTarget = RouteConfig['target'];

/** What requests for an app are answered by. */
export type AppAnswer = Pick<RouteConfig, 'target' | 'cache'>;

export interface Ground {
  /** Paths are relative to it. Undefined in the registry, which all machines read and none has a disk for. */
  readonly folder: string | undefined;
  /** Gateway processes that share what `limits` counts; undefined: one per core. */
  readonly workers: number | undefined;
  /** Undefined of an app that there is not. Absent where there are no apps. */
  readonly app?: (name: string) => AppAnswer | undefined;
  /** Where buckets are websites. Absent where there are none. */
  readonly websites?: Extract<RouteTarget, { kind: 'upstreams' }>['upstreams'];
}

/** The path of a file that a key names. Throws `ConfigError` with `instead` where there are no files. */
export function fileOf(
  folder: string | undefined,
  file: string,
  key: string,
  instead: string,
): string {
  if (folder !== undefined) return resolve(folder, file);
  const what = `Key "${key}" names a file, which only one machine has`;
  throw new ConfigError(key, what, { hint: instead });
}
