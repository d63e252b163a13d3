/** From a route's target to who answers the request. */
import { statusLine } from '../http/status.ts';
import type { RouteTarget } from './config.ts';
import type { Connection } from './connection.ts';
import { ProxyExchange } from './proxy.ts';
import type { Dispatch } from './responder.ts';
import type { StaticFiles } from './static-files.ts';

export function createDispatch(files: StaticFiles): Dispatch {
  return (connection, head, route) => {
    const { target } = route.config;
    switch (target.kind) {
      case 'upstreams': {
        const proxy = (connection.proxy ??= new ProxyExchange(connection));
        proxy.begin(head, route);
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
}

function redirect(
  connection: Connection,
  target: RouteTarget & { readonly kind: 'redirect' },
): void {
  connection.answerBodyless(
    target.status,
    `${statusLine(target.status)}\r\n${connection.plane.dateLine}Location: ${target.location}\r\n` +
      `Content-Length: 0\r\n`,
  );
}
