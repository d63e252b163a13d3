import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { Leases } from './leases.ts';

test('a lease whose end cannot be written is told of again, once a second, and delays no other', () => {
  const clock = new ManualClock();
  const told: string[] = [];
  using leases = new Leases(clock, (ids) => {
    told.push(...ids);
    if (ids.includes('good')) leases.remove('good');
  });
  leases.add('stuck', 500);
  leases.add('good', 1600);
  for (let passed = 0; passed < 1600; passed += 20) clock.advance(20);
  assert.ok(told.includes('good'), 'told of in its own time');
  for (let passed = 0; passed < 8400; passed += 20) clock.advance(20);
  const again = told.filter((id) => id === 'stuck').length;
  assert.ok(again >= 9 && again <= 12, `told ${again} times in 10 s`);
});
