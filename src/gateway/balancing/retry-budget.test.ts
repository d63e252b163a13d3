import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryBudget } from './retry-budget.ts';

/** How many of so many repetitions are allowed at `nowMs`. */
function allowed(budget: RetryBudget, count: number, nowMs: number): number {
  let found = 0;
  for (let at = 0; at < count; at++) if (budget.take(nowMs)) found++;
  return found;
}

test('a share of the requests may be repeated', () => {
  const budget = new RetryBudget({ budget: 0.25, perSecond: 0 });
  assert.equal(allowed(budget, 1, 1), 0);
  for (let request = 0; request < 40; request++) budget.request();
  assert.equal(allowed(budget, 40, 1), 10);
  // Unused shares are not hoarded.
  for (let request = 0; request < 10_000; request++) budget.request();
  assert.equal(allowed(budget, 1000, 1), 100);
});

test('some a second are always allowed, and kept for ten seconds', () => {
  const budget = new RetryBudget({ budget: 0, perSecond: 2 });
  assert.equal(allowed(budget, 9, 1000), 2);
  assert.equal(allowed(budget, 9, 1400), 0);
  assert.equal(allowed(budget, 9, 1500), 1);
  assert.equal(allowed(budget, 99, 100_000), 20);
});
