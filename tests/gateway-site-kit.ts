/** For the tests of what a route wants around its target: a gateway before an app, and requests as clients send them. */
import { request, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { TestContext } from 'node:test';
import type { RouteConfig, RouteTarget } from '../src/gateway/config.ts';
import type { SiteConfig } from '../src/gateway/site-config.ts';
import { Gateway, proxyRoute, socketUpstream, startApp } from './gateway-kit.ts';

export interface SiteAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One request on a connection of its own. */
export function ask(
  gateway: Gateway,
  path: string,
  { method = 'GET', headers = {}, body }: Asked = {},
): Promise<SiteAnswer> {
  return new Promise((resolve, reject) => {
    const options = { port: gateway.port, host: '127.0.0.1', path, method, headers, agent: false };
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode = 0, headers: fields } = response;
        resolve({ status: statusCode, headers: fields, body: Buffer.concat(chunks) });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A gateway before an app, with a cache if the route wants one. */
export async function siteBefore(
  t: TestContext,
  site: SiteConfig,
  app: RequestListener,
  more: Partial<RouteConfig> = {},
): Promise<Gateway> {
  const gateway = await Gateway.start([]);
  t.after(() => gateway[Symbol.asyncDispose]());
  const path = await startApp(gateway, app);
  gateway.cache = { memoryBytes: 16 * 1024 * 1024 };
  await gateway.route({ ...proxyRoute([socketUpstream(path)]), site, ...more });
  return gateway;
}

/** A gateway whose only route has that target. */
export async function siteAt(
  t: TestContext,
  site: SiteConfig | undefined,
  targetIn: (folder: string) => RouteTarget | Promise<RouteTarget>,
): Promise<Gateway> {
  const gateway = await Gateway.start([]);
  t.after(() => gateway[Symbol.asyncDispose]());
  const target = await targetIn(gateway.folder);
  await gateway.route({
    id: 'site',
    hosts: ['*'],
    path: '/',
    target,
    ...(site === undefined ? {} : { site }),
  });
  return gateway;
}
