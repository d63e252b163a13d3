/** Corners of the data plane: clients that go on sending, answers that come early, what must not pass. */
import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SESSION_COOKIE } from '../src/api/origin.ts';
import { createAuthority } from '../src/cluster/x509.ts';
import type { RouteConfig } from '../src/gateway/config.ts';
import { Gateway, proxyRoute, RawOrigin, socketUpstream, until } from './gateway-kit.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const CLOSE = 'Host: a\r\nConnection: close\r\n\r\n';

describe('a connection that ends', () => {
  test('an answer that comes before the end of the body says that it is the last', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket, seen }) => {
      if (seen.endsWith('first')) socket.write(OK);
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst');
    await client.see(/\r\n\r\nok$/);
    assert.match(client.text, /\r\nConnection: close\r\n/);
    await client.closed();
  });

  test('a client that sends on after the last answer is cut off', async () => {
    await using gateway = await Gateway.start([]);
    const client = gateway.connect();
    client.socket.removeAllListeners('end');
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    const trickle = setInterval(() => client.socket.writable && client.send('1\r\nx\r\n'), 20);
    await client.see(/^HTTP\/1\.1 404 [^]*Connection: close\r\n/);
    await until('the gateway to give up', () => gateway.plane.stats().connections === 0);
    clearInterval(trickle);
  });
});

describe('what must not pass', () => {
  test('the session of the console does not reach apps', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket, seen }) => {
      if (seen.endsWith('\r\n\r\n')) socket.write(OK);
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const table: readonly (readonly [string, string | undefined])[] = [
      [`Cookie: ${SESSION_COOKIE}=secret`, undefined],
      [`Cookie: a=b; ${SESSION_COOKIE}=secret; c="d;"`, 'a=b; c="d;"'],
      [`cookie:${SESSION_COOKIE} =secret;a=b`, 'a=b'],
      [`Cookie: a=b\r\nCookie: ${SESSION_COOKIE}=secret;x${SESSION_COOKIE}=1`, undefined],
      [`Cookie: a=1; b=${SESSION_COOKIE}`, `a=1; b=${SESSION_COOKIE}`],
    ];
    for (const [lines, wanted] of table) {
      for (const connection of origin.connections) connection.seen = '';
      await gateway.exchange(`GET / HTTP/1.1\r\nX-Before: 1\r\n${lines}\r\n${CLOSE}`);
      assert.doesNotMatch(origin.seen, /secret/, lines);
      if (wanted !== undefined) assert.ok(origin.seen.includes(`Cookie: ${wanted}\r\n`), lines);
      assert.match(origin.seen, /^GET \/ HTTP\/1\.1\r\nX-Before: 1\r\n/);
    }
    assert.match(origin.seen, /X-Before/);
  });

  test('an answer without a body has none when a route says it either', async () => {
    const message = 'the route says so';
    await using gateway = await Gateway.start([
      { id: 'a', hosts: ['*'], path: '/', target: { kind: 'respond', status: 204, message } },
      { id: 'b', hosts: ['*'], path: '/b', target: { kind: 'respond', status: 304, message } },
    ]);
    const empty = await gateway.exchange(`GET / HTTP/1.1\r\n${CLOSE}`);
    assert.match(empty, /^HTTP\/1\.1 204 [^]*\r\n\r\n$/);
    assert.doesNotMatch(empty, /Content-Length|Content-Type/);
    const same = await gateway.exchange(`GET /b HTTP/1.1\r\n${CLOSE}`);
    assert.match(same, /^HTTP\/1\.1 304 [^]*\r\n\r\n$/);
    assert.doesNotMatch(same, /Content-Length|Content-Type/);
  });
});

test('a config with a certificate that cannot be used changes nothing', async () => {
  const validity = { notBefore: Date.now() - 1000, notAfter: Date.now() + 1_000_000 };
  const one = await createAuthority({ commonName: 'One', validity });
  const two = await createAuthority({ commonName: 'Two', validity });
  const respond = (message: string): RouteConfig => {
    const target = { kind: 'respond', status: 200, message } as const;
    return { id: 'r', hosts: ['*'], path: '/', target };
  };
  const plain = { id: 'http', address: '127.0.0.1', port: 0, protocol: 'http' } as const;
  const secure = { id: 'https', address: '127.0.0.1', port: 0, protocol: 'https' } as const;
  const good = { cert: one.certificatePem, key: one.keyPem };
  await using gateway = await Gateway.start([respond('before')], {
    listeners: [plain, { ...secure, tls: good }],
  });
  for (const tls of [
    { cert: 'nonsense', key: one.keyPem },
    { cert: one.certificatePem, key: two.keyPem },
  ]) {
    gateway.listeners = [plain, { ...plain, id: 'new' }, { ...secure, tls }];
    await assert.rejects(gateway.route(respond('after')), { code: 'GATEWAY_LISTEN_FAILED' });
    assert.equal(gateway.plane.port('new'), undefined);
    assert.match(await gateway.exchange(`GET / HTTP/1.1\r\n${CLOSE}`), /before/);
  }
});

test('below the path of a route, a folder is looked up without that path', async () => {
  await using gateway = await Gateway.start([]);
  const root = join(gateway.folder, 'assets');
  await mkdir(join(root, 'sub'), { recursive: true });
  await writeFile(join(root, 'x.css'), 'css');
  await writeFile(join(root, 'index.html'), 'assets');
  await writeFile(join(root, 'sub', 'index.html'), 'sub');
  await writeFile(join(gateway.folder, 'secret'), 'SECRET');
  await symlink(join(gateway.folder, 'secret'), join(root, 'link'));
  const target = { kind: 'static', root } as const;
  await gateway.route({ id: 'assets', hosts: ['*'], path: '/assets/', target });
  const table: readonly (readonly [string, RegExp])[] = [
    ['/assets/x.css', /^HTTP\/1\.1 200 [^]*\r\n\r\ncss$/],
    ['/assets/', /^HTTP\/1\.1 200 [^]*\r\n\r\nassets$/],
    ['/assets?q=1', /^HTTP\/1\.1 301 [^]*\r\nLocation: \/assets\/\?q=1\r\n/],
    ['/assets/sub', /^HTTP\/1\.1 301 [^]*\r\nLocation: \/assets\/sub\/\r\n/],
    ['/assets/sub/', /^HTTP\/1\.1 200 [^]*\r\n\r\nsub$/],
    ['/assets/assets/x.css', /^HTTP\/1\.1 404 /],
    ['/assets//x.css', /^HTTP\/1\.1 404 /],
    ['/assets/../secret', /^HTTP\/1\.1 404 /],
    // Some read it as /secret, which no route has.
    ['/assets/%2e%2e/secret', /^HTTP\/1\.1 400 /],
    ['/assets/link', /^HTTP\/1\.1 404 /],
    ['/assetsx.css', /^HTTP\/1\.1 404 /],
  ];
  for (const [path, answer] of [...table, ...table]) {
    assert.match(await gateway.exchange(`GET ${path} HTTP/1.1\r\n${CLOSE}`), answer, path);
  }
});
