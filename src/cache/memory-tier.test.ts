import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyOf, listed, storedOf, testTier } from '../../testing/tier-conformance.ts';
import type { Block } from './body.ts';
import { MemoryTier } from './memory-tier.ts';
import { PieceBody } from './body.ts';
import { Stored } from './tier.ts';

testTier('memory', (bytesMax) => {
  const tier = new MemoryTier(bytesMax);
  return Promise.resolve({ tier, [Symbol.asyncDispose]: () => tier[Symbol.asyncDispose]() });
});

test('a hit hands out the very object that was set', () => {
  const tier = new MemoryTier(1_000_000);
  const stored = storedOf('a', bodyOf('a', 1000));
  tier.set('a', [stored]);
  assert.equal(tier.find('a'), stored);
  assert.equal(tier.find('a'), stored);
});

test('a large body that is outside of memory too is kept by its head alone', () => {
  const tier = new MemoryTier(100_000);
  const block: Block = {
    length: 50_000,
    alive: true,
    load: () => Promise.resolve(bodyOf('b', 50_000)),
    pin: () => undefined,
    unpin: () => undefined,
  };
  const { entry } = storedOf('a', bodyOf('b', 50_000));
  const piece = { bytes: bodyOf('b', 50_000), block, from: 0, length: 50_000 };
  tier.set('a', [new Stored('a', entry, PieceBody.of([piece]), 1)]);
  const [found] = listed(tier.find('a'));
  assert.equal(found?.body.memoryBytes, 0);
  assert.equal(found.body.bytes, 50_000);
  assert(tier.stats.bytes < 5000);
});
