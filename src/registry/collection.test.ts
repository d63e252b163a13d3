/** Typed records: conflicts, updates under contention, views, formats, and records that cannot be read. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { isMolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { integer, object, type Schema, string } from '../base/schema.ts';
import { Collection, type CollectionView } from './collection.ts';
import type { Registry } from './contract.ts';
import { HISTORY_AGE_MAX_MS } from './limits.ts';
import { openSqliteRegistry } from './sqlite-registry.ts';

interface Fruit {
  readonly name: string;
  readonly count: number;
}
const fruitSchema: Schema<Fruit> = object({
  name: string(),
  count: integer({ min: 0, max: 1_000_000 }),
});

interface Ground {
  readonly registry: Registry;
  readonly clock: ManualClock;
  readonly fruits: Collection<Fruit>;
}

async function plant(context: TestContext): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-collection-'));
  const clock = new ManualClock();
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock, log: silentLogger });
  context.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return {
    registry,
    clock,
    fruits: new Collection({ registry, prefix: '/fruits/', schema: fruitSchema }),
  };
}

const apple: Fruit = { name: 'apple', count: 1 };
const pear: Fruit = { name: 'pear', count: 2 };

async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => isMolnError(error, code));
}

test('records are put, read, listed and deleted', async (context) => {
  const { fruits, registry } = await plant(context);
  await registry.commit([], [{ kind: 'put', key: '/fruitsalad', value: Buffer.from('x') }]);
  const stored = await fruits.put('b', pear);
  await fruits.create('a', apple);
  assert.deepEqual(await fruits.get('b'), { id: 'b', value: pear, revision: stored.revision });
  assert.deepEqual(
    (await fruits.list()).map(({ id, value }) => [id, value.name]),
    [
      ['a', 'apple'],
      ['b', 'pear'],
    ],
  );
  assert.equal(await fruits.delete('a'), true);
  assert.equal(await fruits.delete('a'), false);
  assert.equal(await fruits.get('a'), undefined);
});

test('a record changed by others in between is not overwritten', async (context) => {
  const { fruits } = await plant(context);
  const first = await fruits.create('a', apple);
  await rejects(fruits.create('a', pear), 'REGISTRY_CONFLICT');
  const second = await fruits.put('a', pear, { ifRevision: first.revision });
  await rejects(fruits.put('a', apple, { ifRevision: first.revision }), 'REGISTRY_CONFLICT');
  await rejects(fruits.delete('a', { ifRevision: first.revision }), 'REGISTRY_CONFLICT');
  assert.equal(await fruits.delete('a', { ifRevision: second.revision }), true);
  await rejects(fruits.delete('a', { ifRevision: second.revision }), 'REGISTRY_CONFLICT');
});

test('no update is lost, however many are at it', async (context) => {
  const { fruits } = await plant(context);
  await Promise.all(
    Array.from({ length: 25 }, () =>
      fruits.update('a', (current) => ({ name: 'apple', count: (current?.count ?? 0) + 1 })),
    ),
  );
  assert.equal((await fruits.get('a'))?.value.count, 25);
});

test('an update that changes nothing writes nothing', async (context) => {
  const { fruits } = await plant(context);
  const { revision } = await fruits.create('a', apple);
  assert.equal((await fruits.update('a', (current) => current ?? pear)).revision, revision);
});

test('an update that throws changes nothing', async (context) => {
  const { fruits } = await plant(context);
  await fruits.create('a', apple);
  const failing = fruits.update('a', () => {
    throw new Error('no');
  });
  await assert.rejects(failing, /no/);
  assert.deepEqual((await fruits.get('a'))?.value, apple);
});

test('a watch shows the whole now and after each change', async (context) => {
  const { fruits } = await plant(context);
  await fruits.create('a', apple);
  const stop = new AbortController();
  const views: CollectionView<Fruit>[] = [];
  const watching = (async () => {
    for await (const view of fruits.watch(stop.signal)) views.push(view);
  })();
  await until('the first view', () => views.length === 1);
  await fruits.create('b', pear);
  await fruits.delete('a');
  await until('both changes', () => views.length === 3);
  stop.abort();
  await watching;
  assert.deepEqual(
    views.map(({ records }) => [...records.keys()]),
    [['a'], ['a', 'b'], ['b']],
  );
  assert.deepEqual(
    views.map(({ changes }) => changes),
    [[{ id: 'a', value: apple }], [{ id: 'b', value: pear }], [{ id: 'a', value: undefined }]],
  );
});

test('a watcher that slept through the history sees the newest', async (context) => {
  const { fruits, clock } = await plant(context);
  await fruits.create('a', apple);
  const watching = fruits.watch(new AbortController().signal);
  assert.equal((await watching.next()).value?.records.size, 1);
  await fruits.create('b', pear);
  await fruits.delete('a');
  clock.advance(HISTORY_AGE_MAX_MS + 120_000);
  const next = await watching.next();
  assert.deepEqual([...(next.value?.records.keys() ?? [])], ['b']);
  await watching.return();
});

test('a record of an older format is upgraded when read', async (context) => {
  const { registry, fruits } = await plant(context);
  await fruits.create('a', apple);
  interface Counted extends Fruit {
    readonly ripe: boolean;
  }
  const newer = new Collection<Counted>({
    registry,
    prefix: '/fruits/',
    schema: (value) => value as Counted,
    upgrades: [(record) => ({ ...(record as Fruit), ripe: true })],
  });
  assert.deepEqual((await newer.get('a'))?.value, { ...apple, ripe: true });
  await newer.put('b', { ...pear, ripe: false });
  assert.equal((await newer.get('b'))?.value.ripe, false);
  await rejects(fruits.get('b'), 'REGISTRY_RECORD_TOO_NEW');
});

test('a record that cannot be read is named', async (context) => {
  const { registry, fruits } = await plant(context);
  const texts = [
    'not json',
    '{"name":"apple","count":1}',
    '{"format":0,"record":{}}',
    '{"format":1,"record":{"name":"apple"}}',
  ];
  for (const text of texts) {
    await registry.commit([], [{ kind: 'put', key: '/fruits/a', value: Buffer.from(text) }]);
    await assert.rejects(fruits.get('a'), (error) => {
      return isMolnError(error, 'REGISTRY_RECORD_INVALID') && error.message.includes('/fruits/a');
    });
  }
});

test('the stored form of format 1 stays', async (context) => {
  const { registry, fruits } = await plant(context);
  await fruits.create('a', apple);
  const text = Buffer.from((await registry.get('/fruits/a'))?.value ?? '').toString();
  assert.equal(text, '{"format":1,"record":{"name":"apple","count":1}}');
});
