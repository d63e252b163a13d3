/** Copies of several blocks that are made together, over a real catalogue and real folders; and a process that ends between any two steps of it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { systemClock } from '../base/time.ts';
import type { BlobStore } from '../blobs/blobs.ts';
import { FileKit } from '../../testing/file-kit.ts';
import {
  assertTidy,
  blocksOf,
  Dying,
  hashOf,
  heldTimes,
  pieces,
  workers,
} from '../../testing/repair-kit.ts';
import { removals, STILL_TO_REMOVE } from './copies.ts';
import type { ObjectInfo } from './model.ts';
import type { CopyTask } from './repair-plan.ts';

const BLOCKS = 5;
const { signal } = new AbortController();
/** All that is made is entered together, however long it takes. */
const stillClock = { ...systemClock, every: () => ({ [Symbol.dispose]: () => undefined }) };

/** As many objects of one block each, in one place. */
async function filled(kit: FileKit): Promise<readonly ObjectInfo[]> {
  const { store } = kit;
  await store.createBucket('data', { owner: 'ann' });
  await store.changeBucket('data', { policy: '1 copy' });
  const objects: ObjectInfo[] = [];
  for (let at = 0; at < BLOCKS; at += 1)
    objects.push(await store.put('data', `key-${at}`, pieces(randomBytes(100_000)), {}));
  return objects;
}

async function hashesOf(kit: FileKit, objects: readonly ObjectInfo[]): Promise<readonly string[]> {
  return await Promise.all(objects.map((object) => hashOf(kit.store.read(object))));
}

/** To the second place, or the third where it is there already; as moves if told so. */
async function tasksOf(kit: FileKit, isMove: boolean): Promise<readonly CopyTask[]> {
  const [, second = '', third = ''] = kit.places.keys();
  return (await blocksOf(kit, 'data')).map(({ block, places: from }) => {
    const to = from.includes(second) ? third : second;
    return { block, to, from, instead: isMove ? from[0] : undefined, valid: 1 };
  });
}

test('copies of several blocks are written down together, and entered together', async (t) => {
  await using kit = await FileKit.start({ places: 3 });
  const { link } = kit;
  const blobs = (id: string): BlobStore | undefined => kit.blobs.get(id);
  const { copies, repair, collector, settle } = workers(kit, {
    link,
    blobs,
    repairClock: stillClock,
  });
  const objects = await filled(kit);
  const hashes = await hashesOf(kit, objects);
  const made = async (tasks: readonly CopyTask[]): Promise<readonly (string | undefined)[]> => {
    const ends = new Map<CopyTask, string | undefined>();
    await copies.make(tasks, (task, why) => ends.set(task, why), signal);
    assert.equal(ends.size, tasks.length);
    return tasks.map((task) => ends.get(task));
  };
  const times = async (): Promise<readonly string[]> =>
    (await blocksOf(kit, 'data')).map(heldTimes);
  const all = <T>(value: T): readonly T[] => Array.from({ length: BLOCKS }, () => value);

  await t.test('two transactions for all of them', async () => {
    const tasks = await tasksOf(kit, false);
    const { mock } = t.mock.method(link, 'transaction');
    assert.deepEqual(await made(tasks), all(undefined));
    assert.equal(mock.callCount(), 2);
    mock.restore();
    assert.deepEqual(await times(), all('2'));
  });

  await t.test('what is not wanted any more goes together', async () => {
    await settle();
    assert.deepEqual(await times(), all('1'));
    assert.deepEqual(await hashesOf(kit, objects), hashes);
  });

  await t.test('a move takes away what it is made instead of', async () => {
    const tasks = await tasksOf(kit, true);
    assert.deepEqual(await made(tasks), all(undefined));
    for (const [at, { places }] of (await blocksOf(kit, 'data')).entries())
      assert.deepEqual(places, [tasks[at]?.to]);
    while (await collector.step());
    assert.deepEqual(await hashesOf(kit, objects), hashes);
  });

  await t.test('one that cannot be made holds up no other', async () => {
    const tasks = await tasksOf(kit, false);
    const [going, bad] = tasks;
    assert.ok(going !== undefined && bad !== undefined);
    await link.run(removals([{ block: going.block, place: going.to }], 0));
    const lost = { ...bad, from: [] };
    const ends = await made([going, lost, ...tasks.slice(2)]);
    assert.deepEqual(ends.slice(0, 2), [STILL_TO_REMOVE, 'no copy can be read']);
    assert.deepEqual(ends.slice(2), all(undefined).slice(2));
    assert.deepEqual((await times()).toSorted(), ['1', '1', '2', '2', '2']);
  });

  await t.test('the last copy that counts is let be, and one that is gone already', async () => {
    await settle();
    const [task] = await tasksOf(kit, false);
    assert.ok(task !== undefined);
    const { block, to, from } = task;
    await copies.drop([{ block, place: from[0] ?? '' }]);
    assert.deepEqual(await times(), all('1'));
    assert.deepEqual(await made([task]), [undefined]);
    await copies.drop([{ block, place: to }]);
    await copies.drop([{ block, place: to }]);
    assert.deepEqual(await times(), all('1'));
    assert.deepEqual(await hashesOf(kit, objects), hashes);
  });

  await t.test('a page that cannot be looked through is looked at again', async () => {
    await settle();
    const [first, ...rest] = await blocksOf(kit, 'data');
    assert.ok(first !== undefined);
    const { block, places: from } = first;
    const others = [...kit.places.keys()].filter((id) => !from.includes(id));
    const tasks = others.map((to) => ({ block, to, from, instead: undefined, valid: 1 }));
    assert.deepEqual(await made(tasks), [undefined, undefined]);
    await kit.store.changeBucket('data', { policy: '2 copies' });
    repair.wake();
    await repair.step(signal);
    const away = (): Promise<never> => Promise.reject(new Error('The catalogue is away'));
    t.mock.method(link, 'transaction', away, { times: 1 });
    await assert.rejects(repair.step(signal), /The catalogue is away/);
    assert.equal(repair.state().queued, 0);
    await repair.step(signal);
    assert.equal(repair.state().queued, rest.length);
    await settle();
    assert.deepEqual(await times(), all('2'));
    await kit.store.changeBucket('data', { policy: '1 copy' });
  });

  await t.test('a block that is given up meanwhile is not entered', async () => {
    await settle();
    const tasks = await tasksOf(kit, false);
    const [first] = tasks;
    assert.ok(first !== undefined);
    await link.run([{ sql: 'DELETE FROM chunk WHERE fid = ?', args: [first.block.fid] }]);
    assert.deepEqual(await made(tasks), all(undefined));
    const rows = await link.all('SELECT place FROM copy WHERE cid = ?', [first.block.cid]);
    assert.deepEqual(rows, [[first.from[0] ?? '']]);
  });
});

test('a process that ends between any two steps of copies and moves loses nothing', async () => {
  await using kit = await FileKit.start({ places: 3 });
  const { store, link } = kit;
  const blobs = (id: string): BlobStore | undefined => kit.blobs.get(id);
  const healthy = workers(kit, { link, blobs });
  const objects = await filled(kit);
  const hashes = await hashesOf(kit, objects);
  const seen = new Set<string>();
  for (const kind of ['copies', 'moves'])
    for (let steps = 1, isWhole = false; !isWhole; steps += 1) {
      const dying = new Dying(steps);
      const { copies } = workers(kit, {
        link: dying.link(link),
        blobs: (id) => dying.blobs(blobs(id)),
        repairClock: stillClock,
      });
      await copies.make(await tasksOf(kit, kind === 'moves'), () => undefined, signal);
      isWhole = !dying.isDead;
      seen.add(`${kind} ${(await blocksOf(kit, 'data')).map(heldTimes).join('')}`);
      assert.deepEqual(await hashesOf(kit, objects), hashes, `after ${steps} steps of ${kind}`);
      // Another process goes on; what is to be removed goes first.
      while (await healthy.collector.step());
      await store.changeBucket('data', { policy: '2 copies' });
      await healthy.settle();
      assert.deepEqual((await blocksOf(kit, 'data')).map(heldTimes).join(''), '22222');
      await store.changeBucket('data', { policy: '1 copy' });
      await healthy.settle();
      assert.deepEqual((await blocksOf(kit, 'data')).map(heldTimes).join(''), '11111');
      assert.deepEqual(await hashesOf(kit, objects), hashes, `after ${steps} steps and more`);
    }
  // Nothing of it counts until it is entered, and then all of it.
  assert.deepEqual([...seen].toSorted(), ['copies 11111', 'copies 22222', 'moves 11111']);
  await assertTidy(kit, 'data', healthy.collector);
});
