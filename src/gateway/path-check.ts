/**
 * A path that leads to one route as it came, and to another as its readers may take it, would let whoever asks choose the route: past a
 * password of `/admin`, say, by `/%61dmin` or `/public/../admin`.
 */
import { HttpError } from '../http/http-error.ts';
import { climbs, readingsOf, withLetters } from '../http/path-readings.ts';
import type { RequestTarget } from '../http/target.ts';
import type { RouteConfig } from './config.ts';
import type { Route, RouteTable } from './route-table.ts';
import { pathKey } from './routes-check.ts';

/**
 * The route of a request; none when one of the readings of its path has none. Throws HttpError 400 when they lead to several, and when `..`
 * would lead out of what a rewrite puts before the path. What stays within one goes on as it came.
 */
export function routeFor(
  table: RouteTable,
  { host, path, isPlain }: Pick<RequestTarget, 'host' | 'path' | 'isPlain'>,
): Route | undefined {
  const route = table.match(host, path);
  if (isPlain || route === undefined) return route;
  if (route.config.site?.rewrite !== undefined && climbs(path)) throw ambiguous();
  if (table.hasOneRoute(host)) return route;
  const readings = readingsOf(path);
  if (readings === undefined) throw ambiguous();
  for (const reading of readings) {
    const other = table.match(host, reading);
    if (other === route) continue;
    if (other === undefined) return undefined;
    throw ambiguous();
  }
  return route;
}

/** Routes that no request gets to, for what is written as their path is refused or another one's; a sentence for each. */
export function pathTroubles(
  routes: readonly Pick<RouteConfig, 'id' | 'path'>[],
): readonly string[] {
  return routes.flatMap(({ id, path }) => {
    if (path.endsWith('*')) {
      const meant = path.replace(/\/?\*+$/, '') || '/';
      return [
        `Only a "*" as it is written leads to route "${id}": its path "${path}" is compared letter by letter, and "${meant}" leads to all below it`,
      ];
    }
    // As the table has it, too.
    const own = withLetters(pathKey(path));
    const strange = (readingsOf(own === '' ? '/' : own) ?? ['']).find(
      (one) => pathKey(one) !== own && !one.startsWith(`${own}/`),
    );
    if (strange === undefined) return [];
    const why = strange === '' ? 'some resolve' : `some take for "${strange}"`;
    return [`No request gets to route "${id}": its path "${path}" is one that ${why}`];
  });
}

function ambiguous(): HttpError {
  return new HttpError(
    400,
    'HTTP_AMBIGUOUS_PATH',
    'The path can be read in two ways, which lead to different routes',
  );
}
