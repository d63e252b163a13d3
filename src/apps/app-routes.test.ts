import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import type { Change, Entry, Registry } from '../registry/registry.ts';
import { AppRoutes, type RoutePeer } from './app-routes.ts';
import type { InstanceAddress } from './model.ts';

/** `AppRoutes` only decodes what is handed in: nothing is asked of it. */
const NO_REGISTRY = {} as Registry;

function routes(): AppRoutes {
  return new AppRoutes({
    self: 'here',
    registry: NO_REGISTRY,
    dataFolder: '/data',
    log: silentLogger,
  });
}

function entry(key: string, record: unknown): Entry {
  const value = Buffer.from(JSON.stringify({ format: 1, record }));
  return { key, value, revision: 1, created: 1, leaseId: undefined };
}

function put(key: string, record: unknown): Change {
  return { kind: 'put', entry: entry(key, record) };
}

function app(name: string, more: Readonly<Record<string, unknown>> = {}): Change {
  const rest = { format: 1, domains: [], history: [], running: true, generation: 'g1' };
  return put(`/apps/${name}`, { name, release: 'r1', createdAt: 0, ...rest, ...more });
}

function release(name: string, staticRoot?: string): Change {
  const processes = staticRoot === undefined ? { web: { kind: 'http' } } : {};
  const plan = { processes, ...(staticRoot === undefined ? {} : { staticRoot }) };
  return put(`/releases/${name}/${ID}`, { id: ID, plan });
}

const ID = 'r1';
const SOCKET: InstanceAddress = { kind: 'socket', path: '/s' };

function report(name: string, node: string, ...ids: readonly string[]): Change {
  const instances = ids.map((id) => ({
    id,
    process: 'web',
    generation: 'g1',
    state: 'healthy',
    draining: false,
    address: SOCKET,
  }));
  return put(`/instances/${name}/${node}`, { releases: [ID], instances });
}

function peer(id: string, state: RoutePeer['state'] = 'ready'): RoutePeer {
  return { id, state, address: `${id}.test`, region: 'home', gatewayPort: 7423 };
}

/** `shop: a b@there` by route. */
function said(of: AppRoutes): string[] {
  return of.compose().routes.map(({ id, target }) => {
    if (target.kind !== 'upstreams') return `${id}: ${target.kind}`;
    const where = target.upstreams.map(({ id: upstream, address }) =>
      address.kind === 'node' ? `${upstream}@${address.node}` : upstream,
    );
    return `${id}: ${where.join(' ')}`;
  });
}

test('an app becomes a route as soon as its records are there, in whatever order they come', () => {
  const of = routes();
  of.setPeers([peer('here'), peer('there')]);
  of.take([report('shop', 'there', 'b'), report('shop', 'here', 'a')]);
  assert.deepEqual(said(of), []);
  of.take([app('shop')]);
  assert.deepEqual(said(of), ['app/shop: respond']);
  of.take([release('shop')]);
  assert.deepEqual(said(of), ['app/shop: a b@there']);
  assert.deepEqual(of.compose().locals, [{ id: 'a', address: SOCKET }]);
});

test('what changes nothing for a gateway gives the very same object', () => {
  const of = routes();
  of.setPeers([peer('here')]);
  of.take([app('shop'), release('shop'), report('shop', 'here', 'a')]);
  const before = of.compose();
  of.take([
    app('shop', { env: { A: '1' } }),
    report('shop', 'here', 'a'),
    put('/cluster/nodes/here', {}),
    { kind: 'delete', key: '/sessions/x' },
  ]);
  of.setPeers([peer('here', 'draining')]);
  assert.equal(of.compose(), before);
  of.take([app('shop', { running: false })]);
  assert.notEqual(of.compose(), before);
});

test('a node that falls silent takes its instances out, and brings them back', () => {
  const of = routes();
  of.setPeers([peer('here'), peer('there')]);
  of.take([
    app('shop'),
    release('shop'),
    report('shop', 'here', 'a'),
    report('shop', 'there', 'b'),
  ]);
  of.take([app('other'), release('other'), report('other', 'here', 'c')]);
  const other = of.compose().routes.find(({ id }) => id === 'app/other');
  of.setPeers([peer('here'), peer('there', 'suspect')]);
  assert.deepEqual(said(of), ['app/other: c', 'app/shop: a']);
  assert.equal(
    of.compose().routes.find(({ id }) => id === 'app/other'),
    other,
    'the other app was not composed anew',
  );
  of.setPeers([peer('here'), peer('there')]);
  assert.deepEqual(said(of), ['app/other: c', 'app/shop: a b@there']);
});

test('removed records, and a list that has them no more', () => {
  const of = routes();
  of.setPeers([peer('here'), peer('there')]);
  const all = [
    app('shop'),
    release('shop'),
    report('shop', 'here', 'a'),
    report('shop', 'there', 'b'),
  ];
  of.take(all);
  of.take([{ kind: 'delete', key: '/instances/shop/there' }]);
  assert.deepEqual(said(of), ['app/shop: a']);
  of.take([{ kind: 'delete', key: '/apps/shop' }]);
  assert.deepEqual(said(of), []);
  assert.equal(of.compose().locals.length, 1, 'it runs until its node has stopped it');
  of.take([{ kind: 'delete', key: '/instances/shop/here' }]);
  assert.equal(of.compose().locals.length, 0);
  of.take(all);
  assert.equal(said(of).length, 1);
  of.reset([entry('/cluster/nodes/here', {})]);
  assert.deepEqual(of.compose(), { routes: [], locals: [] });
});

test('a list that is the same as what was known keeps the last target of a moment without instances', () => {
  const of = routes();
  of.setPeers([peer('here')]);
  const [shop, r1] = [app('shop'), release('shop')];
  of.take([shop, r1, report('shop', 'here', 'a')]);
  of.compose();
  of.reset([shop, r1].flatMap((change) => (change.kind === 'put' ? [change.entry] : [])));
  assert.deepEqual(said(of), ['app/shop: a']);
});

test('what runs here counts first hand', () => {
  const of = routes();
  of.setPeers([peer('here'), peer('there')]);
  of.take([
    app('shop'),
    release('shop'),
    report('shop', 'here', 'a'),
    report('shop', 'there', 'b'),
  ]);
  of.setOwn('shop', { releases: [], instances: [] });
  assert.deepEqual(said(of), ['app/shop: b@there']);
  assert.deepEqual(of.compose().locals, []);
  of.take([report('shop', 'here', 'a', 'c')]);
  assert.deepEqual(said(of), ['app/shop: b@there'], 'the record is behind');
  of.setOwn('shop', undefined);
  assert.deepEqual(said(of), ['app/shop: a b@there c']);
});

test('a strange record is passed over; the older app comes first', () => {
  const of = routes();
  of.setPeers([peer('here')]);
  of.take([app('young', { createdAt: 2 }), app('old', { createdAt: 1 })]);
  of.take([
    { kind: 'put', entry: { ...entry('/apps/x', {}), value: Buffer.from('{') } },
    put('/releases/young/r1', { id: 'r1' }),
    put('/instances/young/here', {}),
    put('/apps/strange', { name: 'strange' }),
  ]);
  assert.deepEqual(said(of), ['app/old: respond', 'app/young: respond']);
});

test('a site lies in the folder of its release', () => {
  const of = routes();
  of.setPeers([peer('here')]);
  const id = 'abcdef012345';
  of.take([
    app('site', { release: id }),
    put(`/releases/site/${id}`, { id, plan: { processes: {}, staticRoot: 'public' } }),
    put('/instances/site/here', { releases: [id], instances: [] }),
  ]);
  const target = of.compose().routes[0]?.target;
  assert.deepEqual(target, {
    kind: 'static',
    root: `/data/apps/site/releases/${id}/tree/public`,
  });
});
