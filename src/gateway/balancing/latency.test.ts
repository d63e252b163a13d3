import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeakEwma } from './peak-ewma.ts';
import { slowStartShare } from './slow-start.ts';

test('a slow answer counts at once, quick ones bring it down over time', () => {
  const latency = new PeakEwma();
  assert.equal(latency.at(0), 0);
  latency.observe(10, 1000);
  assert.equal(latency.at(1000), 10);
  latency.observe(500, 1000);
  assert.equal(latency.at(1000), 500);
  latency.observe(10, 1010);
  const soon = latency.at(1010);
  assert.ok(soon > 480 && soon < 500, `${soon}`);
  for (let nowMs = 1100; nowMs < 61_000; nowMs += 100) latency.observe(10, nowMs);
  const later = latency.at(61_000);
  assert.ok(later > 8 && later < 13, `${later}`);
});

test('it fades without answers, so that who was slow once is asked again', () => {
  const latency = new PeakEwma();
  latency.observe(1000, 0);
  assert.ok(latency.at(30_000) < 60);
});

test('costs: unknown and idle is asked first, unknown and busy last', () => {
  const known = new PeakEwma();
  known.observe(20, 0);
  const unknown = new PeakEwma();
  const costs = [
    unknown.cost(0, 1, 0),
    known.cost(0, 2, 0),
    known.cost(0, 1, 0),
    known.cost(3, 1, 0),
  ];
  assert.deepEqual(costs, [0, 10, 20, 80]);
  assert.ok(unknown.cost(1, 1, 0) > 1e6);
});

test('slow start', () => {
  const table: readonly (readonly [
    sinceMs: number,
    slowStartMs: number | undefined,
    share: number,
  ])[] = [
    [0, undefined, 1],
    [0, 1000, 0.1],
    [50, 1000, 0.1],
    [500, 1000, 0.5],
    [1000, 1000, 1],
    [9999, 1000, 1],
  ];
  for (const [sinceMs, slowStartMs, share] of table) {
    assert.equal(slowStartShare(sinceMs, slowStartMs), share, `${sinceMs} of ${slowStartMs}`);
  }
});
