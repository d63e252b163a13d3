/** Breaches of each rule, and reads that keep it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkBank,
  checkComments,
  checkFresh,
  checkLongFork,
  checkSequential,
  type Sight,
  type Write,
} from './visibility.ts';

const write = (id: number, process: number, began: number, ended: number): Write => ({
  id,
  process,
  began,
  ended,
});
const sight = (began: number, ...seen: readonly number[]): Sight => ({
  began,
  seen: new Set(seen),
});

const writes = [write(1, 1, 0, 1), write(2, 2, 2, 3), write(3, 2, 4, 9), write(4, 1, 5, 6)];

test('comments', () => {
  assert.deepEqual(
    checkComments(writes, [sight(0), sight(0, 1), sight(0, 1, 2), sight(0, 1, 2, 4)]),
    [],
  );
  assert.equal(checkComments(writes, [sight(0, 2)]).length, 1);
  assert.equal(checkComments(writes, [sight(0, 4)]).length, 2);
});

test('sequential', () => {
  assert.deepEqual(checkSequential(writes, [sight(0, 2), sight(0, 1), sight(0, 2, 3)]), []);
  assert.equal(checkSequential(writes, [sight(0, 3)]).length, 1);
  assert.equal(checkSequential(writes, [sight(0, 4, 3)]).length, 2);
});

test('fresh', () => {
  assert.deepEqual(checkFresh(writes, [sight(1.5, 1), sight(1), sight(10, 1, 2, 3, 4)]), []);
  assert.equal(checkFresh(writes, [sight(10, 1, 2)]).length, 2);
});

test('long fork', () => {
  assert.deepEqual(
    checkLongFork([
      [0, 0],
      [1, 0],
      [1, 1],
      [1, 1],
      [2, 5],
    ]),
    [],
  );
  assert.equal(
    checkLongFork([
      [1, 0],
      [0, 1],
    ]).length,
    1,
  );
  assert.equal(
    checkLongFork([
      [0, 0],
      [3, 0],
      [0, 2],
      [3, 2],
    ]).length,
    1,
  );
});

test('bank', () => {
  assert.deepEqual(
    checkBank(
      [
        [50, 50],
        [0, 100],
        [-5, 105],
      ],
      100,
    ),
    [],
  );
  assert.equal(
    checkBank(
      [
        [50, 49],
        [50, 50],
      ],
      100,
    ).length,
    1,
  );
});
