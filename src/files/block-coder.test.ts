/** Blocks that become shares and copies again, over a real catalogue and real folders; and a process that ends between any two steps of it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import { type Clock, systemClock } from '../base/time.ts';
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
import { BlockCensus } from './census.ts';
import { Checkpoints } from './checkpoint.ts';
import type { ObjectInfo } from './model.ts';
import type { Place } from './placement.ts';
import { Recovery } from './recovery.ts';
import { blockOfBlob, shareId } from './shares.ts';
import { whyObject } from './why.ts';

const MIB = 1024 * 1024;
const log = silentLogger;
const clock = systemClock;

test('cold blocks lie as shares', async (t) => {
  await using kit = await FileKit.start({ places: 4 });
  const { store, link, sessions, places } = kit.parts();
  const blobs = (id: string): BlobStore | undefined => kit.blobs.get(id);
  const { repair, collector, settle } = workers(kit, { link, blobs });
  const bytes = { large: randomBytes(9 * MIB + 5), small: randomBytes(70_000) };
  await store.createBucket('cold', { owner: 'ann' });
  const put = (key: string, body: Uint8Array): Promise<ObjectInfo> =>
    store.put('cold', key, pieces(body), { size: body.length, contentType: 'text/x-test' });
  const large = await put('large', bytes.large);
  await put('small', bytes.small);
  const hash = await hashOf(pieces(bytes.large));
  const isWhole = async (): Promise<void> => assert.equal(await hashOf(store.read(large)), hash);
  const times = async (): Promise<readonly string[]> =>
    (await blocksOf(kit, 'cold')).map(heldTimes).toSorted();
  const setState = (id: string, state: 'good' | 'lost'): void => {
    const place = kit.places.get(id);
    if (place !== undefined) kit.places.set(id, { ...place, state });
  };

  await t.test('three shares on three machines instead of two copies', async () => {
    await store.changeBucket('cold', { policy: 'ec 2+1' });
    await settle();
    assert.deepEqual(await times(), ['0 1+1+1', '0 1+1+1', '2']);
    assert.equal(repair.state().coded, 2);
    for (const { coded } of await blocksOf(kit, 'cold'))
      assert.equal(new Set(coded?.places.flat()).size, coded === undefined ? 0 : 3);
    await isWhole();
    for (const [start, end] of [
      [0, 1],
      [4 * MIB - 3, 4 * MIB + 7],
      [8 * MIB - 5, 8 * MIB + 600_000],
      [9 * MIB, 9 * MIB + 5],
    ] as const)
      assert.equal(
        await hashOf(store.read(large, { start, end })),
        await hashOf(pieces(bytes.large.subarray(start, end))),
      );
    const why = await whyObject(
      { link, store, contents: store.contents, places, nameOf: (id) => id, clock },
      'cold',
      'large',
    );
    assert.match(why.sentence, /policy is met; 2 of 2 blocks lie as 2\+1 shares/);
    assert.deepEqual([why.isSatisfied, why.coded, why.survives], [true, 2, 1]);
    assert.deepEqual(
      why.blocks.map(({ code, shares }) => [code, shares.length]),
      [
        ['2+1', 3],
        ['2+1', 3],
      ],
    );
    const census = await new BlockCensus({ link, places, clock, log }).recent();
    assert.deepEqual(census?.lacking.blocks, 0);
    assert.deepEqual(
      census?.counts.map(({ code, wanted, valid, blocks }) => [code, wanted, valid, blocks]),
      [
        [undefined, 2, 2, 1],
        ['2+1', 3, 3, 2],
      ],
    );
  });

  await t.test('any machine may be away', async () => {
    for (const [id, own] of Array.from(kit.blobs)) {
      kit.blobs.delete(id);
      const range = { start: 3 * MIB, end: 8 * MIB + 9 };
      const wanted = await hashOf(pieces(bytes.large.subarray(range.start, range.end)));
      assert.equal(await hashOf(store.read(large, range)), wanted);
      kit.blobs.set(id, own);
    }
  });

  await t.test('a share that is gone is found and made anew', async () => {
    const [first] = (await blocksOf(kit, 'cold')).filter(({ coded }) => coded !== undefined);
    const [place = ''] = first?.coded?.places[0] ?? [];
    await blobs(place)?.delete(shareId(first?.block.cid ?? '', 0));
    await isWhole();
    await collector.takeInventory();
    assert.ok((await times()).includes('0 0+1+1'));
    await settle();
    assert.deepEqual(await times(), ['0 1+1+1', '0 1+1+1', '2']);
    await isWhole();
  });

  await t.test('shares of a lost machine are made anew on another', async () => {
    const [id = ''] = (await blocksOf(kit, 'cold')).flatMap(({ coded }) => coded?.places[1] ?? []);
    setState(id, 'lost');
    const own = kit.blobs.get(id);
    kit.blobs.delete(id);
    await settle();
    const blocks = await blocksOf(kit, 'cold');
    assert.ok(blocks.every(({ coded }) => coded?.places.flat().includes(id) !== true));
    assert.deepEqual(blocks.map(heldTimes).toSorted(), ['0 1+1+1', '0 1+1+1', '2']);
    await isWhole();
    if (own !== undefined) kit.blobs.set(id, own);
    setState(id, 'good');
  });

  const folders = [...kit.places.values()].map(({ node }) => join(kit.folder, node));
  const checkpoints = new Checkpoints({
    link,
    contents: store.contents,
    places,
    sessions,
    clock,
    log,
  });
  await checkpoints.make();
  await put('later', bytes.large);
  await settle();
  await t.test('disks alone give them, by rows and by blocks, with one of them gone', async () => {
    await using fresh = await FileKit.start({ places: 2, key: 3 });
    await using recovery = new Recovery({
      ...fresh.parts(),
      scratch: join(fresh.folder, 'recovery'),
      onBlocks: () => undefined,
      clock,
      log,
    });
    await recovery.start({ folders: folders.slice(1), withCatalogue: true });
    await recovery.ended();
    const { missingBlocks, salvaged, incomplete, why } = recovery.state();
    assert.deepEqual([missingBlocks, salvaged, incomplete, why], [0, 1, [], undefined]);
    for (const key of ['large', 'later']) {
      const info = await fresh.store.head('cold', key);
      assert.ok(info !== undefined);
      assert.equal(await hashOf(fresh.store.read(info)), hash);
      assert.deepEqual([info.etag, info.contentType], [large.etag, 'text/x-test']);
    }
  });

  await t.test(
    'what is removed leaves nothing behind, copies come back when they are wanted',
    async () => {
      await store.delete('cold', 'large');
      await link.run([{ sql: 'UPDATE trash SET until = 0' }]);
      await settle();
      await store.changeBucket('cold', { policy: '2 copies' });
      await settle();
      assert.deepEqual(await times(), ['2', '2', '2']);
      assert.deepEqual(await link.all('SELECT cid FROM coded', []), []);
      const later = await store.head('cold', 'later');
      assert.ok(later !== undefined);
      assert.equal(await hashOf(store.read(later)), hash);
      await assertTidy(kit, 'cold', collector);
    },
  );
});

test('what a block was goes only while all that it is now can be read', async () => {
  await using kit = await FileKit.start({ places: 3 });
  const { store, link } = kit.parts();
  const { coder, collector } = workers(kit, { link, blobs: (id) => kit.blobs.get(id) });
  await store.createBucket('cold', { owner: 'ann' });
  await store.put('cold', 'object', pieces(randomBytes(300_000)), {});
  const [placed] = await blocksOf(kit, 'cold');
  assert.ok(placed !== undefined);
  const { block, places: had } = placed;
  const ids = [...kit.places.keys()];
  const [first = '', second = '', third = ''] = ids;
  /** What there is of it after `work`, in which one place is in that state. */
  const heldAfter = async (
    id: string,
    state: Place['state'],
    work: () => Promise<void>,
  ): Promise<string> => {
    const place = kit.places.get(id);
    assert.ok(place !== undefined);
    kit.places.set(id, { ...place, state });
    await work();
    kit.places.set(id, place);
    return (await blocksOf(kit, 'cold')).map(heldTimes).join();
  };
  const shares = ids.map((to, number) => ({ number, to }));
  const code = { data: 2, parity: 1 };
  assert.equal(await coder.encode({ block, code, shares, valid: Infinity }), undefined);
  const dropCopies = (): Promise<void> => coder.dropCopies(block, had);
  assert.equal(await heldAfter(third, 'away', dropCopies), '2 1+1+1');
  assert.equal(await heldAfter(third, 'lost', dropCopies), '2 1+1+1');
  assert.equal(await heldAfter(third, 'full', dropCopies), '0 1+1+1');
  while (await collector.step());
  for (const place of [first, second]) assert.equal(await coder.restore(block, place), undefined);
  const dropShares = (): Promise<void> => coder.dropShares(block, 2);
  assert.equal(await heldAfter(second, 'away', dropShares), '2 1+1+1');
  assert.equal(await heldAfter(second, 'lost', dropShares), '2 1+1+1');
  assert.equal(await heldAfter(third, 'away', dropShares), '2');
});

test('a process that ends between any two steps loses nothing', async () => {
  await using kit = await FileKit.start({ places: 3 });
  const { store, link } = kit.parts();
  const blobs = (id: string): BlobStore | undefined => kit.blobs.get(id);
  const healthy = workers(kit, { link, blobs });
  const bytes = randomBytes(300_001);
  const hash = await hashOf(pieces(bytes));
  await store.createBucket('cold', { owner: 'ann' });
  const object = await store.put('cold', 'object', pieces(bytes), {});
  const forms = [
    ['ec 2+1', '0 1+1+1'],
    ['2 copies', '2'],
  ] as const;
  const seen = new Set<string>();
  for (let steps = 1, isWhole = false; !isWhole; steps += 1) {
    isWhole = true;
    for (const [policy, wanted] of forms) {
      await store.changeBucket('cold', { policy });
      const dying = new Dying(steps);
      const { settle } = workers(kit, {
        link: dying.link(link),
        blobs: (id) => dying.blobs(blobs(id)),
      });
      await settle().catch((error: unknown) => assert.match(String(error), /killed/));
      isWhole &&= !dying.isDead;
      assert.equal(await hashOf(store.read(object)), hash, `after ${steps} steps to ${policy}`);
      const [before] = await blocksOf(kit, 'cold');
      if (before !== undefined) seen.add(heldTimes(before));
      await healthy.settle();
      assert.equal(await hashOf(store.read(object)), hash, `after ${steps} steps and more`);
      assert.deepEqual((await blocksOf(kit, 'cold')).map(heldTimes), [wanted]);
    }
  }
  // It ended in the middle, too.
  assert.ok(seen.has('2 1+1+1') && seen.has('1 1+1+1'), [...seen].join());
  assert.equal(blockOfBlob(object.fid), object.fid);
  await assertTidy(kit, 'cold', healthy.collector);
});

test('repair keeps to the rate that people set, also when they change it while it rests', async () => {
  await using kit = await FileKit.start({ places: 4 });
  const { store, link } = kit.parts();
  const blobs = (id: string): BlobStore | undefined => kit.blobs.get(id);
  let restedMs = 0;
  let onRest = async (): Promise<void> => {};
  // Time goes on only while it rests.
  const repairClock: Clock = {
    ...clock,
    monotonicMs: () => restedMs,
    sleep: async (ms) => {
      restedMs += ms;
      await onRest();
    },
  };
  const { repair, settle } = workers(kit, { link, blobs, repairClock });
  await store.createBucket('data', { owner: 'ann' });
  await store.changeBucket('data', { policy: '1 copy' });
  for (let at = 0; at < 12; at += 1)
    await store.put('data', `key-${at}`, pieces(randomBytes(100_000)), {});
  const copied = async (policy: string): Promise<number> => {
    const before = repair.state().copiedBytes;
    await store.changeBucket('data', { policy });
    await settle();
    return repair.state().copiedBytes - before;
  };
  await repair.setRate(50_000);
  assert.equal(await copied('2 copies'), 1_200_000);
  assert.ok(restedMs >= 24_000, `${restedMs} ms`);
  const before = restedMs;
  await repair.setRate(1);
  onRest = () => repair.setRate(null);
  assert.equal(await copied('3 copies'), 1_200_000);
  assert.ok(restedMs - before <= 1000, `${restedMs - before} ms`);
});
