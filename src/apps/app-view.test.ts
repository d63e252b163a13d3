import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AppState, appView, type InstanceView } from './app-view.ts';
import { deployed, newApp } from './app-wishes.ts';
import type { App, Release } from './model.ts';
import { PLACEMENT_DEFAULTS } from './settings.ts';
import { DEPLOY } from './operations.ts';

const EMPTY = newApp('shop', 61_000, 0);
const APP = deployed(EMPTY, { release: 'r1', at: 7, by: 'me', kind: 'deploy' });
const process = { command: ['x'], env: {}, kind: 'http' } as const;
const RELEASE: Release = {
  format: 1,
  id: 'r1',
  treeHash: '',
  sealedHash: '',
  files: 1,
  bytes: 1,
  createdAt: 0,
  plan: {
    kind: 'node',
    explanation: '',
    build: [],
    processes: { web: process },
    staticRoot: undefined,
    fallback: undefined,
    notFound: undefined,
    health: { path: '/', startTimeoutMs: 1, stopTimeoutMs: 1 },
    placement: PLACEMENT_DEFAULTS,
  },
};

function instance(state: InstanceView['state'], release = 'r1'): InstanceView {
  return {
    id: `shop-web-${state}`,
    app: 'shop',
    release,
    process: 'web',
    generation: '',
    node: 'one',
    state,
    pid: 1,
    driver: 'plain',
    address: undefined,
    startedAt: 0,
    restarts: 0,
    reason: '',
    memoryBytes: 1,
  };
}

const two = { ...APP, scale: { web: 2 } };
const healthy = instance('healthy');

const TABLE: readonly (readonly [string, App, readonly InstanceView[], string, AppState])[] = [
  ['nothing deployed', EMPTY, [], '', 'empty'],
  ['all are well', APP, [healthy], '', 'healthy'],
  ['one of two is well', two, [healthy, instance('backoff')], '', 'degraded'],
  ['nobody is well', two, [instance('unhealthy'), instance('starting')], '', 'failing'],
  ['those of an old release do not count', APP, [instance('healthy', 'r0')], '', 'starting'],
  ['the first instances are on their way', two, [instance('starting')], '', 'starting'],
  [
    'a start after a crash is none of those',
    APP,
    [{ ...instance('starting'), restarts: 1 }],
    '',
    'failing',
  ],
  ['stopped', { ...APP, running: false }, [], '', 'stopped'],
  ['a deploy is under way', EMPTY, [], DEPLOY, 'deploying'],
  ['a restart shows as what it does', APP, [healthy], 'a restart', 'healthy'],
];

for (const [title, app, instances, what, state] of TABLE) {
  test(`state: ${title}`, () => {
    const release = app.release === undefined ? undefined : RELEASE;
    const operation = what === '' ? undefined : { what, since: 0 };
    assert.equal(
      appView({ app, release, releases: [], stored: undefined, instances, operation }).state,
      state,
    );
  });
}

test('a static site wants no instances and is well', () => {
  const release = { ...RELEASE, plan: { ...RELEASE.plan, processes: {}, staticRoot: '.' } };
  const none = { releases: [], stored: undefined, instances: [], operation: undefined };
  const view = appView({ app: APP, release, ...none });
  assert.deepEqual([view.state, view.healthy, view.wanted, view.deployedAt], ['healthy', 0, 0, 7]);
});
