import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hitRatio, lruHitRatio, withScans, zipfTrace } from '../../testing/cache-traces.ts';
import { seeded } from '../../testing/seeded.ts';
import { bodyOf, listed, readBody, storedOf, testTier } from '../../testing/tier-conformance.ts';
import type { Block } from './body.ts';
import { MemoryTier } from './memory-tier.ts';
import { PieceBody } from './body.ts';
import { Stored } from './tier.ts';

const MEBIBYTE = 1024 * 1024;

testTier('memory', (bytesMax) => {
  const tier = new MemoryTier(bytesMax);
  return Promise.resolve({ tier, [Symbol.asyncDispose]: () => tier[Symbol.asyncDispose]() });
});

test('what is asked for again and again is taken out once', () => {
  const tier = new MemoryTier(MEBIBYTE);
  tier.set('a', [storedOf('a', bodyOf('a', 1000))]);
  tier.find('a');
  const again = tier.find('a');
  assert.notEqual(again, undefined);
  assert.equal(tier.find('a'), again);
  tier.set('a', [storedOf('a', bodyOf('b', 1000))]);
  assert.notEqual(tier.find('a'), again);
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
  const before = tier.stats.bytes;
  tier.set('a', [new Stored('a', entry, PieceBody.of([piece]), 1)]);
  const [found] = listed(tier.find('a'));
  assert.equal(found?.body.memoryBytes, 0);
  assert.equal(found.body.bytes, 50_000);
  assert(tier.stats.bytes < before + 10_000);
});

test('what was taken out stays as it was, whatever takes its place', async () => {
  const tier = new MemoryTier(MEBIBYTE);
  tier.set('a', [storedOf('a', bodyOf('old', 4000))]);
  const [taken] = listed(tier.find('a'));
  assert(taken !== undefined);
  tier.set('a', [storedOf('a', bodyOf('new', 4000))]);
  for (let index = 0; index < 2000; index++) {
    tier.set(`k${index}`, [storedOf(`k${index}`, bodyOf('other', 4000))]);
  }
  assert.deepEqual(await readBody(taken), bodyOf('old', 4000));
});

// The policy -------------------------------------------------------------------------------------------------------

const { entry: ENTRY } = storedOf('', bodyOf('', 1000));

/** With room for so many small answers. */
function tierOf(answers: number): MemoryTier {
  const bytes = 1300 * answers;
  const probe = new MemoryTier(bytes);
  for (let object = 0; object < 3 * answers; object++) set(probe, 1_000_000 + object);
  return new MemoryTier(Math.ceil((bytes * answers) / probe.stats.keys));
}

function set(tier: MemoryTier, object: number): void {
  const key = String(object);
  tier.set(key, [new Stored(key, ENTRY, storedOf(key, bodyOf(key, 1000)).body, 1)]);
}

function tierHitRatio(trace: Uint32Array, answers: number): number {
  const tier = tierOf(answers);
  return hitRatio(trace, (object) => {
    if (tier.find(String(object)) !== undefined) return true;
    set(tier, object);
    return false;
  });
}

const ZIPF = zipfTrace({ objects: 20_000, requests: 150_000, skew: 0.9, seed: 5 });

test('it hits more often than LRU, and much more often when crawlers pass by', () => {
  const plain = { s3: tierHitRatio(ZIPF, 1000), lru: lruHitRatio(ZIPF, 1000) };
  assert(plain.s3 > plain.lru + 0.06, JSON.stringify(plain));
  const scanned = withScans(ZIPF, { every: 1500, length: 1500 });
  const scan = { s3: tierHitRatio(scanned, 1000), lru: lruHitRatio(scanned, 1000) };
  assert(scan.s3 > scan.lru + 0.15, JSON.stringify(scan));
  assert(scan.s3 > plain.s3 - 0.01, 'the scans flushed what everybody wants');
});

test('a scan does not touch what was asked for again', () => {
  const tier = tierOf(1000);
  for (let object = 0; object < 500; object++) {
    set(tier, object);
    tier.find(String(object));
  }
  for (let object = 1000; object < 100_000; object++) set(tier, object);
  let there = 0;
  for (let object = 0; object < 500; object++) if (tier.mayHold(String(object))) there++;
  assert.equal(there, 500);
});

test('what fell out lately and is asked for again is no newcomer', () => {
  const tier = tierOf(1000);
  for (let object = 0; object < 2000; object++) set(tier, object);
  let last = 0;
  while (!tier.mayHold(String(last))) last++;
  for (let object = last - 100; object < last; object++) set(tier, object);
  for (let object = 5000; object < 7000; object++) set(tier, object);
  let there = 0;
  for (let object = last - 100; object < last; object++) if (tier.mayHold(String(object))) there++;
  assert(there > 80, `${there} of 100`);
});

test('holes are closed before anything has to go', () => {
  const tier = tierOf(1000);
  for (let object = 0; object < 700; object++) set(tier, object);
  // Many times as many bytes as there are, but never more at a time than have room.
  for (let round = 0; round < 10; round++) {
    for (let object = 100; object < 500; object++) {
      tier.set(String(object), []);
      set(tier, object);
    }
  }
  let there = 0;
  for (let object = 0; object < 700; object++) if (tier.mayHold(String(object))) there++;
  assert.equal(there, 700);
});

for (const seed of [1, 2, 3]) {
  test(`it does what a map would or forgets, and takes what it says at most (seed ${seed})`, () => {
    const random = seeded(seed);
    const bytesMax = 600_000;
    const tier = new MemoryTier(bytesMax);
    const model = new Map<string, string>();
    let found = 0;
    for (let round = 0; round < 20_000; round++) {
      const key = `k${random.below(300)}`;
      const dice = random.next();
      if (dice < 0.05) {
        tier.set(key, []);
        model.delete(key);
      } else if (dice < 0.4) {
        const length = random.below(random.chance(0.05) ? 50_000 : 4000);
        const body = bodyOf(`${round}`, length);
        tier.set(key, [storedOf(key, body)]);
        model.set(key, body.toString('latin1'));
      } else {
        const [stored] = listed(tier.find(key));
        if (stored === undefined) continue;
        found++;
        const pieces = stored.body.pieces({ from: 0, to: stored.body.bytes });
        const text = Buffer.concat(pieces.map(({ bytes }) => bytes ?? Buffer.alloc(0)));
        assert.equal(text.toString('latin1'), model.get(key));
        assert.equal(stored.key, key);
      }
      assert(tier.stats.bytes <= bytesMax, `${tier.stats.bytes} bytes`);
    }
    assert(found > 3000, `${found}`);
  });
}
