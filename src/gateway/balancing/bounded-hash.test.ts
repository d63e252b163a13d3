import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textHash } from '../text-hash.ts';
import { chooseByHash, type HashChoice } from './bounded-hash.ts';

const KEYS: readonly number[] = Array.from({ length: 4000 }, (_value, at) => textHash(`key ${at}`));
const IDLE = 1e9;

function upstreams(names: string, weights: Readonly<Record<string, number>> = {}): HashChoice[] {
  return Array.from(names, (name) => ({
    hash: textHash(name),
    weight: weights[name] ?? 1,
    load: 0,
  }));
}

function places(names: string, weights?: Readonly<Record<string, number>>): string[] {
  const list = upstreams(names, weights);
  return KEYS.map((key) => names[chooseByHash(list, key, IDLE)] ?? '');
}

test('a text has the same hash everywhere', () => {
  assert.deepEqual(
    ['', 'a', 'http://127.0.0.1:9000'].map(textHash),
    [2872998923, 444641715, 3202505915],
  );
});

test('keys are spread by weight', () => {
  for (const [weights, wanted] of [
    [{}, [25, 25, 25, 25]],
    [{ b: 3 }, [17, 50, 17, 17]],
    [{ c: 0 }, [33, 33, 0, 33]],
  ] as const) {
    const found = places('abcd', weights);
    for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) {
      const share = (100 * found.filter((place) => place === name).length) / KEYS.length;
      assert.ok(Math.abs(share - (wanted[index] ?? 0)) < 3, `${name} has ${share} %`);
    }
  }
});

test('who comes or goes moves only its own keys', () => {
  const before = places('abcd');
  const without = places('abd');
  const more = places('abcde');
  before.forEach((place, index) => {
    if (place !== 'c') assert.equal(without[index], place);
    if (more[index] !== 'e') assert.equal(more[index], place);
  });
  assert.deepEqual(places('dcba'), before, 'their order does not count');
});

test('none gets more than its bound, and the rest goes on in the rank of the key', () => {
  const list = upstreams('abcd').map((one) => ({ ...one }));
  // All of one hot key.
  for (let request = 0; request < 100; request++) {
    const index = chooseByHash(list, 7, 1.25);
    const chosen = list[index];
    assert.ok(chosen);
    list[index] = { ...chosen, load: chosen.load + 1 };
  }
  const loads = list.map(({ load }) => load).sort((a, b) => b - a);
  assert.equal(loads[0], 32);
  assert.equal(
    loads.reduce((sum, load) => sum + load, 0),
    100,
  );
  const first = chooseByHash(upstreams('abcd'), 7, 1.25);
  const full = upstreams('abcd').map((one, at) => ({ ...one, load: at === first ? 9 : 0 }));
  assert.notEqual(chooseByHash(full, 7, 1.25), first);
  assert.equal(chooseByHash(full, 7, 100), first);
});

test('nobody is left', () => assert.equal(chooseByHash([], 7, 1.25), -1));
