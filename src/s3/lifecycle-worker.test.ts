/** Lifecycle rules carried out over a real store, with a clock of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { silentLogger } from '../base/log.ts';
import { LifecycleWorker } from './lifecycle-worker.ts';
import { parseLifecycle } from './lifecycle.ts';

const DAY_MS = 86_400_000;

async function* pieces(bytes: number): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.alloc(bytes, 'x'));
}

test('lifecycle rules are carried out', async () => {
  await using kit = await FileKit.start();
  const { store } = kit;
  const lifecycle = parseLifecycle(
    Buffer.from(
      '<LifecycleConfiguration>' +
        '<Rule><ID>down</ID><Filter><Prefix>k</Prefix></Filter><Status>Enabled</Status>' +
        '<Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition>' +
        '<Transition><Days>90</Days><StorageClass>GLACIER_IR</StorageClass></Transition>' +
        '<NoncurrentVersionTransition><NoncurrentDays>30</NoncurrentDays><StorageClass>ONEZONE_IA</StorageClass></NoncurrentVersionTransition></Rule>' +
        '<Rule><ID>gone</ID><Filter><Prefix>old</Prefix></Filter><Status>Enabled</Status><Expiration><Days>40</Days></Expiration></Rule>' +
        '</LifecycleConfiguration>',
    ),
  );
  await store.createBucket('photos', { owner: 'ann', settings: { lifecycle } });
  await store.changeBucket('photos', { versioning: 'enabled' });
  const [large, small] = [200 * 1024, 100];
  const first = await store.put('photos', 'k/large', pieces(large), { meta: { a: 'b' } });
  const last = await store.put('photos', 'k/large', pieces(large), {});
  await store.put('photos', 'k/small', pieces(small), {});
  await store.put('photos', 'old', pieces(large), {});
  const classAndMarker = async (key: string, version?: string) => {
    const object = await store.head('photos', key, version);
    return object?.isDeleteMarker === true ? 'gone' : object?.headers['x-amz-storage-class'];
  };
  /** A round: the worker begins, goes through the bucket, and rests. */
  const daysLater = async (days: number) => {
    const clock = new ManualClock(last.modifiedAt + days * DAY_MS);
    const worker = new LifecycleWorker({ store, clock, log: silentLogger });
    while ((await worker.step(new AbortController().signal)).kind === 'busy');
    return [
      await classAndMarker('k/large'),
      await classAndMarker('k/large', first.version),
      await classAndMarker('k/small'),
      await classAndMarker('old'),
    ];
  };
  assert.deepEqual(await daysLater(29), [undefined, undefined, undefined, undefined]);
  assert.deepEqual(await daysLater(32), ['STANDARD_IA', 'ONEZONE_IA', undefined, undefined]);
  assert.deepEqual(await daysLater(92), ['GLACIER_IR', 'ONEZONE_IA', undefined, 'gone']);
  const [now, before] = [
    await store.head('photos', 'k/large'),
    await store.head('photos', 'k/large', first.version),
  ];
  assert.deepEqual([now?.version, now?.modifiedAt], [last.version, last.modifiedAt]);
  assert.deepEqual(before?.meta, { a: 'b' });
});
