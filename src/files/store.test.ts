/** The file store of one machine, over the real catalogue and real folders. */
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { FileKit } from '../../testing/file-kit.ts';
import { until } from '../../testing/until.ts';
import { BlockCensus } from './census.ts';
import { Collector } from './collector.ts';
import type { FilesConfig } from './control.ts';
import type { ObjectInfo } from './model.ts';
import { PlaceTable } from './place-table.ts';

async function* pieces(...all: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const one of all) yield await Promise.resolve(Buffer.from(one));
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of body) all.push(piece);
  return Buffer.concat(all);
}

const code = (wanted: string) => (error: unknown) => isMolnError(error, wanted);

test('the file store of one machine', async (t) => {
  await using kit = await FileKit.start();
  const { store } = kit;
  await store.createBucket('photos', { owner: 'ann', settings: { cors: [1] } });
  const usage = async (): Promise<readonly [number, number]> => {
    const info = await store.bucket('photos');
    return [info?.bytes ?? -1, info?.objects ?? -1];
  };

  await t.test('small and large objects come back byte for byte', async () => {
    const small = await store.put('photos', 'a.txt', pieces('hello'), {
      contentType: 'text/plain',
    });
    assert.equal(small.etag, '5d41402abc4b2a76b9719d911017c592');
    const large = Buffer.alloc(17 * 1024 * 1024 + 5, 'abcdefg');
    const info = await store.put('photos', 'dir/large', pieces(large), { meta: { k: 'v' } });
    const head = await store.head('photos', 'a.txt');
    assert.equal(head?.contentType, 'text/plain');
    assert.ok(head !== undefined);
    assert.equal((await bytesOf(store.read(head))).toString(), 'hello');
    assert.deepEqual(await bytesOf(store.read(info)), large);
    const range = { start: 8 * 1024 * 1024 - 3, end: 8 * 1024 * 1024 + 9 };
    assert.deepEqual(
      await bytesOf(store.read(info, range)),
      large.subarray(range.start, range.end),
    );
    assert.deepEqual(await usage(), [large.length + 5, 2]);
  });

  await t.test('an object of one block is read with one question to the catalogue', async () => {
    const bytes = Buffer.alloc(4096, 'b');
    await store.put('photos', 'block', pieces(bytes), {});
    const { mock } = t.mock.method(kit.link, 'read');
    const head = await store.head('photos', 'block');
    assert.ok(head !== undefined);
    assert.deepEqual(
      await bytesOf(store.read(head, { start: 5, end: 4000 })),
      bytes.subarray(5, 4000),
    );
    assert.equal(mock.callCount(), 1);
    mock.restore();
  });

  await t.test('conditions and quota are judged in the commit', async () => {
    const conditions = { ifNoneMatch: '*' };
    await assert.rejects(
      store.put('photos', 'a.txt', pieces('x'), { conditions }),
      code('FILES_CONDITION'),
    );
    const many = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) =>
        store.put('photos', 'once', pieces(`${at}`), { conditions }),
      ),
    );
    assert.equal(many.filter((one) => one.status === 'fulfilled').length, 1);
    await store.changeBucket('photos', { quotaBytes: (await usage())[0] + 10 });
    await assert.rejects(store.put('photos', 'b', pieces('12345678901'), {}), code('FILES_QUOTA'));
    await store.put('photos', 'b', pieces('1234567890'), {});
    await store.changeBucket('photos', { quotaBytes: null });
  });

  await t.test('lists have folders and pages', async () => {
    await store.createBucket('lists', { owner: 'ann' });
    const keys = ['a', 'b/1', 'b/2', 'b/3/x', 'c', 'ö', '\u{1f600}', '\uffff'];
    await Promise.all(keys.map((key) => store.put('lists', key, pieces(key), {})));
    const seen: string[] = [];
    for (let after: string | undefined; ;) {
      const page = await store.list('lists', { delimiter: '/', limit: 2, after });
      seen.push([...page.objects.map(({ key }) => key), ...page.prefixes].sort().join('|'));
      if (page.next === undefined) break;
      after = page.next.key;
    }
    assert.deepEqual(
      seen,
      ['a|b/', 'c|ö', '\uffff|\u{1f600}'].map((one) => one.split('|').sort().join('|')),
    );
    const inB = await store.list('lists', { prefix: 'b/', delimiter: '/', limit: 10 });
    assert.deepEqual(
      inB.objects.map(({ key }) => key),
      ['b/1', 'b/2'],
    );
    assert.deepEqual(inB.prefixes, ['b/3/']);
  });

  await t.test('what is removed can be had back', async () => {
    await store.delete('photos', 'a.txt');
    assert.equal(await store.head('photos', 'a.txt'), undefined);
    await store.undelete('photos', 'a.txt');
    const back = await store.head('photos', 'a.txt');
    assert.ok(back !== undefined);
    assert.equal((await bytesOf(store.read(back))).toString(), 'hello');
  });

  await t.test('copies, moves and appends move no more bytes than they must', async () => {
    const large = await store.head('photos', 'dir/large');
    assert.ok(large !== undefined);
    const copy = await store.copy(large, { bucket: 'photos', key: 'copy' }, { meta: { k: 'w' } });
    assert.equal(copy.meta['k'], 'w');
    await store.delete('photos', 'dir/large');
    assert.equal((await bytesOf(store.read(copy))).length, large.size);
    await store.move('photos', 'copy', 'moved');
    assert.equal(await store.head('photos', 'copy'), undefined);
    let length = 0;
    for (const text of ['one ', 'two ', 'x'.repeat(100_000), 'four', 'y'.repeat(70_000)]) {
      const grown = await store.append('photos', 'log', length, pieces(text));
      length += text.length;
      assert.equal(grown.size, length);
    }
    await assert.rejects(store.append('photos', 'log', 3, pieces('x')), code('FILES_OFFSET'));
    const log = await store.head('photos', 'log');
    assert.ok(log !== undefined);
    const text = (await bytesOf(store.read(log))).toString();
    assert.equal(text, `one two ${'x'.repeat(100_000)}four${'y'.repeat(70_000)}`);
  });

  await t.test('what was appended to has a tag of all of it, which is no MD5', async () => {
    const tags: string[] = [];
    for (const letter of ['a', 'b']) {
      await store.put('photos', 'grown', pieces(letter.repeat(100_000)), {});
      for (const more of ['', 'x', 'y']) {
        const length = (await store.head('photos', 'grown'))?.size ?? 0;
        tags.push((await store.append('photos', 'grown', length, pieces(more))).etag);
      }
    }
    assert.equal(new Set(tags).size, tags.length, tags.join());
    assert.ok(tags.every((tag) => /^[0-9a-f]{32}-1$/.test(tag)));
    assert.deepEqual((await store.head('photos', 'grown'))?.partSizes, [100_002]);
    const { upload } = await store.createUpload('photos', 'grown', {});
    const part = await store.putPart('photos', 'grown', upload, 1, pieces('a'.repeat(100_000)), {});
    await store.completeUpload('photos', 'grown', upload, [part], {
      checksums: { crc32: 'AAAAAA==' },
      checksumType: 'FULL_OBJECT',
      partChecksums: ['AAAAAA=='],
    });
    const { checksums, checksumType, partChecksums } = await store.append(
      'photos',
      'grown',
      100_000,
      pieces('x'),
    );
    assert.deepEqual(
      { checksums, checksumType, partChecksums },
      {
        checksums: {},
        checksumType: undefined,
        partChecksums: undefined,
      },
    );
    await store.delete('photos', 'grown');
  });

  await t.test('versions', async () => {
    await store.createBucket('kept', { owner: 'ann' });
    await store.put('kept', 'k', pieces('0'), {});
    await store.changeBucket('kept', { versioning: 'enabled' });
    const one = await store.put('kept', 'k', pieces('1'), {});
    await store.put('kept', 'k', pieces('2'), {});
    const gone = await store.delete('kept', 'k');
    assert.equal(gone.deleteMarker, true);
    assert.equal((await store.head('kept', 'k'))?.isDeleteMarker, true);
    const all = await store.list('kept', { versions: true, limit: 10 });
    assert.deepEqual(
      all.objects.map(({ isDeleteMarker, isLatest }) => [isDeleteMarker, isLatest]),
      [
        [true, true],
        [false, false],
        [false, false],
        [false, false],
      ],
    );
    assert.equal(all.objects[3]?.version, 'null');
    assert.deepEqual((await store.list('kept', { limit: 10 })).objects, []);
    const page = await store.list('kept', { versions: true, limit: 2 });
    const rest = await store.list('kept', {
      versions: true,
      limit: 2,
      after: page.next?.key,
      afterVersion: page.next?.version,
    });
    assert.equal(rest.objects[0]?.version, one.version);
    await store.delete('kept', 'k', { version: gone.version });
    const newest = await store.head('kept', 'k');
    assert.ok(newest !== undefined);
    assert.equal((await bytesOf(store.read(newest))).toString(), '2');
    await store.changeBucket('kept', { versioning: 'suspended' });
    await store.put('kept', 'k', pieces('null again'), {});
    const versions = (await store.list('kept', { versions: true, limit: 10 })).objects;
    assert.deepEqual(
      versions.map(({ version }) => version === 'null'),
      [true, false, false],
    );
    assert.equal((await store.bucket('kept'))?.objects, 3);
  });

  await t.test('what is held stays, whichever came first', async () => {
    await store.createBucket('held', { owner: 'ann' });
    await store.changeBucket('held', { versioning: 'enabled' });
    const put = (key: string) => store.put('held', key, pieces('x'), {});
    const hold = (info: ObjectInfo) => store.changeObject(info, { lock: { hold: true } });
    const remove = ({ key, version }: ObjectInfo) => store.delete('held', key, { version });
    const isThere = async ({ key, version }: ObjectInfo) =>
      (await store.head('held', key, version)) !== undefined;
    for (let round = 0; round < 20; round += 1) {
      const info = await put('raced');
      // Removing looks at the bucket first: without a wait of its own the hold would always be first.
      const held = round % 2 === 0 ? hold(info) : store.bucket('held').then(() => hold(info));
      const ends = await Promise.allSettled([held, remove(info)]);
      const refused = ends.filter((end) => end.status === 'rejected').map(({ reason }) => reason);
      const wanted = (await isThere(info)) ? 'FILES_HELD' : 'FILES_NO_OBJECT';
      assert.deepEqual(
        refused.map((error) => isMolnError(error) && error.code),
        [wanted],
      );
    }
    const first = await put('first');
    await remove(first);
    await assert.rejects(hold(first), code('FILES_NO_OBJECT'));
    const older = await put('older');
    await put('older');
    const held = await hold(older);
    const copy = await store.copy(held, { bucket: 'held', key: 'copy' }, {});
    assert.equal(copy.lock, undefined);
    await assert.rejects(remove(older), code('FILES_HELD'));
    assert.deepEqual(await Promise.all([first, older].map(isThere)), [false, true]);
    const until = systemClock.now() + 3_600_000;
    const kept = await put('kept');
    await store.changeObject(kept, { lock: { mode: 'GOVERNANCE', until } });
    await assert.rejects(remove(kept), code('FILES_HELD'));
    await store.delete('held', 'kept', { version: kept.version, bypassGovernance: true });
    assert.equal(await isThere(kept), false);
    await assert.rejects(store.deleteBucket('held'), code('FILES_BUCKET_NOT_EMPTY'));
    // One without a name of its own is replaced where versions are not kept any more: not while it is held.
    await store.changeBucket('held', { versioning: 'suspended' });
    const unnamed = await hold(await put('unnamed'));
    await assert.rejects(put('unnamed'), code('FILES_HELD'));
    await assert.rejects(store.delete('held', 'unnamed'), code('FILES_HELD'));
    assert.equal((await store.head('held', 'unnamed'))?.fid, unnamed.fid);
  });

  await t.test('an upload in parts', async () => {
    const five = Buffer.alloc(5 * 1024 * 1024, 'p');
    const { upload } = await store.createUpload('photos', 'film', { contentType: 'video/mp4' });
    const first = await store.putPart('photos', 'film', upload, 1, pieces(five), {});
    await store.putPart('photos', 'film', upload, 2, pieces('replaced'), {});
    const second = await store.putPart('photos', 'film', upload, 2, pieces('end'), {});
    assert.equal((await store.parts('photos', 'film', upload, { limit: 10 })).parts.length, 2);
    assert.equal((await store.uploads('photos', { limit: 10 })).uploads.length, 1);
    const before = await usage();
    const wanted = [first, second].map(({ number, etag }) => ({ number, etag }));
    const done = await store.completeUpload('photos', 'film', upload, wanted, {});
    assert.deepEqual(await usage(), [before[0], before[1] + 1]);
    const again = await store.completeUpload('photos', 'film', upload, wanted, {});
    assert.equal(again.etag, done.etag);
    assert.match(done.etag, /-2$/);
    const head = await store.head('photos', 'film');
    assert.deepEqual(head?.partSizes, [five.length, 3]);
    const range = { start: five.length - 2, end: five.length + 3 };
    assert.equal((await bytesOf(store.read(done, range))).toString(), 'ppend');
    await store.changeBucket('photos', { quotaBytes: before[0] + 10 });
    const sized = (size: number) => store.createUpload('photos', 'never', { size });
    await assert.rejects(sized(11), code('FILES_QUOTA'));
    await store.abortUpload('photos', 'never', (await sized(10)).upload);
    await store.changeBucket('photos', { quotaBytes: null });
    await assert.rejects(sized(2 ** 50), code('FILES_FULL'));
    const other = await store.createUpload('photos', 'never', {});
    await store.putPart('photos', 'never', other.upload, 1, pieces('x'), {});
    await store.abortUpload('photos', 'never', other.upload);
    assert.deepEqual(await usage(), [before[0], before[1] + 1]);
  });

  await t.test('what is encrypted is not to be read on the storages', async () => {
    await store.createBucket('sealed', {
      owner: 'ann',
      settings: { encryption: { usual: { by: 'cluster' } } },
    });
    const plain = Buffer.alloc(3 * 1024 * 1024 + 7, 'nobody may read this ');
    const client = { by: 'client', key: Buffer.alloc(32, 'k') } as const;
    const usual = await store.put('sealed', 'usual', pieces(plain), {});
    const own = await store.put(
      'sealed',
      'own',
      pieces(plain.subarray(0, 1000), plain.subarray(1000)),
      { encrypt: client },
    );
    const small = await store.put('sealed', 'small', pieces('nobody may read this'), {});
    assert.equal(usual.encryption?.by, 'cluster');
    for (const info of [usual, own]) {
      const cid = `${info.fid}00000000`;
      const { body } = (await kit.blobs.get('n1/main')?.get(cid)) ?? assert.fail();
      const stored = await bytesOf(body);
      assert.equal(stored.length, plain.length);
      assert.equal(stored.includes('nobody may'), false);
    }
    const [row] = await kit.link.all(
      "SELECT data FROM object WHERE bucket = 'sealed' AND key = 'small'",
      [],
    );
    assert.equal(Buffer.from(row?.[0] as Uint8Array).includes('nobody'), false);
    assert.equal((await bytesOf(store.read(small, { start: 7, end: 10 }))).toString(), 'may');
    const range = { start: 1_000_003, end: 2_000_000 };
    const wanted = plain.subarray(range.start, range.end);
    assert.deepEqual(await bytesOf(store.read(usual, range)), wanted);
    assert.deepEqual(await bytesOf(store.read(own, range, client.key)), wanted);
    assert.throws(() => store.read(own), code('FILES_ENCRYPTED'));
    assert.throws(() => store.read(own, range, Buffer.alloc(32)), code('FILES_ENCRYPTION_KEY'));
    const grown = await store.append('sealed', 'usual', plain.length, pieces('!'));
    assert.deepEqual(await bytesOf(store.read(grown)), Buffer.concat([plain, Buffer.from('!')]));
    const moved = await store.move('sealed', 'own', 'moved');
    assert.deepEqual(await bytesOf(store.read(moved, range, client.key)), wanted);
    const copy = await store.copy(
      moved,
      { bucket: 'sealed', key: 'copy' },
      { sourceKey: client.key },
    );
    assert.equal(copy.encryption?.by, 'cluster');
    assert.deepEqual(await bytesOf(store.read(copy)), plain);
    await assert.rejects(
      store.copy(moved, { bucket: 'photos', key: 'c' }, {}),
      code('FILES_ENCRYPTED'),
    );
  });

  await t.test('properties and locks', async () => {
    const { properties, locks } = store;
    await properties.set('photos', 'd/', { '{DAV:}x': '<a/>', '{u}y': '2' });
    await properties.set('photos', 'd/f', { '{u}z': '3' });
    await properties.copy('photos', 'd/', 'e/');
    await properties.delete('photos', 'd/');
    assert.deepEqual(await properties.get('photos', 'd/f'), {});
    assert.deepEqual(await properties.get('photos', 'e/f'), { '{u}z': '3' });
    const wish = {
      scope: 'exclusive',
      principal: 'ann',
      owner: undefined,
      timeoutMs: 60_000,
    } as const;
    const lock = await locks.create('photos', { ...wish, path: 'd/', depth: 'infinity' });
    await assert.rejects(
      locks.create('photos', { ...wish, path: 'd/f', depth: '0' }),
      code('FILES_LOCKED'),
    );
    assert.equal((await locks.of('photos', 'd/e/f'))[0]?.token, lock.token);
    assert.equal(await locks.unlock('photos', lock.token), true);
    assert.deepEqual(await locks.of('photos', 'd/'), []);
  });

  await t.test('what nothing refers to is collected, and nothing else', async () => {
    const blobs = kit.blobs.get('n1/main');
    assert.ok(blobs !== undefined);
    const collector = new Collector({
      link: kit.link,
      places: {
        views: () => [{ id: 'n1/main', state: 'good' }],
        blobs: (id) => kit.blobs.get(id),
      },
      copies: { miss: () => Promise.resolve(false) },
      onMissing: () => undefined,
      clock: systemClock,
      log: silentLogger,
    });
    const count = async (): Promise<number> => (await blobs.list(undefined, 200)).length;
    const collect = async (): Promise<void> => {
      while (await collector.step());
    };
    await kit.link.run([{ sql: "UPDATE trash SET until = 0 WHERE bucket = 'photos'" }]);
    await collect();
    const before = await count();
    const bytes = Buffer.alloc(9 * 1024 * 1024, 'z');
    const one = await store.put('photos', 'gone', pieces(bytes), {});
    await store.copy(one, { bucket: 'photos', key: 'shares' }, {});
    await store.delete('photos', 'gone');
    await kit.link.run([{ sql: "UPDATE trash SET until = 0 WHERE bucket = 'photos'" }]);
    await collect();
    assert.equal(await count(), before + 2, 'the copy still has its bytes');
    const shares = await store.head('photos', 'shares');
    assert.ok(shares !== undefined);
    assert.deepEqual(await bytesOf(store.read(shares)), bytes);
    await store.delete('photos', 'shares');
    await kit.link.run([{ sql: "UPDATE trash SET until = 0 WHERE bucket = 'photos'" }]);
    await collect();
    assert.equal(await count(), before);

    const left = { fid: '0'.repeat(24), index: 0, createdAt: 0, maxBytes: 10 };
    await blobs.put('0'.repeat(32), pieces('old'), { ...left, allocSeq: 0 });
    await blobs.put('1'.repeat(32), pieces('new'), { ...left, allocSeq: 1_000_000 });
    await collector.takeInventory();
    assert.equal(await blobs.stat('0'.repeat(32)), undefined);
    assert.ok((await blobs.stat('1'.repeat(32))) !== undefined, 'its session may still commit it');
    assert.equal(await count(), before + 1);

    await kit.link.run([
      { sql: "UPDATE usage SET ord = 500 WHERE bucket = ''" },
      {
        sql: "INSERT INTO session (bucket, seq, node, expires, open) VALUES ('', 500, 'gone', 0, 1)",
      },
    ]);
    await collect();
    await assert.rejects(
      store.put('photos', 'late', pieces(bytes), {}),
      code('FILES_SESSION_OVER'),
    );
    await store.put('photos', 'late', pieces(bytes), {});
  });

  await t.test('a storage whose disk is away is lost after half an hour', async () => {
    let skippedMs = 0;
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skippedMs };
    const none = (): never => assert.fail('there is no other node');
    const own = join(kit.folder, 'own');
    await using table = new PlaceTable({
      link: kit.link,
      far: none,
      source: none,
      clock,
      log: silentLogger,
    });
    const node = { id: 'n9', name: 'n9', state: 'ready' };
    const config = { node: 'n9', nodes: [node], ownStorage: own, key: '' };
    table.configure(config as unknown as FilesConfig);
    await table.open();
    const states = async (): Promise<readonly string[]> => {
      skippedMs += 10_000;
      await table.look();
      return table.all().map(({ state }) => state);
    };
    assert.deepEqual(await states(), ['good']);
    renameSync(own, `${own}-away`);
    // A look that its back end began before may tell it the last time.
    await until('it is away', async () => (await states()).join() === 'away');
    skippedMs += 31 * 60_000;
    assert.deepEqual(await states(), ['lost']);
    renameSync(`${own}-away`, own);
    await until('it is good again', async () => (await states()).join() === 'good');
  });

  await t.test('copies of blocks are counted', async () => {
    await store.createBucket('counted', { owner: 'ann' });
    await store.put('counted', 'large', pieces(Buffer.alloc(9 * 1024 * 1024)), {});
    await kit.link.run([
      { sql: "UPDATE bucket SET policy = '1 copy' WHERE bucket = 'counted'" },
      { sql: "DELETE FROM copy WHERE bucket = 'counted' AND cid LIKE '%1'" },
    ]);
    const census = new BlockCensus({
      link: kit.link,
      places: { all: () => [...kit.places.values()] },
      clock: systemClock,
      log: silentLogger,
    });
    const counts = (await census.recent())?.counts.filter(({ wanted }) => wanted === 1);
    assert.deepEqual(counts, [
      { wanted: 1, valid: 0, blocks: 1, bytes: 1024 * 1024 },
      { wanted: 1, valid: 1, blocks: 1, bytes: 8 * 1024 * 1024 },
    ]);
  });
});
