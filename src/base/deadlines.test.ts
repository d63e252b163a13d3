/** Who is told that a time has passed, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { Deadlines } from './deadlines.ts';

test('each is told when its own time has passed, and no sooner; what ended is not', () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock, 100);
  const late: string[] = [];
  deadlines.begin(() => late.push('a'));
  clock.advance(40);
  const ended = deadlines.begin(() => late.push('b'));
  clock.advance(30);
  deadlines.begin(() => {
    late.push('c');
    // From within: one more.
    deadlines.begin(() => late.push('d'));
  });
  clock.advance(30);
  assert.deepEqual(late, ['a']);
  ended[Symbol.dispose]();
  clock.advance(69);
  assert.deepEqual(late, ['a']);
  clock.advance(1);
  assert.deepEqual(late, ['a', 'c']);
  clock.advance(99);
  assert.deepEqual(late, ['a', 'c']);
  clock.advance(1);
  assert.deepEqual(late, ['a', 'c', 'd']);
});
