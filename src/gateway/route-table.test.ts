import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayConfig, RouteConfig, RouteTarget, UpstreamTlsConfig } from './config.ts';
import { DEFAULT_GATEWAY_LIMITS, DEFAULT_ROUTE_LIMITS } from './limits.ts';
import { RouteTable } from './route-table.ts';

const RESPOND: RouteTarget = { kind: 'respond', status: 200, message: 'ok' };

function route(id: string, hosts: readonly string[], path = '/'): RouteConfig {
  return { id, hosts, path, target: RESPOND };
}

function config(routes: readonly RouteConfig[]): GatewayConfig {
  return { version: 1, listeners: [], routes, limits: DEFAULT_GATEWAY_LIMITS };
}

function table(...routes: RouteConfig[]): RouteTable {
  return RouteTable.build(config(routes), undefined);
}

test('exact host, then the longest wildcard, then any; the longest path on segment borders', () => {
  const routes = table(
    route('exact', ['a.example.org']),
    route('exact-api', ['a.example.org'], '/api'),
    route('exact-api-v1', ['a.example.org'], '/api/v1/'),
    route('wide', ['*.example.org']),
    route('wider', ['*.org']),
    route('narrow', ['*.b.example.org'], '/only'),
    route('any', ['*'], '/health'),
    route('v6', ['[::1]', '127.0.0.1']),
  );
  const rows: readonly (readonly [string, string, string | undefined])[] = [
    ['a.example.org', '/', 'exact'],
    ['a.example.org', '/x', 'exact'],
    ['a.example.org', '/api', 'exact-api'],
    ['a.example.org', '/api/', 'exact-api'],
    ['a.example.org', '/api/v', 'exact-api'],
    ['a.example.org', '/api/v1', 'exact-api-v1'],
    ['a.example.org', '/api/v1/x/y', 'exact-api-v1'],
    ['a.example.org', '/api/v10', 'exact-api'],
    ['a.example.org', '/apis', 'exact'],
    ['a.example.org', '*', 'exact'],
    ['b.example.org', '/', 'wide'],
    ['x.y.example.org', '/', 'wide'],
    ['example.org', '/', 'wider'],
    ['x.b.example.org', '/only/this', 'narrow'],
    ['x.b.example.org', '/other', 'wide'],
    ['org', '/', undefined],
    ['org', '/health', 'any'],
    ['elsewhere.net', '/health/x', 'any'],
    ['elsewhere.net', '/healthy', undefined],
    ['[::1]', '/', 'v6'],
    ['127.0.0.1', '/x', 'v6'],
    ['', '/', undefined],
    ['constructor', '/__proto__', undefined],
  ];
  for (const [host, path, id] of rows) {
    assert.equal(routes.match(host, path)?.id, id, `${host} ${path}`);
  }
});

/** The rules word for word, by looking at everything. */
function matchNaively(
  routes: readonly RouteConfig[],
  host: string,
  path: string,
): string | undefined {
  let best: { readonly id: string; readonly score: readonly [number, number] } | undefined;
  for (const item of routes) {
    const prefix = item.path.replace(/\/$/, '');
    if (path !== prefix && !path.startsWith(`${prefix}/`)) continue;
    for (const pattern of item.hosts) {
      let tier: number;
      if (pattern === host) tier = 1000;
      else if (pattern === '*') tier = 1;
      else if (pattern.startsWith('*.') && host.endsWith(pattern.slice(1))) tier = pattern.length;
      else continue;
      const score = [tier, prefix.length] as const;
      if (
        best === undefined ||
        score[0] > best.score[0] ||
        (score[0] === best.score[0] && score[1] > best.score[1])
      ) {
        best = { id: item.id, score };
      }
    }
  }
  return best?.id;
}

/** A small generator with a seed, so that a failure can be repeated. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('the table agrees with a matcher that looks at everything', () => {
  const pick = generator(20_261_120);
  const labels = ['a', 'b', 'ab'];
  const host = (): string =>
    Array.from({ length: 1 + pick(3) }, () => labels[pick(3)] ?? 'a').join('.');
  const path = (): string => {
    const segments = Array.from({ length: pick(4) }, () => labels[pick(3)] ?? 'a');
    return `/${segments.join('/')}${segments.length > 0 && pick(4) === 0 ? '/' : ''}`;
  };
  let matched = 0;
  for (let round = 0; round < 200; round++) {
    const places = new Set<string>();
    const routes: RouteConfig[] = [];
    for (let index = 0; index < 1 + pick(12); index++) {
      const kind = pick(5);
      const pattern = kind === 0 ? '*' : kind < 3 ? `*.${host()}` : host();
      const prefix = path();
      const place = `${pattern} ${prefix.replace(/\/$/, '')}`;
      if (places.has(place)) continue;
      places.add(place);
      routes.push(route(`r${index}`, [pattern], prefix));
    }
    const built = table(...routes);
    for (let probe = 0; probe < 50; probe++) {
      const name = host();
      const target = path();
      const expected = matchNaively(routes, name, target);
      if (expected !== undefined) matched++;
      assert.equal(
        built.match(name, target)?.id,
        expected,
        `${name} ${target} in ${JSON.stringify(routes)}`,
      );
    }
  }
  assert.ok(matched > 1000, 'the generator finds matches');
});

function proxied(id: string, upstreams: Readonly<Record<string, string>>): RouteConfig {
  return {
    id,
    hosts: [`${id}.example`],
    path: '/',
    target: {
      kind: 'upstreams',
      upstreams: Object.entries(upstreams).map(([name, path]) => ({
        id: name,
        address: { kind: 'socket', path },
      })),
    },
  };
}

test('a new table keeps meters and upstreams of unchanged ids and retires the rest', () => {
  const first = RouteTable.build(
    config([proxied('r', { same: '/s1', moved: '/s2', gone: '/s3' }), proxied('x', {})]),
    undefined,
  );
  first.route('r')?.totals.record(200, 1, 2, 3);
  const second = RouteTable.build(
    config([
      { ...proxied('r', { same: '/s1', moved: '/other', fresh: '/s4' }), path: '/api' },
      proxied('shared', { same: '/s1' }),
    ]),
    first,
  );
  assert.equal(second.route('r')?.totals, first.route('r')?.totals);
  assert.equal(second.route('r')?.totals.requests, 1);
  assert.equal(second.route('x'), undefined);
  assert.equal(second.upstream('same'), first.upstream('same'));
  assert.equal(second.route('shared')?.upstreams[0], second.upstream('same'));
  assert.notEqual(second.upstream('moved'), first.upstream('moved'));
  const retired = [...first.upstreams()].filter((upstream) => upstream.retired);
  assert.deepEqual(retired.map((upstream) => upstream.config.id).toSorted(), ['gone', 'moved']);
  assert.deepEqual(
    [...second.upstreams()].filter((upstream) => upstream.retired),
    [],
  );
  second.upstream('same')?.retire();
});

test('an upstream that has to prove itself in another way is another one', () => {
  const over = (tls: UpstreamTlsConfig | undefined): GatewayConfig => {
    const address = { kind: 'tcp', host: 'a', port: 443, ...(tls && { tls }) } as const;
    const target: RouteTarget = { kind: 'upstreams', upstreams: [{ id: 'u', address }] };
    return config([{ ...route('r', ['*']), target }]);
  };
  let table = RouteTable.build(over({ verify: false }), undefined);
  for (const tls of [{}, { name: 'b' }, undefined]) {
    const before = table.upstream('u');
    table = RouteTable.build(over(tls), table);
    assert.notEqual(table.upstream('u'), before);
    assert.equal(before?.retired, true);
    assert.equal(RouteTable.build(over(tls), table).upstream('u'), table.upstream('u'));
  }
});

test('limits of a route replace single defaults', () => {
  const built = table(
    { ...route('r', ['*']), limits: { responseTimeoutMs: 5 } },
    route('d', ['a']),
  );
  assert.deepEqual(built.route('r')?.limits, { ...DEFAULT_ROUTE_LIMITS, responseTimeoutMs: 5 });
  assert.deepEqual(built.route('d')?.limits, DEFAULT_ROUTE_LIMITS);
});
