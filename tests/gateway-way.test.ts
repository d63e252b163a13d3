/** The way of a request over several gateways: Via, circles, and Max-Forwards (RFC 9110 7.6.2, 7.6.3). */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ListenerConfig, RouteConfig } from '../src/gateway/config.ts';
import { PASSES_MAX } from '../src/gateway/limits.ts';
import { H2Client, httpsListener, issue } from './gateway-h2-kit.ts';
import { Gateway, proxyRoute, RawOrigin, socketUpstream } from './gateway-kit.ts';

/** A gateway before an origin that keeps the heads it gets. */
async function start(
  t: TestContext,
  more: Partial<RouteConfig> = {},
  listeners?: ListenerConfig[],
): Promise<{ readonly gateway: Gateway; readonly heads: string[] }> {
  const gateway = await Gateway.start([], listeners === undefined ? {} : { listeners });
  if (more.cache !== undefined) gateway.cache = { memoryBytes: 16 * 1024 * 1024 };
  const heads: string[] = [];
  const origin = await RawOrigin.start(`${gateway.folder}/origin.sock`, (connection) => {
    if (!connection.seen.includes('\r\n\r\n')) return;
    heads.push(connection.seen);
    connection.seen = '';
    connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  t.after(async () => {
    await gateway[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });
  await gateway.route({ ...proxyRoute([socketUpstream(origin.path)]), ...more });
  return { gateway, heads };
}

const ask = (lines = '', method = 'GET', version = '1.1'): string =>
  `${method} / HTTP/${version}\r\nHost: a\r\n${lines}Connection: close\r\n\r\n`;

/** Values of a field in a head, in their order. */
function values(head: string | undefined, name: string): string[] {
  return [...(head ?? '').matchAll(new RegExp(`^${name}: (.*)\\r$`, 'gim'))].map(
    ([, value = '']) => value,
  );
}

test('a request says by which version it came, after those on the way before', async (t) => {
  const { gateway, heads } = await start(t);
  await gateway.exchange(ask());
  await gateway.exchange(ask('Via: 1.1 one, 2 two\r\nvia: 1.1 three\r\n'));
  await gateway.exchange(ask('', 'GET', '1.0'));
  const newer = await start(t, {}, [httpsListener(await issue(['a.example']))]);
  await new H2Client(newer.gateway).get('/');
  const seen = [...heads, ...newer.heads].map((head) => values(head, 'via'));
  assert.deepEqual(seen, [
    ['1.1 moln'],
    ['1.1 one, 2 two', '1.1 three', '1.1 moln'],
    ['1.0 moln'],
    ['2 moln'],
  ]);
});

test('a route may leave Via out, or say it otherwise, with a cache and without', async (t) => {
  for (const more of [{}, { cache: {} }]) {
    const out = await start(t, { ...more, site: { headers: { request: { remove: ['Via'] } } } });
    await out.gateway.exchange(ask('Via: 1.1 one\r\n'));
    assert.deepEqual(values(out.heads[0], 'via'), []);
    assert.equal(values(out.heads[0], 'x-forwarded-for').length, 1);
    const request = { set: { Via: '1.1 edge' } };
    const set = await start(t, { ...more, site: { headers: { request } } });
    await set.gateway.exchange(ask());
    assert.deepEqual(values(set.heads[0], 'via'), ['1.1 edge']);
  }
});

test('a gateway that leads to itself ends the circle', async (t) => {
  const { gateway, heads } = await start(t);
  const address = { kind: 'tcp', host: '127.0.0.1', port: gateway.port } as const;
  await gateway.route(proxyRoute([{ id: 'itself', address }]));
  const answer = await gateway.exchange(ask());
  assert.match(answer, /^HTTP\/1\.1 508 Loop Detected\r\n/);
  assert.deepEqual(heads, []);
  const [entry] = gateway.entries;
  assert.deepEqual(
    [entry?.status, entry?.error],
    [508, 'The request goes in circles: an upstream leads back to a gateway'],
  );
  // Each of them went through it once more; the last one was not led on.
  assert.equal(gateway.entries.length, PASSES_MAX + 2);
});

test('a circle over a cache, where one request waits for the other, ends with the time-out of the route', async (t) => {
  const { gateway } = await start(t, { cache: {} });
  const address = { kind: 'tcp', host: '127.0.0.1', port: gateway.port } as const;
  const limits = { responseTimeoutMs: 500 };
  await gateway.route({ ...proxyRoute([{ id: 'itself', address }]), cache: {}, limits });
  assert.match(await gateway.exchange(ask()), /^HTTP\/1\.1 504 /);
});

test('others on the way are not counted', async (t) => {
  const { gateway, heads } = await start(t);
  const others = Array.from({ length: 50 }, (_, at) => `1.1 moln${at}, 1.1 moln.example`).join();
  assert.match(await gateway.exchange(ask(`Via: ${others}\r\n`)), /^HTTP\/1\.1 200 /);
  const own = (count: number): string => `Via: ${Array(count).fill('1.1 moln (x)').join(', ')}\r\n`;
  assert.match(await gateway.exchange(ask(own(PASSES_MAX))), /^HTTP\/1\.1 200 /);
  assert.match(await gateway.exchange(ask(own(PASSES_MAX + 1))), /^HTTP\/1\.1 508 /);
  assert.equal(heads.length, 2);
});

test('Max-Forwards counts down for OPTIONS, with a cache and without', async (t) => {
  for (const more of [{}, { cache: {} }]) {
    const { gateway, heads } = await start(t, more);
    assert.match(await gateway.exchange(ask('Max-Forwards: 3\r\n', 'OPTIONS')), /^HTTP\/1\.1 200 /);
    assert.deepEqual(values(heads.pop(), 'max-forwards'), ['2']);
    const none = await gateway.exchange(ask('max-forwards: 00\r\n', 'OPTIONS'));
    assert.match(
      none,
      /^HTTP\/1\.1 200 OK\r\n[^]*Allow: GET, [^]*Content-Length: 0\r\n[^]*\r\n\r\n$/,
    );
    assert.deepEqual(heads, []);
    // Of other methods, and where it is no number, it means nothing.
    for (const [line, method] of [
      ['Max-Forwards: 0', 'GET'],
      ['Max-Forwards: -1', 'OPTIONS'],
      ['Max-Forwards: ', 'OPTIONS'],
    ] as const) {
      assert.match(await gateway.exchange(ask(`${line}\r\n`, method)), /^HTTP\/1\.1 200 /);
      assert.equal(values(heads.pop(), 'max-forwards').length, 1);
    }
    await gateway.exchange(ask('Max-Forwards: 99999999999999999999\r\n', 'OPTIONS'));
    assert.deepEqual(values(heads.pop(), 'max-forwards'), ['9007199254740990']);
  }
});
