import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigError } from '../../base/errors.ts';
import { checkGatewayConfig } from '../config-check.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../limits.ts';

const SOCKET = { id: 'i1', address: { kind: 'socket', path: '/run/i1.sock' } };
const TCP = { id: 'i2', address: { kind: 'tcp', host: 'a', port: 80 }, weight: 3 };
const ALL = {
  algorithm: 'hash',
  hash: { by: 'cookie', name: 'sid', bound: 1.5 },
  sticky: { cookie: 'at' },
  health: { path: '/h?x=1', intervalMs: 1000, timeoutMs: 500, status: [200], rise: 2, fall: 3 },
  agent: { port: 9777, intervalMs: 1000 },
  eject: { failures: 5, shareMax: 0.5, timeMs: 1000, timeMsMax: 60_000 },
  limits: { perUpstream: 30, queue: 100, queueTimeoutMs: 1000, adaptive: true },
  retries: { attempts: 2, budget: 0.2, perSecond: 5, status: [503] },
  hedge: { afterMs: 200 },
  slowStartMs: 10_000,
};

function config(balance: object, target: object): unknown {
  const route = { id: 'r', hosts: ['*'], path: '/', target, balance };
  return { version: 1, listeners: [], routes: [route], limits: DEFAULT_GATEWAY_LIMITS };
}

function upstreams(...list: readonly object[]): object {
  return { kind: 'upstreams', upstreams: list };
}

test('everything that can be chosen comes back as it was', () => {
  const all = config(ALL, upstreams(TCP));
  assert.deepEqual(checkGatewayConfig(all), all);
  const nothing = config({}, upstreams(SOCKET));
  assert.deepEqual(checkGatewayConfig(nothing), nothing);
});

test('mistakes are refused with the path of the key', () => {
  const rows: readonly (readonly [balance: object, key: string, target?: object])[] = [
    [{ algorithm: 'p3c' }, 'balance.algorithm'],
    [{ algorithm: 'hash' }, 'balance.algorithm'],
    [{ hash: { by: 'uri' } }, 'balance.hash'],
    [{ algorithm: 'hash', hash: { by: 'header' } }, 'balance.hash.name'],
    [{ algorithm: 'hash', hash: { by: 'cookie', name: 'a b' } }, 'balance.hash.name'],
    [{ algorithm: 'hash', hash: { by: 'uri', bound: 0.9 } }, 'balance.hash.bound'],
    [{ sticky: { cookie: 'a;b' } }, 'balance.sticky.cookie'],
    [{ health: { ...ALL.health, path: '/a b' } }, 'balance.health.path'],
    [{ health: { ...ALL.health, path: '/a\r\nX: y' } }, 'balance.health.path'],
    [{ health: { ...ALL.health, intervalMs: 1 } }, 'balance.health.intervalMs'],
    [{ health: { ...ALL.health, rise: 0 } }, 'balance.health.rise'],
    [{ eject: { ...ALL.eject, shareMax: 2 } }, 'balance.eject.shareMax'],
    [{ limits: { queue: -1, queueTimeoutMs: 1 } }, 'balance.limits.queue'],
    [{ retries: { ...ALL.retries, status: [99] } }, 'balance.retries.status[0]'],
    [{ hedge: { afterMs: 0 } }, 'balance.hedge.afterMs'],
    [{ agent: ALL.agent }, 'balance.agent', upstreams(TCP, SOCKET)],
    [{}, 'balance', { kind: 'redirect', status: 308, location: '/x' }],
    [{}, 'target.upstreams[0].weight', upstreams({ ...TCP, weight: 257 })],
  ];
  for (const [balance, key, target = upstreams(SOCKET)] of rows) {
    assert.throws(
      () => checkGatewayConfig(config(balance, target)),
      (error: ConfigError) => {
        assert.equal(error.code, 'CONFIG_INVALID');
        assert.equal(error.key, `routes[0].${key}`, error.message);
        return true;
      },
      `${key} is refused`,
    );
  }
});
