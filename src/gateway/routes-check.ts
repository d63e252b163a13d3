/** What the routes of one config have to do with one another, and the keys of one among themselves; each key by itself is checked before. */
import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../base/errors.ts';
import { checkBalance } from './balancing/balance-check.ts';
import type { RouteConfig, UpstreamAddress, UpstreamConfig } from './config.ts';
import { checkRedirect } from './site-check.ts';

/** Throws `ConfigError` with the path of the first key that does not go with the others. */
export function checkRoutes(routes: readonly RouteConfig[]): void {
  const ids = new Set<string>();
  const places = new Map<string, string>();
  const upstreams = new Map<string, UpstreamAddress>();
  for (const [index, item] of routes.entries()) {
    const path = `routes[${index}]`;
    requireNew(ids, item.id, `${path}.id`);
    if (item.hosts.length === 0) {
      throw new ConfigError(`${path}.hosts`, `Route "${item.id}" has no hosts, want at least one`);
    }
    for (const [at, host] of item.hosts.entries()) {
      const place = `${host}${pathKey(item.path)}/`;
      const other = places.get(place);
      if (other !== undefined) {
        throw new ConfigError(
          `${path}.hosts[${at}]`,
          `Routes "${other}" and "${item.id}" both want host "${host}" with path "${item.path}"`,
        );
      }
      places.set(place, item.id);
    }
    checkBalance(item, `${path}.balance`);
    if (item.target.kind === 'redirect') checkRedirect(item.target, `${path}.target`);
    if (item.site?.rewrite !== undefined && item.target.kind !== 'upstreams') {
      const what = `Route "${item.id}" has a rewrite, which is for upstreams alone`;
      throw new ConfigError(`${path}.site.rewrite`, what);
    }
    if (item.target.kind === 'upstreams') {
      checkUpstreams(item.target.upstreams, `${path}.target.upstreams`, upstreams);
    }
  }
}

/** The same upstream may serve several routes; the same id with two addresses is a mistake. */
function checkUpstreams(
  list: readonly UpstreamConfig[],
  path: string,
  known: Map<string, UpstreamAddress>,
): void {
  const here = new Set<string>();
  for (const [index, item] of list.entries()) {
    requireNew(here, item.id, `${path}[${index}].id`);
    const { address: own } = item;
    const other = known.get(item.id) ?? own;
    if (!isDeepStrictEqual(other, own)) {
      const two = `${JSON.stringify(other)} and ${JSON.stringify(own)}`;
      throw new ConfigError(
        `${path}[${index}].address`,
        `Upstream "${item.id}" has two addresses: ${two}`,
      );
    }
    known.set(item.id, own);
  }
}

/** Throws `ConfigError` when it is known; it is known from then on. */
export function requireNew(known: Set<string>, name: string, path: string): void {
  if (known.has(name)) throw new ConfigError(path, `Key "${path}" repeats the id "${name}"`);
  known.add(name);
}

/** `/a/` and `/a` are the same place; `/` is the empty key. */
export function pathKey(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
