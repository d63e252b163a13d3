import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hitRatio, lruHitRatio, withScans, zipfTrace } from '../../testing/cache-traces.ts';
import { seeded } from '../../testing/seeded.ts';
import { Queued, S3Fifo } from './s3-fifo.ts';

function s3HitRatio(trace: Uint32Array, objectsMax: number): number {
  const kept = new Map<string, Queued>();
  const queues = new S3Fifo<Queued>(objectsMax, ({ key }) => kept.delete(key));
  return hitRatio(trace, (object) => {
    const key = String(object);
    const known = kept.get(key);
    if (known !== undefined) {
      queues.hit(known);
      return true;
    }
    const item = new Queued(key);
    kept.set(key, item);
    queues.add(item, 1);
    return false;
  });
}

const ZIPF = zipfTrace({ objects: 20_000, requests: 150_000, skew: 0.9, seed: 5 });

test('it hits more often than LRU, and much more often when crawlers pass by', () => {
  const plain = { s3: s3HitRatio(ZIPF, 1000), lru: lruHitRatio(ZIPF, 1000) };
  assert(plain.s3 > plain.lru + 0.06, JSON.stringify(plain));
  const scanned = withScans(ZIPF, { every: 1500, length: 1500 });
  const scan = { s3: s3HitRatio(scanned, 1000), lru: lruHitRatio(scanned, 1000) };
  assert(scan.s3 > scan.lru + 0.15, JSON.stringify(scan));
  assert(scan.s3 > plain.s3 - 0.01, 'the scans flushed what everybody wants');
});

test('a scan does not touch what was asked for again', () => {
  const gone: string[] = [];
  const queues = new S3Fifo<Queued>(100, ({ key }) => gone.push(key));
  const hot = Array.from({ length: 50 }, (_, index) => new Queued(`hot ${index}`));
  for (const item of hot) {
    queues.add(item, 1);
    queues.hit(item);
    queues.hit(item);
  }
  for (let index = 0; index < 10_000; index++) queues.add(new Queued(`scan ${index}`), 1);
  assert.deepEqual(
    gone.filter((key) => key.startsWith('hot')),
    [],
  );
});

test('what fell out and is asked for again goes to the main queue at once', () => {
  const gone = new Set<string>();
  const queues = new S3Fifo<Queued>(100, ({ key }) => gone.add(key));
  for (let index = 0; index < 101; index++) queues.add(new Queued(`k${index}`), 1);
  assert(gone.has('k0'));
  queues.add(new Queued('k0'), 1);
  gone.clear();
  for (let index = 0; index < 95; index++) queues.add(new Queued(`new ${index}`), 1);
  assert(!gone.has('k0'));
});

for (const seed of [1, 2, 3, 4]) {
  test(`bytes are exactly those of what is in, and within the budget (seed ${seed})`, () => {
    const random = seeded(seed);
    const kept = new Map<string, Queued>();
    const queues = new S3Fifo<Queued>(10_000, (item) => {
      assert.equal(kept.get(item.key), item, 'told of what had left');
      kept.delete(item.key);
    });
    for (let round = 0; round < 20_000; round++) {
      const key = `k${random.below(300)}`;
      const known = kept.get(key);
      const dice = random.next();
      if (known === undefined) {
        const item = new Queued(key);
        kept.set(key, item);
        queues.add(item, random.below(random.chance(0.02) ? 10_000 : 100));
      } else if (dice < 0.2) {
        kept.delete(key);
        queues.remove(known);
      } else if (dice < 0.3) queues.resize(known, random.below(300));
      else queues.hit(known);
      const bytes = [...kept.values()].reduce((sum, item) => sum + item.bytes, 0);
      assert.equal(queues.bytes, bytes);
      assert(bytes <= 10_000);
    }
  });
}
