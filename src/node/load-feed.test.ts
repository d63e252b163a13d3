import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { silentLogger } from '../base/log.ts';
import type { PeerNode } from '../cluster/cluster.ts';
import type { RouteConfig, UpstreamConfig } from '../gateway/config.ts';
import { LoadFeed, loadsOf } from './load-feed.ts';

const NEAR: UpstreamConfig = { id: 'near', address: { kind: 'socket', path: '/s' } };
const FAR: UpstreamConfig = {
  id: 'far',
  address: { kind: 'node', node: 'there', host: '192.0.2.1', port: 7423 },
};

function route(...upstreams: readonly UpstreamConfig[]): RouteConfig {
  return {
    id: 'app/shop',
    hosts: ['shop.test'],
    path: '/',
    target: { kind: 'upstreams', upstreams },
  };
}

function peer(id: string, load: number): PeerNode {
  const rest = { region: 'home', labels: {}, silentMs: 0, address: '', port: 1, gatewayPort: 1 };
  return { id, name: id, state: 'ready', memoryMiB: 0, load, isManager: false, ...rest };
}

test('an instance is as busy as its node; who has no choice is left out', () => {
  const nodes = new Map([
    ['here', 0.5],
    ['there', 0.234],
  ]);
  assert.deepEqual(loadsOf([route(NEAR, FAR)], nodes, 'here'), { near: 0.5, far: 0.25 });
  assert.deepEqual(loadsOf([route(FAR)], nodes, 'here'), {});
  assert.deepEqual(loadsOf([route(NEAR, FAR)], new Map([['here', 0.01]]), 'here'), {});
});

test('what is new is said within a second, what is not every ten; nothing when alone', () => {
  const clock = new ManualClock();
  let nodes = [peer('here', 0.5)];
  const told: Readonly<Record<string, number>>[] = [];
  using feed = new LoadFeed({
    peers: { self: 'here', all: () => nodes },
    routes: () => [route(NEAR, FAR)],
    tell: (loads) => void told.push(loads),
    clock,
    log: silentLogger,
  });
  feed.start();
  const pass = (seconds: number): void => {
    for (let second = 0; second < seconds; second++) clock.advance(1000);
  };
  pass(30);
  assert.deepEqual(told, []);
  nodes = [peer('here', 0.5), peer('there', 0.2)];
  pass(1);
  assert.deepEqual(told, [{ near: 0.5, far: 0.2 }]);
  nodes = [peer('here', 0.5), peer('there', 0.9)];
  pass(1);
  assert.deepEqual(told.at(-1), { near: 0.5, far: 0.9 });
  const before = told.length;
  pass(20);
  assert.equal(told.length, before + 2);
});
