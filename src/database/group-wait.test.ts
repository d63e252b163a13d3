import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { GroupWait } from './group-wait.ts';
import { GROUP_TRANSACTIONS_MAX } from './limits.ts';

const APPEND_MS = 8;
const WAIT_MS: number = 2 * APPEND_MS;
/** Between two who come. */
const STEP_MS = 0.5;

class Groups {
  readonly clock = new ManualClock();
  readonly wait = new GroupWait(this.clock);

  appended(transactions: number, waiting = 0): void {
    this.wait.appended({ transactions, waiting, tookMs: APPEND_MS });
  }

  /** With how many a group begins that `waiting` wait for, when one after the other comes, `coming` at the most; and after how long. */
  async begin(
    waiting: number,
    coming: number,
  ): Promise<{ readonly size: number; readonly ms: number }> {
    const beganMs = this.clock.monotonicMs();
    let isOver = false;
    let size = waiting;
    const over = this.wait.enough(waiting).then(() => (isOver = true));
    await settled();
    for (let left = coming; !isOver; left--) {
      this.clock.advance(STEP_MS);
      if (left > 0 && !isOver) this.wait.came(++size);
      await settled();
    }
    await over;
    return { size, ms: this.clock.monotonicMs() - beganMs };
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

test('a group waits for most of those that the last one answered', async () => {
  const groups = new Groups();
  groups.appended(20, 12);
  assert.deepEqual(await groups.begin(12, 20), { size: 30, ms: 9 });
  // Now they go together, and the next begins when they are back.
  groups.appended(30, 2);
  assert.deepEqual(await groups.begin(2, 30), { size: 29, ms: 13.5 });
});

test('nobody waits for a few, nor after a pause, nor for more than a group holds', async () => {
  const groups = new Groups();
  assert.equal((await groups.begin(1, 0)).ms, 0);
  groups.appended(7);
  assert.equal((await groups.begin(1, 7)).ms, 0);
  groups.appended(20);
  groups.clock.advance(WAIT_MS);
  assert.equal((await groups.begin(1, 20)).ms, 0);
  groups.appended(GROUP_TRANSACTIONS_MAX, 60);
  assert.equal((await groups.begin(GROUP_TRANSACTIONS_MAX - 1, 5)).size, GROUP_TRANSACTIONS_MAX);
});

test('a wait in vain is as long as two appends, and happens more and more rarely', async () => {
  const groups = new Groups();
  const between = async (): Promise<number> => {
    for (let rested = 0; ; rested++) {
      groups.appended(20);
      const { ms } = await groups.begin(1, 0);
      if (ms > 0) {
        assert.equal(ms, WAIT_MS);
        return rested;
      }
    }
  };
  assert.deepEqual(
    [await between(), await between(), await between(), await between()],
    [0, 1, 2, 4],
  );
  for (let rest = 0; rest < 8; rest++) groups.appended(20);
  groups.appended(20);
  assert.equal((await groups.begin(1, 20)).size, 18);
  assert.deepEqual([await between(), await between()], [0, 1]);
});

test('who wants the stripe for himself, or ends the term, ends a wait', async () => {
  const groups = new Groups();
  groups.appended(20);
  let isOver = false;
  const over = groups.wait.enough(1).then(() => (isOver = true));
  await settled();
  assert.equal(isOver, false);
  groups.wait.hurry();
  await over;
  assert.equal(groups.clock.monotonicMs(), 0);
});
