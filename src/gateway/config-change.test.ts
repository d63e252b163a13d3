import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from './balance.ts';
import type { GatewayConfig, RouteConfig } from './config.ts';
import { changeBetween, changedConfig } from './config-change.ts';
import { DEFAULT_GATEWAY_LIMITS } from './limits.ts';

const ROUNDS = 300;

function route(id: string, message = 'x'): RouteConfig {
  return {
    id,
    hosts: [`${id}.test`],
    path: '/',
    target: { kind: 'respond', status: 200, message },
  };
}

function config(version: number, more: Partial<GatewayConfig> = {}): GatewayConfig {
  return { version, listeners: [], routes: [], limits: DEFAULT_GATEWAY_LIMITS, ...more };
}

test('one route of many changes: it alone is told, and the others stay the same objects', () => {
  const before = config(1, { routes: [route('a'), route('b'), route('c')], region: 'east' });
  const after = config(2, { routes: [route('a'), route('b', 'new'), route('c')], region: 'east' });
  const change = changeBetween(before, after);
  assert.deepEqual(change, {
    from: 1,
    version: 2,
    routes: [route('b', 'new')],
    gone: [],
    set: { version: 2 },
    unset: [],
  });
  const made = changedConfig(before, change);
  assert.deepEqual(made, after);
  assert.equal(made.routes[0], before.routes[0]);
  assert.equal(made.routes[2], before.routes[2]);
});

test('routes and keys come and go', () => {
  const before = config(1, { routes: [route('a'), route('b')], region: 'east', slots: [1] });
  const after = config(2, { routes: [route('b'), route('c')], slots: [1, 2], accessLog: 'json' });
  const change = changeBetween(before, after);
  assert.deepEqual(change.gone, ['a']);
  assert.deepEqual(change.unset, ['region']);
  assert.deepEqual(change.set, { version: 2, slots: [1, 2], accessLog: 'json' });
  assert.deepEqual(changedConfig(before, change), after);
});

test('whatever two configs are, the change makes the second of the first, also over the wire', () => {
  const random = createRandom(7);
  const drawn = (version: number): GatewayConfig => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'].filter(() => random() < 0.6);
    return config(version, {
      routes: ids.map((id) => route(id, `${Math.floor(random() * 2)}`)),
      ...(random() < 0.5 ? { region: random() < 0.5 ? 'east' : 'west' } : {}),
      ...(random() < 0.5 ? { slots: [1, 2] } : {}),
    });
  };
  const sorted = (one: GatewayConfig): GatewayConfig => ({
    ...one,
    routes: one.routes.toSorted((a, b) => a.id.localeCompare(b.id)),
  });
  let known = drawn(1);
  for (let version = 2; version < ROUNDS; version++) {
    const wanted = drawn(version);
    const change = JSON.parse(JSON.stringify(changeBetween(known, wanted))) as ReturnType<
      typeof changeBetween
    >;
    known = changedConfig(known, change);
    assert.deepEqual(sorted(known), sorted(wanted));
  }
});
