/** Pure: from what a person purges to what the cache of this process knows it by. */
import { cacheKey, type PurgeTarget as CacheTarget } from '../cache/cache.ts';
import { MolnError } from '../base/errors.ts';
import type { PurgeTarget } from './gateway-question.ts';
import type { Route, RouteTable } from './route-table.ts';

/** The beginning of a route's keys, see `CacheRoom.settingsFor`. */
export type SpaceOf = (route: Route) => string;

/** A URL as requests have it. */
export interface AskedUrl {
  readonly scheme: 'http' | 'https';
  /** Lower-case, without port. */
  readonly host: string;
  readonly authority: string;
  readonly path: string;
  /** Path and query. */
  readonly target: string;
}

/** Throws `CONFIG_INVALID`. */
export function askedUrl(text: string): AskedUrl {
  const url = URL.parse(text);
  const scheme = url?.protocol.slice(0, -1);
  if (url === null || (scheme !== 'http' && scheme !== 'https')) {
    throw new MolnError('CONFIG_INVALID', `"${text}" is no URL that begins with http or https`, {
      hint: 'Write it as the browser shows it, like http://blog.localhost:8080/page',
    });
  }
  const { hostname: host, host: authority, pathname: path, search } = url;
  return { scheme, host, authority, path, target: `${path}${search}` };
}

/** Undefined: everything. Nothing: no route of this process could have stored it. */
export function purgeKeys(
  target: PurgeTarget,
  table: RouteTable,
  spaceOf: SpaceOf,
): readonly CacheTarget[] | undefined {
  switch (target.kind) {
    case 'all':
      return undefined;
    case 'tag':
      return [{ kind: 'tag', value: target.tag }];
    case 'route':
      return [{ kind: 'prefix', value: `${target.route}@` }];
    case 'url': {
      const asked = askedUrl(target.url);
      const route = table.match(asked.host, asked.path);
      if (route?.config.cache === undefined) return [];
      return [{ kind: 'key', value: keyOf(spaceOf(route), asked) }];
    }
    case 'prefix': {
      const asked = askedUrl(target.url);
      return [...table.routes()]
        .filter((route) => mayAnswer(route, asked))
        .map((route) => ({ kind: 'prefix', value: keyOf(spaceOf(route), asked) }));
    }
  }
}

export function keyOf(space: string, { scheme, authority, target }: AskedUrl): string {
  return cacheKey({ space, scheme, authority, target });
}

/** Something that begins with the URL. */
function mayAnswer({ config, prefix }: Route, { host, path }: AskedUrl): boolean {
  if (config.cache === undefined) return false;
  if (!prefix.startsWith(path) && !path.startsWith(prefix)) return false;
  return config.hosts.some(
    (pattern) =>
      pattern === '*' ||
      pattern === host ||
      (pattern.startsWith('*.') && host.endsWith(pattern.slice(1))),
  );
}
