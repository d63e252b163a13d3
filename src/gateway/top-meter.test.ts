import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CACHE_RESULT } from './cache-result.ts';
import { mergeTop, TOP_COUNTED_MAX, TOP_ROWS_MAX, TopMeter, type TopRequest } from './top-meter.ts';

const REQUEST: TopRequest = {
  route: 'site',
  authority: 'a.example',
  target: '/',
  status: 200,
  cache: CACHE_RESULT.none,
  durationMs: 2,
  bytesOut: 10,
};

test('requests are counted by route and by URL, whose query does not matter', () => {
  const meter = new TopMeter();
  meter.record({ ...REQUEST, target: '/a?x=1', cache: CACHE_RESULT.hit });
  meter.record({ ...REQUEST, target: '/a?x=2', status: 502, durationMs: 8 });
  meter.record({ ...REQUEST, target: '/b', cache: CACHE_RESULT.pass });
  const { routes, urls } = meter.report(1);
  assert.deepEqual(routes, [
    {
      name: 'site',
      requests: 3,
      errors5xx: 1,
      hits: 1,
      bytesOut: 30,
      latencySumMs: 12,
      latencyMaxMs: 8,
    },
  ]);
  assert.deepEqual(
    urls.map(({ name, requests }) => [name, requests]),
    [
      ['a.example/a', 2],
      ['a.example/b', 1],
    ],
  );
});

test('a flood of URLs does not hide the frequent one, nor fill the memory', () => {
  const meter = new TopMeter();
  for (let at = 0; at < TOP_COUNTED_MAX * 3; at++) {
    meter.record({ ...REQUEST, target: `/${at}` });
    if (at % 10 === 0) meter.record({ ...REQUEST, target: '/often' });
  }
  const { urls } = meter.report(1);
  assert.equal(urls.length, TOP_ROWS_MAX);
  assert.equal(urls[0]?.name, 'a.example/often');
  assert.equal(urls[0].requests, Math.ceil((TOP_COUNTED_MAX * 3) / 10));
});

test('reports of several processes become one', () => {
  const one = new TopMeter();
  const two = new TopMeter();
  one.record(REQUEST);
  two.record({ ...REQUEST, durationMs: 5 });
  two.record({ ...REQUEST, target: '/x' });
  const { seconds, routes, urls } = mergeTop([one.report(2), two.report(3)]);
  assert.equal(seconds, 3);
  assert.deepEqual(
    [routes[0]?.requests, routes[0]?.latencyMaxMs, routes[0]?.latencySumMs],
    [3, 5, 9],
  );
  assert.deepEqual(
    urls.map(({ requests }) => requests),
    [2, 1],
  );
});
