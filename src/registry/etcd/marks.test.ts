import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Condition, Operation } from '../contract.ts';
import { CONDITIONS_MAX, OPERATIONS_MAX } from '../limits.ts';
import { canBeMarked, COMMITS_IN_FLIGHT_MAX, Marks } from './marks.ts';

const put: Operation = { kind: 'put', key: '/a', value: Buffer.of(1) };
const remove: Operation = { kind: 'delete', key: '/a' };
const removeBelow: Operation = { kind: 'deletePrefix', prefix: '/' };
const there: Condition = { key: '/a', revision: 3 };
const absent: Condition = { key: '/a', revision: 0 };

describe('marks', () => {
  test('only a commit that changes something in any case carries one', () => {
    const many = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);
    const cases: readonly [boolean, Condition[], Operation[]][] = [
      [true, [], [put]],
      [false, [], []],
      [false, [there], []],
      [false, [], [remove]],
      [false, [absent], [remove]],
      [true, [there], [remove]],
      [true, [there], [removeBelow]],
      [true, [absent], [remove, put]],
      [false, [], many(OPERATIONS_MAX, put)],
      [true, [], many(OPERATIONS_MAX - 1, put)],
      [false, many(CONDITIONS_MAX, there), [put]],
    ];
    for (const [wanted, conditions, operations] of cases) {
      assert.equal(canBeMarked(conditions, operations), wanted);
    }
  });

  test('no mark is used twice at a time, and who comes too many waits', async () => {
    const marks = new Marks((index) => Buffer.from(String(index)));
    const taken = await Promise.all(
      Array.from({ length: COMMITS_IN_FLIGHT_MAX }, () => marks.take()),
    );
    assert.equal(new Set(taken).size, COMMITS_IN_FLIGHT_MAX);
    let given = false;
    const waiting = marks.take().then((mark) => {
      given = true;
      return mark;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(given, false);
    const [first] = taken;
    assert.ok(first !== undefined);
    marks.give(first);
    assert.equal(await waiting, first);
    marks.give(first);
    assert.equal(await marks.take(), first);
  });
});
