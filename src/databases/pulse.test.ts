/** When a node counts as gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GONE_AFTER_MS, PULSES_LATE_MAX } from './limits.ts';
import { Pulse } from './pulse.ts';

test('one that cannot be reached is gone after a moment, and back when it is heard', () => {
  const pulse = new Pulse();
  assert.equal(pulse.isGone(0), false);
  pulse.broke(1000);
  pulse.broke(1000 + GONE_AFTER_MS - 1);
  assert.equal(pulse.isGone(1000 + GONE_AFTER_MS - 1), false);
  assert.equal(pulse.isGone(1000 + GONE_AFTER_MS), true);
  pulse.heard();
  assert.equal(pulse.isGone(1000 + GONE_AFTER_MS), false);
});

test('one that is late is gone when it is late again and again', () => {
  const pulse = new Pulse();
  for (let times = 1; times < PULSES_LATE_MAX; times++) pulse.wasLate();
  assert.equal(pulse.isGone(0), false);
  pulse.wasLate();
  assert.equal(pulse.isGone(0), true);
});
