import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogGauge, pressureOf } from './log-gauge.ts';

test('writers are slowed down from half of the limit on, and stopped at it', () => {
  assert.deepEqual(pressureOf(0, 1000), { kind: 'none' });
  assert.deepEqual(pressureOf(500, 1000), { kind: 'none' });
  assert.deepEqual(pressureOf(600, 1000), { kind: 'slow', pauseMs: 10 });
  assert.deepEqual(pressureOf(999, 1000), { kind: 'slow', pauseMs: 50 });
  assert.deepEqual(pressureOf(1000, 1000), { kind: 'full' });
});

test('what is trimmed counts no more, by whole buckets', () => {
  const gauge = new LogGauge();
  for (const [index, bytes] of [
    [1, 10],
    [255, 10],
    [256, 5],
    [700, 1],
  ] as const)
    gauge.add(index, bytes);
  assert.equal(gauge.bytes, 26);
  gauge.trimmed(255);
  assert.equal(gauge.bytes, 26);
  gauge.trimmed(256);
  assert.equal(gauge.bytes, 6);
  gauge.trimmed(1024);
  assert.equal(gauge.bytes, 0);
});
