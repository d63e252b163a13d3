import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Silence } from './silence.ts';

test('a silence lasts from the first call that failed to the last, and an answer ends it', () => {
  const silence = new Silence();
  assert.equal(silence.lastedMs, 0);
  silence.failed(1000, 3000);
  assert.equal(silence.lastedMs, 2000);
  silence.failed(3000, 5000);
  assert.equal(silence.lastedMs, 4000);
  silence.heard(6000);
  assert.equal(silence.lastedMs, 0);
});

test('a call that fails late tells nothing of the time in which others were answered', () => {
  const silence = new Silence();
  silence.heard(5000);
  silence.failed(2000, 5500);
  assert.equal(silence.lastedMs, 500);
});
