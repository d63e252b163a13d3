/** Pure: from what a person purges to what the cache of this process knows it by. */
import { cacheKey, type PurgeTarget as CacheTarget } from '../cache/cache.ts';
import { askedUrl, type AskedUrl } from './asked-url.ts';
import type { PurgeTarget } from './gateway-question.ts';
import type { Route, RouteTable } from './route-table.ts';

/** The beginning of a route's keys, see `CacheRoom.settingsFor`. */
export type SpaceOf = (route: Route) => string;

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
