/** What a route may choose about its upstreams, with real sockets: who is asked, who is left out, and who comes back. */
import assert from 'node:assert/strict';
import {
  createServer as createHttpServer,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import type { BalanceConfig } from '../src/gateway/balancing/balance-config.ts';
import type { RouteConfig, RouteLimits, UpstreamConfig } from '../src/gateway/config.ts';
import { Gateway, proxyRoute, RawOrigin, socketUpstream, startApp, until } from './gateway-kit.ts';

const LIMITS = { connectTimeoutMs: 5000, responseTimeoutMs: 100 } as const;
const EJECT = { failures: 2, shareMax: 0.5, timeMs: 60_000, timeMsMax: 60_000 } as const;

function balanced(
  upstreams: readonly UpstreamConfig[],
  balance: BalanceConfig,
  limits?: Partial<RouteLimits>,
): RouteConfig {
  return { ...proxyRoute(upstreams, limits), balance };
}

async function ask(gateway: Gateway, target = '/', lines = '', method = 'GET'): Promise<string> {
  return gateway.exchange(
    `${method} ${target} HTTP/1.1\r\nHost: a\r\n${lines}Connection: close\r\n\r\n`,
  );
}

/** What each of so many requests, one after the other, was answered with. */
async function bodies(gateway: Gateway, count: number, target = '/'): Promise<readonly string[]> {
  const found: string[] = [];
  for (let at = 0; at < count; at++) found.push(bodyOf(await ask(gateway, target)));
  return found;
}

function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf('\r\n\r\n') + 4);
}

function statusOf(answer: string): number {
  return Number(answer.slice(9, 12));
}

/** Apps `a`, `b`, … that answer their name, or what is said of them. */
async function apps(
  gateway: Gateway,
  listeners: Readonly<Record<string, RequestListener | undefined>>,
): Promise<readonly UpstreamConfig[]> {
  const made: UpstreamConfig[] = [];
  for (const [name, listener] of Object.entries(listeners)) {
    const usual: RequestListener = (_request, response) => response.end(name);
    made.push(socketUpstream(await startApp(gateway, listener ?? usual, name), name));
  }
  return made;
}

test('round robin takes turns, and weights say how often', async () => {
  await using gateway = await Gateway.start([]);
  const [a, b] = await apps(gateway, { a: undefined, b: undefined });
  assert.ok(a && b);
  await gateway.route(balanced([a, b], { algorithm: 'round-robin' }));
  assert.deepEqual(await bodies(gateway, 4), ['a', 'b', 'a', 'b']);
  await gateway.route(balanced([{ ...a, weight: 3 }, b], { algorithm: 'weighted' }));
  assert.equal((await bodies(gateway, 8)).filter((name) => name === 'a').length, 6);
  await gateway.route(balanced([{ ...a, weight: 0 }, b], { algorithm: 'random' }));
  assert.deepEqual(await bodies(gateway, 3), ['b', 'b', 'b']);
});

test('an upstream that fails is taken out, and comes back by one forced request', async () => {
  await using gateway = await Gateway.start([]);
  let isBroken = true;
  let asked = 0;
  const upstreams = await apps(gateway, {
    good: undefined,
    bad: (_request, response) => {
      asked++;
      response.statusCode = isBroken ? 500 : 200;
      response.end('bad');
    },
  });
  await gateway.route(balanced(upstreams, { algorithm: 'round-robin', eject: EJECT }));
  assert.equal((await bodies(gateway, 4)).filter((name) => name === 'bad').length, 2);
  assert.deepEqual(new Set(await bodies(gateway, 10)), new Set(['good']));
  assert.equal(asked, 2);
  const eject = { ...EJECT, timeMs: 50 };
  await gateway.route(balanced(upstreams, { algorithm: 'round-robin', eject }));
  isBroken = false;
  // The ejection of before goes on; with a new route it is forgotten.
  assert.deepEqual(new Set(await bodies(gateway, 4)), new Set(['good']));
  await gateway.route({ ...balanced(upstreams, { algorithm: 'round-robin', eject }), id: 'new' });
  isBroken = true;
  await bodies(gateway, 4);
  isBroken = false;
  await until('the upstream to be asked again', async () =>
    (await bodies(gateway, 2)).includes('bad'),
  );
  assert.deepEqual(new Set(await bodies(gateway, 2)), new Set(['good', 'bad']));
});

test('time-outs eject too, and the only upstream never is', async () => {
  await using gateway = await Gateway.start([]);
  const upstreams = await apps(gateway, { good: undefined, stuck: () => {} });
  const [, stuck] = upstreams;
  assert.ok(stuck);
  await gateway.route(balanced(upstreams, { algorithm: 'round-robin', eject: EJECT }, LIMITS));
  const answers: number[] = [];
  for (let at = 0; at < 12; at++) answers.push(statusOf(await ask(gateway)));
  assert.equal(answers.filter((status) => status === 504).length, EJECT.failures);
  await using single = await Gateway.start([]);
  const [bad] = await apps(single, {
    bad: (_request, response) => {
      response.statusCode = 500;
      response.end('bad');
    },
  });
  assert.ok(bad);
  await single.route(balanced([bad], { eject: EJECT }));
  assert.deepEqual(new Set(await bodies(single, 5)), new Set(['bad']));
});

test('active checks take an upstream out and in again, also one that joins later', async () => {
  await using gateway = await Gateway.start([]);
  const ill = new Set(['b']);
  const listenerOf =
    (name: string): RequestListener =>
    (request, response) => {
      if (request.url === '/health' && ill.has(name)) response.statusCode = 503;
      response.end(name);
    };
  const names = ['a', 'b', 'c'];
  const upstreams = await apps(
    gateway,
    Object.fromEntries(names.map((name) => [name, listenerOf(name)])),
  );
  const health = { path: '/health', intervalMs: 50, timeoutMs: 1000, rise: 2, fall: 2 };
  const isUsed = async (name: string): Promise<boolean> =>
    (await bodies(gateway, 6)).includes(name);
  const balance = { algorithm: 'round-robin', health } as const;
  await gateway.route(balanced(upstreams.slice(0, 2), balance));
  await until('the ill one to be left out', async () => !(await isUsed('b')));
  ill.add('c');
  await gateway.route(balanced(upstreams, balance));
  await until('the one that joined ill to be left out', async () => !(await isUsed('c')));
  assert.equal(await isUsed('b'), false, 'what was known of it stays known');
  ill.clear();
  await until('both to be used', async () => (await isUsed('b')) && (await isUsed('c')));
  for (const name of names) ill.add(name);
  // None is well: all are asked all the same.
  assert.equal(statusOf(await ask(gateway)), 200);
});

test('what goes beyond the limit waits in turn, then is told to come back', async () => {
  await using gateway = await Gateway.start([]);
  const held: ServerResponse[] = [];
  const seen: string[] = [];
  const upstreams = await apps(gateway, {
    app: (request, response) => {
      seen.push(request.url ?? '');
      held.push(response);
    },
  });
  const limits = { perUpstream: 1, queue: 2, queueTimeoutMs: 60_000 };
  await gateway.route(balanced(upstreams, { limits }));
  const first = ask(gateway, '/1');
  await until('the first to be there', () => held.length === 1);
  const waiting = (): number => gateway.plane.table().route('app/test')?.balancer?.waiting ?? 0;
  const second = ask(gateway, '/2', 'Content-Length: 0\r\n', 'POST');
  await until('the second to wait', () => waiting() === 1);
  const gone = gateway.connect();
  gone.send('GET /gone HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('both to wait', () => waiting() === 2);
  const beyond = await ask(gateway, '/beyond');
  assert.match(beyond, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n/);
  assert.deepEqual(seen, ['/1']);
  gone.socket.resetAndDestroy();
  await until('who has left to be forgotten', () => waiting() === 1);
  const third = ask(gateway, '/3');
  await until('the third to wait', () => waiting() === 2);
  for (let at = 0; at < 3; at++) {
    await until(`request ${at + 1}`, () => held.length === at + 1);
    held[at]?.end(`answer ${at + 1}`);
  }
  assert.deepEqual([await first, await second, await third].map(bodyOf), [
    'answer 1',
    'answer 2',
    'answer 3',
  ]);
  assert.deepEqual(seen, ['/1', '/2', '/3']);
});

test('who waits is served after a change of the routes too', async () => {
  await using gateway = await Gateway.start([]);
  const held: ServerResponse[] = [];
  const upstreams = await apps(gateway, { app: (_request, response) => void held.push(response) });
  const limits = { perUpstream: 1, queue: 9, queueTimeoutMs: 60_000 };
  const waiting = (): number => gateway.plane.table().route('app/test')?.balancer?.waiting ?? 0;
  await gateway.route(balanced(upstreams, { limits }));
  const answers = [ask(gateway), ask(gateway)];
  await until('one to wait', () => waiting() === 1 && held.length === 1);
  await gateway.route(balanced(upstreams, { limits, algorithm: 'least' }));
  answers.push(ask(gateway));
  await until('another one to wait', () => waiting() === 2);
  for (let at = 0; at < 3; at++) {
    await until(`request ${at + 1}`, () => held.length === at + 1);
    held[at]?.end('well');
  }
  assert.deepEqual((await Promise.all(answers)).map(bodyOf), ['well', 'well', 'well']);
});

test('who waits too long in the queue gets 503', async () => {
  await using gateway = await Gateway.start([]);
  const upstreams = await apps(gateway, { app: () => {} });
  const limits = { perUpstream: 1, queue: 1, queueTimeoutMs: 30 };
  await gateway.route(balanced(upstreams, { limits }));
  const client = gateway.connect();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('one to be under way', () => gateway.plane.stats().upstreams['app'] !== undefined);
  assert.match(await ask(gateway), /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n/);
});

test('retries end when the budget does', async () => {
  await using gateway = await Gateway.start([]);
  let broken = 0;
  const upstreams = [
    socketUpstream(await startApp(gateway, (_q, r) => r.end('good'), 'good'), 'good'),
  ];
  await using origin = await RawOrigin.start(`${gateway.folder}/breaks.sock`, ({ socket }) => {
    broken++;
    socket.destroy();
  });
  const breaks = socketUpstream(origin.path, 'breaks');
  const retries = { attempts: 1, budget: 0.25, perSecond: 0 };
  await gateway.route(balanced([breaks, ...upstreams], { algorithm: 'round-robin', retries }));
  const statuses: number[] = [];
  for (let at = 0; at < 40; at++) statuses.push(statusOf(await ask(gateway)));
  const refused = statuses.filter((status) => status === 502).length;
  const repeated = broken - refused;
  // A quarter of forty; of the last ones a share is left over.
  assert.ok(repeated >= 8 && repeated <= 10, `${repeated} of ${broken} were repeated`);
  assert.ok(refused > 0);
});

test('an answer that the route does not want is replaced by that of another upstream', async () => {
  await using gateway = await Gateway.start([]);
  const busy: RequestListener = (_request, response) => {
    response.statusCode = 503;
    response.end('busy');
  };
  const upstreams = await apps(gateway, { good: undefined, busy });
  const retries = { attempts: 2, budget: 1, perSecond: 10, status: [503] };
  await gateway.route(balanced(upstreams, { algorithm: 'round-robin', retries }));
  assert.deepEqual(new Set(await bodies(gateway, 6)), new Set(['good']));
  const posts: number[] = [];
  for (let at = 0; at < 4; at++) {
    posts.push(statusOf(await ask(gateway, '/', 'Content-Length: 0\r\n', 'POST')));
  }
  assert.ok(posts.includes(503), 'what must not be sent twice is not');
  // When all are busy, their own answer is what the client gets.
  await gateway.route(balanced(upstreams.slice(1), { retries }));
  assert.deepEqual(await bodies(gateway, 2), ['busy', 'busy']);
});

test('a client sticks to its upstream by a cookie, until that one is gone', async () => {
  await using gateway = await Gateway.start([]);
  const upstreams = await apps(gateway, { a: undefined, b: undefined, c: undefined });
  const balance = { algorithm: 'round-robin', sticky: { cookie: 'at' } } as const;
  await gateway.route(balanced(upstreams, balance));
  const first = await ask(gateway);
  const [, cookie] =
    /\r\nSet-Cookie: (at=[0-9a-f]{16}); Path=\/; HttpOnly; SameSite=Lax\r\n/.exec(first) ?? [];
  assert.ok(cookie, first);
  const mine = bodyOf(first);
  for (let at = 0; at < 6; at++) {
    const answer = await ask(gateway, '/', `Cookie: x=1; ${cookie}\r\n`);
    assert.equal(bodyOf(answer), mine);
    assert.doesNotMatch(answer, /Set-Cookie/);
  }
  await gateway.route(
    balanced(
      upstreams.filter(({ id }) => id !== mine),
      balance,
    ),
  );
  const moved = await ask(gateway, '/', `Cookie: ${cookie}\r\n`);
  assert.notEqual(bodyOf(moved), mine);
  assert.match(moved, /\r\nSet-Cookie: at=/);
});

test('a sticky cookie is never stored, nor given to another client', async () => {
  await using gateway = await Gateway.start([]);
  gateway.cache = { memoryBytes: 8 * 1024 * 1024 };
  let asked = 0;
  const answers: RequestListener = (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(`answer ${++asked}`);
  };
  const upstreams = await apps(gateway, { a: answers, b: answers });
  const balance = { algorithm: 'round-robin', sticky: { cookie: 'at' } } as const;
  await gateway.route({ ...balanced(upstreams, balance), cache: {} });
  // What goes around the store sets it, also when the same URL is stored.
  assert.match(await ask(gateway, '/x', 'Content-Length: 0\r\n', 'POST'), /\r\nSet-Cookie: at=/);
  for (let at = 0; at < 4; at++) {
    const answer = await ask(gateway, '/x');
    assert.match(answer, /answer 2$/);
    assert.doesNotMatch(answer, /Set-Cookie/);
  }
  assert.match(await ask(gateway, '/x', 'Content-Length: 0\r\n', 'POST'), /\r\nSet-Cookie: at=/);
  const after = await ask(gateway, '/x');
  assert.match(after, /answer 4$/, 'the POST has removed what was stored');
  assert.doesNotMatch(after, /Set-Cookie/);
  assert.doesNotMatch(await ask(gateway, '/x'), /Set-Cookie/);
});

test('hashed requests keep their upstream when another one goes', async () => {
  await using gateway = await Gateway.start([]);
  const upstreams = await apps(gateway, { a: undefined, b: undefined, c: undefined, d: undefined });
  const balance = { algorithm: 'hash', hash: { by: 'uri' } } as const;
  const places = async (): Promise<ReadonlyMap<string, string>> => {
    const found = new Map<string, string>();
    for (let at = 0; at < 40; at++) found.set(`/${at}`, bodyOf(await ask(gateway, `/${at}`)));
    return found;
  };
  await gateway.route(balanced(upstreams, balance));
  const before = await places();
  assert.equal(new Set(before.values()).size, 4);
  assert.deepEqual(await places(), before);
  await gateway.route(balanced(upstreams.slice(0, 3), balance));
  const after = await places();
  for (const [target, name] of before) {
    if (name !== 'd') assert.equal(after.get(target), name, target);
  }
  const byHeader = { algorithm: 'hash', hash: { by: 'header', name: 'X-Tenant' } } as const;
  await gateway.route(balanced(upstreams, byHeader));
  const tenants = new Set<string>();
  for (let at = 0; at < 10; at++) {
    tenants.add(bodyOf(await ask(gateway, `/${at}`, 'x-tenant: acme\r\n')));
  }
  assert.equal(tenants.size, 1);
});

test('a request that takes long is asked of another upstream, and the first to answer counts', async () => {
  await using gateway = await Gateway.start([]);
  const held: ServerResponse[] = [];
  const isGone: boolean[] = [];
  const upstreams = await apps(gateway, {
    quick: undefined,
    slow: (_request, response) => {
      const at = held.push(response) - 1;
      response.on('close', () => (isGone[at] = true));
    },
  });
  await gateway.route(balanced(upstreams, { algorithm: 'round-robin', hedge: { afterMs: 20 } }));
  assert.deepEqual(new Set(await bodies(gateway, 6)), new Set(['quick']));
  assert.ok(held.length > 0);
  await until('the slow one to be let go', () => held.every((_one, at) => isGone[at] === true));
  await until(
    'nothing to be under way',
    () => Object.keys(gateway.plane.stats().upstreams).length === 0,
  );
  assert.ok(gateway.entries.every(({ upstream }) => upstream === 'quick'));
  // What must not be done twice waits for its first upstream.
  const asked = held.length;
  const posts = [0, 1].map(() => ask(gateway, '/', 'Content-Length: 0\r\n', 'POST'));
  await until('the slow one to be asked', () => held.length === asked + 1);
  held[asked]?.end('slow');
  assert.deepEqual((await Promise.all(posts)).map(bodyOf).sort(), ['quick', 'slow']);
});

test('a first upstream that breaks off leaves the request to the second try', async () => {
  await using gateway = await Gateway.start([]);
  const held: ServerResponse[] = [];
  const hold: RequestListener = (_request, response) => {
    held.push(response);
  };
  const upstreams = await apps(gateway, { one: hold, two: hold });
  await gateway.route(balanced(upstreams, { hedge: { afterMs: 20 } }));
  const answer = ask(gateway);
  await until('both to be asked', () => held.length === 2);
  held[0]?.destroy();
  held[1]?.end('second');
  assert.equal(bodyOf(await answer), 'second');
});

test('an agent says how much its upstream takes', async () => {
  await using gateway = await Gateway.start([]);
  let word = 'down\n';
  const agent = createServer((socket) => socket.end(word));
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.2', () => resolve()));
  const { port } = agent.address() as AddressInfo;
  gateway.onDispose(() => agent.close());
  const upstreams: UpstreamConfig[] = [];
  // Only the first one's host has an agent.
  for (const host of ['127.0.0.2', '127.0.0.3']) {
    const server = createHttpServer((_request, response) => response.end(host));
    await new Promise<void>((resolve) => server.listen(0, host, () => resolve()));
    gateway.onDispose(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = { kind: 'tcp', host, port: (server.address() as AddressInfo).port } as const;
    upstreams.push({ id: host, address });
  }
  const balance = { algorithm: 'weighted', agent: { port, intervalMs: 50 } } as const;
  await gateway.route(balanced(upstreams, balance));
  const shareOfFirst = async (): Promise<number> =>
    (await bodies(gateway, 8)).filter((host) => host === '127.0.0.2').length;
  await until('the one that is down to be left out', async () => (await shareOfFirst()) === 0);
  word = 'up ready 100%\n';
  await until('it to be used again', async () => (await shareOfFirst()) === 4);
  word = '300%\n';
  await until('it to get three times as much', async () => (await shareOfFirst()) === 6);
  word = 'drain\n';
  await until('it to be left out', async () => (await shareOfFirst()) === 0);
});

test('a route with a cache balances too', async () => {
  await using gateway = await Gateway.start([]);
  const upstreams = await apps(gateway, { a: undefined, b: undefined });
  gateway.cache = { memoryBytes: 4 * 1024 * 1024 };
  const balance = { algorithm: 'round-robin', hedge: { afterMs: 1000 } } as const;
  await gateway.route({ ...balanced(upstreams, balance), cache: {} });
  assert.deepEqual(await bodies(gateway, 4), ['a', 'b', 'a', 'b']);
});
