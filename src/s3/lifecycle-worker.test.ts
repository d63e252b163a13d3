/** Lifecycle rules carried out over a real store, with a clock of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import type { FileStore } from '../files/files.ts';
import { LifecycleWorker } from './lifecycle-worker.ts';
import { parseLifecycle } from './lifecycle.ts';

const DAY_MS = 86_400_000;

/** The store, where `after` happens between a list and what is done about it. */
function interrupted(store: FileStore, after: () => Promise<unknown>): FileStore {
  return Object.assign(Object.create(store), {
    bucket: (name: string) => store.bucket(name),
    buckets: () => store.buckets(),
    async list(...asked: Parameters<FileStore['list']>) {
      const page = await store.list(...asked);
      await after();
      return page;
    },
  });
}

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

test('what is put anew meanwhile stays as it is put', async () => {
  await using kit = await FileKit.start();
  const { store } = kit;
  const days = (prefix: string, what: string): string =>
    `<Rule><ID>${prefix}</ID><Filter><Prefix>${prefix}</Prefix></Filter><Status>Enabled</Status>${what}</Rule>`;
  const lifecycle = parseLifecycle(
    Buffer.from(
      `<LifecycleConfiguration>${days('down', '<Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition>')}` +
        `${days('gone', '<Expiration><Days>30</Days></Expiration>')}</LifecycleConfiguration>`,
    ),
  );
  await store.createBucket('photos', { owner: 'ann', settings: { lifecycle } });
  const put = (key: string, headers: Record<string, string>) =>
    store.put('photos', key, pieces(200 * 1024), { headers });
  const old = await put('down', { 'cache-control': 'old' });
  await put('gone', {});
  await until('the next second', () => Date.now() >= old.modifiedAt + 2000);
  const round = interrupted(store, async () => {
    await put('down', { 'content-encoding': 'gzip' });
    await put('gone', {});
  });
  const clock = new ManualClock(old.modifiedAt + 40 * DAY_MS);
  const worker = new LifecycleWorker({ store: round, clock, log: silentLogger });
  while ((await worker.step(new AbortController().signal)).kind === 'busy');
  assert.deepEqual((await store.head('photos', 'down'))?.headers, { 'content-encoding': 'gzip' });
  assert.ok((await store.head('photos', 'gone')) !== undefined);
  assert.match(worker.status(), /0 removed, 0 of another/);
});

test('what is held meanwhile stays', async () => {
  await using kit = await FileKit.start();
  const { store } = kit;
  const lifecycle = parseLifecycle(
    Buffer.from(
      '<LifecycleConfiguration><Rule><ID>a</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>' +
        '<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>',
    ),
  );
  await store.createBucket('photos', { owner: 'ann', settings: { lifecycle } });
  await store.changeBucket('photos', { versioning: 'enabled' });
  const put = () => store.put('photos', 'k', pieces(100), {});
  const [held, free, last] = [await put(), await put(), await put()];
  const round = interrupted(store, () => store.changeObject(held, { lock: { hold: true } }));
  const clock = new ManualClock(last.modifiedAt + 40 * DAY_MS);
  const worker = new LifecycleWorker({ store: round, clock, log: silentLogger });
  while ((await worker.step(new AbortController().signal)).kind === 'busy');
  assert.deepEqual((await store.head('photos', 'k', held.version))?.lock, { hold: true });
  assert.equal(await store.head('photos', 'k', free.version), undefined);
});
