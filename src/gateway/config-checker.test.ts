import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigChecker } from './config-checker.ts';
import type { GatewayConfig, RouteConfig } from './config.ts';
import { DEFAULT_GATEWAY_LIMITS } from './limits.ts';

function route(id: string, more: object = {}): RouteConfig {
  return { id, hosts: [`${id}.test`], path: '/', target: { kind: 'ready' }, ...more };
}

function configOf(routes: readonly RouteConfig[]): GatewayConfig {
  return { version: 1, listeners: [], routes, limits: DEFAULT_GATEWAY_LIMITS };
}

test('what is written as before is the same object, what is not is checked', () => {
  const checker = new ConfigChecker();
  const before = checker.check(configOf([route('a'), route('b')])).routes;
  const after = checker.check(configOf([route('c'), route('b'), route('a', { path: '/x' })]));
  assert.equal(after.routes[1], before[1]);
  assert.notEqual(after.routes[2], before[0]);
  assert.deepEqual(after.routes, [route('c'), route('b'), route('a', { path: '/x' })]);
});

test('a mistake is named by its place, and the next config is checked against the last good one', () => {
  const checker = new ConfigChecker();
  const [a] = checker.check(configOf([route('a')])).routes;
  const refused: readonly (readonly [routes: readonly RouteConfig[], message: RegExp])[] = [
    [[route('a'), route('b', { pth: '/' })], /"routes\[1\]\.pth"/],
    [[route('a', { accesslog: 'off' })], /"routes\[0\]\.accesslog"/],
    [[route('a', { hosts: [] })], /Route "a" has no hosts/],
    [[route('a'), route('a')], /repeats the id "a"/],
    [[route('a'), route('b', { hosts: ['a.test'] })], /both want host "a\.test"/],
  ];
  for (const [routes, message] of refused) {
    assert.throws(() => checker.check(configOf(routes)), { code: 'CONFIG_INVALID', message });
  }
  assert.equal(checker.check(configOf([route('a')])).routes[0], a);
});

test('what stays is still held against what is new', () => {
  const upstream = (port: number): object => ({
    target: {
      kind: 'upstreams',
      upstreams: [{ id: 'one', address: { kind: 'tcp', host: 'a', port } }],
    },
  });
  const checker = new ConfigChecker();
  checker.check(configOf([route('a', upstream(1))]));
  assert.throws(() => checker.check(configOf([route('a', upstream(1)), route('b', upstream(2))])), {
    message:
      'Upstream "one" has two addresses: {"kind":"tcp","host":"a","port":1} and {"kind":"tcp","host":"a","port":2}',
  });
});
