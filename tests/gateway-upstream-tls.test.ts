/** Upstreams over TLS, and the host that they are told. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { RouteConfig, UpstreamTlsConfig } from '../src/gateway/config.ts';
import { AUTHORITY, issue, VALIDITY } from './gateway-h2-kit.ts';
import { Gateway, proxyRoute, until } from './gateway-kit.ts';
import { ask, siteBefore } from './gateway-site-kit.ts';

const CA = AUTHORITY.certificatePem;

/** What an app was asked, and over how many full handshakes. */
interface App {
  readonly port: number;
  readonly hosts: (string | undefined)[];
  readonly names: unknown[];
  readonly resumed: boolean[];
}

async function tlsApp(
  t: TestContext,
  names: readonly string[],
  addresses: readonly string[] = [],
): Promise<App> {
  const hosts: App['hosts'] = [];
  const names_: unknown[] = [];
  const resumed: boolean[] = [];
  const answer: RequestListener = (request, response) => {
    hosts.push(request.headers.host);
    response.setHeader('Cache-Control', 'max-age=60');
    response.setHeader('Connection', 'close');
    response.end('over TLS');
  };
  const server = createServer(await issue(names, VALIDITY, addresses), answer);
  server.on('secureConnection', (socket) => {
    names_.push((socket as unknown as { readonly servername: unknown }).servername);
    resumed.push(socket.isSessionReused());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, hosts, names: names_, resumed };
}

async function before(
  t: TestContext,
  { port }: App,
  tls: UpstreamTlsConfig,
  more: Partial<RouteConfig> = {},
): Promise<Gateway> {
  const gateway = await Gateway.start([]);
  t.after(() => gateway[Symbol.asyncDispose]());
  gateway.cache = { memoryBytes: 16 * 1024 * 1024 };
  const address = { kind: 'tcp', host: '127.0.0.1', port, tls } as const;
  await gateway.route({ ...proxyRoute([{ id: 'tls', address }]), ...more });
  return gateway;
}

test('an upstream over TLS proves who it is, and the next handshake is short', async (t) => {
  const app = await tlsApp(t, ['app.test']);
  const gateway = await before(t, app, { ca: CA, name: 'app.test' });
  for (const path of ['/a', '/b']) {
    const { status, body } = await ask(gateway, path, { method: 'POST', body: 'x' });
    assert.deepEqual([status, String(body)], [200, 'over TLS']);
  }
  assert.deepEqual(app.names, ['app.test', 'app.test']);
  assert.deepEqual(app.resumed, [false, true]);
});

test('with a cache, and with active checks', async (t) => {
  const app = await tlsApp(t, ['app.test']);
  const gateway = await before(
    t,
    app,
    { ca: CA, name: 'app.test' },
    {
      cache: {},
      balance: {
        health: {
          path: '/',
          host: 'inner.test',
          intervalMs: 50,
          timeoutMs: 5000,
          rise: 1,
          fall: 1,
        },
      },
    },
  );
  await until('a check', () => app.hosts.includes('inner.test'));
  assert.equal((await ask(gateway, '/')).status, 200);
  assert.match(String((await ask(gateway, '/')).headers['cache-status']), /hit/);
});

test('who cannot prove it gets no request, and the log says why', async (t) => {
  const names = Array.from({ length: 50 }, (_, at) => `app-${at}.test`);
  const app = await tlsApp(t, ['app.test', ...names]);
  const table: readonly (readonly [UpstreamTlsConfig, RegExp])[] = [
    [{ name: 'app.test' }, /^No upstream takes connections: unable to verify/],
    [
      { ca: CA, name: 'other.test' },
      /^No upstream takes connections: .*Host: other\.test\. is not/,
    ],
    [{ ca: CA }, /^No upstream takes connections: .*IP: 127\.0\.0\.1 is not/],
  ];
  for (const [tls, wanted] of table) {
    const gateway = await before(t, app, tls);
    assert.equal((await ask(gateway, '/')).status, 503);
    await until('the log', () => gateway.entries.length > 0);
    const { error = '' } = gateway.entries[0] ?? {};
    assert.match(error, wanted);
    assert.ok(error.length < 400, error);
  }
  assert.deepEqual(app.hosts, []);
  const blind = await before(t, app, { verify: false });
  assert.equal((await ask(blind, '/')).status, 200);
});

test('an address that a certificate is to show is looked for in it', async (t) => {
  const app = await tlsApp(t, [], ['10.9.8.7']);
  const known = await before(t, app, { ca: CA, name: '10.9.8.7' });
  assert.equal((await ask(known, '/')).status, 200);
  const other = await before(t, app, { ca: CA, name: '10.9.8.8' });
  assert.equal((await ask(other, '/')).status, 503);
  const here = await tlsApp(t, [], ['127.0.0.1']);
  const wrong = await before(t, here, { ca: CA, name: '10.9.8.7' });
  assert.equal((await ask(wrong, '/')).status, 503);
});

test('who has to prove it after a change of the routes has to at once', async (t) => {
  const app = await tlsApp(t, ['app.test']);
  const gateway = await before(t, app, { verify: false });
  assert.equal((await ask(gateway, '/')).status, 200);
  const address = { kind: 'tcp', host: '127.0.0.1', port: app.port, tls: { ca: CA } } as const;
  await gateway.route(proxyRoute([{ id: 'tls', address }]));
  assert.equal((await ask(gateway, '/')).status, 503);
});

test('an upstream is told another host when a rule says so', async (t) => {
  const seen: unknown[] = [];
  const gateway = await siteBefore(
    t,
    { headers: { request: { set: { host: 'inner.test:81', 'X-Rule': 'on' } } } },
    (request, response) => {
      const { host, 'x-forwarded-host': outer, 'x-rule': rule } = request.headers;
      seen.push([
        host,
        outer,
        rule,
        request.rawHeaders.filter((name) => /^host$/i.test(name)).length,
      ]);
      response.end();
    },
  );
  await ask(gateway, '/', { headers: { host: 'site.test' } });
  assert.deepEqual(seen, [['inner.test:81', 'site.test', 'on', 1]]);
});
