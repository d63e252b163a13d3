import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  listenerForm,
  NEW_ROUTE,
  routeForm,
  withListenerForm,
  withRouteForm,
  type Written,
} from './record-form.ts';

test('a form that is not touched changes nothing', () => {
  const routes: readonly Written[] = [
    { host: 'a.example', upstreams: 'http://a:1' },
    { host: ['a.example', 'b.example'], path: '/x', upstreams: [{ url: 'http://a', weight: 2 }] },
    { host: 'a.example', app: 'blog', cache: { negative: '10s' }, compress: true },
    { host: 'a.example', redirect: { to: '/new', status: 302 }, allow: ['10.0.0.0/8'] },
    { host: 'a.example', respond: { status: 410, message: 'Gone' }, cache: false },
    { host: 'a.example', upstreams: 'http://a', health: { path: '/up', interval: '5s' } },
  ];
  for (const route of routes) assert.deepEqual(withRouteForm(route, routeForm(route)), route);
  const listener = { port: 993, protocol: 'tcp', upstreams: ['tcp://a:1', 'tcp://b:1'] };
  assert.deepEqual(withListenerForm(listener, listenerForm(listener)), listener);
});

test('what is filled in is written, and the rest stays', () => {
  const form = routeForm(NEW_ROUTE);
  const filled = { ...form, hosts: 'a.example b.example', leadsTo: 'http://a:1', isCached: true };
  const made = { host: ['a.example', 'b.example'], upstreams: 'http://a:1', cache: true };
  assert.deepEqual(withRouteForm(NEW_ROUTE, filled), made);
  const route = { host: 'a.example', upstreams: 'http://a', rate: { requests: 5, per: '1s' } };
  const other = {
    ...routeForm(route),
    target: 'redirect',
    leadsTo: 'https://b',
    path: '/p',
  } as const;
  assert.deepEqual(withRouteForm(route, other), {
    host: 'a.example',
    path: '/p',
    redirect: { to: 'https://b' },
    rate: { requests: 5, per: '1s' },
  });
  const port = withListenerForm(
    { port: 1, protocol: 'tcp', upstreams: 'tcp://a:1' },
    {
      protocol: 'http',
      port: '8081',
      upstreams: 'tcp://a:1',
      balance: '',
    },
  );
  assert.deepEqual(port, { port: 8081, protocol: 'http' });
});

test('servers that stay keep what is written about them', () => {
  const near = { url: 'http://a:1', weight: 2, region: 'east' };
  const backup = { url: 'http://b:1', backup: true };
  const route: Written = { host: 'a.example', upstreams: [near, backup] };
  const led = (leadsTo: string): unknown =>
    withRouteForm(route, { ...routeForm(route), leadsTo })['upstreams'];
  assert.deepEqual(led('http://a:1 http://c:1 http://b:1'), [near, 'http://c:1', backup]);
  assert.deepEqual(led('http://b:1'), backup);
  assert.deepEqual(led('http://c:1'), 'http://c:1');
  const listener: Written = {
    port: 1,
    protocol: 'tcp',
    upstreams: { url: 'tcp://a:1', weight: 2 },
  };
  const more = { ...listenerForm(listener), upstreams: 'tcp://a:1 tcp://b:1' };
  const { upstreams } = withListenerForm(listener, more);
  assert.deepEqual(upstreams, [{ url: 'tcp://a:1', weight: 2 }, 'tcp://b:1']);
});
