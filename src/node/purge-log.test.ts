import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PURGE_ORDERS_MAX, type PurgeOrders } from '../gateway/gateway.ts';
import { NO_PURGES, withOrder } from './purge-log.ts';

const NOW = 1_700_000_000_000;
const DAY = 86_400_000;
const PURGE = { targets: [{ kind: 'tag', tag: 'a' }], soft: false } as const;

function numbers({ orders }: PurgeOrders): readonly number[] {
  return orders.map(({ number }) => number);
}

test('numbers grow, also within a millisecond and when a clock is behind', () => {
  let log = NO_PURGES;
  for (const at of [NOW, NOW, NOW - 5000]) log = withOrder(log, PURGE, at);
  assert.deepEqual(numbers(log), [NOW, NOW + 1, NOW + 2]);
  assert.equal(log.floor, 0);
});

test('what is older than a day is forgotten and becomes the floor', () => {
  const old = withOrder(withOrder(NO_PURGES, PURGE, NOW), PURGE, NOW + 10);
  const log = withOrder(old, PURGE, NOW + DAY + 5);
  assert.deepEqual(numbers(log), [NOW + 10, NOW + DAY + 5]);
  assert.equal(log.floor, NOW);
});

test('not more than so many are kept, nor too long ones', () => {
  let log = NO_PURGES;
  for (let at = 0; at <= PURGE_ORDERS_MAX; at++) log = withOrder(log, PURGE, NOW + at);
  assert.equal(log.orders.length, PURGE_ORDERS_MAX);
  assert.equal(log.floor, NOW);

  const url = `http://a.test/${'x'.repeat(2000)}`;
  const long = { targets: Array.from({ length: 90 }, () => ({ kind: 'url', url }) as const) };
  log = withOrder(withOrder(NO_PURGES, { ...long, soft: false }, NOW), PURGE, NOW + 1);
  log = withOrder(log, { ...long, soft: true }, NOW + 2);
  assert.deepEqual(numbers(log), [NOW + 1, NOW + 2]);
  assert.equal(log.floor, NOW);
});
