import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isScrubDue } from './scrub-duty.ts';

const HOUR = 3_600_000;
const NOW = 1_800_000_000_000;

test('a stripe is compared once a day, at a time of its own', () => {
  const stripes = Array.from({ length: 240 }, (_, at) => `abc/s${at}`);
  for (const stripe of stripes) {
    assert.equal(isScrubDue(stripe, NOW, NOW), false);
    assert.equal(isScrubDue(stripe, NOW + 24 * HOUR, NOW), true);
    assert.equal(isScrubDue(stripe, NOW - 24 * HOUR, NOW), false, 'the clock was put back');
  }
  for (let hour = 0; hour < 24; hour++) {
    const [from, to] = [NOW + hour * HOUR, NOW + (hour + 1) * HOUR];
    const due = stripes.filter((stripe) => isScrubDue(stripe, to, from));
    assert.ok(due.length > 0 && due.length < 40, `${due.length} in hour ${hour}`);
  }
});
