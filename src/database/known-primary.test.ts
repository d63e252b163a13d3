/** When the log is asked who leads, and when not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { Primary } from './commit-log.ts';
import { KnownPrimary } from './known-primary.ts';

const FIRST: Primary = { node: 'a', life: 'a1', epoch: 4 };
const SECOND: Primary = { node: 'b', life: 'b1', epoch: 7 };

test('who leads is asked at first, after a hint, after a second, and by who must know', async () => {
  const clock = new ManualClock();
  const answers: (Primary | undefined | Error)[] = [];
  const log = {
    async primary(): Promise<Primary | undefined> {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const leader = new KnownPrimary({ name: 's1', log, clock });
  answers.push(FIRST, SECOND);
  assert.deepEqual(await leader.recent(), FIRST);
  clock.advance(999);
  assert.deepEqual(await leader.recent(), FIRST);
  clock.advance(1);
  assert.deepEqual(await leader.recent(), SECOND);
  answers.push(undefined, FIRST, new Error('away'), SECOND);
  leader.mayHaveChanged();
  assert.equal(await leader.recent(), undefined);
  assert.equal(await leader.recent(), undefined);
  assert.deepEqual(await leader.now(), FIRST);
  leader.mayHaveChanged();
  await assert.rejects(leader.recent(), /away/);
  assert.deepEqual(await leader.recent(), SECOND);
  assert.deepEqual(answers, []);
});

test('a hint that comes while the log is asked is not lost', async () => {
  const first = Promise.withResolvers<Primary>();
  const answers = [first.promise, Promise.resolve(SECOND)];
  const log = { primary: async (): Promise<Primary | undefined> => answers.shift() };
  const leader = new KnownPrimary({ name: 's1', log, clock: new ManualClock() });
  const asked = leader.recent();
  leader.mayHaveChanged();
  first.resolve(FIRST);
  assert.deepEqual(await asked, FIRST);
  assert.deepEqual(await leader.recent(), SECOND);
});
