import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseUpstream, createRandom, hasFit, standing, type Candidate } from './balance.ts';

function candidates(...loads: readonly number[]): Candidate[] {
  return loads.map((load) => ({ load, downUntilMs: 0 }));
}

/** How often each index is chosen in many draws. */
function counts(list: readonly Candidate[], excluded: readonly Candidate[] = []): number[] {
  const random = createRandom(7);
  const found = list.map(() => 0);
  for (let draw = 0; draw < 1000; draw++) {
    const index = chooseUpstream(list, excluded, 100, random);
    found[index] = (found[index] ?? 0) + 1;
  }
  return found;
}

test('equal load is shared evenly', () => {
  for (const count of counts(candidates(1, 1, 1, 1))) assert.ok(count > 200 && count < 300);
});

test('the busiest of all is never chosen, the idlest most often', () => {
  const [busy = 0, middle = 0, idle = 0] = counts(candidates(9, 5, 0));
  assert.equal(busy, 0);
  assert.ok(idle > middle && middle > 200);
});

test('of two, the less busy one', () => {
  assert.deepEqual(counts(candidates(3, 2)), [0, 1000]);
});

test('on a busy machine an instance counts for what is left of it', () => {
  const on = (busy: number, load: number): Candidate => ({ load, downUntilMs: 0, busy });
  const [quiet = 0, full = 0] = counts([on(0, 1), on(1, 1)]);
  assert.ok(quiet > 750 && full > 100, `${quiet} and ${full}: both get their share`);
  assert.deepEqual(counts([on(0, 3), on(0.9, 2)]), [1000, 0]);
  assert.deepEqual(counts([on(0.5, 9), on(0.6, 2)]), [0, 1000]);
  for (const share of counts([on(0.4, 1), on(0.4, 1)])) assert.ok(share > 400);
});

test('those that are down or were tried are passed over', () => {
  const [a, b, c] = [
    { load: 0, downUntilMs: 200 },
    { load: 5, downUntilMs: 100 },
    { load: 9, downUntilMs: 0 },
  ];
  assert.deepEqual(counts([a, b, c]), [0, 1000, 0]);
  assert.deepEqual(counts([a, b, c], [b]), [0, 0, 1000]);
  assert.equal(hasFit([a, b], [], 100), true);
  assert.equal(hasFit([a, b], [b], 100), false);
});

test('when all are down, they are tried all the same', () => {
  const list = [1, 2].map((load) => ({ load, downUntilMs: 999 }));
  assert.deepEqual(counts(list), [1000, 0]);
});

test('nothing is left', () => {
  assert.equal(chooseUpstream([], [], 0, Math.random), -1);
  const one = candidates(0);
  assert.equal(chooseUpstream(one, one, 0, Math.random), -1);
  const two = candidates(0, 0);
  assert.equal(chooseUpstream(two, two, 0, Math.random), -1);
});

test('one on this machine is asked unless one elsewhere has far less to do', () => {
  const here = (load: number, busy = 0): Candidate => ({ load, downUntilMs: 0, busy });
  const there = (load: number, busy = 0): Candidate => ({ ...here(load, busy), isFar: true });
  assert.deepEqual(counts([here(0), there(0), there(0)]), [1000, 0, 0]);
  assert.deepEqual(counts([here(3), there(0), there(0)]), [1000, 0, 0]);
  const [stay = 0, ...gone] = counts([here(9), there(0), there(0)]);
  assert.ok(stay > 450 && stay < 550, `half of them stay, not ${stay}`);
  for (const share of gone) assert.ok(share > 200);
  assert.equal(counts([here(15), there(0), there(0)])[0], 0);
});

test('nothing goes to machines that are as busy, and much to quiet ones', () => {
  const here: Candidate = { load: 15, downUntilMs: 0, busy: 1 };
  const there = (busy: number): Candidate => ({ load: 0, downUntilMs: 0, busy, isFar: true });
  const [, , toBusy = 0] = counts([here, here, there(1)]);
  assert.equal(toBusy, 0);
  const crowded: Candidate = { load: 31, downUntilMs: 0, busy: 0.8 };
  const [, toCrowded = 0] = counts([crowded, there(0.8)]);
  assert.ok(toCrowded < 50, `${toCrowded} of 1000`);
  const [, , toQuiet = 0] = counts([here, here, there(0.3)]);
  assert.ok(toQuiet > 850, `${toQuiet} of 1000`);
});

test('those elsewhere are asked when there is nobody here, by power of two choices', () => {
  const there = (load: number): Candidate => ({ load, downUntilMs: 0, isFar: true });
  assert.deepEqual(counts([there(3), there(2)]), [0, 1000]);
  const here: Candidate = { load: 0, downUntilMs: 200 };
  assert.deepEqual(counts([here, there(3), there(2)]), [0, 0, 1000]);
});

test('backups are asked only in place of the others', () => {
  const well = (): Candidate => ({ load: 0, downUntilMs: 0 });
  const down = (): Candidate => ({ load: 0, downUntilMs: 200 });
  const namesOf = (list: readonly Candidate[], tried: readonly number[] = []): string => {
    // The last two are the backups.
    const excluded = tried.map((at) => list[at] ?? well());
    const found = standing(list, new Set(list.slice(-2)), excluded, 100);
    return found.map((one) => 'abcd'[list.indexOf(one)]).join('');
  };
  assert.equal(namesOf([well(), well(), well(), well()]), 'ab');
  assert.equal(namesOf([well(), down(), well(), well()]), 'a');
  assert.equal(namesOf([well(), down(), well(), well()], [0]), 'cd');
  assert.equal(namesOf([down(), down(), down(), well()]), 'd');
  assert.equal(namesOf([down(), down(), down(), well()], [3]), 'ab');
  assert.equal(namesOf([down(), down(), down(), down()]), 'ab');
  assert.equal(namesOf([down(), down(), down(), down()], [0, 1, 2]), 'd');
  assert.equal(namesOf([well(), well(), well(), well()], [0, 1, 2, 3]), '');
});
