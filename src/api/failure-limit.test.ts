import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/time.ts';
import { FailureLimit } from './failure-limit.ts';
import {
  FAILED_AUTH_ADDRESSES_MAX,
  FAILED_AUTH_BURST,
  FAILED_AUTH_REFILL_PER_SECOND,
} from './limits.ts';

class HandClock {
  ms = 0;
  readonly clock = { ...systemClock, monotonicMs: (): number => this.ms };
}

function fail(limit: FailureLimit, peer: string, times: number): void {
  for (let count = 0; count < times; count++) limit.recordFailure('token', peer);
}

test('a burst is allowed, then one try for each that was earned', () => {
  const hand = new HandClock();
  const limit = new FailureLimit(hand.clock);
  fail(limit, 'a', FAILED_AUTH_BURST - 1);
  assert.equal(limit.allows('token', 'a'), true);
  fail(limit, 'a', 1);
  assert.equal(limit.allows('token', 'a'), false);
  hand.ms += 1000 / FAILED_AUTH_REFILL_PER_SECOND;
  assert.equal(limit.allows('token', 'a'), true);
  fail(limit, 'a', 1);
  assert.equal(limit.allows('token', 'a'), false);
});

test('addresses and ways in do not share their tries', () => {
  const limit = new FailureLimit(new HandClock().clock);
  fail(limit, 'a', FAILED_AUTH_BURST);
  assert.equal(limit.allows('token', 'b'), true);
  assert.equal(limit.allows('login', 'a'), true);
  assert.equal(limit.allows('session', 'a'), true);
});

test('the oldest address is forgotten when there are too many', () => {
  const limit = new FailureLimit(new HandClock().clock);
  fail(limit, 'oldest', FAILED_AUTH_BURST);
  fail(limit, 'second', FAILED_AUTH_BURST);
  for (let count = 2; count < FAILED_AUTH_ADDRESSES_MAX; count++) fail(limit, `peer ${count}`, 1);
  assert.equal(limit.allows('token', 'oldest'), false);
  fail(limit, 'one more', 1);
  assert.equal(limit.allows('token', 'oldest'), true);
  assert.equal(limit.allows('token', 'second'), false);
});
