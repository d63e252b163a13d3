/** When a group waits for those of the last one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupWait } from './group-wait.ts';

const MOST = 200;

test('a group waits for most of the last one, if there are many', () => {
  const wait = new GroupWait();
  assert.equal(wait.wanted(32, MOST), 32);
  wait.began(32);
  assert.equal(wait.wanted(32, MOST), 56);
  assert.equal(wait.wanted(190, MOST), MOST);
  assert.equal(wait.wanted(MOST + 5, MOST), MOST);
  assert.equal(wait.wanted(7, MOST), 7);
  wait.began(7);
  assert.equal(wait.wanted(32, MOST), 32);
});

test('who waits in vain does so more and more rarely, until somebody comes again', () => {
  const wait = new GroupWait();
  wait.began(10);
  const groupsBetween = (): number => {
    let groups = 0;
    while (wait.wanted(10, MOST) === 10) groups++;
    return groups;
  };
  const rests: number[] = [];
  for (let time = 0; time < 4; time++) {
    wait.waited(false);
    rests.push(groupsBetween());
  }
  assert.deepEqual(rests, [4, 8, 16, 32]);
  wait.waited(true);
  assert.equal(groupsBetween(), 0);
  wait.waited(false);
  assert.equal(groupsBetween(), 4);
});
