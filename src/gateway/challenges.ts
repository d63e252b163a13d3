/**
 * Answers to certificate authorities that ask whether a host is ours, over HTTP (RFC 8555 8.3). Every gateway process has all
 * of them, for nobody knows which one is asked; they come before routes, guards and redirects.
 */
import { statusLine } from '../http/status.ts';
import { HTTP_CHALLENGES_PATH } from './limits.ts';
import type { GatewayConfig, HttpChallenge } from './config.ts';
import type { Connection } from './connection.ts';
import { DEFAULT_ROUTE_LIMITS } from './limits.ts';
import { SlowMeter } from './slow-meter.ts';
import { RouteMeter } from './route-meter.ts';
import type { Route } from './route-table.ts';

export class HttpChallenges {
  readonly #routes: ReadonlyMap<string, Route>;

  private constructor(routes: ReadonlyMap<string, Route>) {
    this.#routes = routes;
  }

  /** Undefined: nobody asks. */
  static of(config: Pick<GatewayConfig, 'challenges'>): HttpChallenges | undefined {
    const asked = config.challenges?.http ?? [];
    if (asked.length === 0) return undefined;
    return new HttpChallenges(new Map(asked.map((one) => [one.token, routeOf(one)])));
  }

  /** Undefined: no question of an authority, or none that is open. */
  match(path: string): Route | undefined {
    if (!path.startsWith(HTTP_CHALLENGES_PATH)) return undefined;
    return this.#routes.get(path.slice(HTTP_CHALLENGES_PATH.length));
  }
}

export function answerChallenge(connection: Connection, text: string): void {
  const { dateLine } = connection.plane;
  const head =
    `${statusLine(200)}\r\n${dateLine}Content-Type: application/octet-stream\r\n` +
    `Cache-Control: no-store\r\nContent-Length: ${text.length}\r\n`;
  if (connection.request.method === 'HEAD') connection.answerBodyless(200, head);
  else connection.answerBuffers(200, head, text);
}

function routeOf({ token, answer }: HttpChallenge): Route {
  const path = HTTP_CHALLENGES_PATH + token;
  return {
    id: 'certificate-challenge',
    config: { id: 'certificate-challenge', hosts: ['*'], path, target: { kind: 'text', answer } },
    prefix: path,
    limits: DEFAULT_ROUTE_LIMITS,
    totals: new RouteMeter(),
    slow: new SlowMeter(),
    // Whether it was asked is told with the order.
    logFormat: 'off',
    upstreams: [],
    backups: undefined,
    balancer: undefined,
    regions: undefined,
    site: undefined,
  };
}
