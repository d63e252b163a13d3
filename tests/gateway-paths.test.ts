/** Paths that readers may take for others: none may choose a route past what guards it, and ordinary ones go on as they came. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Gateway, proxyRoute, RawOrigin, socketUpstream } from './gateway-kit.ts';

const H = 'Host: a\r\n';

/** Each leads to one route as it is written, and to another for those who take it otherwise. */
const AMBIGUOUS = [
  '/%61dmin/users',
  '/./admin/users',
  '//admin/users',
  '/public/../admin',
  '/public/%2e%2e/admin',
  '/public/..%2fadmin',
  '/public/..%5Cadmin',
  '/public\\..\\admin',
  '/public/..;/admin',
  '/admin;a=b/users',
  '/admin%2fusers',
  // nginx decodes slashes and keeps parameters; URL of browsers and Node has backslashes, empty segments and hosts.
  '/x;%2f..%2fadmin',
  '/x;\\..\\admin',
  '/x//../deep/admin',
  '/deep//../admin',
  '//x/admin',
  '/\\x/admin',
  '/%40team/x',
  '/caf%c3%a9/x',
  '/admin/../public',
  'http://a/public/../admin',
];

/** They stay within one route, and go on as they are. */
const WITHIN_ONE = [
  '/a/../b',
  '/http://b.test//c',
  '/admin/%2e/users',
  '/admin/x%2Fy',
  '/admin/a;b=c',
  '/.well-known/x',
  '/h%C3%A4/%20',
  '/?next=/../admin',
  '/@scope%2Fname',
  '/map;at=%2Fx/y',
  '/%40team2',
  '/k%c3%a4/%2B',
  '//img/x',
];

describe('paths that can be read in two ways', () => {
  test('are refused when that would lead to different routes', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const route = proxyRoute([socketUpstream(origin.path)]);
    await gateway.route(
      ...['/', '/admin', '/public', '/deep/admin', '/@team', '/caf%C3%A9'].map((path) => ({
        ...route,
        id: `app${path}`,
        path,
      })),
    );
    for (const path of AMBIGUOUS) {
      const client = gateway.connect();
      client.send(`GET ${path} HTTP/1.1\r\n${H}\r\n`);
      await client.closed();
      assert.match(client.text, /^HTTP\/1\.1 400 /, path);
    }
    assert.equal(origin.seen, '');
    for (const path of WITHIN_ONE) {
      const client = gateway.connect();
      client.send(`GET ${path} HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      await client.closed();
      assert.match(client.text, /^HTTP\/1\.1 200 /, path);
      assert.ok(origin.seen.includes(`GET ${path} HTTP/1.1\r\n`), path);
    }
  });

  test('lead nowhere when one of the ways does', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, () => undefined);
    await gateway.route({ ...proxyRoute([socketUpstream(origin.path)]), path: '/api' });
    const paths = { '/api/../internal': 404, '/api/%2e./internal': 400, '/api/..%2finternal': 400 };
    for (const [path, status] of Object.entries(paths)) {
      const client = gateway.connect();
      client.send(`GET ${path} HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      await client.closed();
      assert.ok(client.text.startsWith(`HTTP/1.1 ${status} `), path);
    }
    assert.equal(origin.seen, '');
  });

  test('do not lead out of what a rewrite puts before them', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, () => undefined);
    const site = { rewrite: { prefix: '/tenant-1' } };
    await gateway.route({ ...proxyRoute([socketUpstream(origin.path)]), site });
    for (const path of ['/../tenant-2/x', '/%2e%2e/tenant-2/x', '/..%2ftenant-2/x']) {
      const client = gateway.connect();
      client.send(`GET ${path} HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      await client.closed();
      assert.match(client.text, /^HTTP\/1\.1 400 /, path);
    }
    assert.equal(origin.seen, '');
  });

  test('lead to the only route of a host all the same', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    for (const path of ['/bucket/a%2F..%2Fb', '/a;x/../b', '//x/y']) {
      const client = gateway.connect();
      client.send(`GET ${path} HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      await client.closed();
      assert.match(client.text, /^HTTP\/1\.1 200 /, path);
    }
  });
});
