/** Edge modules: a function that sees each request of a route before its target does. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { RouteConfig } from '../src/gateway/config.ts';
import { until, type Gateway } from './gateway-kit.ts';
import { ask, siteBefore } from './gateway-site-kit.ts';

const TIMEOUT_MS = 2000;

/** Says what reached it. */
const app: RequestListener = (request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (text: string) => (body += text));
  request.on('end', () => {
    const { method, url, headers } = request;
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(JSON.stringify({ method, url, headers, body }));
  });
};

interface Reached {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function gatewayWith(
  t: TestContext,
  source: string,
  more: {
    readonly timeoutMs?: number;
    readonly bufferBytes?: number;
    readonly route?: Partial<RouteConfig>;
  } = {},
): Promise<Gateway> {
  const { timeoutMs = TIMEOUT_MS, bufferBytes, route } = more;
  const site = {
    edge: { source, timeoutMs },
    ...(bufferBytes === undefined ? {} : { bufferBytes }),
  };
  return siteBefore(t, site, app, route);
}

async function reached(
  gateway: Gateway,
  ...args: readonly [string, Parameters<typeof ask>[2]?]
): Promise<Reached> {
  const { status, body } = await ask(gateway, ...args);
  assert.equal(status, 200, String(body));
  return JSON.parse(String(body)) as Reached;
}

test('it answers, or lets pass', async (t) => {
  const gateway = await gatewayWith(
    t,
    `export default async (request, { client }) => {
      const url = new URL(request.url);
      if (url.pathname === '/hello') {
        const answer = new Response('Hello ' + url.searchParams.get('name') + ' at ' + client, { status: 201 });
        answer.headers.append('Set-Cookie', 'a=1');
        answer.headers.append('Set-Cookie', 'b=2');
        return answer;
      }
      if (url.pathname === '/gone') return new Response(null, { status: 204 });
      if (url.pathname === '/json') return Response.json({ method: request.method });
    };`,
  );
  const hello = await ask(gateway, '/hello?name=%C3%85sa');
  assert.deepEqual([hello.status, String(hello.body)], [201, 'Hello Åsa at 127.0.0.1']);
  assert.deepEqual(hello.headers['set-cookie'], ['a=1', 'b=2']);
  assert.match(String(hello.headers['date']), /GMT$/);
  assert.equal((await ask(gateway, '/gone')).status, 204);
  const head = await ask(gateway, '/hello?name=x', { method: 'HEAD' });
  assert.deepEqual([head.status, head.body.length], [201, 0]);
  const json = await ask(gateway, '/json', { method: 'DELETE' });
  assert.deepEqual(JSON.parse(String(json.body)), { method: 'DELETE' });
  const passed = await reached(gateway, '/other?x=1', { method: 'POST', body: 'streams through' });
  assert.deepEqual(
    [passed.url, passed.method, passed.body],
    ['/other?x=1', 'POST', 'streams through'],
  );
});

test('it changes what the target is asked', async (t) => {
  const gateway = await gatewayWith(
    t,
    `export default (request) => {
      const url = new URL(request.url);
      if (url.pathname === '/away') return new Request('http://elsewhere.test/');
      const headers = new Headers(request.headers);
      headers.set('X-Seen', 'yes');
      headers.delete('X-Secret');
      headers.set('Host', 'elsewhere.test');
      url.pathname = '/new' + url.pathname;
      return new Request(url, { headers });
    };`,
  );
  const { url, headers } = await reached(gateway, '/page?q=1', {
    headers: { 'X-Secret': 'x', 'X-Kept': 'k', Cookie: 'a=1' },
  });
  assert.equal(url, '/new/page?q=1');
  assert.deepEqual(
    [headers['x-seen'], headers['x-secret'], headers['x-kept'], headers['cookie']],
    ['yes', undefined, 'k', 'a=1'],
  );
  assert.match(String(headers['host']), /^127\.0\.0\.1:/);
  assert.equal((await ask(gateway, '/away')).status, 500);
});

test('bodies are seen when the route gathers them, and reach the target too', async (t) => {
  const gateway = await gatewayWith(
    t,
    `export default async (request) => {
      const text = await request.text();
      if (text === 'stop') return new Response('stopped', { status: 403 });
      return new Request(request.url, { headers: { ...Object.fromEntries(request.headers), 'X-Length': String(text.length) } });
    };`,
    { bufferBytes: 1024 },
  );
  assert.equal((await ask(gateway, '/', { method: 'POST', body: 'stop' })).status, 403);
  const small = await reached(gateway, '/', { method: 'POST', body: 'small' });
  assert.deepEqual([small.body, small.headers['x-length']], ['small', '5']);
  const chunked = await reached(gateway, '/', {
    method: 'POST',
    body: 'in chunks',
    headers: { 'Transfer-Encoding': 'chunked' },
  });
  assert.deepEqual([chunked.body, chunked.headers['x-length']], ['in chunks', '9']);
  const large = 'x'.repeat(100_000);
  const unseen = await reached(gateway, '/', { method: 'POST', body: large });
  assert.deepEqual([unseen.body === large, unseen.headers['x-length']], [true, '0']);
  const late = await reached(gateway, '/', {
    method: 'POST',
    body: large,
    headers: { 'Transfer-Encoding': 'chunked' },
  });
  assert.equal(late.body === large, true);
});

test('what it changed for one client is stored for nobody', async (t) => {
  const gateway = await gatewayWith(
    t,
    `let count = 0;
    export default (request) => {
      if (request.url.endsWith('/same')) return undefined;
      const headers = new Headers(request.headers);
      headers.set('X-Count', String(++count));
      return new Request(request.url, { headers });
    };`,
    { route: { cache: {} } },
  );
  const counts = [await reached(gateway, '/own'), await reached(gateway, '/own')];
  assert.deepEqual(
    counts.map(({ headers }) => headers['x-count']),
    ['1', '2'],
  );
  await ask(gateway, '/same');
  const stored = await ask(gateway, '/same');
  assert.match(String(stored.headers['cache-status']), /; hit/);
});

test('a module that fails, dawdles or stands still harms its own requests alone', async (t) => {
  const gateway = await gatewayWith(
    t,
    `export default async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/throws') throw new TypeError('oh');
      if (pathname === '/number') return 42;
      if (pathname === '/large') return new Response('x'.repeat(5_000_000));
      if (pathname === '/slow') await new Promise(() => {});
      if (pathname === '/loop') for (;;);
      if (pathname === '/full') { const all = []; for (;;) all.push(new Array(100_000).fill(pathname)); }
      if (pathname === '/import') await import('node:fs');
      if (pathname === '/process') return new Response(typeof process);
      return new Response('well');
    };`,
    { timeoutMs: 1000 },
  );
  const statusOf = async (path: string): Promise<number> => (await ask(gateway, path)).status;
  await until('the first thread answers', async () => (await statusOf('/')) === 200);
  assert.equal(await statusOf('/throws'), 500);
  assert.equal(await statusOf('/number'), 500);
  assert.equal(await statusOf('/large'), 500);
  assert.equal(await statusOf('/import'), 500);
  assert.equal(String((await ask(gateway, '/process')).body), 'undefined');
  const [slow, beside] = await Promise.all([statusOf('/slow'), statusOf('/')]);
  assert.deepEqual([slow, beside], [504, 200]);
  assert.equal(await statusOf('/loop'), 504);
  await until('a new thread answers', async () => (await statusOf('/')) === 200);
  assert.ok([500, 504].includes(await statusOf('/full')));
  await until('a new thread answers', async () => (await statusOf('/')) === 200);
});

test('who waits behind a request that stands still is answered by the next thread', async (t) => {
  const gateway = await gatewayWith(
    t,
    `export default async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === '/loop') for (;;);
      return new Response(request.method === 'GET' ? 'well' : await request.text());
    };`,
    { timeoutMs: 5000, bufferBytes: 1000 },
  );
  await until('the first thread answers', async () => (await ask(gateway, '/')).status === 200);
  const asked = ['/loop', '/one', '/two'].map((path) => ask(gateway, path));
  const told = ask(gateway, '/three', { method: 'POST', body: 'a body' });
  const [loop, ...others] = await Promise.all(asked);
  assert.equal(loop?.status, 504);
  for (const { status } of others) assert.equal(status, 200);
  assert.equal(String((await told).body), 'a body');
});

for (const [what, source] of [
  ['no module', 'export default (request => {'],
  ['no function', 'export const x = 1;'],
  [
    'imports',
    "import fs from 'node:fs'; export default () => new Response(fs.readFileSync('/etc/hostname'));",
  ],
  ['throws at once', 'throw new Error("no");'],
] as const) {
  test(`${what}: requests get 500, and the route changes to a good one`, async (t) => {
    const gateway = await gatewayWith(t, source);
    const { status, body } = await ask(gateway, '/');
    assert.equal(status, 500);
    assert.doesNotMatch(String(body), /default|imports|TypeError/);
    const route = gateway.plane.table().route('app/test')?.config;
    assert.ok(route !== undefined);
    const edge = { source: "export default () => new Response('new');", timeoutMs: TIMEOUT_MS };
    await gateway.route({ ...route, site: { edge } });
    assert.equal(String((await ask(gateway, '/')).body), 'new');
  });
}
