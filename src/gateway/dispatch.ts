/** From a route's target to who answers the request. */
import { HeadFields } from '../cache/cache.ts';
import { RequestHead } from '../http/head.ts';
import { DEFAULT_HEAD_LIMITS } from '../http/limits.ts';
import type { Connection } from './connection.ts';
import type { CacheRoom } from './cache-room.ts';
import { CachedExchange } from './cached-exchange.ts';
import { answerChallenge } from './challenges.ts';
import { ProxyExchange } from './proxy.ts';
import { redirect } from './redirect.ts';
import { statusLine } from '../http/status.ts';
import type { Dispatch, Proxy } from './responder.ts';
import type { Route } from './route-table.ts';
import type { StaticFiles } from './static-files.ts';
import { goesInCircles } from './via.ts';

/** `room`: the cache of now, for the routes that want one. */
export function createDispatch(files: StaticFiles, room: () => CacheRoom | undefined): Dispatch {
  const answer: Dispatch = (connection, head, route) => {
    const { target } = route.config;
    switch (target.kind) {
      case 'upstreams': {
        if (goesInCircles(head)) {
          connection.fail(508, 'The request goes in circles: an upstream leads back to a gateway');
          return;
        }
        proxyFor(connection, route, room).begin(head, route);
        return;
      }
      case 'static':
        files.answer(connection, head, { target, prefix: route.prefix });
        return;
      case 'redirect':
        redirect(connection, target);
        return;
      case 'text':
        answerChallenge(connection, target.answer);
        return;
      case 'ready':
        answerReady(connection);
        return;
      case 'respond':
        connection.fail(target.status, 'The route says so', { reason: target.message });
    }
  };
  const fields = new HeadFields(new RequestHead(DEFAULT_HEAD_LIMITS));
  return (connection, head, route) => {
    const { plane, request } = connection;
    if (plane.tracer !== undefined || route.logFormat === 'combined') {
      fields.scanner = head;
      plane.tracer?.begin(request, fields, plane);
      if (route.logFormat === 'combined') {
        request.referer = fields.get('referer');
        request.agent = fields.get('user-agent');
      }
    }
    if (route.site === undefined) answer(connection, head, route);
    else route.site.receive(connection, head, route, answer);
  };
}

function answerReady(connection: Connection): void {
  const { plane } = connection;
  const status = plane.draining ? 503 : 200;
  const body = plane.draining ? 'leaving\n' : 'ready\n';
  const isHead = connection.request.method === 'HEAD';
  const fields = `Content-Type: text/plain\r\nCache-Control: no-store\r\nContent-Length: ${body.length}\r\n`;
  const head = `${statusLine(status)}\r\n${plane.dateLine}${fields}`;
  connection.answerBuffers(status, head, isHead ? '' : body);
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
