import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../testing/seeded.ts';
import { KeyBytes } from './key-bytes.ts';
import { KeyIndex } from './key-index.ts';

/** Few hashes: chains of taken slots, over the end of a table too. */
class Crowded extends KeyBytes {
  text = '';

  override read(key: string): boolean {
    this.text = key;
    super.read(key);
    this.hash = (0xf0000000 | (this.hash & 31)) >>> 0;
    return true;
  }
}

for (const seed of [1, 2, 3]) {
  test(`it finds what a map finds, with many keys of one hash too (seed ${seed})`, () => {
    const random = seeded(seed);
    const keys: string[] = [];
    const asked = new Crowded(7);
    const index = new KeyIndex({ isKey: (place) => keys[place] === asked.text });
    const model = new Map<string, number>();
    for (let round = 0; round < 20_000; round++) {
      const key = `k${random.below(200)}`;
      asked.read(key);
      const place = model.get(key);
      assert.equal(index.find(asked), place);
      if (place !== undefined && random.chance(0.6)) {
        model.delete(key);
        index.remove(asked.hash, place);
        continue;
      }
      if (place === undefined) index.add(asked.hash, keys.length);
      else index.move(asked.hash, place, keys.length);
      model.set(key, keys.length);
      keys.push(key);
    }
  });
}

test('a million keys take less than 24 bytes each, and hardly two of them have one hash', () => {
  const index = new KeyIndex({ isKey: () => true });
  const key = new KeyBytes(7);
  const hashes = new Set<number>();
  for (let place = 0; place < 1_000_000; place++) {
    key.read(`r1 https://example.test/articles/${place}`);
    hashes.add(key.hash);
    index.add(key.hash, place);
  }
  assert(index.bytes < 24_000_000, `${index.bytes}`);
  // By chance: a million squared, by two, by 2^32.
  assert(hashes.size > 999_750, `${hashes.size}`);
});

/** Times what was multiplied, 1; by Newton. */
function inverse(odd: number): number {
  let found = odd;
  for (let round = 0; round < 5; round++) found = Math.imul(found, 2 - Math.imul(odd, found));
  return found;
}

/** The word that MurmurHash3 makes this of. */
function wordOf(made: number): number {
  const turned = Math.imul(made, inverse(0x1b873593));
  return Math.imul((turned >>> 15) | (turned << 17), inverse(0xcc9e2d51));
}

test('keys that have one MurmurHash3 with any seed have hashes of their own', () => {
  const pairs = 10;
  const key = new KeyBytes(7);
  const hashes = new Set<number>();
  for (let choice = 0; choice < 2 ** pairs; choice++) {
    const bytes = Buffer.alloc(pairs * 8);
    for (let pair = 0; pair < pairs; pair++) {
      // The one bit goes to the top of the state, where the other one takes it away.
      const isOther = ((choice >>> pair) & 1) !== 0;
      bytes.writeInt32LE(wordOf(isOther ? 1 << 18 : 0), pair * 8);
      bytes.writeInt32LE(wordOf(isOther ? 1 << 31 : 0), pair * 8 + 4);
    }
    key.read(bytes.toString('latin1'));
    hashes.add(key.hash);
  }
  assert(hashes.size > 2 ** pairs - 3, `${hashes.size}`);
});
