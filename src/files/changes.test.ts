/** Changes whose answer was lost on the way: over the real catalogue. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { FileKit } from '../../testing/file-kit.ts';
import { Objects } from './objects.ts';
import { Store } from './store.ts';

async function* pieces(...all: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const one of all) yield await Promise.resolve(Buffer.from(one));
}

const code = (wanted: string) => (error: unknown) => isMolnError(error, wanted);

test('changes of which the end of a try is unknown', async (t) => {
  await using kit = await FileKit.start();
  const { store, link } = kit;
  const transaction = link.transaction.bind(link);
  const parts = kit.parts();
  const other = new Store({
    ...parts,
    places: { ...parts.places, self: 'n2' },
    accessKey: () => Promise.resolve(undefined),
    key: () => Buffer.alloc(32, 2),
    clock: systemClock,
    log: silentLogger,
  });
  /** The next transaction is tried twice. The first try ends as `isMade` says, and `meanwhile` comes between them. */
  const lose = (isMade: boolean, meanwhile: () => Promise<unknown>): void => {
    const { mock } = t.mock.method(link, 'transaction', (async (reads, decide) => {
      mock.restore();
      await transaction(reads, (rows) => {
        const decision = decide(rows);
        return isMade ? decision : { ...decision, writes: [] };
      });
      await meanwhile();
      return await transaction(reads, decide);
    }) satisfies typeof link.transaction);
  };

  await t.test('what was done before an answer was lost is not done again', async () => {
    const { mock } = t.mock.method(link, 'transaction', (async (reads, decide) => {
      await transaction(reads, decide);
      return await transaction(reads, decide);
    }) satisfies typeof link.transaction);
    await store.createBucket('again', { owner: 'ann' });
    await store.put('again', 'a', pieces('1'), {});
    const moved = await store.move('again', 'a', 'b');
    assert.equal(moved.key, 'b');
    assert.equal(await store.head('again', 'a'), undefined);
    await assert.rejects(store.move('again', 'a', 'b'), code('FILES_NO_OBJECT'));
    const conditions = { ifMatch: [moved.etag] };
    assert.equal((await store.delete('again', 'b', { conditions })).existed, true);
    assert.equal((await store.delete('again', 'b')).existed, false);
    assert.equal((await store.undelete('again', 'b')).etag, moved.etag);
    await store.changeBucket('again', { versioning: 'enabled' });
    const { version } = await store.put('again', 'c', pieces('1'), {});
    const marker = await store.delete('again', 'c');
    assert.deepEqual([marker.deleteMarker, marker.existed], [true, true]);
    const gone = await store.delete('again', 'c', { version, conditions });
    assert.deepEqual([gone.version, gone.existed], [version, true]);
    const left = await store.list('again', { versions: true, limit: 10, prefix: 'c' });
    assert.deepEqual(
      left.objects.map((one) => one.version),
      [marker.version],
    );
    mock.restore();
  });

  await t.test('a rename that is asked for again by its mark is the same one', async () => {
    await store.createBucket('marks', { owner: 'ann' });
    const none = { ifNoneMatch: '*' } as const;
    const renamed = async (mark: string): Promise<string> =>
      (await store.move('marks', 'a', 'b', { mark, conditions: none })).fid;
    const { fid } = await store.put('marks', 'a', pieces('1'), {});
    assert.equal(await renamed('m1'), fid);
    const next = await store.put('marks', 'a', pieces('2'), {});
    assert.equal(await renamed('m1'), fid);
    assert.equal((await store.head('marks', 'a'))?.fid, next.fid, 'what came since stays');
    await assert.rejects(renamed('m2'), code('FILES_CONDITION'));
    await store.delete('marks', 'b');
    assert.equal(await renamed('m2'), next.fid);
    await assert.rejects(renamed('m1'), code('FILES_NO_OBJECT'));
    const there = await store.head('marks', 'b');
    assert.ok(there !== undefined);
    const copy = await store.copy(there, { bucket: 'marks', key: 'c' }, {});
    assert.equal(copy.movedBy, undefined);
    assert.equal((await store.bucket('marks'))?.objects, 2);
    await assert.rejects(
      store.move('marks', 'c', 'b', { mark: 'm2', conditions: none }),
      code('FILES_CONDITION'),
      'what has another name is not what that mark moved',
    );
    await store.changeBucket('marks', { versioning: 'enabled' });
    const kept = await store.move('marks', 'b', 'd', { mark: 'm3' });
    const again = await store.move('marks', 'b', 'd', { mark: 'm3' });
    assert.equal(again.version, kept.version);
    await assert.rejects(store.move('marks', 'b', 'd', { mark: 'm4' }), code('FILES_NO_OBJECT'));
    const since = await store.put('marks', 'b', pieces('3'), {});
    assert.equal((await store.move('marks', 'b', 'd', { mark: 'm3' })).version, kept.version);
    assert.equal((await store.head('marks', 'b'))?.fid, since.fid, 'what came since stays');
    const cut = t.mock.method(Objects.prototype, 'delete', () => Promise.reject(new Error('cut')));
    const halved = { mark: 'm5', conditions: none };
    await assert.rejects(store.move('marks', 'b', 'e', halved), /cut/);
    cut.mock.restore();
    const copied = await store.head('marks', 'e');
    assert.equal((await store.move('marks', 'b', 'e', halved)).version, copied?.version);
    assert.equal((await store.head('marks', 'b'))?.isDeleteMarker ?? true, true);
    const { objects: versions } = await store.list('marks', {
      prefix: 'e',
      versions: true,
      limit: 9,
    });
    assert.equal(versions.length, 1);
  });

  await t.test('what another client did meanwhile is not taken for that', async () => {
    await store.createBucket('two', { owner: 'ann' });
    const kept = await store.put('two', 'k', pieces('1'), {});
    const conditions = { ifMatch: [kept.etag] };
    lose(false, () => other.delete('two', 'k', { conditions }));
    await assert.rejects(store.delete('two', 'k', { conditions }), code('FILES_CONDITION'));
    await store.put('two', 'k', pieces('1'), {});
    lose(false, () => other.move('two', 'k', 'l'));
    await assert.rejects(store.move('two', 'k', 'l'), code('FILES_NO_OBJECT'));
  });

  await t.test(
    'what was made in a bucket is not made again in the next one of that name',
    async () => {
      await store.createBucket('anew', { owner: 'ann' });
      lose(true, async () => {
        await other.delete('anew', 'k');
        await other.deleteBucket('anew');
        await other.createBucket('anew', { owner: 'bob' });
      });
      await assert.rejects(store.put('anew', 'k', pieces('1'), {}), code('FILES_NO_BUCKET'));
      assert.equal(await store.head('anew', 'k'), undefined);
    },
  );

  await t.test('what was made before another client came is not made again', async () => {
    await store.createBucket('after', { owner: 'ann' });
    const none = { ifNoneMatch: '*' } as const;
    const large = Buffer.alloc(4096, 'l');
    lose(true, () => other.put('after', 'k', pieces('theirs'), {}));
    await store.put('after', 'k', pieces(large), { conditions: none });
    const theirs = await store.head('after', 'k');
    assert.equal(theirs?.size, 6);
    lose(true, () => other.put('after', 'k', pieces('new'), { conditions: none }));
    assert.equal((await store.delete('after', 'k')).existed, true);
    assert.equal((await store.head('after', 'k'))?.size, 3);
    const { upload } = await store.createUpload('after', 'parts', {});
    lose(true, () => Promise.resolve());
    await store.abortUpload('after', 'parts', upload);
    lose(true, () => Promise.resolve());
    await store.createBucket('gone', { owner: 'ann' });
    lose(true, () => Promise.resolve());
    await store.deleteBucket('gone');
  });
});
