/** Files of a cluster that is lost, brought back from its disks: the old and the new one are real catalogues and real folders. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { PlainFile } from '../sqlite/sqlite.ts';
import { FileKit } from '../../testing/file-kit.ts';
import { Checkpoints } from './checkpoint.ts';
import type { EncryptionWish, ObjectInfo } from './model.ts';
import { encryptionKey, printRecoveryKey } from './recovery-key.ts';
import { Recovery, type RecoveryState } from './recovery.ts';

const MIB = 1024 * 1024;
const log = silentLogger;
const clock = systemClock;

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

async function hashOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of body) hash.update(piece);
  return hash.digest('hex');
}

/** All that can be seen of a bucket: every version with its bytes. */
async function everything({ store }: FileKit, bucket: string): Promise<readonly unknown[]> {
  const { objects } = await store.list(bucket, { limit: 1000, versions: true });
  return await Promise.all(
    objects.map(async (info) => [
      info,
      info.isDeleteMarker ? undefined : await hashOf(store.read(info)),
    ]),
  );
}

/** As `everything`, but for the seals and what only a client's key reads. */
async function secrets(kit: FileKit): Promise<readonly unknown[]> {
  const { objects } = await kit.store.list('secret', { limit: 1000, versions: true });
  return await Promise.all(
    objects
      .filter(({ encryption }) => encryption?.by !== 'client')
      .map(async (info) => [
        { ...info, encryption: { ...info.encryption, key: '' } },
        await hashOf(kit.store.read(info)),
      ]),
  );
}

async function recover(
  kit: FileKit,
  folders: readonly string[],
  withCatalogue: boolean,
  key?: string,
): Promise<RecoveryState> {
  const { store, link, sessions, places } = kit.parts();
  await using recovery = new Recovery({
    link,
    store,
    sessions,
    places,
    scratch: join(kit.folder, 'recovery'),
    onBlocks: () => undefined,
    clock,
    log,
  });
  await recovery.start({ folders, withCatalogue, key });
  await recovery.ended();
  return recovery.state();
}

/** Files of blocks that have one of their own. */
function blockFiles(disk: string): readonly string[] {
  return readdirSync(join(disk, 'd'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.startsWith('1'))
    .map((entry) => join(entry.parentPath, entry.name));
}

test('files of a cluster that is lost', async (t) => {
  await using old = await FileKit.start({ places: 2 });
  const { store, link, sessions, places } = old.parts();
  const bytes = {
    large: randomBytes(9 * MIB + 5),
    part: randomBytes(5 * MIB),
    tail: randomBytes(700_000),
    packed: randomBytes(70_000),
    more: randomBytes(90_000),
  };
  const put = (key: string, body: Uint8Array, bucket = 'data'): Promise<ObjectInfo> =>
    store.put(bucket, key, pieces(body), {
      contentType: 'text/x-test',
      meta: { of: key },
      tags: { a: 'b' },
      size: body.length,
    });
  await store.createBucket('data', { owner: 'ann', settings: { cors: [1] } });
  await store.createBucket('kept', { owner: 'ann' });
  await store.changeBucket('kept', { versioning: 'enabled' });
  await put('dir/large ümlaut %', bytes.large);
  await put('inline', Buffer.from('small'));
  await put('grown', bytes.packed);
  await store.append('data', 'grown', bytes.packed.length, pieces(bytes.more));
  const { upload } = await store.createUpload('data', 'parts', { contentType: 'text/parts' });
  const parts = [];
  for (const [at, body] of [bytes.part, bytes.tail].entries())
    parts.push(await store.putPart('data', 'parts', upload, at + 1, pieces(body), {}));
  await store.completeUpload('data', 'parts', upload, parts, {});
  await put('was', bytes.packed);
  await store.move('data', 'was', 'is');
  for (const body of [bytes.packed, bytes.more]) await put('versions', body, 'kept');
  await store.delete('kept', 'versions');
  await store.createBucket('secret', { owner: 'ann' });
  await store.changeBucket('secret', { versioning: 'enabled' });
  const encrypted = (key: string, body: Uint8Array, encrypt: EncryptionWish): Promise<unknown> =>
    store.put('secret', key, pieces(body), { encrypt, meta: { of: key } });
  await encrypted('large', bytes.part, { by: 'cluster' });
  await encrypted('large', bytes.packed, { by: 'named', name: 'mine' });
  await encrypted('inline', Buffer.from('small'), { by: 'cluster' });
  await encrypted('own', bytes.more, { by: 'client', key: Buffer.alloc(32, 9) });
  const begun = await store.createUpload('secret', 'begun', { encrypt: { by: 'cluster' } });
  const begunPart = await store.putPart('secret', 'begun', begun.upload, 1, pieces(bytes.tail), {});
  const secret = await secrets(old);
  const recoveryKey = printRecoveryKey(encryptionKey(Buffer.alloc(32, 2)));
  const data = await everything(old, 'data');
  const kept = await everything(old, 'kept');
  const checkpoints = new Checkpoints({
    link,
    contents: store.contents,
    places,
    sessions,
    clock,
    log,
  });
  let copies = 0;
  const copyOf = (name: string): string => {
    const disk = join(old.folder, `copy-${++copies}`);
    cpSync(join(old.folder, name), disk, { recursive: true });
    return disk;
  };
  /** The databases, one page of the catalogue's overwritten. */
  const damagedCopy = (page: 'first' | 'last'): string => {
    const folder = copyOf('databases');
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.name !== 's0.sqlite') continue;
      const path = join(entry.parentPath, entry.name);
      // What is in the log beside it goes into the file.
      PlainFile.create(path)[Symbol.dispose]();
      const file = readFileSync(path);
      const at = page === 'first' ? 0 : file.length - 4096;
      writeFileSync(path, file.fill(0x5a, at, at + 4096));
    }
    return folder;
  };
  /** The large object's last block is cut on it. */
  const cutDisk = (): string => {
    const disk = copyOf('n1');
    for (const file of blockFiles(disk)) if (file.endsWith('00000001')) truncateSync(file, 100);
    return disk;
  };

  await t.test('the rows are those of the database, the blocks those of one disk', async () => {
    await using fresh = await FileKit.start({ places: 2, key: 3 });
    const folders = [
      damagedCopy('first'),
      damagedCopy('last'),
      join(old.folder, 'databases'),
      copyOf('n2'),
    ];
    const state = await recover(fresh, folders, true);
    assert.deepEqual(
      [state.buckets, state.why, state.missingBlocks, state.catalogues.length, state.sealed],
      [['data', 'kept', 'secret'], undefined, 0, 1, 4],
    );
    assert.deepEqual(await everything(fresh, 'data'), data);
    assert.deepEqual(await everything(fresh, 'kept'), kept);
    const info = await fresh.store.bucket('data');
    assert.deepEqual(info, await store.bucket('data'));
    await fresh.store.put('data', 'afterwards', pieces(bytes.packed), {});

    const mistyped = recoveryKey.replace(/.$/, recoveryKey.endsWith('A') ? 'B' : 'A');
    await assert.rejects(recover(fresh, folders, true, mistyped), { code: 'FILES_RECOVERY_KEY' });
    const other = printRecoveryKey(encryptionKey(Buffer.alloc(32, 7)));
    assert.equal((await recover(fresh, folders, true, other)).sealed, 4);
    assert.equal((await recover(fresh, folders, true, recoveryKey)).sealed, 0);
    assert.deepEqual(await secrets(fresh), secret);
    const { upload: same } = begun;
    const done = await fresh.store.completeUpload('secret', 'begun', same, [begunPart], {});
    assert.equal(await hashOf(fresh.store.read(done)), await hashOf(pieces(bytes.tail)));
  });

  await checkpoints.make();
  await put('after the checkpoint', bytes.more);

  await t.test('a checkpoint tells the names, blocks what came later', async (own) => {
    await using fresh = await FileKit.start({ places: 1, key: 3 });
    const cut = cutDisk();
    await own.test('what is cut on every disk is told of, and the rest is there', async () => {
      const state = await recover(fresh, [cut], true);
      assert.match(state.catalogues.join(), /^checkpoint of/);
      assert.deepEqual([state.salvaged, state.incomplete], [1, []]);
      assert.deepEqual([state.missingBlocks, state.missing], [1, ['data/dir/large ümlaut %']]);
    });
    await own.test('with another disk all is as it was', async () => {
      const state = await recover(fresh, [cut, copyOf('n2')], true);
      assert.deepEqual([state.buckets, state.missingBlocks, state.incomplete], [[], 0, []]);
      const now = await everything(old, 'data');
      const plain = (all: readonly unknown[]): unknown =>
        JSON.parse(JSON.stringify(all, (name, value) => (name === 'modifiedAt' ? 0 : value)));
      assert.deepEqual(plain(await everything(fresh, 'data')), plain(now));
    });
  });

  await t.test(
    'bare blocks of one disk give what was written, under the names of then',
    async () => {
      await using fresh = await FileKit.start({ places: 1, key: 3 });
      const cut = await recover(fresh, [cutDisk()], false, recoveryKey);
      assert.match(cut.incomplete.join(), /dir\/large.*8388608 of its 9437189 bytes/);
      const disk = copyOf('n1');
      writeFileSync(join(disk, 'd', 'junk'), 'no folder');
      const state = await recover(fresh, [disk], false);
      assert.deepEqual([state.catalogues, state.incomplete, state.why], [[], [], undefined]);
      assert.deepEqual([cut.sealed, state.sealed, cut.ofParts, state.ofParts], [0, 0, 2, 0]);
      const wanted: Record<string, readonly Uint8Array[]> = {
        'after the checkpoint': [bytes.more],
        'dir/large ümlaut %': [bytes.large],
        grown: [bytes.packed, bytes.more],
        parts: [bytes.part, bytes.tail],
        was: [bytes.packed],
      };
      const { objects } = await fresh.store.list('data', { limit: 100 });
      assert.deepEqual(
        objects.map(({ key }) => key),
        Object.keys(wanted),
      );
      for (const info of objects) {
        const body = Buffer.concat([...(wanted[info.key] ?? [])]);
        assert.equal(await hashOf(fresh.store.read(info)), await hashOf(pieces(body)), info.key);
      }
      const [, large, , made] = objects;
      const before = await store.head('data', 'dir/large ümlaut %');
      assert.deepEqual(
        [large?.etag, large?.contentType, large?.meta, large?.tags],
        [before?.etag, before?.contentType, before?.meta, before?.tags],
      );
      assert.equal(made?.etag, (await store.head('data', 'parts'))?.etag);
      const versions = await fresh.store.head('kept', 'versions');
      assert.ok(versions !== undefined);
      assert.equal(await hashOf(fresh.store.read(versions)), await hashOf(pieces(bytes.more)));
      const opened = await fresh.store.head('secret', 'large');
      assert.ok(opened !== undefined);
      assert.equal(await hashOf(fresh.store.read(opened)), await hashOf(pieces(bytes.packed)));
      assert.equal(opened.etag, (await store.head('secret', 'large'))?.etag);
    },
  );
});
