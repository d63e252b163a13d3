/** Pure: from what a person purges to what the cache of this process knows it by. */
import { cacheKey, type PurgeTarget as CacheTarget, type QueryRule } from '../cache/cache.ts';
import { askedUrl, type AskedUrl } from './asked-url.ts';
import type { PurgeTarget } from './gateway-question.ts';
import type { Route, RouteTable } from './route-table.ts';

/** What a route's keys are made by, see `CacheRoom.settingsFor`. */
export interface KeyRules {
  readonly space: string;
  readonly query: QueryRule;
}

/** Undefined: everything. Nothing: no route of this process could have stored it. */
export function purgeKeys(
  target: PurgeTarget,
  table: RouteTable,
  rulesOf: (route: Route) => KeyRules,
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
      return [{ kind: 'key', value: keyOf(rulesOf(route), asked) }];
    }
    case 'prefix': {
      const asked = askedUrl(target.url);
      return [...table.routes()]
        .filter((route) => mayAnswer(route, asked))
        .map((route) => ({ kind: 'prefix', value: prefixOf(rulesOf(route), asked) }));
    }
  }
}

export function keyOf({ space, query }: KeyRules, asked: AskedUrl): string {
  const { scheme, authority, target } = asked;
  return cacheKey({ space, query, scheme, authority, target });
}

/** Parameters that are sorted or left out begin nothing: then all of the path is meant. */
function prefixOf(rules: KeyRules, asked: AskedUrl): string {
  const { query, space } = rules;
  return query === 'whole' ? keyOf(rules, asked) : keyOf({ space, query: 'none' }, asked);
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
