/** When writers are slowed down, and what counts as the length of a log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogGauge, pressureOf } from './log-gauge.ts';

test('writers are slowed down from half of the limit on, and stopped at it', () => {
  assert.deepEqual(pressureOf(0, 1000), { kind: 'none' });
  assert.deepEqual(pressureOf(500, 1000), { kind: 'none' });
  assert.deepEqual(pressureOf(600, 1000), { kind: 'slow', pauseMs: 4 });
  assert.deepEqual(pressureOf(750, 1000), { kind: 'slow', pauseMs: 50 });
  assert.deepEqual(pressureOf(950, 1000), { kind: 'slow', pauseMs: 4050 });
  assert.deepEqual(pressureOf(999, 1000), { kind: 'slow', pauseMs: 10_000 });
  assert.deepEqual(pressureOf(1000, 1000), { kind: 'full' });
});

test('from half of the limit to the whole it takes as long as the snapshot of a large file', () => {
  const bytesMax = 256 * 1024 * 1024;
  const group = 256 * 1024;
  let pausedMs = 0;
  for (let bytes = 0; bytes < bytesMax; bytes += group) {
    const pressure = pressureOf(bytes, bytesMax);
    if (pressure.kind === 'slow') pausedMs += pressure.pauseMs;
  }
  assert.ok(pausedMs > 9 * 60_000, `${pausedMs} ms`);
});

test('what is trimmed counts no more', () => {
  const gauge = new LogGauge();
  for (let index = 1; index <= 10; index++) gauge.add(index, 40_000);
  assert.equal(gauge.bytes, 400_000);
  gauge.trimmed(1);
  assert.equal(gauge.bytes, 400_000);
  // Two entries make a piece; half of one stays whole.
  gauge.trimmed(4);
  assert.equal(gauge.bytes, 320_000);
  gauge.trimmed(11);
  assert.equal(gauge.bytes, 0);
  gauge.add(11, 5);
  assert.equal(gauge.bytes, 5);
});
