/** The bucket that Moln keeps for itself: whoever names it as a user gets nowhere, and nothing of it is seen. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { forUsers, SYSTEM_BUCKET } from './system-bucket.ts';

const OWNER = { owner: 'ann' };

function bytes(content: string): Readable {
  return Readable.from([Buffer.from(content)], { objectMode: false });
}

test('users see nothing of the bucket of the system, and change nothing in it', async () => {
  await using kit = await FileKit.start();
  const { store } = kit;
  const users = forUsers(store);
  const refused = { code: 'FILES_BUCKET_OF_SYSTEM' };
  const own = { bucket: SYSTEM_BUCKET, key: 'shop/1' };
  await store.createBucket(SYSTEM_BUCKET, { owner: 'system' });
  const kept = await store.put(SYSTEM_BUCKET, own.key, bytes('release'), OWNER);
  await users.createBucket('photos', OWNER);
  const photo = await users.put('photos', SYSTEM_BUCKET, bytes('a key may be called so'), OWNER);

  assert.deepEqual(
    (await users.buckets()).map(({ name }) => name),
    ['photos'],
  );
  assert.equal(await users.bucket(SYSTEM_BUCKET), undefined);
  const tries: Readonly<Record<string, () => unknown>> = {
    create: () => users.createBucket(SYSTEM_BUCKET, OWNER),
    change: () => users.changeBucket(SYSTEM_BUCKET, { quotaBytes: 1 }),
    'delete the bucket': () => users.deleteBucket(SYSTEM_BUCKET),
    list: () => users.list(SYSTEM_BUCKET, { limit: 10 }),
    head: () => users.head(SYSTEM_BUCKET, own.key),
    read: () => users.read(kept),
    put: () => users.put(SYSTEM_BUCKET, own.key, bytes('mine'), OWNER),
    append: () => users.append(SYSTEM_BUCKET, own.key, 7, bytes('mine'), OWNER),
    delete: () => users.delete(SYSTEM_BUCKET, own.key),
    move: () => users.move(SYSTEM_BUCKET, own.key, 'elsewhere'),
    undelete: () => users.undelete(SYSTEM_BUCKET, own.key),
    'copy to it': () => users.copy(photo, own, OWNER),
    'copy from it': () => users.copy(kept, { bucket: 'photos', key: 'a' }, OWNER),
    'change an object': () => users.changeObject(kept, { meta: {} }),
    upload: () => users.createUpload(SYSTEM_BUCKET, own.key, OWNER),
  };
  for (const [what, act] of Object.entries(tries))
    await assert.rejects(async () => await act(), refused, what);
  const found = await store.head(SYSTEM_BUCKET, own.key);
  assert.ok(found !== undefined);
  assert.equal(await text(Readable.from(store.read(found))), 'release');
  assert.equal(await text(Readable.from(users.read(photo))), 'a key may be called so');
});
