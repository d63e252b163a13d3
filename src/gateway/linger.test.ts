import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Linger } from './linger.ts';

test('a quiet client is waited for from the moment the answer has left', () => {
  const linger = new Linger(75_000);
  assert.equal(linger.isOver(false, 0, 30_000), false);
  assert.equal(linger.isOver(true, 0, 30_000), false);
  assert.equal(linger.isOver(true, 0, 31_999), false);
  assert.equal(linger.isOver(true, 0, 32_000), true);
});

test('one that goes on sending is not waited for without end', () => {
  const linger = new Linger(75_000);
  for (let ms = 0; ms < 5000; ms += 500) assert.equal(linger.isOver(true, ms, ms), false);
  assert.equal(linger.isOver(true, 5000, 5000), true);
});

test('one that does not read neither', () => {
  const linger = new Linger(75_000);
  assert.equal(linger.isOver(false, 1000, 75_999), false);
  assert.equal(linger.isOver(false, 1000, 76_000), true);
});
