/** Header rules, rewrites and redirects of routes. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { checkGatewayConfig } from '../src/gateway/config-check.ts';
import type { SiteConfig } from '../src/gateway/site-config.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../src/gateway/limits.ts';
import { until } from './gateway-kit.ts';
import { ask, siteAt, siteBefore } from './gateway-site-kit.ts';

const RULES: SiteConfig = {
  headers: {
    request: { set: { 'X-Set': 'gateway' }, add: { 'X-Added': 'two' }, remove: ['x-secret'] },
    response: {
      set: { 'Strict-Transport-Security': 'max-age=31536000', 'X-Kind': 'set' },
      add: { 'X-More': 'b' },
      remove: ['Server'],
    },
  },
};

test('header rules change what upstreams and clients see', async (t) => {
  const gateway = await siteBefore(t, RULES, (request, response) => {
    response.setHeader('Server', 'secret/1.0');
    response.setHeader('X-Kind', 'app');
    response.setHeader('X-More', 'a');
    response.end(JSON.stringify(request.headers));
  });
  const { headers, body } = await ask(gateway, '/', {
    headers: { 'X-Set': 'client', 'X-Added': 'one', 'X-Secret': 's' },
  });
  const seen = JSON.parse(body.toString()) as Record<string, string>;
  assert.equal(seen['x-set'], 'gateway');
  assert.equal(seen['x-added'], 'one, two');
  assert.equal(seen['x-secret'], undefined);
  assert.equal(headers['strict-transport-security'], 'max-age=31536000');
  assert.equal(headers['x-kind'], 'set');
  assert.equal(headers['x-more'], 'a, b');
  assert.equal(headers.server, undefined);
});

test('header rules hold for trailers too, and so does what Connection names', async (t) => {
  const gateway = await siteBefore(t, RULES, (request, response) => {
    request.resume().once('end', () => {
      response.setHeader('Connection', 'close, X-Hop');
      response.write(JSON.stringify(request.trailers));
      response.addTrailers({ Server: 'secret/1.0', 'X-Hop': 'h', 'X-Last': 'l' });
      response.end();
    });
  });
  const client = gateway.connect();
  client.send(
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '0\r\nX-Secret: s\r\nX-Set: client\r\nX-First: f\r\n\r\n',
  );
  await client.closed();
  assert.match(client.text, /\{"x-first":"f"\}\r\n0\r\nX-Last: l\r\n\r\n$/);
});

test('what is stored is what the upstream said, and the rules come after it', async (t) => {
  let asked = 0;
  const app = (_request: unknown, response: import('node:http').ServerResponse): void => {
    asked++;
    response.setHeader('Cache-Control', 'max-age=60');
    response.setHeader('X-Kind', 'app');
    response.end('stored');
  };
  const gateway = await siteBefore(t, RULES, app, { cache: {} });
  assert.equal((await ask(gateway, '/')).headers['x-kind'], 'set');
  const hit = await ask(gateway, '/');
  assert.match(String(hit.headers['cache-status']), /hit/);
  assert.equal(hit.headers['x-kind'], 'set');
  assert.equal(hit.headers['x-more'], 'b');
  await gateway.route(
    ...[...gateway.plane.table().routes()].map(({ config }) => ({ ...config, site: {} })),
  );
  const bare = await ask(gateway, '/');
  assert.match(String(bare.headers['cache-status']), /hit/);
  assert.equal(bare.headers['x-kind'], 'app');
  assert.equal(bare.headers['x-more'], undefined);
  assert.equal(asked, 1);
});

test('files and the answers of the gateway itself have the fields too', async (t) => {
  const gateway = await siteAt(t, RULES, async (folder) => {
    await writeFile(`${folder}/a.txt`, 'a file');
    return { kind: 'static', root: folder };
  });
  for (const path of ['/a.txt', '/a.txt', '/none']) {
    const { headers } = await ask(gateway, path);
    assert.equal(headers['strict-transport-security'], 'max-age=31536000', path);
  }
  assert.equal((await ask(gateway, '/a.txt')).body.toString(), 'a file');
  assert.equal((await ask(gateway, '/a.txt', { method: 'HEAD' })).headers['x-kind'], 'set');
});

test('rules that would break a message or speak for the gateway are refused by name', () => {
  const refuse = (site: SiteConfig, message: RegExp): void => {
    const config = {
      version: 1,
      listeners: [],
      limits: DEFAULT_GATEWAY_LIMITS,
      routes: [
        {
          id: 'r',
          hosts: ['*'],
          path: '/',
          target: { kind: 'upstreams', upstreams: [] },
          site,
        },
      ],
    };
    assert.throws(() => checkGatewayConfig(config), message);
  };
  const set = (name: string, value: string): SiteConfig => ({
    headers: { response: { set: { [name]: value } } },
  });
  refuse(set('X-A', 'a\r\nSet-Cookie: b'), /site\.headers\.response\.set\.X-A/);
  refuse(set('X-A', 'a\nb'), /X-A/);
  refuse(set('X A', 'a'), /X A/);
  for (const name of ['Content-Length', 'transfer_encoding', 'Connection', 'X-Forwarded-For']) {
    refuse(set(name, '1'), /no rule may change/);
  }
  refuse({ headers: { request: { remove: ['Host'] } } }, /no rule may change/);
  refuse({ rewrite: { strip: '/a', from: '/b', to: '/c' } }, /site\.rewrite/);
  refuse({ rewrite: { from: '/a/{id}', to: '/b/$ip' } }, /\$ip/);
  refuse({ rewrite: { from: '/a/{x}-{y}', to: '/b' } }, /at most one/);
  refuse({ rewrite: { from: '/*/*', to: '/b' } }, /\*/);
});

const REWRITES = [
  ['/api/users?q=1', { strip: '/api', prefix: '/v1' }, '/v1/users?q=1'],
  ['/api', { strip: '/api' }, '/'],
  ['/apis', { strip: '/api' }, '/apis'],
  ['/old/7/edit?q=1', { from: '/old/{id}/*', to: '/new/$rest?id=$id' }, '/new/edit?id=7&q=1'],
  ['/a.html', { from: '/{page}.html', to: '/pages/$page/$$' }, '/pages/a/$'],
  ['/other', { from: '/old/{id}', to: '/new/$id' }, '/other'],
] as const;

test('a rewrite asks the upstream for another target, through a cache too', async (t) => {
  for (const cache of [undefined, {}]) {
    for (const [path, rewrite, wanted] of REWRITES) {
      const gateway = await siteBefore(
        t,
        { rewrite },
        (request, response) => response.end(request.url),
        cache === undefined ? {} : { cache },
      );
      assert.equal((await ask(gateway, path)).body.toString(), wanted);
      const posted = await ask(gateway, path, { method: 'POST', body: 'x' });
      assert.equal(posted.body.toString(), wanted);
    }
  }
});

test('a request that waited for another one is rewritten too', async (t) => {
  const go = Promise.withResolvers<void>();
  const asked: (string | undefined)[] = [];
  const gateway = await siteBefore(
    t,
    { rewrite: { strip: '/api' }, headers: { request: { set: { 'X-Rule': 'on' } } } },
    (request, response) => {
      asked.push(`${request.url} ${String(request.headers['x-rule'])}`);
      void go.promise.then(() => {
        response.setHeader('Cache-Control', 'no-store');
        response.end('mine alone');
      });
    },
    { cache: {} },
  );
  const both = [ask(gateway, '/api/x'), ask(gateway, '/api/x')];
  await until('one of them to be asked and both to be there', () => {
    return asked.length === 1 && gateway.plane.stats().connections === 2;
  });
  go.resolve();
  const bodies = (await Promise.all(both)).map(({ body }) => body.toString());
  assert.deepEqual(bodies, ['mine alone', 'mine alone']);
  assert.deepEqual(asked, ['/x on', '/x on']);
});

const REDIRECTS = [
  ['/a?b=1', { location: 'https://$host$uri' }, 'https://site.test/a?b=1'],
  ['/a?b=1', { location: 'https://$host:8443$path#$query' }, 'https://site.test:8443/a#b=1'],
  ['/old/7', { from: '/old/{id}', location: '/new/$id' }, '/new/7'],
  ['//evil.test/x', { location: '$uri' }, '/evil.test/x'],
  ['/\\evil.test', { location: '$path' }, '/evil.test'],
] as const;

test('a redirect is made with the scheme that a trusted proxy says', async (t) => {
  for (const [trust, wanted] of [
    [['127.0.0.1'], '/?https'],
    [['10.0.0.1'], '/?http'],
  ] as const) {
    const location = '/?$scheme';
    const target = { kind: 'redirect', status: 308, location } as const;
    const gateway = await siteAt(t, { access: { trust } }, () => target);
    const { headers } = await ask(gateway, '/', { headers: { 'X-Forwarded-Proto': 'https' } });
    assert.equal(headers.location, wanted);
  }
});

test('redirects are made of the request, and lead nowhere else', async (t) => {
  for (const [path, target, wanted] of REDIRECTS) {
    const gateway = await siteAt(t, undefined, () => ({
      kind: 'redirect',
      status: 308,
      ...target,
    }));
    const { status, headers } = await ask(gateway, path, { headers: { host: 'site.test' } });
    assert.equal(status, 308);
    assert.equal(headers.location, wanted);
  }
  const gateway = await siteAt(t, undefined, () => ({
    kind: 'redirect',
    status: 301,
    from: '/old/*',
    location: '/$rest',
  }));
  assert.equal((await ask(gateway, '/new')).status, 404);
});
