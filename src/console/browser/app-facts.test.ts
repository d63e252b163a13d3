import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppDetail, InstanceDetail, Status } from '../../api/model.ts';
import { previousRelease, routesOf, topologyOf, wishedCounts } from './app-facts.ts';

function instance(id: string, process: string, node: string): InstanceDetail {
  return {
    id,
    process,
    node,
    release: 'r2',
    state: 'healthy',
    reason: '',
    pid: 1,
    driver: 'plain',
    address: undefined,
    startedAt: 0,
    restarts: 0,
    memoryBytes: undefined,
    requestsNow: 0,
  };
}

function detail(change: Partial<AppDetail> = {}): AppDetail {
  return {
    name: 'shop',
    kind: 'node',
    state: 'healthy',
    release: 'r2',
    urls: ['http://shop.localhost:8080/', 'https://shop.localhost:8443/'],
    instances: { healthy: 1, wanted: 1 },
    deployedAt: 3,
    explanation: '',
    domains: [],
    scale: {},
    env: {},
    secretNames: [],
    instanceList: [],
    releases: ['r2', 'r1'].map((id) => ({
      id,
      files: 1,
      bytes: 1,
      createdAt: 1,
      kind: 'node',
      current: id === 'r2',
      isStored: undefined,
    })),
    history: ['r2', 'r0', 'r1', 'r2'].map((release, index) => ({
      release,
      at: 10 - index,
      by: 'local',
      kind: 'deploy',
    })),
    ...change,
  };
}

test('a rollback leads to the newest other release that is still kept', () => {
  assert.equal(previousRelease(detail()), 'r1');
  assert.equal(previousRelease(detail({ releases: [] })), undefined);
});

test('processes without a wish run once', () => {
  assert.deepEqual(wishedCounts(detail()), { web: 1 });
  const instanceList = [instance('a', 'web', 'one'), instance('b', 'jobs', 'one')];
  assert.deepEqual(wishedCounts(detail({ scale: { web: 3 }, instanceList })), { jobs: 1, web: 3 });
});

test('instances stand on their nodes, sites on every node that serves, and empty apps nowhere', () => {
  const shop = detail({
    instanceList: [instance('a', 'web', 'one'), instance('b', 'web', 'id-2')],
  });
  const site = detail({ name: 'site', kind: 'static' });
  const empty = detail({ name: 'empty', kind: 'static', state: 'empty' });
  const nodes = ['one', 'two'].map((name, index) => ({
    name,
    id: `id-${index + 1}`,
    region: 'east',
    state: index === 0 ? 'ready' : 'lost',
    cpu: { cores: 2, usedRatio: 0.123 },
  }));
  const status = { nodes, apps: [shop, site, empty], leader: 'one' } as unknown as Status;
  const [one, two] = topologyOf(status, [shop, site, empty]);
  assert.deepEqual(
    one?.chips.map((chip) => chip.key),
    ['a', 'site@one'],
  );
  assert.deepEqual(one.notes, ['Leader', 'CPU 12 %']);
  assert.deepEqual(
    two?.chips.map((chip) => chip.key),
    ['b'],
    'a gateway that is lost serves no site',
  );
  assert.deepEqual(two.notes, []);
});

test('each address is a route', () => {
  assert.deepEqual(
    routesOf([detail()]).map((route) => route.host),
    ['shop.localhost:8080', 'shop.localhost:8443'],
  );
});
