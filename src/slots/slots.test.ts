import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evenSlotMap, movedSlots, splitSlots } from './slots.ts';

test('half of the slots of a stripe go to a new one, in steps', () => {
  const two = evenSlotMap(2);
  const begun = splitSlots(two, 1);
  assert.deepEqual([begun?.count, begun?.moving?.into, begun?.stripes], [3, 2, two.stripes]);
  assert.ok(begun?.moving !== undefined);
  assert.equal(splitSlots(begun, 0), undefined, 'one at a time');
  const { left } = begun.moving;
  assert.deepEqual([left.length, left[0], left.at(-1)], [256, 768, 1023]);
  const some = movedSlots(begun, new Set(left.slice(0, 100)));
  assert.deepEqual([some.moving?.left.length, some.stripes[768], some.stripes[868]], [156, 2, 1]);
  const done = movedSlots(some, new Set(some.moving?.left));
  assert.deepEqual([done.moving, done.version], [undefined, two.version + 3]);
  assert.deepEqual(
    [0, 1, 2].map((stripe) => done.stripes.filter((one) => one === stripe).length),
    [512, 256, 256],
  );
  const single = { ...two, stripes: two.stripes.map((_, slot) => (slot === 0 ? 0 : 1)) };
  assert.equal(splitSlots(single, 0), undefined);
});
