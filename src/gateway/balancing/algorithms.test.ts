import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../balance.ts';
import { chooseInTurn, chooseLeast, chooseOfTwo, drawByShare, type Choice } from './algorithms.ts';

const DRAWS = 4000;

function choice(load: number, share = 1): Choice {
  return { load, share };
}

/** How often each is chosen, in percent. */
function shares(
  list: readonly Choice[],
  choose: (list: readonly Choice[], random: () => number) => number,
): number[] {
  const random = createRandom(7);
  const found = list.map(() => 0);
  for (let draw = 0; draw < DRAWS; draw++) {
    const index = choose(list, random);
    found[index] = (found[index] ?? 0) + 1;
  }
  return found.map((count) => Math.round((100 * count) / DRAWS));
}

function near(found: readonly number[], wanted: readonly number[]): void {
  assert.equal(found.length, wanted.length);
  const isNear = found.every((share, index) => Math.abs(share - (wanted[index] ?? 0)) <= 4);
  assert.ok(isNear, `${found.join(' ')} is not about ${wanted.join(' ')}`);
}

test('by chance each gets what its weight says', () => {
  near(shares([choice(0), choice(9)], drawByShare), [50, 50]);
  near(shares([choice(0, 3), choice(0, 1), choice(0, 4)], drawByShare), [37, 13, 50]);
  assert.equal(
    drawByShare([choice(0), choice(0)], () => 0.9, 1),
    0,
  );
  assert.equal(
    drawByShare([], () => 0),
    -1,
  );
  assert.equal(
    drawByShare([choice(0)], () => 0, 0),
    -1,
  );
});

test('of two drawn the one with less under way for its weight', () => {
  near(shares([choice(0), choice(0), choice(0), choice(0)], chooseOfTwo), [25, 25, 25, 25]);
  near(shares([choice(1), choice(0)], chooseOfTwo), [0, 100]);
  // On a quiet route the weights decide.
  near(shares([choice(0, 3), choice(0, 1)], chooseOfTwo), [75, 25]);
  // 6 for 3 is as much as 2 for 1, and 5 for 3 is less.
  near(shares([choice(6, 3), choice(2, 1)], chooseOfTwo), [75, 25]);
  near(shares([choice(5, 3), choice(2, 1)], chooseOfTwo), [100, 0]);
  assert.equal(
    chooseOfTwo([choice(3)], () => 0),
    0,
  );
  assert.equal(
    chooseOfTwo([], () => 0),
    -1,
  );
});

test('the least of all, and those that are level share', () => {
  near(shares([choice(2), choice(1), choice(3)], chooseLeast), [0, 100, 0]);
  near(shares([choice(1), choice(1), choice(3)], chooseLeast), [50, 50, 0]);
  near(shares([choice(0, 1), choice(0, 3)], chooseLeast), [25, 75]);
  near(shares([choice(4, 4), choice(2, 1)], chooseLeast), [100, 0]);
  assert.equal(
    chooseLeast([], () => 0),
    -1,
  );
});

test('turns are as many as the weights say and evenly mixed', () => {
  const table: readonly (readonly [weights: readonly number[], wanted: string])[] = [
    [[1, 1, 1], '012012012'],
    [[5, 1, 1], '0010200001020'],
    [[2, 1], '010010'],
    [[0.5, 0.5], '0101'],
  ];
  for (const [weights, wanted] of table) {
    const list = weights.map((weight) => ({ weight, turn: 0 }));
    const found = Array.from(wanted, () => chooseInTurn(list, ({ weight }) => weight));
    assert.equal(found.join(''), wanted);
  }
  assert.equal(
    chooseInTurn([], () => 1),
    -1,
  );
});
