/** From a route's target to who answers the request. */
import type { Connection } from './connection.ts';
import type { CacheRoom } from './cache-room.ts';
import { CachedExchange } from './cached-exchange.ts';
import { ProxyExchange } from './proxy.ts';
import { redirect } from './redirect.ts';
import type { Dispatch, Proxy } from './responder.ts';
import type { Route } from './route-table.ts';
import type { StaticFiles } from './static-files.ts';

/** `room`: the cache of now, for the routes that want one. */
export function createDispatch(files: StaticFiles, room: () => CacheRoom | undefined): Dispatch {
  const answer: Dispatch = (connection, head, route) => {
    const { target } = route.config;
    switch (target.kind) {
      case 'upstreams': {
        proxyFor(connection, route, room).begin(head, route);
        return;
      }
      case 'static':
        files.answer(connection, head, { target, prefix: route.prefix });
        return;
      case 'redirect':
        redirect(connection, target);
        return;
      case 'respond':
        connection.fail(target.status, 'The route says so', { reason: target.message });
    }
  };
  return (connection, head, route) => {
    if (route.site === undefined) answer(connection, head, route);
    else route.site.receive(connection, head, route, answer);
  };
}

function proxyFor(
  connection: Connection,
  route: Route,
  roomOf: () => CacheRoom | undefined,
): Proxy {
  const isStored = route.config.cache !== undefined && connection.shape?.isPrivate !== true;
  const room = isStored ? roomOf() : undefined;
  if (room === undefined) return (connection.proxy ??= new ProxyExchange(connection));
  if (connection.cached?.room !== room) {
    connection.cached = new CachedExchange(connection, room, route);
  }
  return connection.cached;
}
