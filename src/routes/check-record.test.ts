import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { checkPort, checkRoute, readPort, readRoute } from './check-record.ts';
import type { Written } from './records.ts';

const HOST = { host: 'a.example' };

function refusal(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    assert.ok(isMolnError(error, 'CONFIG_INVALID'), String(error));
    return error.message;
  }
  return assert.fail('accepted');
}

test('a route of the registry means what it would in a file', () => {
  const { config } = checkRoute('shop', {
    host: ['a.example', '*.b.example'],
    path: '/api',
    upstreams: [{ url: 'http://a:1', weight: 3 }, 'http://b', { url: 'http://b', http2: true }],
    timeouts: { connect: '500ms' },
    limits: { requestBody: '1MB', perUpstream: 9 },
    cache: {
      negative: '10s',
      ttl: { usual: '10m', 404: '5s', '5xx': '1s' },
      ttlMin: '1s',
      ttlMax: '1h',
      query: { without: 'utm_*' },
      key: { headers: 'X-Country', cookies: ['lang'] },
      bypass: { cookies: ['wp_*'] },
    },
    errors: { 404: { html: '<p>No' }, '5xx': { html: '<p>Oh' }, upstream: [404, '5xx'] },
    auth: { basic: { realm: 'Staff', users: ['ada:{SHA256}' + 'A'.repeat(43) + '='] } },
  });
  assert.equal(config.id, 'route/shop');
  assert.deepEqual(config.hosts, ['a.example', '*.b.example']);
  assert.deepEqual(config.target, {
    kind: 'upstreams',
    upstreams: [
      { id: 'http://a:1', address: { kind: 'tcp', host: 'a', port: 1 }, weight: 3 },
      { id: 'http://b:80', address: { kind: 'tcp', host: 'b', port: 80 } },
      { id: 'http://b:80#http2', address: { kind: 'tcp', host: 'b', port: 80, http2: true } },
    ],
  });
  assert.deepEqual(config.limits, { connectTimeoutMs: 500, requestBodyBytesMax: 1_000_000 });
  assert.deepEqual(config.cache, {
    negativeS: 10,
    ttlS: { usual: 600, 404: 5, '5xx': 1 },
    ttlMinS: 1,
    ttlMaxS: 3600,
    query: { without: ['utm_*'] },
    keyFields: ['x-country', 'cookie:lang'],
    bypass: { headers: [], cookies: ['wp_*'] },
  });
  assert.equal(config.site?.auth?.users.length, 1);
  assert.deepEqual(config.site?.errors, [
    { status: '404', html: '<p>No' },
    { status: '5xx', html: '<p>Oh' },
  ]);
  assert.deepEqual(config.site?.errorsOfUpstreams, ['404', '5xx']);
});

test('what is wrong is said with the key as it was written', () => {
  const table: readonly (readonly [Written, RegExp])[] = [
    [{ upstreams: 'http://a' }, /^Key "host" is missing/],
    [HOST, /^The route has none of them, want one of upstreams, app, /],
    [{ ...HOST, app: 'x', upstreams: 'http://a' }, /^The route has upstreams and app, want one/],
    [{ ...HOST, upstream: 'http://a' }, /^Unknown key "upstream": did you mean "upstreams"/],
    [{ ...HOST, upstreams: 'ftp://a' }, /^Key "upstreams\[0\].url" is "ftp:\/\/a", want http/],
    [
      { ...HOST, upstreams: { url: 'https://a', tls: { ca: 'ca.pem' } } },
      /^Key "upstreams\[0\].tls.ca" names a file, which only one machine has/,
    ],
    [
      { ...HOST, upstreams: { url: 'http://a', tls: {} } },
      /^Key "upstreams\[0\].url" is "http:\/\/a", and "tls" is for https/,
    ],
    [
      { ...HOST, app: 'x', headers: { request: { set: { Host: 'a b' } } } },
      /^Key "headers.request.set.Host" is "a b", want a host/,
    ],
    [
      { ...HOST, app: 'x', health: { path: '/' }, headers: { request: { set: { Host: 'a b' } } } },
      /^Key "headers.request.set.Host" is "a b", want a host/,
    ],
    [
      { ...HOST, app: 'x', headers: { response: { set: { Host: 'a' } } } },
      /^Key "headers.response.set.Host" is "Host", which no rule may change/,
    ],
    [{ ...HOST, upstreams: 'unix:/run/x' }, /^Key "upstreams\[0\].url" .* only one machine has/],
    [{ host: 'A b', app: 'x' }, /^Key "host\[0\]" is "A b", want a lower-case host name/],
    [{ ...HOST, path: 'x', app: 'x' }, /^Key "path" is "x", want a path/],
    [{ ...HOST, static: { root: '/srv' } }, /^Key "static.root" names a file, which only one/],
    [
      { ...HOST, app: 'x', auth: { basic: { realm: 'x', users: 'users.txt' } } },
      /^Key "auth.basic.users" names a file, which only one machine has/,
    ],
    [{ ...HOST, app: 'x', errors: { 404: '404.html' } }, /^Key "errors.404" names a file/],
    [
      { ...HOST, app: 'x', errors: { 404: { html: 'x' }, upstream: [502] } },
      /^Key "errors.upstream" has 502, for which there is no page$/,
    ],
    [
      { ...HOST, redirect: { to: '/x' }, cache: true },
      /^Key "cache" is for routes with upstreams$/,
    ],
    [
      { ...HOST, redirect: { to: '/x' }, errors: { 404: { html: 'x' }, upstream: true } },
      /^Key "errors.upstream" is for routes with upstreams$/,
    ],
    [
      { ...HOST, app: 'x', cache: { ttl: { often: '1s' } } },
      /^Name "often" in "cache.ttl" is not valid, want a status such as 404 or 4xx$/,
    ],
    [
      { ...HOST, app: 'x', cache: { ttlMin: '2s', ttlMax: '1s' } },
      /^Key "cache.ttlMin" is 2 s, more than "ttlMax" of 1 s$/,
    ],
    [
      { ...HOST, app: 'x', cache: { query: { only: 'a', without: 'b' } } },
      /^Key "cache.query" wants one of "without" and "only"$/,
    ],
    [
      { ...HOST, app: 'x', cache: { key: { cookies: 'a*' } } },
      /^Key "cache.key" is "cookie:a\*", want the name of a field/,
    ],
    [
      { ...HOST, upstreams: { url: 'https://a', tls: { ca: '-----BEGIN x' } } },
      /^Key "upstreams\[0\].tls.ca" is a text, which is no certificate in PEM/,
    ],
    [{ ...HOST, app: 'x', rate: { requests: 1 } }, /^Key "rate.per" is missing/],
    [{ ...HOST, app: 'x', deny: ['nowhere'] }, /^Key "deny\[0\]"/],
    [{ ...HOST, app: 'x', agent: { port: 9 } }, /^Key "agent" is for upstreams with a host/],
    [{ ...HOST, redirect: { to: '/x' }, rewrite: { strip: '/a' } }, /is for upstreams alone/],
    [{ ...HOST, redirect: { to: 'a b' } }, /^Key "redirect.to" is "a b"/],
  ];
  for (const [written, wanted] of table) {
    assert.match(
      refusal(() => checkRoute('x', written)),
      wanted,
      JSON.stringify(written),
    );
  }
});

test('a route leads where its app is just now, with what is said around it', () => {
  const written = {
    ...HOST,
    app: 'blog',
    rewrite: { strip: '/x' },
    balance: 'least',
    compress: true,
  };
  const upstreams = [{ id: 'i1', address: { kind: 'socket', path: '/run/i1' } }] as const;
  const target = { kind: 'upstreams', upstreams } as const;
  const cache = { generation: 'g1', heuristicShare: 0 };
  const read = (more: Written, answer?: Parameters<typeof readRoute>[2]['app']) =>
    readRoute('x', { ...written, ...more }, { workers: 1, app: answer ?? (() => undefined) });
  const well = read({}, () => ({ target, cache }));
  assert.deepEqual([well.target, well.cache], [target, cache]);
  assert.deepEqual(well.site, { rewrite: { strip: '/x' }, compress: {} });
  assert.deepEqual(read({ cache: false }, () => ({ target, cache })).cache, undefined);
  const own = read({ cache: { negative: '1s' } }, () => ({ target, cache }));
  assert.deepEqual(own.cache, { ...cache, negativeS: 1 });
  const gone = read({});
  assert.deepEqual(
    [gone.target.kind, gone.site, gone.balance],
    ['respond', { compress: {} }, undefined],
  );
});

test('a listener is where the gateway of each node is, unless it says', () => {
  const ground = { address: '10.0.0.1', httpsPort: 8443 };
  const tcp = readPort('mail', { port: 25, protocol: 'tcp', upstreams: 'tcp://a:25' }, ground);
  assert.equal(tcp.kind, 'balancer');
  assert.deepEqual([tcp.config.id, tcp.config.address], ['listener/mail', '10.0.0.1']);
  const http = readPort('alt', { port: 8081, address: '::1', redirect: 'https' }, ground);
  assert.ok(http.kind === 'listener');
  assert.deepEqual([http.config.address, http.config.redirectHttpsPort], ['::1', 8443]);
  checkPort('tls', { port: 8444, protocol: 'https', hsts: true });
  const table: readonly (readonly [Written, RegExp])[] = [
    [{}, /^Key "port" is missing/],
    [{ port: 0 }, /^Key "port" is 0, want 1 to 65535/],
    [{ port: 1, protocol: 'tcp' }, /^Key "upstreams" is empty/],
    [{ port: 1, protocol: 'tcp', upstreams: 'unix:/x' }, /is a socket, which only one machine has/],
    [{ port: 1, protocol: 'udp', upstreams: 'tcp://a:1' }, /^Key "upstreams\[0\].url" is/],
    [{ port: 1, protocol: 'https', tls: { cert: 'a', key: 'b' } }, /^Key "tls" is for the file/],
    [{ port: 1, hsts: true }, /is http and cannot have "hsts"/],
  ];
  for (const [written, wanted] of table) {
    assert.match(
      refusal(() => checkPort('x', written)),
      wanted,
      JSON.stringify(written),
    );
  }
});
