import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPrometheus } from '../base/metrics.ts';
import { cacheFamilies } from './cache-families.ts';
import { CACHE_RESULT } from './cache-result.ts';
import { RouteMeter } from './route-meter.ts';

const TIER = { hits: 1, misses: 2, failures: 0, bytesMax: 100 };

test('requests are counted by route and result, tiers by name', () => {
  const meter = new RouteMeter();
  meter.byCache[CACHE_RESULT.hit] = 7;
  meter.byCache[CACHE_RESULT.collapsed] = 2;
  const tiers = [
    { ...TIER, name: 'memory', keys: 3, bytes: 30, evicted: 4 },
    { ...TIER, name: 'disk', keys: 5, bytes: 50, evicted: 6 },
  ];
  const text = formatPrometheus(cacheFamilies(tiers, [['app/a', meter]]));
  for (const line of [
    'moln_gateway_cache_requests_total{route="app/a",result="hit"} 7',
    'moln_gateway_cache_requests_total{route="app/a",result="collapsed"} 2',
    'moln_gateway_cache_entries{tier="memory"} 3',
    'moln_gateway_cache_bytes{tier="disk"} 50',
    'moln_gateway_cache_evictions_total{tier="disk"} 6',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} in ${text}`);
  }
  assert.doesNotMatch(text, /result="miss"/);
});

test('without a cache there is nothing to say', () => {
  assert.deepEqual(cacheFamilies([], [['app/a', new RouteMeter()]]), []);
});
