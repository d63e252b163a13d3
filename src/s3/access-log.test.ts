/** Lines of access logs, and their way into the bucket that takes them, over a real store. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { silentLogger } from '../base/log.ts';
import type { BucketInfo, FileStore } from '../files/files.ts';
import { type Access, accessLine, operationOf } from './access-log.ts';
import { AccessLogWorker } from './access-log-worker.ts';
import { Call } from './call.ts';
import { type Logging, logKey } from './logging.ts';
import { parseTarget } from './uri.ts';

const AT = Date.UTC(2026, 1, 6, 0, 0, 38);
const MINUTE = 60_000;

interface Asked {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function callOf(store: FileStore, { url, method = 'GET', headers = {} }: Asked): Call {
  const target = parseTarget(url);
  const [bucketName = '', ...key] = target.path.slice(1).split('/');
  return new Call({
    store,
    clock: new ManualClock(AT),
    people: (id) => Promise.resolve({ id, name: id }),
    id: 'ID1',
    method,
    headers: { host: 'here', ...headers },
    target,
    bucketName,
    key: key.join('/'),
    sender: { key: undefined, payload: { kind: 'plain', sha256: undefined }, how: 'anonymous' },
    source: (async function* () {})(),
    clientAddress: '192.0.2.3',
    isSecure: false,
  });
}

function accessOf(store: FileStore, bucket: BucketInfo, asked: Asked): Access {
  const times = { startedAt: AT, answeredAt: AT + 5, endedAt: AT + 8 };
  const answer = { status: 200, headers: { 'content-length': '12' } };
  return { call: callOf(store, asked), bucket, answer, code: undefined, ...times };
}

function grantsDelivery(bucket: string): object {
  const Resource = `arn:aws:s3:::${bucket}/x/*`;
  const Principal = { Service: 'logging.s3.amazonaws.com' };
  return { Effect: 'Allow', Principal, Action: 's3:PutObject', Resource };
}

test('access logs', async (t) => {
  await using kit = await FileKit.start();
  const { store } = kit;
  const logging: Logging = { bucket: 'logs', prefix: 'x/' };
  await store.createBucket('photos', { owner: 'ann', settings: { logging } });
  await store.createBucket('logs', { owner: 'ann' });
  const photos = await store.bucket('photos');
  assert.ok(photos !== undefined);

  await t.test('a line has the fields of AWS, and nobody breaks out of one', () => {
    const headers = { 'user-agent': 'a "b"\r\nc', referer: 'https://x/' };
    const asked = { url: '/photos/a%20b?X-Amz-Date=1&X-Amz-Signature=abc&versionId=v', headers };
    assert.equal(
      accessLine(accessOf(store, photos, asked)),
      'ann photos [06/Feb/2026:00:00:38 +0000] 192.0.2.3 - ID1 REST.GET.OBJECT a%20b ' +
        '"GET /photos/a%20b?X-Amz-Date=1&X-Amz-Signature=-&versionId=v HTTP/1.1" 200 - 12 12 8 5 ' +
        '"https://x/" "a %22b%22%0D%0Ac" v ID1 - - - here - - -\n',
    );
  });

  await t.test('operations', () => {
    const named = (method: string, url: string, headers: Record<string, string> = {}) =>
      operationOf(callOf(store, { method, url, headers }));
    assert.deepEqual(
      [
        named('GET', '/b'),
        named('PUT', '/b/k?acl'),
        named('POST', '/b?delete'),
        named('GET', '/b/k?tagging'),
        named('PUT', '/b/k', { 'x-amz-copy-source': 'x' }),
        named('PUT', '/b/k?partNumber=1&uploadId=u'),
        named('POST', '/b/k?uploadId=u'),
        named('GET', '/b?prefix=acl'),
      ],
      [
        'REST.GET.BUCKET',
        'REST.PUT.ACL',
        'REST.POST.MULTI_OBJECT_DELETE',
        'REST.GET.OBJECT_TAGGING',
        'REST.COPY.OBJECT',
        'REST.PUT.PART',
        'REST.POST.UPLOAD',
        'REST.GET.BUCKET',
      ],
    );
  });

  await t.test('keys of logs', () => {
    const keyOf = (keys: Logging['keys']) =>
      logKey(
        photos,
        { ...logging, keys },
        { region: 'r', eventAt: AT - 1000 * MINUTE, nowMs: AT, unique: 'U' },
      );
    assert.deepEqual(
      [keyOf(undefined), keyOf('by-delivery'), keyOf('by-event')],
      [
        'x/2026-02-06-00-00-38-U',
        'x/ann/r/photos/2026/02/06/2026-02-06-00-00-38-U',
        'x/ann/r/photos/2026/02/05/2026-02-05-00-00-00-U',
      ],
    );
  });

  await t.test('a log is put when its time has come, if the target takes it', async () => {
    const clock = new ManualClock(AT);
    const worker = new AccessLogWorker({ store, clock, log: silentLogger });
    const listed = async () => (await store.list('logs', { prefix: 'x/', limit: 10 })).objects;
    for (const url of ['/photos/1', '/photos/2']) worker.note(accessOf(store, photos, { url }));
    assert.equal((await worker.step()).kind, 'idle');
    clock.advance(6 * MINUTE);
    assert.equal((await worker.step()).kind, 'busy');
    assert.match(worker.status(), /0 accesses delivered, 2 passed over/);
    const policy = JSON.stringify({ Version: '2012-10-17', Statement: grantsDelivery('logs') });
    await store.changeBucket('logs', { settings: { policy } });
    for (const url of ['/photos/3', '/photos/4']) worker.note(accessOf(store, photos, { url }));
    await worker.finish();
    const [object, ...others] = await listed();
    assert.ok(object !== undefined && others.length === 0);
    let text = '';
    for await (const piece of store.read(object)) text += Buffer.from(piece).toString();
    assert.deepEqual(
      [...text.matchAll(/OBJECT (\d) /g)].map(([, key]) => key),
      ['3', '4'],
    );
    assert.equal((await worker.step()).kind, 'idle');
  });

  await t.test('all logs together may wait for so long only', async () => {
    const worker = new AccessLogWorker({ store, clock: new ManualClock(AT), log: silentLogger });
    const asked = { url: '/photos/6', headers: { 'user-agent': 'x'.repeat(63 * 1024) } };
    const note = (day: number, times: number) => {
      const access = { ...accessOf(store, photos, asked), startedAt: AT + day * 24 * 60 * MINUTE };
      for (let at = 0; at < times; at += 1) worker.note(access);
    };
    const lost = () => Number(/(\d+) passed over$/.exec(worker.status())?.[1]);
    // Nearly 8 MiB each.
    for (let day = 0; day < 4; day += 1) note(day, 128);
    assert.equal(lost(), 0);
    note(4, 32);
    const passedOver = lost();
    assert.ok(passedOver > 0 && passedOver < 32, worker.status());
    await worker.step();
    note(4, 32);
    assert.equal(lost(), passedOver);
    assert.match(worker.status(), /^4 logs are gathered; 128 accesses delivered/);
  });

  await t.test('the end comes, also when nothing can be put', async () => {
    let tries = 0;
    const away: FileStore = Object.assign(Object.create(store), {
      bucket: (name: string) => store.bucket(name),
      put() {
        assert.ok(++tries < 10, 'It is tried without end');
        return Promise.reject(new Error('away'));
      },
    });
    const clock = new ManualClock(AT);
    const worker = new AccessLogWorker({ store: away, clock, log: silentLogger });
    worker.note(accessOf(store, photos, { url: '/photos/5' }));
    await worker.finish();
    assert.equal(tries, 1);
    assert.match(worker.status(), /1 passed over/);
  });
});
