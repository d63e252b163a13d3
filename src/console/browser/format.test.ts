import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, formatAgo, formatDay, formatMs, formatNumber, formatPercent } from './format.ts';

test('numbers keep at most three digits that mean something', () => {
  const table: readonly (readonly [number, string])[] = [
    [0, '0'],
    [0.04, '0.04'],
    [0.44, '0.4'],
    [12, '12'],
    [12.34, '12.3'],
    [123.4, '123'],
    [1234, '1.2k'],
    [2_500_000, '2.5M'],
    [Number.NaN, '–'],
  ];
  for (const [value, text] of table) assert.equal(formatNumber(value), text);
});

test('latencies change to seconds, ratios to per cent', () => {
  assert.equal(formatMs(4.25), '4.3 ms');
  assert.equal(formatMs(1500), '1.5 s');
  assert.equal(formatPercent(0.126), '13 %');
});

test('ages never lie in the future', () => {
  assert.equal(formatAgo(10_000, 9000), 'just now');
  assert.equal(formatAgo(0, 180_000), '3 min ago');
});

test('one app, two apps', () => {
  assert.equal(count(1, 'app'), '1 app');
  assert.equal(count(0, 'app'), '0 apps');
});

test('days near now have names', () => {
  const now = new Date(2026, 4, 15, 12).getTime();
  const day = 24 * 3_600_000;
  assert.equal(formatDay(now, now), 'Today');
  assert.equal(formatDay(now - day, now), 'Yesterday');
  assert.match(formatDay(now - 3 * day, now), /2026/);
});
