/** Time limits, sizes and draining of the data plane, with limits made short. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Gateway, proxyRoute, socketUpstream, startApp, until } from './gateway-kit.ts';

/** More than the kernel takes for somebody who does not read. */
const DEAF_BYTES: number = 16 * 1024 * 1024;
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('limits', () => {
  const short = { requestHeadTimeoutMs: 60, requestBodyIdleTimeoutMs: 60, keepAliveTimeoutMs: 60 };

  test('a slow head is 408', async () => {
    await using gateway = await Gateway.start([], { limits: short });
    const client = gateway.connect();
    client.send('GET / HTTP/1.1\r\nHo');
    await client.closed();
    assert.match(client.text, /^HTTP\/1\.1 408 .*Connection: close\r\n/s);
  });

  test('a head that trickles is 408 too', async () => {
    await using gateway = await Gateway.start([], { limits: short });
    const client = gateway.connect();
    client.send('GET / HTTP/1.1\r\nHost: a\r\nX: ');
    const trickle = setInterval(() => client.socket.writable && client.send('x'), 10);
    await client.closed();
    clearInterval(trickle);
    assert.match(client.text, /^HTTP\/1\.1 408 /);
  });

  test('a slow body is 408', async () => {
    await using gateway = await Gateway.start([], { limits: short });
    const path = await startApp(gateway, (request) => request.resume());
    await gateway.route(proxyRoute([socketUpstream(path)]));
    const client = gateway.connect();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf');
    await client.closed();
    assert.match(client.text, /^HTTP\/1\.1 408 /);
    assert.deepEqual(gateway.plane.stats().upstreams, {});
  });

  test('an idle connection is closed without a word', async () => {
    await using gateway = await Gateway.start([], { limits: short });
    const fresh = gateway.connect();
    await fresh.closed();
    assert.equal(fresh.text, '');
    const path = await startApp(gateway, (_request, response) => response.end('ok'));
    await gateway.route(proxyRoute([socketUpstream(path)]));
    const used = gateway.connect();
    used.send(GET);
    await used.closed();
    assert.match(used.text, /\r\n\r\nok$/);
  });

  test('a body larger than allowed is 413, announced or not', async () => {
    await using gateway = await Gateway.start([]);
    let bytes = 0;
    const path = await startApp(gateway, (request) =>
      request.on('data', (chunk: Buffer) => (bytes += chunk.length)),
    );
    await gateway.route(proxyRoute([socketUpstream(path)], { requestBodyBytesMax: 10 }));
    const announced = await gateway.exchange(
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890',
    );
    assert.match(announced, /^HTTP\/1\.1 413 /);
    assert.equal(bytes, 0);
    const chunked = await gateway.exchange(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n6\r\nabcdef\r\n0\r\n\r\n',
    );
    assert.match(chunked, /^HTTP\/1\.1 413 /);
  });

  test('a silent app is 504', async () => {
    await using gateway = await Gateway.start([]);
    const path = await startApp(gateway, () => {});
    await gateway.route(proxyRoute([socketUpstream(path)], { responseTimeoutMs: 60 }));
    const text = await gateway.exchange('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(text, /^HTTP\/1\.1 504 /);
  });

  test('an answer that stands still is broken off', async () => {
    await using gateway = await Gateway.start([]);
    const path = await startApp(gateway, (_request, response) => void response.write('begin'));
    await gateway.route(proxyRoute([socketUpstream(path)], { idleTimeoutMs: 60 }));
    const client = gateway.connect();
    client.send(GET);
    await client.closed();
    assert.match(client.text, /begin\r\n$/);
  });

  test('a route without upstreams is 503, an unknown host 404', async () => {
    await using gateway = await Gateway.start([{ ...proxyRoute([]), hosts: ['a'] }]);
    const close = 'Connection: close\r\n\r\n';
    assert.match(
      await gateway.exchange(`GET / HTTP/1.1\r\nHost: a\r\n${close}`),
      /^HTTP\/1\.1 503 /,
    );
    assert.match(
      await gateway.exchange(`GET / HTTP/1.1\r\nHost: b\r\n${close}`),
      /^HTTP\/1\.1 404 /,
    );
  });

  test('connections beyond the limit are closed', async () => {
    await using gateway = await Gateway.start([], { limits: { connectionsMax: 2 } });
    const first = [gateway.connect(), gateway.connect()];
    await until('two connections', () => gateway.plane.stats().connections === 2);
    await gateway.connect().closed();
    assert.equal(gateway.plane.stats().connectionsRefused, 1);
    for (const client of first) {
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await client.see(/404/);
    }
  });

  test('a drain finishes what is under way and closes the rest', async () => {
    await using gateway = await Gateway.start([]);
    const release = Promise.withResolvers<void>();
    const path = await startApp(gateway, (_request, response) => {
      void release.promise.then(() => response.end('done'));
    });
    await gateway.route(proxyRoute([socketUpstream(path)]));
    const idle = gateway.connect();
    const busy = gateway.connect();
    busy.send(GET);
    await until(
      'a request is under way',
      () => gateway.plane.stats().upstreams['one'] !== undefined,
    );
    const drained = gateway.plane.drain(5000);
    await idle.closed();
    release.resolve();
    await busy.see(/Connection: close\r\n[^]*done/);
    await drained;
    assert.equal(gateway.plane.stats().connections, 0);
  });

  test('a client that does not read its answer is cut off, wherever that comes from', async () => {
    await using gateway = await Gateway.start([]);
    const app = await startApp(gateway, (_request, response) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end(Buffer.alloc(DEAF_BYTES));
    });
    const root = join(gateway.folder, 'site');
    await mkdir(root);
    await writeFile(join(root, 'large'), Buffer.alloc(DEAF_BYTES));
    const limits = { idleTimeoutMs: 60 };
    gateway.cache = { memoryBytes: 8 * DEAF_BYTES };
    const proxied = proxyRoute([socketUpstream(app)], limits);
    await gateway.route(
      { ...proxied, path: '/proxied' },
      { ...proxied, id: 'cached', path: '/cached', cache: {} },
      { id: 's', hosts: ['*'], path: '/file', target: { kind: 'static', root }, limits },
    );
    for (const [at, path] of ['/proxied', '/cached', '/file/large'].entries()) {
      const client = gateway.connect();
      client.socket.pause();
      client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await until(`the end of ${path}`, () => gateway.entries.length > at);
      await until('its connection too', () => gateway.plane.stats().connections === 0);
      const { status, bytesOut, error } = gateway.entries.at(-1) ?? {};
      assert.ok(error !== undefined && (bytesOut ?? 0) < DEAF_BYTES, `${path} ${status} ${error}`);
    }
  });

  test('a client that asks without reading is not asked for more', async () => {
    await using gateway = await Gateway.start([]);
    const root = join(gateway.folder, 'site');
    await mkdir(root);
    await writeFile(join(root, 'page.txt'), 'x'.repeat(60_000));
    await gateway.route({ id: 's', hosts: ['*'], path: '/', target: { kind: 'static', root } });
    const line = 'GET /page.txt HTTP/1.1\r\nHost: a\r\n\r\n';
    const client = gateway.connect();
    client.send(line);
    await client.see(/x{60000}$/);
    client.socket.pause();
    const before = gateway.entries.length;
    client.send(line.repeat(2000));
    await until('some answers', () => gateway.entries.length > before);
    let seen = -1;
    await until('the gateway to stop', async () => {
      const still = seen === gateway.entries.length;
      seen = gateway.entries.length;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return still;
    });
    // What the kernel takes, and a little more.
    assert.ok(seen < 500, `${seen} answers of 60 KB were made`);
    client.clear();
    client.socket.resume();
    await until('all answers', () => gateway.entries.length === before + 2000);
  });

  test('a config whose port is taken changes nothing', async () => {
    await using gateway = await Gateway.start([{ ...proxyRoute([]), hosts: ['a'] }]);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', () => resolve()));
    gateway.onDispose(() => other.close());
    const { port } = other.address() as AddressInfo;
    const before = gateway.listeners;
    const { port: old } = gateway;
    const more = (id: string, at: number): (typeof before)[number] => {
      return { id, address: '127.0.0.1', port: at, protocol: 'http' };
    };
    gateway.listeners = [...before, more('free', 0), more('taken', port)];
    await assert.rejects(gateway.route(), { code: 'GATEWAY_PORT_TAKEN' });
    assert.equal(gateway.plane.port('free'), undefined);
    assert.equal(gateway.port, old);
    assert.match(
      await gateway.exchange(`${GET.slice(0, -2)}Connection: close\r\n\r\n`),
      /^HTTP\/1\.1 503 /,
    );
  });

  test('a listener that leaves the config closes, its requests are finished', async () => {
    await using gateway = await Gateway.start([]);
    const release = Promise.withResolvers<void>();
    const path = await startApp(gateway, (_request, response) => {
      void release.promise.then(() => response.end('done'));
    });
    const route = proxyRoute([socketUpstream(path)]);
    await gateway.route(route);
    const busy = gateway.connect();
    busy.send(GET);
    await until('a request', () => gateway.plane.stats().upstreams['one'] !== undefined);
    const { port } = gateway;
    gateway.listeners = [{ id: 'http2', address: '127.0.0.1', port: 0, protocol: 'http' }];
    await gateway.route(route);
    const late = connect({ port, host: '127.0.0.1' });
    const refused = new Promise<string | undefined>((resolve) => {
      late.on('connect', () => resolve(undefined));
      late.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    assert.equal(await refused, 'ECONNREFUSED');
    release.resolve();
    await busy.see(/Connection: close\r\n[^]*done$/);
    await busy.closed();
  });
});
