/** The bucket that Moln keeps for itself: whoever names it as a user gets nowhere, and nothing of it is seen. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { forUsers, RELEASES_BUCKET, SNAPSHOTS_BUCKET } from './system-bucket.ts';

const OWNER = { owner: 'ann' };

function bytes(content: string): Readable {
  return Readable.from([Buffer.from(content)], { objectMode: false });
}

for (const bucket of [RELEASES_BUCKET, SNAPSHOTS_BUCKET])
  test(`users see nothing of ${bucket}, and change nothing in it`, () => isClosed(bucket));

async function isClosed(bucket: string): Promise<void> {
  await using kit = await FileKit.start();
  const { store } = kit;
  const users = forUsers(store);
  const refused = { code: 'FILES_BUCKET_OF_SYSTEM' };
  const own = { bucket, key: 'shop/1' };
  await store.createBucket(bucket, { owner: 'system' });
  const kept = await store.put(bucket, own.key, bytes('release'), OWNER);
  await users.createBucket('photos', OWNER);
  const photo = await users.put('photos', bucket, bytes('a key may be called so'), OWNER);

  assert.deepEqual(
    (await users.buckets()).map(({ name }) => name),
    ['photos'],
  );
  assert.equal(await users.bucket(bucket), undefined);
  const tries: Readonly<Record<string, () => unknown>> = {
    create: () => users.createBucket(bucket, OWNER),
    change: () => users.changeBucket(bucket, { quotaBytes: 1 }),
    'delete the bucket': () => users.deleteBucket(bucket),
    list: () => users.list(bucket, { limit: 10 }),
    head: () => users.head(bucket, own.key),
    read: () => users.read(kept),
    put: () => users.put(bucket, own.key, bytes('mine'), OWNER),
    append: () => users.append(bucket, own.key, 7, bytes('mine'), OWNER),
    delete: () => users.delete(bucket, own.key),
    move: () => users.move(bucket, own.key, 'elsewhere'),
    undelete: () => users.undelete(bucket, own.key),
    'copy to it': () => users.copy(photo, own, OWNER),
    'copy from it': () => users.copy(kept, { bucket: 'photos', key: 'a' }, OWNER),
    'change an object': () => users.changeObject(kept, { meta: {} }),
    upload: () => users.createUpload(bucket, own.key, OWNER),
  };
  for (const [what, act] of Object.entries(tries))
    await assert.rejects(async () => await act(), refused, what);
  const found = await store.head(bucket, own.key);
  assert.ok(found !== undefined);
  assert.equal(await text(Readable.from(store.read(found))), 'release');
  assert.equal(await text(Readable.from(users.read(photo))), 'a key may be called so');
}
