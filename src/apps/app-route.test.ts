import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AppTarget, hostsOf, type RouteInput, routeOf } from './app-route.ts';
import { newApp } from './app-wishes.ts';
import type { Instance, InstanceState, LaunchPlan, Release } from './model.ts';

const APP = { ...newApp('shop', 61_000, 0), release: 'r1' };
const PLAN: LaunchPlan = {
  kind: 'node',
  explanation: '',
  build: [],
  processes: {
    web: { command: ['x'], env: {}, kind: 'http' },
    worker: { command: ['x'], env: {}, kind: 'worker' },
  },
  staticRoot: undefined,
  fallback: undefined,
  notFound: undefined,
  health: { path: '/', startTimeoutMs: 1, stopTimeoutMs: 1 },
};
const RELEASE: Release = {
  format: 1,
  id: 'r1',
  treeHash: '',
  files: 1,
  bytes: 1,
  createdAt: 0,
  plan: PLAN,
};

function instance(id: string, state: InstanceState, more: Partial<Instance> = {}): Instance {
  return {
    id,
    app: 'shop',
    release: 'r1',
    process: 'web',
    state,
    pid: 1,
    driver: 'plain',
    address: { kind: 'tcp', host: '127.0.0.1', port: 1 },
    startedAt: 0,
    restarts: 0,
    reason: '',
    ...more,
  };
}

function target(more: Partial<RouteInput>): AppTarget {
  const input = { app: APP, release: RELEASE, releaseFolder: '/r', instances: [], last: undefined };
  return routeOf({ ...input, ...more }).target;
}

function ids(of: AppTarget): string[] | string {
  if (of.kind === 'upstreams') return of.upstreams.map(({ id }) => id);
  return of.kind === 'respond' ? `${of.status} ${of.message}` : of.kind;
}

test('healthy instances serve, in an order that does not change', () => {
  const some = [
    instance('b', 'healthy'),
    instance('a', 'healthy'),
    instance('c', 'unhealthy'),
    instance('w', 'healthy', { process: 'worker' }),
    instance('n', 'healthy', { address: undefined }),
  ];
  assert.deepEqual(ids(target({ instances: some })), ['a', 'b']);
});

test('with nobody healthy the known addresses stay, then the last route, then a sentence', () => {
  assert.deepEqual(ids(target({ instances: [instance('a', 'backoff')] })), ['a']);
  const last: AppTarget = {
    kind: 'upstreams',
    upstreams: [{ id: 'gone', address: { kind: 'socket', path: '/s' } }],
  };
  assert.deepEqual(ids(target({ last })), ['gone']);
  const port: AppTarget = {
    kind: 'upstreams',
    upstreams: [{ id: 'gone', address: { kind: 'tcp', host: '127.0.0.1', port: 1 } }],
  };
  assert.equal(ids(target({ last: port })), '503 App "shop" is starting');
  assert.equal(ids(target({})), '503 App "shop" is starting');
  assert.equal(ids(target({ app: { ...APP, running: false }, last })), '503 App "shop" is stopped');
  assert.equal(ids(target({ release: undefined })), '503 App "shop" has nothing deployed yet');
  const { worker } = PLAN.processes;
  assert.ok(worker !== undefined);
  const workers = { ...RELEASE, plan: { ...PLAN, processes: { worker } } };
  assert.match(String(ids(target({ release: workers }))), /no process that answers requests/);
});

test('a static site is served from the release folder', () => {
  const plan = { ...PLAN, processes: {}, staticRoot: 'public', notFound: '404.html' };
  assert.deepEqual(target({ release: { ...RELEASE, plan } }), {
    kind: 'static',
    root: '/r/public',
    notFound: '404.html',
  });
});

test('the own host comes first, and none twice', () => {
  const domains = ['shop.example.org', 'shop.localhost'];
  assert.deepEqual(hostsOf({ name: 'shop', domains }), ['shop.localhost', 'shop.example.org']);
});
