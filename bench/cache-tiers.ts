/** The tiers of the cache: what they hit, what a hit costs, what an entry takes besides its bytes, and the disk's pace. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  cacheKey,
  CacheRequest,
  DEFAULT_SETTINGS,
  DiskTier,
  FieldList,
  HttpCache,
  makeEntry,
  MemoryTier,
  smallBody,
  Stored,
} from '../src/cache/cache.ts';
import { hitRatio, lruHitRatio, withScans, zipfTrace } from '../testing/cache-traces.ts';

const OBJECTS = 100_000;
const REQUESTS = 1_000_000;
const KEPT = 5000;
const ENTRIES = 1_000_000;
const BODY_BYTES = 1024;
const BUDGET_BYTES: number = 256 * 2 ** 20;
const DISK_ENTRIES = 5000;
const GENEROUS_BYTES: number = 2 ** 40;
const NOW_MS = Date.UTC(2026, 10, 20);

export async function benchCacheTiers(): Promise<void> {
  reportHitRatios();
  reportMemory();
  await reportFind();
  await reportDisk();
}

function reportHitRatios(): void {
  const zipf = zipfTrace({ objects: OBJECTS, requests: REQUESTS, skew: 0.9, seed: 1 });
  const traces = [
    ['Zipf 0.9', zipf],
    ['Zipf 0.9, a crawler now and then', withScans(zipf, { every: 50_000, length: 10_000 })],
    ['Zipf 0.9, a crawler always', withScans(zipf, { every: 10, length: 10 })],
  ] as const;
  console.log(`\nHit ratio, room for ${KEPT} of ${OBJECTS}             memory tier      LRU`);
  for (const [name, trace] of traces) {
    const ours = (100 * tierHitRatio(trace)).toFixed(1);
    const lru = (100 * lruHitRatio(trace, KEPT)).toFixed(1);
    console.log(`${name.padEnd(52)} ${ours.padStart(6)} % ${lru.padStart(6)} %`);
  }
}

/** With real entries, each of the same size. */
function tierHitRatio(trace: Uint32Array): number {
  const tier = new MemoryTier(bytesOf(KEPT));
  return hitRatio(trace, (object) => {
    const key = keyOf(object);
    if (tier.find(key) !== undefined) return true;
    tier.set(key, [storedOf(object, 0)]);
    return false;
  });
}

/** Of a memory that has room for so many. */
function bytesOf(entries: number): number {
  const bytes = 500 * entries;
  const probe = new MemoryTier(bytes);
  for (let object = 0; object < 3 * entries; object++)
    probe.set(keyOf(object), [storedOf(object, 0)]);
  return (bytes * entries) / probe.stats.keys;
}

/** Keys of one length, so that all take the same. */
function keyOf(object: number): string {
  const target = `/articles/${String(object).padStart(10, '0')}`;
  return cacheKey({ space: 'r1', scheme: 'https', authority: 'example.test', target });
}

function storedOf(object: number, bodyBytes: number): Stored {
  const key = keyOf(object);
  const request = new CacheRequest().read({ method: 'GET', key, fields: new FieldList([]) });
  const fields = new FieldList([
    ['Date', 'Fri, 20 Nov 2026 00:00:00 GMT'],
    ['Content-Type', 'text/html; charset=utf-8'],
    ['Cache-Control', 'public, max-age=60'],
    ['ETag', `"${object}"`],
    ['Content-Length', String(bodyBytes)],
  ]);
  const times = { requestedMs: NOW_MS, receivedMs: NOW_MS + object / 7 };
  const entry = makeEntry(request, { status: 200, fields, ...times }, DEFAULT_SETTINGS);
  return new Stored(key, entry, smallBody(Buffer.alloc(bodyBytes, object)), object + 1);
}

/** A million answers of 1 KB, by the process's own memory, and a memory that has room for a quarter of them. */
function reportMemory(): void {
  const { gc } = globalThis;
  if (gc === undefined) {
    console.log('\nBytes of an entry: run with NODE_OPTIONS=--expose-gc');
    return;
  }
  const used = (): { readonly heap: number; readonly rss: number } => {
    // Buffers go some time after the objects that stand for them.
    for (let round = 0; round < 3; round++) gc();
    const { heapUsed, external, rss } = process.memoryUsage();
    return { heap: heapUsed + external, rss };
  };
  const fill = (bytesMax: number): { readonly tier: MemoryTier; readonly text: number } => {
    const tier = new MemoryTier(bytesMax);
    let text = 0;
    for (let object = 0; object < ENTRIES; object++) {
      const stored = storedOf(object, BODY_BYTES);
      tier.set(stored.key, [stored]);
      text += stored.key.length + stored.entry.head.length;
    }
    return { tier, text: text / ENTRIES };
  };
  const before = used();
  const { tier, text } = fill(GENEROUS_BYTES);
  const after = used();
  const { bytes } = tier.stats;
  console.log(
    `\n${ENTRIES} answers of ${BODY_BYTES} bytes, with ${text.toFixed(0)} of key and head each`,
  );
  const rows = [
    ['counted by the tier', bytes],
    ['heap and buffers', after.heap - before.heap],
    ['resident memory', after.rss - before.rss],
  ] as const;
  for (const [name, all] of rows) {
    const besides = all / ENTRIES - BODY_BYTES;
    const own = (besides - text).toFixed(0);
    console.log(
      `  ${name.padEnd(22)}${(all / 2 ** 20).toFixed(0)} MiB: ${besides.toFixed(0)} bytes an answer besides its body, ${own} besides key and head`,
    );
  }
  tier.clear();
  const small = fill(BUDGET_BYTES);
  const full = used();
  const mib = (value: number): string => `${(value / 2 ** 20).toFixed(0)} MiB`;
  console.log(
    `  with a budget of ${mib(BUDGET_BYTES)}: ${small.tier.stats.keys} of them kept, ${mib(small.tier.stats.bytes)} counted, ${mib(full.heap - before.heap)} of heap and buffers`,
  );
}

async function reportFind(): Promise<void> {
  const cache = await HttpCache.open({ memoryBytesMax: GENEROUS_BYTES, bodyBytesMax: 2 ** 30 });
  const count = 100_000;
  const keys = Array.from({ length: count }, (_, object) => keyOf(object));
  const body = Buffer.alloc(BODY_BYTES);
  for (const [object, key] of keys.entries()) {
    const { entry } = storedOf(object, BODY_BYTES);
    const filling = cache.store(key, { entry, replaces: [] }, { stamp: cache.stamp(NOW_MS) });
    filling.fill.append(body, 0, body.length);
    await filling.end();
  }
  const order = zipfTrace({ objects: count, requests: REQUESTS, skew: 0.9, seed: 2 });
  let best = Infinity;
  let found = 0;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (const object of order) if (cache.find(keys[object] ?? '') !== undefined) found++;
    best = Math.min(best, performance.now() - start);
  }
  if (found !== 5 * REQUESTS) throw new Error('some were not found');
  console.log(`\nfinding one of ${count} in memory: ${((best * 1e6) / REQUESTS).toFixed(0)} ns`);
}

async function reportDisk(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-bench-cache-'));
  const options = { folder, bytesMax: 2 ** 30 };
  try {
    const tier = await DiskTier.open(options);
    const stored = Array.from({ length: DISK_ENTRIES }, (_, object) =>
      storedOf(object, BODY_BYTES),
    );
    const set = await secondsOf(async () => {
      await Promise.all(stored.map((one) => tier.set(one.key, [one]) ?? Promise.resolve()));
    });
    const find = await secondsOf(async () => {
      for (const { key } of stored) if ((await tier.find(key)) === undefined) throw new Error(key);
    });
    await tier[Symbol.asyncDispose]();
    const open = await secondsOf(async () => {
      await (await DiskTier.open(options))[Symbol.asyncDispose]();
    });
    const each = (seconds: number): string => `${((seconds * 1e6) / DISK_ENTRIES).toFixed(0)} µs`;
    console.log(
      `on disk: ${each(set)} to set, ${each(find)} to find, ${each(open)} of start for each key`,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
