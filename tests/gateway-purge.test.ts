/** What is stored can be purged and explained: by URL, prefix, tag and route, softly or for good. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type {
  AnswerTo,
  GatewayQuestion,
  PurgeOrders,
  PurgeTarget,
  StorageRefusal,
} from '../src/gateway/gateway.ts';
import type { RouteCacheConfig } from '../src/gateway/config.ts';
import { Gateway, proxyRoute, socketUpstream, startApp, until } from './gateway-kit.ts';

const MEMORY_BYTES: number = 16 * 1024 * 1024;
const SITE = 'http://a.test:8080';

interface Stage {
  readonly gateway: Gateway;
  readonly route: ReturnType<typeof proxyRoute>;
  /** What Cache-Status says of the answer. */
  get(path: string, lines?: string): Promise<string>;
  purge(target: PurgeTarget, soft?: boolean): Promise<void>;
  explain(
    path: string,
    fields?: Extract<GatewayQuestion, { kind: 'explain' }>['fields'],
  ): Promise<AnswerTo<Extract<GatewayQuestion, { kind: 'explain' }>>['explanation']>;
}

/** `/private` is not stored; everything else is for an hour, with its first segment as tag. */
async function stageFor(t: TestContext, cache: RouteCacheConfig = {}): Promise<Stage> {
  const gateway = await Gateway.start([]);
  t.after(() => gateway[Symbol.asyncDispose]());
  const app = await startApp(gateway, (request, response) => {
    const { url = '/' } = request;
    response.setHeader('Cache-Control', url === '/private' ? 'private' : 'max-age=3600');
    response.setHeader('Cache-Tag', `all, ${url.split('/')[1]}`);
    if (url === '/words') response.setHeader('Vary', 'Accept-Language');
    response.setHeader('ETag', '"1"');
    if (request.headers['if-none-match'] === '"1"') response.statusCode = 304;
    response.end(`body of ${url}`);
  });
  gateway.cache = { memoryBytes: MEMORY_BYTES };
  const route = { ...proxyRoute([socketUpstream(app)]), cache };
  await gateway.route(route);
  return {
    gateway,
    route,
    get: async (path, lines = '') => {
      const text = await gateway.exchange(
        `GET ${path} HTTP/1.1\r\nHost: a.test:8080\r\n${lines}Connection: close\r\n\r\n`,
      );
      return /^Cache-Status: (.*)\r$/m.exec(text)?.[1] ?? '';
    },
    purge: async (target, soft = false) => {
      await gateway.plane.answer({ kind: 'purge', purge: { targets: [target], soft } });
    },
    explain: async (path, fields = []) => {
      const answer = await gateway.plane.answer({ kind: 'explain', url: SITE + path, fields });
      assert.equal(answer.kind, 'explain');
      return answer.explanation;
    },
  };
}

const PAGES = ['/a', '/a/b', '/c'];

for (const [what, target, gone] of [
  ['a URL', { kind: 'url', url: `${SITE}/a` }, ['/a']],
  ['a prefix', { kind: 'prefix', url: `${SITE}/a` }, ['/a', '/a/b']],
  ['a tag', { kind: 'tag', tag: 'c' }, ['/c']],
  ['a tag of several', { kind: 'tag', tag: 'all' }, PAGES],
  ['a route', { kind: 'route', route: 'app/test' }, PAGES],
  ['another route', { kind: 'route', route: 'app/tes' }, []],
  ['another host', { kind: 'prefix', url: 'http://b.test:8080/' }, []],
  ['everything', { kind: 'all' }, PAGES],
] as const) {
  test(`${what} is purged, and nothing else`, async (t) => {
    const stage = await stageFor(t);
    for (const page of PAGES) await stage.get(page);
    for (const page of PAGES) assert.match(await stage.get(page), /; hit;/);
    await stage.purge(target);
    for (const page of PAGES) {
      const expected = gone.some((one) => one === page) ? /fwd=uri-miss/ : /; hit;/;
      assert.match(await stage.get(page), expected, page);
    }
  });
}

test('what is purged softly is validated before it is used again', async (t) => {
  const stage = await stageFor(t);
  await stage.get('/a');
  await stage.purge({ kind: 'url', url: `${SITE}/a` }, true);
  assert.match(await stage.get('/a'), /fwd=stale; fwd-status=304/);
  assert.match(await stage.get('/a'), /; hit;/);
});

test('a purge knows the keys that a route chooses', async (t) => {
  const stage = await stageFor(t, {
    query: { without: ['utm_*'] },
    keyFields: ['x-country'],
    bypass: { headers: ['x-preview'], cookies: [] },
  });
  const url = '/a?b=1&utm_x=2';
  const countries = ['X-Country: se\r\n', 'X-Country: no\r\n'];
  for (const kind of ['url', 'prefix'] as const) {
    for (const lines of countries) assert.match(await stage.get(url, lines), /; stored$/);
    assert.match(await stage.get('/a?b=1', countries[0]), /; hit;/);
    const told = await stage.explain('/a?b=1', [['X-Country', 'no']]);
    assert.deepEqual([told.decision, told.variants.length], ['hit', 2]);
    assert.deepEqual(told.variants[0]?.vary, ['x-country']);
    assert.match(await stage.get(url, 'X-Preview: 1\r\n'), /fwd=bypass; .*; detail=bypass-rule$/);
    const past = await stage.explain(url, [['X-Preview', '1']]);
    assert.deepEqual([past.decision, past.why], ['bypass', 'bypass-rule']);
    await stage.purge({ kind, url: `${SITE}/a?utm_y=3&b=1` });
    for (const lines of countries) assert.match(await stage.get(url, lines), /; stored$/, kind);
    await stage.purge({ kind: 'all' });
  }
});

test('a changed rule for keys is as a purge of the route', async (t) => {
  const stage = await stageFor(t, { query: 'none' });
  await stage.get('/a?x=1');
  assert.match(await stage.get('/a?x=2'), /; hit;/);
  await stage.gateway.route({ ...stage.route, cache: {} });
  assert.match(await stage.get('/a'), /; stored$/);
});

test('a purge with a mistake purges nothing and says so', async (t) => {
  const stage = await stageFor(t);
  await stage.get('/a');
  await assert.rejects(stage.purge({ kind: 'prefix', url: 'a.test/a' }), /CONFIG_INVALID|no URL/);
  assert.match(await stage.get('/a'), /; hit;/);
});

test('orders are obeyed once each, and all is purged when some were missed', async (t) => {
  const stage = await stageFor(t);
  const obey = async (purges: PurgeOrders): Promise<void> => {
    stage.gateway.purges = purges;
    await stage.gateway.route(stage.route);
  };
  const order = (number: number, path: string): PurgeOrders['orders'][number] => {
    return { number, soft: false, targets: [{ kind: 'url', url: SITE + path }] };
  };
  for (const page of PAGES) await stage.get(page);
  await obey({ floor: 0, orders: [order(5, '/a')] });
  assert.match(await stage.get('/a'), /fwd=uri-miss/);
  assert.match(await stage.get('/c'), /; hit;/);
  await obey({ floor: 0, orders: [order(5, '/a'), order(6, '/c')] });
  assert.match(await stage.get('/a'), /; hit;/);
  assert.match(await stage.get('/c'), /fwd=uri-miss/);
  await obey({ floor: 6, orders: [] });
  assert.match(await stage.get('/c'), /; hit;/);
  await obey({ floor: 7, orders: [order(8, '/none')] });
  assert.match(await stage.get('/c'), /fwd=uri-miss/);
});

test('the cache says what it has of a URL, and why it has nothing', async (t) => {
  const stage = await stageFor(t);
  await stage.get('/a');
  const known = await stage.explain('/a');
  assert.deepEqual(
    [known.route, known.isCached, known.decision, known.why],
    ['app/test', true, 'hit', 'fresh'],
  );
  const [variant] = known.variants;
  assert.deepEqual(variant?.tags, ['all', 'a']);
  assert.deepEqual(
    [variant?.status, variant?.bodyBytes, variant?.tier, variant?.isSelected],
    [200, 'body of /a'.length, 'memory', true],
  );

  const unknown = await stage.explain('/other');
  assert.deepEqual(
    [unknown.decision, unknown.why, unknown.refused],
    ['miss', 'uri-miss', undefined],
  );

  await stage.get('/private');
  await stage.get('/private');
  const refused: StorageRefusal | undefined = (await stage.explain('/private')).refused;
  assert.deepEqual([refused?.why, refused?.status, refused?.count], ['private', 200, 2]);

  await stage.get('/words', 'Accept-Language: sv\r\n');
  const swedish = await stage.explain('/words', [['Accept-Language', 'sv']]);
  assert.deepEqual([swedish.decision, swedish.variants[0]?.vary], ['hit', ['accept-language']]);
  const german = await stage.explain('/words', [['Accept-Language', 'de']]);
  assert.deepEqual([german.decision, german.why], ['miss', 'vary-miss']);
});

test('the access log and the counters say what the cache did', async (t) => {
  const stage = await stageFor(t);
  await stage.get('/a');
  await stage.get('/a');
  await stage.get('/private');
  await stage.purge({ kind: 'all' }, true);
  await stage.get('/a');
  const { entries } = stage.gateway;
  await until('all requests to be logged', () => entries.length === 4);
  assert.deepEqual(
    entries.map(({ cache }) => cache),
    ['miss', 'hit', 'pass', 'validated'],
  );
  const totals = stage.gateway.plane.table().route('app/test')?.totals.totals();
  assert.deepEqual(totals?.cache, { hit: 1, miss: 1, validated: 1, pass: 1 });
  assert.equal(stage.gateway.plane.cacheStats()[0]?.keys, 1);
});

test('what is asked most is counted while somebody wants to know', async (t) => {
  const stage = await stageFor(t);
  await stage.get('/before');
  const counted = stage.gateway.plane.answer({ kind: 'top', durationMs: 1000 });
  await stage.get('/a?x');
  await stage.get('/a?x');
  const answer = await counted;
  assert.equal(answer.kind, 'top');
  const { urls, routes } = answer.top;
  assert.deepEqual(
    urls.map(({ name, requests, hits }) => [name, requests, hits]),
    [['a.test:8080/a', 2, 1]],
  );
  assert.deepEqual(
    routes.map(({ name, requests }) => [name, requests]),
    [['app/test', 2]],
  );
});
