/**
 * Pure: one set of routes out of those that are records and those that are composed of apps. The gateway refuses a config
 * as a whole when two routes claim one place, so the claims are settled here: records come first, then the older app.
 */
import type { ComposedRoute } from '../apps/apps.ts';
import type { RouteConfig } from '../gateway/config.ts';

export interface MergedRoutes {
  readonly routes: readonly RouteConfig[];
  /** `<host><path> of <route id>`: claims that somebody else had already, paths with a slash at their end. */
  readonly refused: readonly string[];
}

export function mergeRoutes(
  records: readonly RouteConfig[],
  composed: readonly ComposedRoute[],
): MergedRoutes {
  const taken = new Set<string>();
  const ids = new Set<string>();
  const routes: RouteConfig[] = [];
  const refused: string[] = [];
  const ofApps = composed.map((route) => ({ path: '/', ...route }) as RouteConfig);
  for (const route of [...records, ...ofApps]) {
    if (ids.has(route.id)) continue;
    const hosts = route.hosts.filter((host) => {
      const place = host + (route.path.endsWith('/') ? route.path : `${route.path}/`);
      if (taken.has(place)) refused.push(`${place} of ${route.id}`);
      else {
        taken.add(place);
        return true;
      }
      return false;
    });
    if (hosts.length === 0) continue;
    ids.add(route.id);
    routes.push(hosts.length === route.hosts.length ? route : { ...route, hosts });
  }
  return { routes, refused };
}
