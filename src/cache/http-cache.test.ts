import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { bodyOf, listed, readBody, storedOf } from '../../testing/tier-conformance.ts';
import type { Entry } from './entry.ts';
import type { Stored } from './tier.ts';
import { HttpCache, VARIANTS_MAX, type Filling, type HttpCacheDisk } from './http-cache.ts';

const NOW_MS = 1_795_176_000_000;
const MEBIBYTE = 1024 * 1024;

const owned = new WeakMap<TestContext, AsyncDisposableStack>();

/** What is opened last is closed first; hooks run the other way round, and a cache still writes to its folder. */
function ownedBy(context: TestContext): AsyncDisposableStack {
  let stack = owned.get(context);
  if (stack === undefined) {
    stack = new AsyncDisposableStack();
    owned.set(context, stack);
    context.after(() => stack?.disposeAsync());
  }
  return stack;
}

async function cacheOf(
  context: TestContext,
  disk?: HttpCacheDisk,
  memoryBytesMax = 8 * MEBIBYTE,
): Promise<HttpCache> {
  const options = { memoryBytesMax, bodyBytesMax: 100 * MEBIBYTE, disk };
  return ownedBy(context).use(await HttpCache.open(options));
}

async function diskOf(context: TestContext): Promise<HttpCacheDisk> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-cache-'));
  ownedBy(context).defer(() => rm(folder, { recursive: true }));
  return { folder, bytesMax: 64 * MEBIBYTE };
}

function begin(
  cache: HttpCache,
  key: string,
  length: number,
  changes: Partial<Entry> = {},
): Filling {
  const { entry } = storedOf(key, Buffer.alloc(0), { ...changes, length });
  return cache.store(key, { entry, replaces: [] }, { stamp: cache.stamp(NOW_MS) });
}

async function store(
  cache: HttpCache,
  key: string,
  body: Buffer,
  changes: Partial<Entry> = {},
): Promise<void> {
  const filling = begin(cache, key, body.length, changes);
  filling.fill.append(body, 0, body.length);
  await filling.end();
}

async function bodiesOf(cache: HttpCache, key: string): Promise<string[]> {
  const bodies: string[] = [];
  for (const stored of listed(await cache.find(key))) {
    bodies.push((await readBody(stored)).toString('latin1'));
  }
  return bodies;
}

test('hundreds of requests read one body while it comes, and then out of the store', async (context) => {
  const cache = await cacheOf(context, await diskOf(context), 2 * MEBIBYTE);
  const body = bodyOf('shared', 2 * MEBIBYTE);
  const filling = begin(cache, 'k', body.length);
  const reads: Promise<void>[] = [];
  const read = async (): Promise<void> => {
    const [stored] = listed(await cache.find('k'));
    assert(stored !== undefined);
    const bytes = await readBody(stored, 0, body.length);
    assert(bytes !== 'broken' && bytes.equals(body));
  };
  for (let at = 0; at < body.length; at += 64 * 1024) {
    for (let count = 0; count < 10; count++) reads.push(read());
    filling.fill.append(body, at, at + 64 * 1024);
    while (filling.fill.full) await new Promise(setImmediate);
  }
  await filling.end();
  assert.equal(reads.length, 320);
  await Promise.all(reads);
  await read();
});

test('a removal covers what is on its way, and spares what was asked for later', async (context) => {
  const cache = await cacheOf(context, await diskOf(context));
  const old = begin(cache, 'k', 3);
  cache.remove(['k']);
  assert.equal(cache.find('k'), undefined);
  await store(cache, 'k', Buffer.from('new'));
  old.fill.append(Buffer.from('old'), 0, 3);
  const reading = readBody(old.stored, 0, 3);
  await old.end();
  assert.deepEqual(await reading, Buffer.from('old'), 'its own readers get it');
  assert.deepEqual(await bodiesOf(cache, 'k'), ['new']);
});

test('of two answers under way at once the one that was asked for later stays', async (context) => {
  const cache = await cacheOf(context, await diskOf(context));
  const early = begin(cache, 'k', 5);
  await store(cache, 'k', Buffer.from('later'));
  early.fill.append(Buffer.from('early'), 0, 5);
  await early.end();
  assert.deepEqual(await bodiesOf(cache, 'k'), ['later']);
});

test('a body that breaks off is stored as a part, one of a wrong length is not', async (context) => {
  const cache = await cacheOf(context);
  const broken = begin(cache, 'k', 10);
  broken.fill.append(Buffer.from('01234'), 0, 5);
  await broken.fail();
  const [part] = listed(await cache.find('k'));
  assert.deepEqual(part?.entry.spans, [{ first: 0, last: 4 }]);
  assert.deepEqual(await bodiesOf(cache, 'k'), ['01234']);
  const short = begin(cache, 'l', 10);
  short.fill.append(Buffer.from('01234'), 0, 5);
  await short.end();
  assert.equal(cache.find('l'), undefined);
});

test('a body that is too large for all tiers is not found by others while it comes', async (context) => {
  const cache = await cacheOf(context, undefined, 4 * MEBIBYTE);
  const filling = begin(cache, 'k', -1);
  const reading = readBody(filling.stored, 0, Infinity);
  const body = bodyOf('large', MEBIBYTE);
  filling.fill.append(body, 0, body.length);
  assert.equal(cache.find('k'), undefined);
  await filling.end();
  assert.deepEqual(await reading, body);
  assert.equal(cache.find('k'), undefined);
});

test('variants are bounded, and the oldest makes room', async (context) => {
  const cache = await cacheOf(context);
  for (let index = 0; index < VARIANTS_MAX + 3; index++) {
    const varyValues = `${index}\n`;
    await store(cache, 'k', Buffer.from(String(index)), { varyNames: ['accept'], varyValues });
  }
  await store(cache, 'k', Buffer.from('again'), { varyNames: ['accept'], varyValues: '9\n' });
  const bodies = await bodiesOf(cache, 'k');
  assert.equal(bodies.length, VARIANTS_MAX);
  assert.equal(bodies[0], '3');
  assert(!bodies.includes('9') && bodies.includes('again'));
});

for (const soft of [false, true]) {
  test(`purges by tag, prefix and key (${soft ? 'soft' : 'hard'})`, async (context) => {
    const disk = await diskOf(context);
    const cache = await cacheOf(context, disk);
    const keys = ['r http://a/blog/1', 'r http://a/blog/2', 'r http://a/shop', 'r http://b/blog/1'];
    for (const key of keys) {
      await store(cache, key, Buffer.from(key), { tags: [key.endsWith('1') ? 'one' : 'more'] });
    }
    const fresh = async (): Promise<string[]> => {
      const found: string[] = [];
      for (const key of keys) {
        for (const { entry } of listed(await cache.find(key))) {
          if (entry.lifetimeS === 60) found.push(key);
          else assert(soft, 'what is purged hard is there');
        }
      }
      return found;
    };
    assert.deepEqual(await fresh(), keys);
    await cache.purge({ kind: 'tag', value: 'one' }, { soft });
    assert.deepEqual(await fresh(), keys.slice(1, 3));
    await cache.purge({ kind: 'prefix', value: 'r http://a/blog/' }, { soft });
    assert.deepEqual(await fresh(), keys.slice(2, 3));
    await cache.purge({ kind: 'key', value: 'r http://a/shop' }, { soft });
    assert.deepEqual(await fresh(), []);
    await store(cache, 'r http://a/blog/1', Buffer.from('new'), { tags: ['one'] });
    assert.deepEqual(await fresh(), keys.slice(0, 1));
    await cache[Symbol.asyncDispose]();
    const next = await cacheOf(context, disk);
    assert.deepEqual(await bodiesOf(next, 'r http://a/blog/1'), ['new']);
    const others: Stored[] = [];
    for (const key of keys.slice(1)) others.push(...listed(await next.find(key)));
    for (const stored of others) {
      assert(soft && stored.entry.lifetimeS < 60, 'a purge is forgotten with a restart');
    }
  });
}

test('what was purged softly and then confirmed is fresh again', async (context) => {
  const cache = await cacheOf(context);
  await store(cache, 'k', Buffer.from('body'), { tags: ['t'] });
  const on = await cache.find('k');
  await cache.purge({ kind: 'tag', value: 't' }, { soft: true });
  const [stale] = listed(await cache.find('k'));
  assert(stale !== undefined && stale.entry.lifetimeS < 60);
  const entry = stale.entry.with({ lifetimeS: 60 });
  cache.update([{ stored: stale, entry, keep: true }], { stamp: cache.stamp(NOW_MS) });
  const found = listed(await cache.find('k'));
  assert.deepEqual(
    found.map((stored) => stored.entry.lifetimeS),
    [60],
  );
  const [before] = listed(on);
  assert(before !== undefined);
  cache.remove(['k']);
  cache.update([{ stored: before, entry, keep: true }], { stamp: cache.stamp(NOW_MS) });
  assert.equal(cache.find('k'), undefined, 'a removal is undone by what was confirmed before it');
});

test('an update of what is still on its way changes nothing', async (context) => {
  const cache = await cacheOf(context);
  const filling = begin(cache, 'k', 4);
  filling.fill.append(Buffer.from('bo'), 0, 2);
  const { stored } = filling;
  const entry = stored.entry.with({ lifetimeS: 99 });
  cache.update([{ stored, entry, keep: true }], { stamp: cache.stamp(NOW_MS) });
  assert.equal(listed(await cache.find('k')).length, 1);
  filling.fill.append(Buffer.from('dy'), 0, 2);
  await filling.end();
  assert.deepEqual(await bodiesOf(cache, 'k'), ['body']);
});

test('purges that nobody can read purge everything', async (context) => {
  const disk = await diskOf(context);
  const cache = await cacheOf(context, disk);
  await store(cache, 'k', Buffer.from('body'));
  await cache[Symbol.asyncDispose]();
  await writeFile(join(disk.folder, 'purges.json'), '{"format":2}');
  const next = await cacheOf(context, disk);
  assert.equal(await next.find('k'), undefined);
});

test('clearing leaves nothing, and what comes later is stored', async (context) => {
  const cache = await cacheOf(context, await diskOf(context));
  await store(cache, 'k', Buffer.from('old'));
  const filling = begin(cache, 'l', 3);
  await cache.clear();
  filling.fill.append(Buffer.from('old'), 0, 3);
  await filling.end();
  assert.deepEqual([await cache.find('k'), await cache.find('l')], [undefined, undefined]);
  await store(cache, 'k', Buffer.from('new'));
  assert.deepEqual(await bodiesOf(cache, 'k'), ['new']);
});

test('damage on disk is found before anything is answered', async (context) => {
  const disk = await diskOf(context);
  const cache = await cacheOf(context, disk);
  await store(cache, 'small', bodyOf('small', 1000));
  await store(cache, 'large', bodyOf('large', 300_000));
  await cache[Symbol.asyncDispose]();
  const name = (await readdir(disk.folder)).find((one) => one.endsWith('.blocks')) ?? '';
  const bytes = await readFile(join(disk.folder, name));
  bytes[500] = (bytes[500] ?? 0) ^ 1;
  bytes[1500] = (bytes[1500] ?? 0) ^ 1;
  await writeFile(join(disk.folder, name), bytes);
  const next = await cacheOf(context, disk);
  assert.equal(await next.find('small'), undefined);
  assert.equal(await next.find('large'), undefined);
});
