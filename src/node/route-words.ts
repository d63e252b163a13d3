/** Pure: what routes and listeners are about, for people, out of what was written. */
import type { ListenerDetail, RouteDetail } from '../api/api.ts';
import { isMolnError } from '../base/errors.ts';
import {
  isBalancer,
  listenerSchema,
  routeSchema,
  type Written,
  type WrittenRoute,
} from '../routes/routes.ts';

type RouteFacts = Pick<
  RouteDetail,
  'hosts' | 'path' | 'target' | 'leadsTo' | 'isCached' | 'troubles'
>;
type ListenerFacts = Pick<ListenerDetail, 'protocol' | 'address' | 'port' | 'leadsTo'>;

/** `apps`: names of those that there are. */
export function routeFacts(written: Written, apps: ReadonlySet<string>): RouteFacts {
  try {
    const route = routeSchema.decode(written, '');
    const { host, path, cache, app, bucket } = route;
    const isCached =
      bucket === undefined ? cache !== undefined && cache !== false : cache !== false;
    return {
      hosts: host,
      path,
      ...leadOf(route),
      isCached,
      troubles: app === undefined || apps.has(app) ? [] : [`There is no app "${app}"`],
    };
  } catch (error) {
    if (!isMolnError(error, 'CONFIG_INVALID')) throw error;
    const troubles = [`Not in use, for it cannot be read here: ${error.message}`];
    return { hosts: [], path: '/', target: 'respond', leadsTo: '', isCached: false, troubles };
  }
}

/** One for each upstream that gets no requests on some node. */
export function outSentences(
  out: readonly { readonly node: string; readonly upstream: string }[],
): readonly string[] {
  return [...Map.groupBy(out, ({ upstream }) => upstream)].map(([upstream, where]) => {
    const nodes = [...new Set(where.map(({ node }) => node))].toSorted();
    return `Upstream "${upstream}" does not answer on ${nodes.join(', ')}`;
  });
}

function leadOf({
  app,
  bucket,
  upstreams,
  redirect,
  respond,
}: WrittenRoute): Pick<RouteFacts, 'target' | 'leadsTo'> {
  if (app !== undefined) return { target: 'app', leadsTo: app };
  if (bucket !== undefined) return { target: 'bucket', leadsTo: bucket };
  if (upstreams !== undefined) {
    const places = upstreams.map(({ url, backup }) => (backup === true ? `${url} (backup)` : url));
    return { target: 'upstreams', leadsTo: places.join(', ') };
  }
  if (redirect !== undefined) return { target: 'redirect', leadsTo: redirect.to };
  return { target: 'respond', leadsTo: String(respond?.status ?? '') };
}

export function listenerFacts(written: Written): ListenerFacts {
  const one = listenerSchema.decode(written, '');
  const { protocol, port } = one;
  const address = typeof written['address'] === 'string' ? written['address'] : 'gateway';
  if (!isBalancer(one)) {
    return { protocol, address, port, leadsTo: one.redirect === undefined ? 'routes' : 'https' };
  }
  const named = Object.entries(one.sni ?? {}).map(
    ([name, list]) => `${name}: ${list.map(({ url }) => url).join(', ')}`,
  );
  const leadsTo = [...one.upstreams.map(({ url }) => url), ...named].join(', ');
  return { protocol, address, port, leadsTo };
}
