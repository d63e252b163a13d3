/** Upstreams that are asked only when the first ones are away, with servers that really stop and come back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BalanceConfig } from '../src/gateway/balancing/balance-config.ts';
import type { UpstreamConfig } from '../src/gateway/config.ts';
import { unfitUpstreams } from '../src/gateway/unfit-upstreams.ts';
import { UpstreamServer } from './gateway/upstream-server.ts';
import { Gateway, proxyRoute, RawOrigin, socketUpstream, startApp, until } from './gateway-kit.ts';

const HEALTH = { path: '/', intervalMs: 50, timeoutMs: 1000, rise: 1, fall: 1 } as const;
const RETRIES = { attempts: 1, budget: 1, perSecond: 10, status: [404] } as const;

async function ask(gateway: Gateway, method = 'GET'): Promise<string> {
  const answer = await gateway.exchange(
    `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  );
  return `${answer.slice(9, 12)} ${answer.slice(answer.indexOf('\r\n\r\n') + 4)}`;
}

async function answers(gateway: Gateway, count: number): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let at = 0; at < count; at++) found.add(await ask(gateway));
  return found;
}

async function upstreamServer(gateway: Gateway, name: string): Promise<UpstreamServer> {
  const server = new UpstreamServer(`${gateway.folder}/${name}.sock`, name);
  gateway.onDispose(() => server[Symbol.asyncDispose]());
  await server.start();
  return server;
}

function backup(path: string): UpstreamConfig {
  return { ...socketUpstream(path, 'second'), backup: true };
}

const CHOICES: readonly (readonly [what: string, balance: BalanceConfig | undefined])[] = [
  ['a route that chooses nothing else', undefined],
  ['a route with active checks', { health: HEALTH }],
];

for (const [what, balance] of CHOICES) {
  test(`the backup answers while the first is stopped: ${what}`, async () => {
    await using gateway = await Gateway.start([]);
    const first = await upstreamServer(gateway, 'first');
    const second = await upstreamServer(gateway, 'second');
    const route = proxyRoute([backup(second.path), socketUpstream(first.path, 'first')]);
    await gateway.route(balance === undefined ? route : { ...route, balance });
    assert.deepEqual(await answers(gateway, 20), new Set(['200 first']));
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await answers(gateway, 20), new Set(['200 second']), 'no request is lost');
    await until('it to be said which one is away', async () => {
      assert.equal(await ask(gateway), '200 second');
      const unfit = unfitUpstreams(gateway.plane.table().routes(), performance.now());
      return unfit['app/test']?.join() === 'first';
    });
    await second[Symbol.asyncDispose]();
    assert.match(await ask(gateway), /^503 /);
    await upstreamServer(gateway, 'second');
    await until('the backup to be asked again', async () => (await ask(gateway)) === '200 second');
    await upstreamServer(gateway, 'first');
    await until('the first to be asked again', async () => (await ask(gateway)) === '200 first');
    assert.deepEqual(await answers(gateway, 20), new Set(['200 first']));
  });
}

test('a request that may be asked again goes on to the backup', async () => {
  await using gateway = await Gateway.start([]);
  const second = await upstreamServer(gateway, 'second');
  await using breaks = await RawOrigin.start(`${gateway.folder}/breaks.sock`, ({ socket }) =>
    socket.destroy(),
  );
  const list = [socketUpstream(breaks.path, 'breaks'), backup(second.path)];
  await gateway.route(proxyRoute(list));
  assert.equal(await ask(gateway), '200 second');
  assert.match(await ask(gateway, 'PATCH'), /^502 /, 'what must not be done twice is not');
  const misses = await startApp(
    gateway,
    (_request, response) => {
      response.statusCode = 404;
      response.end('none here');
    },
    'misses',
  );
  const missing = [socketUpstream(misses, 'misses'), backup(second.path)];
  await gateway.route({ ...proxyRoute(missing), balance: { retries: RETRIES } });
  assert.equal(await ask(gateway), '200 second');
  await gateway.route(proxyRoute(missing));
  assert.equal(await ask(gateway), '404 none here');
});
