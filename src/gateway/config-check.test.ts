import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigError } from '../base/errors.ts';
import { checkGatewayConfig } from './config-check.ts';
import { DEFAULT_GATEWAY_LIMITS } from './limits.ts';

const UPSTREAM = { id: 'i1', address: { kind: 'socket', path: '/run/i1.sock' } };
const ROUTE = {
  id: 'app/a',
  hosts: ['a.localhost', '*.a.example', '*', '[::1]', '127.0.0.1'],
  path: '/',
  target: { kind: 'upstreams', upstreams: [UPSTREAM] },
};
const LISTENER = { id: 'http', address: '::', port: 8080, protocol: 'http' };
const GOOD = { version: 1, listeners: [LISTENER], routes: [ROUTE], limits: DEFAULT_GATEWAY_LIMITS };

test('a good config comes back as it was', () => {
  assert.deepEqual(checkGatewayConfig(GOOD), GOOD);
  const all = {
    ...GOOD,
    listeners: [
      LISTENER,
      {
        id: 'https',
        address: '127.0.0.2',
        port: 8443,
        protocol: 'https',
        tls: { cert: 'c', key: 'k' },
      },
    ],
    routes: [
      { ...ROUTE, limits: { idleTimeoutMs: 1 } },
      {
        id: 's',
        hosts: ['s'],
        path: '/',
        target: { kind: 'static', root: '/srv/s', fallback: 'index.html' },
      },
      {
        id: 't',
        hosts: ['t'],
        path: '/x/',
        target: { kind: 'redirect', status: 308, location: '/y' },
      },
      { id: 'u', hosts: ['u'], path: '/', target: { kind: 'respond', status: 503, message: 'Ö' } },
      { id: 'v', hosts: ['v'], path: '/', target: { kind: 'upstreams', upstreams: [UPSTREAM] } },
    ],
  };
  assert.deepEqual(checkGatewayConfig(all), all);
});

function withRoute(change: object): unknown {
  return { ...GOOD, routes: [{ ...ROUTE, ...change }] };
}

function withTarget(target: object): unknown {
  return withRoute({ target });
}

test('mistakes are refused with the path of the key', () => {
  const other = { ...UPSTREAM, address: { kind: 'tcp', host: '127.0.0.1', port: 1 } };
  const rows: readonly (readonly [unknown, string])[] = [
    [null, 'the value'],
    [{ ...GOOD, route: [] }, 'route'],
    [{ ...GOOD, version: -1 }, 'version'],
    [{ ...GOOD, limits: { ...DEFAULT_GATEWAY_LIMITS, extra: 1 } }, 'limits.extra'],
    [
      { ...GOOD, limits: { ...DEFAULT_GATEWAY_LIMITS, connectionsMax: 0 } },
      'limits.connectionsMax',
    ],
    [withRoute({ id: 'a b' }), 'routes[0].id'],
    [withRoute({ hosts: [] }), 'routes[0].hosts'],
    [withRoute({ hosts: ['A.example'] }), 'routes[0].hosts[0]'],
    [withRoute({ hosts: ['a.example:80'] }), 'routes[0].hosts[0]'],
    [withRoute({ hosts: ['a.*.example'] }), 'routes[0].hosts[0]'],
    [withRoute({ hosts: ['a', 'a/b'] }), 'routes[0].hosts[1]'],
    [withRoute({ hosts: ['a', 'a'] }), 'routes[0].hosts[1]'],
    [withRoute({ path: 'x' }), 'routes[0].path'],
    [withRoute({ path: '/a?b' }), 'routes[0].path'],
    [withRoute({ limits: { connectTimeout: 1 } }), 'routes[0].limits.connectTimeout'],
    [withTarget({ kind: 'proxy' }), 'routes[0].target.kind'],
    [withTarget({ kind: 'static', root: 'srv' }), 'routes[0].target.root'],
    [withTarget({ kind: 'static', root: '/srv/../etc' }), 'routes[0].target.root'],
    [withTarget({ kind: 'static', root: '/srv', fallback: '../x' }), 'routes[0].target.fallback'],
    [withTarget({ kind: 'static', root: '/srv', notFound: '/x' }), 'routes[0].target.notFound'],
    [withTarget({ kind: 'redirect', status: 303, location: '/' }), 'routes[0].target.status'],
    [
      withTarget({ kind: 'redirect', status: 301, location: '/\r\nA: b' }),
      'routes[0].target.location',
    ],
    [withTarget({ kind: 'respond', status: 100, message: '' }), 'routes[0].target.status'],
    [
      withTarget({ kind: 'upstreams', upstreams: [UPSTREAM, UPSTREAM] }),
      'routes[0].target.upstreams[1].id',
    ],
    [
      withTarget({
        kind: 'upstreams',
        upstreams: [{ id: 'i', address: { kind: 'socket', path: `/${'x'.repeat(107)}` } }],
      }),
      'routes[0].target.upstreams[0].address.path',
    ],
    [{ ...GOOD, routes: [ROUTE, { ...ROUTE, hosts: ['b'] }] }, 'routes[1].id'],
    [{ ...GOOD, routes: [ROUTE, { ...ROUTE, id: 'b', hosts: ['b', '*'] }] }, 'routes[1].hosts[1]'],
    [
      {
        ...GOOD,
        routes: [
          { ...ROUTE, path: '/p' },
          { ...ROUTE, id: 'b', path: '/p/' },
        ],
      },
      'routes[1].hosts[0]',
    ],
    [
      {
        ...GOOD,
        routes: [
          ROUTE,
          { ...ROUTE, id: 'b', hosts: ['b'], target: { kind: 'upstreams', upstreams: [other] } },
        ],
      },
      'routes[1].target.upstreams[0].address',
    ],
    [{ ...GOOD, listeners: [{ ...LISTENER, protocol: 'https' }] }, 'listeners[0].tls'],
    [{ ...GOOD, listeners: [{ ...LISTENER, address: 'localhost' }] }, 'listeners[0].address'],
    [{ ...GOOD, listeners: [{ ...LISTENER, port: 70_000 }] }, 'listeners[0].port'],
    [{ ...GOOD, listeners: [LISTENER, { ...LISTENER, port: 1 }] }, 'listeners[1].id'],
    [{ ...GOOD, listeners: [LISTENER, { ...LISTENER, id: 'b' }] }, 'listeners[1].port'],
  ];
  for (const [value, key] of rows) {
    assert.throws(
      () => checkGatewayConfig(value),
      (error: ConfigError) => {
        assert.equal(error.code, 'CONFIG_INVALID');
        assert.equal(error.key, key, error.message);
        return true;
      },
      `${key} is refused`,
    );
  }
});
