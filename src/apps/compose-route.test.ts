import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppTarget } from './app-route.ts';
import {
  composeRoute,
  type RouteApp,
  type RouteFacts,
  type RouteInstance,
  type RouteNode,
  type RouteRelease,
} from './compose-route.ts';

const APP: RouteApp = {
  name: 'shop',
  domains: ['shop.example.org'],
  release: 'r2',
  history: ['r2', 'r1'].map((release) => ({ release, at: 0, by: 'local', kind: 'deploy' })),
  running: true,
  createdAt: 0,
  generation: 'new',
};
const SERVER: RouteRelease = {
  id: 'r2',
  httpProcesses: ['web'],
  site: undefined,
  isCached: true,
};
const NOTHING = { fallback: undefined, notFound: undefined };
const SITES: readonly RouteRelease[] = ['r1', 'r2'].map((id) => ({
  id,
  httpProcesses: [],
  site: { root: `public-${id}`, ...NOTHING },
  isCached: true,
}));
const SOCKET = { kind: 'socket', path: '/s' } as const;
const PORT = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const;

function instance(id: string, more: Partial<RouteInstance> = {}): RouteInstance {
  return {
    id,
    process: 'web',
    generation: 'new',
    state: 'healthy',
    draining: false,
    address: PORT,
    ...more,
  };
}

function node(name: string, isHeard = true): [string, RouteNode] {
  return [
    name,
    { host: `${name}.test`, port: 7423, region: name === 'far' ? 'west' : 'east', isHeard },
  ];
}

/** `on`: instances by node; `heard`: nodes, with a `-` before those that are silent. */
function targetOf(
  on: Readonly<Record<string, readonly RouteInstance[]>>,
  more: Partial<RouteFacts> = {},
  heard = 'here there far',
): AppTarget {
  return composeRoute({
    self: 'here',
    app: APP,
    releases: new Map([[SERVER.id, SERVER]]),
    reports: new Map(
      Object.entries(on).map(([name, instances]) => [name, { releases: [], instances }]),
    ),
    nodes: new Map(
      heard.split(' ').map((name) => node(name.replace('-', ''), !name.startsWith('-'))),
    ),
    siteFolder: (release, root) => `/tree/${release}/${root}`,
    last: undefined,
    ...more,
  }).target;
}

function said(target: AppTarget): string {
  if (target.kind === 'respond') return `${target.status} ${target.message}`;
  if (target.kind === 'static') return target.root;
  return target.upstreams
    .map(({ id, address }) => (address.kind === 'node' ? `${id}@${address.node}` : id))
    .join(' ');
}

test('instances here by their own address, those elsewhere by way of their node', () => {
  const target = targetOf({ there: [instance('b')], here: [instance('a')] });
  assert.deepEqual(target, {
    kind: 'upstreams',
    upstreams: [
      { id: 'a', region: 'east', address: PORT },
      {
        id: 'b',
        region: 'east',
        address: { kind: 'node', node: 'there', host: 'there.test', port: 7423 },
      },
    ],
  });
});

test('who may serve', () => {
  const bad: Readonly<Record<string, Partial<RouteInstance>>> = {
    'of an older decision': { generation: 'old' },
    'on its way out': { draining: true },
    draining: { state: 'draining' },
    stopped: { state: 'stopped' },
    'without an address': { address: undefined },
    'not answering requests': { process: 'worker' },
  };
  for (const [what, more] of Object.entries(bad)) {
    assert.equal(said(targetOf({ here: [instance('a', more)], far: [instance('b')] })), 'b@far');
    const alone = targetOf({ here: [instance('a', more)] });
    assert.equal(said(alone), '503 App "shop" is starting', what);
  }
});

test('silent nodes are left out, unless there is nobody else', () => {
  const both = { there: [instance('b')], far: [instance('c')] };
  assert.equal(said(targetOf(both)), 'b@there c@far');
  assert.equal(said(targetOf(both, {}, 'here -there far')), 'c@far');
  assert.equal(said(targetOf(both, {}, 'here -there -far')), 'b@there c@far');
  const ill = { here: [instance('a', { state: 'backoff' })], there: [instance('b')] };
  assert.equal(said(targetOf(ill, {}, 'here -there')), 'b@there');
  assert.equal(said(targetOf({ here: [instance('a')] }, {}, '-here')), 'a', 'it hears itself');
});

test('a node that was forgotten is nobody', () => {
  const target = targetOf({ there: [instance('b')] }, {}, 'here far');
  assert.equal(said(target), '503 App "shop" is starting');
});

test('with nobody healthy, those that may come back; then the last ones whose address is theirs', () => {
  const ill = { there: [instance('b', { state: 'unhealthy' })] };
  assert.equal(said(targetOf(ill)), 'b@there');
  assert.equal(said(targetOf({ ...ill, far: [instance('c')] })), 'c@far');
  const last = (address: typeof SOCKET | typeof PORT): AppTarget => ({
    kind: 'upstreams',
    upstreams: [{ id: 'gone', address }],
  });
  assert.equal(said(targetOf({}, { last: last(SOCKET) })), 'gone');
  assert.equal(said(targetOf({}, { last: last(PORT) })), '503 App "shop" is starting');
});

test('sentences of apps that do not run', () => {
  const last: AppTarget = { kind: 'upstreams', upstreams: [{ id: 'gone', address: SOCKET }] };
  const cases: readonly (readonly [string, Partial<RouteFacts>])[] = [
    ['503 App "shop" is stopped', { app: { ...APP, running: false }, last }],
    ['503 App "shop" has nothing deployed yet', { app: { ...APP, release: undefined } }],
    ['503 App "shop" has nothing deployed yet', { releases: new Map() }],
    [
      '503 App "shop" has no process that answers requests',
      { releases: new Map([['r2', { ...SERVER, httpProcesses: [] }]]), last },
    ],
  ];
  for (const [sentence, more] of cases) {
    assert.equal(said(targetOf({ here: [instance('a')] }, more)), sentence);
  }
});

test('a site is served from this node: the newest release that is here', () => {
  const releases = new Map(SITES.map((site) => [site.id, site]));
  const has = (...ids: string[]): Partial<RouteFacts> => ({
    releases,
    reports: new Map([
      ['here', { releases: ids, instances: [] }],
      ['there', { releases: ['r1', 'r2'], instances: [] }],
    ]),
  });
  assert.equal(said(targetOf({}, has('r1', 'r2'))), '/tree/r2/public-r2');
  assert.equal(said(targetOf({}, has('r1'))), '/tree/r1/public-r1');
  assert.equal(said(targetOf({}, has())), '503 App "shop" is on its way to this node');
  const fallback: RouteRelease = {
    id: 'r2',
    httpProcesses: [],
    site: { root: '.', fallback: 'index.html', notFound: '404.html' },
    isCached: true,
  };
  const target = targetOf({}, { ...has('r2'), releases: new Map([['r2', fallback]]) });
  assert.deepEqual(target, {
    kind: 'static',
    root: '/tree/r2/.',
    fallback: 'index.html',
    notFound: '404.html',
  });
});

test('answers of instances are stored by generation, unless the app does not want that', () => {
  const cacheOf = (release: RouteRelease): unknown =>
    composeRoute({
      self: 'here',
      app: APP,
      releases: new Map([[release.id, release]]),
      reports: new Map([['here', { releases: ['r2'], instances: [instance('a')] }]]),
      nodes: new Map([node('here')]),
      siteFolder: (id, root) => `/tree/${id}/${root}`,
      last: undefined,
    }).cache;
  assert.deepEqual(cacheOf(SERVER), { generation: 'new', heuristicShare: 0 });
  assert.equal(cacheOf({ ...SERVER, isCached: false }), undefined);
  assert.equal(cacheOf({ ...SERVER, site: { root: '.', ...NOTHING } }), undefined);
});

test('the own host comes first, and none twice', () => {
  const app = { ...APP, domains: ['b.test', 'shop.localhost'] };
  const { hosts } = composeRoute({
    self: 'here',
    app,
    releases: new Map(),
    reports: new Map(),
    nodes: new Map(),
    siteFolder: () => '',
    last: undefined,
  });
  assert.deepEqual(hosts, ['shop.localhost', 'b.test']);
});
