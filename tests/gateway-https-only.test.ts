/** Redirects to https, Strict-Transport-Security, and sessions that are resumed by another process. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { derivedTicketKeys } from '../src/gateway/ticket-keys.ts';
import type { ListenerConfig, RouteConfig } from '../src/gateway/config.ts';
import { AUTHORITY, dialTls, H2Client, httpsListener, issue } from './gateway-h2-kit.ts';
import { Client, Gateway, socketUpstream, startApp, until } from './gateway-kit.ts';

const HELLO: RouteConfig = {
  id: 'hello',
  hosts: ['*'],
  path: '/',
  target: { kind: 'respond', status: 200, message: 'hello' },
};

test('http leads to the same address over https', async () => {
  const http: ListenerConfig = { id: 'http', address: '127.0.0.1', port: 0, protocol: 'http' };
  const listeners = [{ ...http, redirectHttpsPort: 443 }];
  await using gateway = await Gateway.start([HELLO], { listeners });
  const ask = (start: string, host = 'Host: a.example:8080\r\n'): Promise<string> =>
    gateway.exchange(`${start}\r\n${host}Connection: close\r\n\r\n`);
  const moved = await ask('POST /x?y=1 HTTP/1.1');
  assert.match(moved, /^HTTP\/1\.1 308 [^]*\r\nLocation: https:\/\/a\.example\/x\?y=1\r\n/);
  assert.match(await ask('OPTIONS * HTTP/1.1'), /\r\nLocation: https:\/\/a\.example\/\r\n/);
  assert.match(await ask('GET / HTTP/1.0', ''), /^HTTP\/1\.1 400 /);
  assert.match(await ask('GET /.well-known/acme-challenge/x HTTP/1.1'), /^HTTP\/1\.1 200 /);
  gateway.listeners = [{ ...http, redirectHttpsPort: 8443 }];
  await gateway.route(HELLO);
  assert.match(await ask('GET /x HTTP/1.1'), /\r\nLocation: https:\/\/a\.example:8443\/x\r\n/);
  gateway.listeners = [http];
  await gateway.route(HELLO);
  assert.match(await ask('GET /x HTTP/1.1'), /^HTTP\/1\.1 200 /);
});

test('every answer over https says for how long to come over https only', async () => {
  const tls = await issue(['a.example']);
  const hsts = { maxAgeS: 60, includeSubDomains: true };
  await using gateway = await Gateway.start([], { listeners: [httpsListener(tls, { hsts })] });
  const root = join(gateway.folder, 'site');
  await mkdir(root);
  await writeFile(join(root, 'a.txt'), 'a');
  const path = await startApp(gateway, (_request, response) => {
    response.setHeader('strict-transport-security', 'max-age=1');
    response.end('app');
  });
  const upstreams = [socketUpstream(path)];
  const routes: readonly RouteConfig[] = [
    { ...HELLO, path: '/hello' },
    { ...HELLO, id: 'site', path: '/site', target: { kind: 'static', root } },
    { ...HELLO, id: 'app', target: { kind: 'upstreams', upstreams } },
  ];
  await gateway.route(...routes);
  const h2 = new H2Client(gateway);
  const paths = ['/hello', '/site/a.txt', '/site/a.txt', '/site/none', '/'];
  for (const one of paths) {
    const { headers } = await h2.get(one);
    assert.equal(headers['strict-transport-security'], 'max-age=60; includeSubDomains', one);
  }
  const client = new Client(dialTls(gateway, ['http/1.1']));
  for (const one of paths) {
    client.clear();
    client.send(`GET ${one} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    await client.see(/\r\n\r\n./);
    const said = [...client.text.matchAll(/^strict-transport-security: (.*)\r$/gim)];
    assert.deepEqual(
      said.map(([, value]) => value),
      ['max-age=60; includeSubDomains'],
      one,
    );
  }
  gateway.listeners = [httpsListener(tls)];
  await gateway.route(...routes);
  assert.equal((await h2.get('/hello')).headers['strict-transport-security'], undefined);
});

test('what is stored, and what a route adds, is not said beside what the listener says', async () => {
  const tls = await issue(['a.example']);
  const listener = httpsListener(tls, { hsts: { maxAgeS: 60 } });
  await using gateway = await Gateway.start([], { listeners: [listener] });
  gateway.cache = { memoryBytes: 8 * 1024 * 1024 };
  const path = await startApp(gateway, (_request, response) => {
    response.setHeader('strict-transport-security', 'max-age=1');
    response.setHeader('cache-control', 'max-age=60');
    response.end('app');
  });
  const target = { kind: 'upstreams', upstreams: [socketUpstream(path)] } as const;
  const set = { 'strict-transport-security': 'max-age=2' };
  await gateway.route(
    { ...HELLO, target, cache: {} },
    {
      ...HELLO,
      id: 'own',
      path: '/own',
      target,
      cache: {},
      site: { headers: { response: { set } } },
    },
  );
  const client = new Client(dialTls(gateway, ['http/1.1']));
  for (const one of ['/', '/', '/', '/own', '/own', '/own']) {
    client.clear();
    client.send(`GET ${one} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
    await client.see(/\r\n\r\napp/);
    const said = [...client.text.matchAll(/^strict-transport-security: (.*)\r$/gim)];
    assert.deepEqual(
      said.map(([, value]) => value),
      ['max-age=60'],
      one,
    );
  }
  assert.match(client.text, /cache-status: .*hit/i);
});

async function resumed(from: Gateway, at: Gateway): Promise<boolean> {
  const dial = (gateway: Gateway, session?: Buffer): TLSSocket => {
    const socket = connect({
      port: gateway.port,
      host: '127.0.0.1',
      servername: 'a.example',
      ca: AUTHORITY.certificatePem,
      ...(session === undefined ? {} : { session }),
    });
    gateway.onDispose(() => socket.destroy());
    return socket;
  };
  const first = dial(from);
  const [session] = await once(first, 'session');
  const second = dial(at, session);
  await once(second, 'secureConnect');
  await until('the handshake', () => second.authorized);
  return second.isSessionReused();
}

test('a session goes on at another process that has the same key, and at no other', async () => {
  const [tls, other] = [await issue(['a.example']), await issue(['a.example'])];
  await using one = await Gateway.start([HELLO], { listeners: [httpsListener(tls)] });
  await using two = await Gateway.start([HELLO], { listeners: [httpsListener(tls)] });
  await using stranger = await Gateway.start([HELLO], { listeners: [httpsListener(other)] });
  assert.equal(await resumed(one, two), true);
  assert.equal(await resumed(one, stranger), false);
  const [noon, night, morning] = [43_200, 86_399, 86_400].map((at) =>
    derivedTicketKeys(tls.key, at),
  );
  assert.deepEqual(noon, night);
  assert.notDeepEqual(night?.[0], morning?.[0]);
  assert.deepEqual(night?.[0], morning?.[1], 'those of yesterday are taken');
  assert.notDeepEqual(noon, derivedTicketKeys(other.key, 43_200));
});
