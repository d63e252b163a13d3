import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RATE_KEYS_MAX, RateLimit, rateKeyOfClient } from './rate-limit.ts';

test('a bucket fills evenly', () => {
  const limit = new RateLimit({ requests: 10, perMs: 1000, burst: 2 });
  const allowedAt = (ms: number): boolean => limit.take('a', ms).allowed;
  assert.deepEqual([0, 0, 0, 99, 100, 150, 200].map(allowedAt), [
    true,
    true,
    false,
    false,
    true,
    false,
    true,
  ]);
  assert.equal(limit.take('a', 250).waitMs, 50);
  assert.deepEqual([5000, 5000, 5000].map(allowedAt), [true, true, false]);
});

test('a flood of keys takes bounded memory and forgets the longest unused', () => {
  const limit = new RateLimit({ requests: 1, perMs: 1000 });
  for (let index = 0; index < RATE_KEYS_MAX; index++) limit.take(`k${index}`, 0);
  assert.equal(limit.take('k0', 0).allowed, false);
  limit.take('one more', 0);
  assert.equal(limit.keys, RATE_KEYS_MAX);
  assert.equal(limit.take('k0', 0).allowed, false);
  assert.equal(limit.take('k1', 0).allowed, true);
});

test('addresses of one IPv6 network are one client', () => {
  assert.equal(rateKeyOfClient('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(rateKeyOfClient('2001:db8::7'), '2001:db8:0:0::/64');
  assert.equal(rateKeyOfClient('::1'), '0:0:0:0::/64');
  assert.equal(rateKeyOfClient('192.0.2.1'), '192.0.2.1');
});
