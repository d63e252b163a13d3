/** A storage over SFTP, by the server of OpenSSH: what it is given, what it does to it, and that it goes away and comes back. */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import {
  blobBytes,
  blobId,
  bytesOf,
  failsWith,
  inPieces,
  putOptions,
  sha256,
} from '../../testing/blob-conformance.ts';
import { until } from '../../testing/until.ts';
import { RENTED_REQUESTS, RENTED_USAGE_MS } from './limits.ts';
import { RentedBlobs, type RentedOptions } from './rented-blobs.ts';
import { parseRented } from './rented-address.ts';
import { sshCommand, SftpSession } from './sftp-session.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SERVER = '/usr/lib/openssh/sftp-server';

/** Only what time is, is said by the test. */
let skippedMs = 0;
const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skippedMs };

function options(folder: string, changes: Partial<RentedOptions> = {}): RentedOptions {
  return {
    url: `sftp://someone@host.example${folder}`,
    nodeId: 'n1',
    limitBytes: 100 * MIB,
    keepFree: 0,
    key: Buffer.alloc(32, 7),
    command: [SERVER],
    clock,
    log: silentLogger,
    ...changes,
  };
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test('what may be rented', async () => {
  assert.deepEqual(parseRented('sftp://ann@[::1]:2222/srv/my%20files/'), {
    scheme: 'sftp',
    user: 'ann',
    host: '::1',
    port: 2222,
    folder: '/srv/my files',
  });
  for (const text of [
    'sftp://ann:secret@host/srv',
    'sftp://host',
    'sftp://-oProxyCommand=x/srv',
    'sftp://-l@host/srv',
    'http://host/srv',
    'sftp://host/srv?x',
    'sftp://host/%zz',
    'sftp://host/a%0ab',
  ])
    assert.equal(parseRented(text), undefined, text);
  const secret = { url: 'sftp://ann:secret@host/srv', create: true };
  await assert.rejects(
    RentedBlobs.open(options('', secret)),
    (error) => isMolnError(error, 'BLOBS_INVALID') && !error.message.includes('secret'),
  );
  const target = parseRented('sftp://host/srv');
  assert.ok(target !== undefined);
  assert.deepEqual(sshCommand(target).slice(-4), ['-s', '--', 'host', 'sftp']);
});

test('a storage over SFTP', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'moln-rented-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const folder = join(home, 'space');
  await using store = await RentedBlobs.open(options(folder, { create: true }));

  await t.test('what was put is read back, whole and in ranges', async () => {
    for (const [i, length] of [0, 1, 65_536, 65_537, 3 * MIB + 5].entries()) {
      const bytes = blobBytes(i, length);
      const id = blobId(i);
      // What is said of the bytes on their way is not kept.
      const said = { length, crcs: [i], givesPieces: true };
      const written = await store.put(id, inPieces(bytes), putOptions(said));
      assert.deepEqual(written, { length, sha256: sha256(bytes) });
      const content = await store.get(id);
      assert.deepEqual([content.length, content.sha256], [length, written.sha256]);
      assert.ok((await bytesOf(content)).equals(bytes));
      for (const [start, end] of [
        [0, 1],
        [65_535, 65_537],
        [100_000, 900_000],
        [length, length + 10],
      ] as const) {
        const part = await bytesOf(await store.get(id, { start, end }));
        assert.ok(part.equals(bytes.subarray(start, end)), `${length}: ${start}-${end}`);
      }
      const { maxBytes: _, length: __, ...meta } = putOptions();
      assert.deepEqual(await store.stat(id), { ...written, meta, sealed: true });
      assert.equal(await store.verify(id), 'good');
    }
    const ids = (await store.list(undefined, 3)).map(({ id }) => id);
    assert.deepEqual(ids, [0, 1, 2].map(blobId));
    assert.deepEqual(await store.list(ids[2], 9), [
      { id: blobId(3), length: 65_537, allocSeq: 7 },
      { id: blobId(4), length: 3 * MIB + 5, allocSeq: 7 },
    ]);
  });

  await t.test('what two claim is of the first', async () => {
    const how = { command: [SERVER], answerMs: 10_000, atOnce: 4, clock };
    using first = SftpSession.start(how);
    using second = SftpSession.start(how);
    await Promise.all([first.greeted(), second.greeted()]);
    const claimed = join(home, 'claimed');
    mkdirSync(claimed);
    const path = join(claimed, 'NODE');
    assert.equal(await first.claim(path, Buffer.from('first')), true);
    assert.equal(await second.claim(path, Buffer.from('second')), false);
    assert.deepEqual(readdirSync(claimed), ['NODE']);
    assert.equal(readFileSync(path, 'utf8'), 'first');
  });

  await t.test('nothing of it can be read there', () => {
    const all = filesOf(folder).map((path) => readFileSync(path));
    for (const words of ['a key.txt', 'bucket'])
      assert.ok(
        all.every((bytes) => !bytes.includes(words)),
        words,
      );
    const plain = blobBytes(4, 3 * MIB + 5).subarray(0, 32);
    assert.ok(all.every((bytes) => !bytes.includes(plain)));
  });

  await t.test('what is not as announced is refused, and nothing of it stays', async () => {
    const before = filesOf(folder).length;
    const bytes = blobBytes(1, 400_000);
    const put = (changes: object): Promise<unknown> =>
      store.put(blobId(9), inPieces(bytes), putOptions(changes));
    await failsWith('BLOBS_TOO_LARGE', put({ maxBytes: 399_999 }));
    await failsWith('BLOBS_LENGTH', put({ length: 400_001 }));
    await failsWith('BLOBS_HASH', put({ sha256: '0'.repeat(64) }));
    await failsWith('BLOBS_INVALID', store.put('../x', inPieces(bytes), putOptions()));
    await failsWith('BLOBS_FULL', put({ maxBytes: 200 * MIB }));
    await failsWith('BLOBS_MISSING', store.get(blobId(9)));
    await failsWith('BLOBS_INVALID', store.append(blobId(9)));
    assert.equal(filesOf(folder).length, before);
  });

  await t.test('it is replaced and removed', async () => {
    const bytes = blobBytes(5, 100_000);
    await store.put(blobId(0), inPieces(bytes), putOptions({ allocSeq: 9 }));
    assert.ok((await bytesOf(await store.get(blobId(0)))).equals(bytes));
    assert.equal(await store.delete(blobId(0)), true);
    assert.equal(await store.delete(blobId(0)), false);
    assert.equal(await store.verify(blobId(0)), 'missing');
    assert.equal(filesOf(join(folder, 'd')).length, 4);
  });

  await t.test('it lies: what does not open is no copy, and is put aside', async () => {
    const pathOf = (at: number): string =>
      filesOf(join(folder, 'd')).find((path) => path.includes(blobId(at))) ?? '';
    const flipped = readFileSync(pathOf(4));
    flipped[70_000] = (flipped[70_000] ?? 0) ^ 1;
    writeFileSync(pathOf(4), flipped);
    await failsWith('BLOBS_CORRUPT', store.get(blobId(4)).then(bytesOf));
    assert.equal(await store.verify(blobId(4)), 'corrupt');
    assert.equal(await store.verify(blobId(4)), 'missing');
    assert.equal(filesOf(join(folder, 'q')).length, 1);
    // One blob in the place of another, and one that is gone.
    writeFileSync(pathOf(3), readFileSync(pathOf(2)));
    assert.equal(await store.verify(blobId(3)), 'corrupt');
    rmSync(pathOf(2));
    await failsWith('BLOBS_MISSING', store.get(blobId(2)));
  });

  await t.test('only one has it, under whatever address', async () => {
    const url = `sftp://someone@host.example:22${folder}`;
    const other = RentedBlobs.open(options(folder, { url, create: true }));
    await assert.rejects(other, /away: another process has it/);
  });

  await t.test('what it has is found again, what was half written is gone', async () => {
    const bytes = blobBytes(6, 200_000);
    await store.put(blobId(6), inPieces(bytes), putOptions());
    writeFileSync(join(folder, 't', 'half'), 'x');
    const [had, one] = [await store.list(undefined, 10), (await store.usage()).backends[0]];
    await store[Symbol.asyncDispose]();
    await using again = await RentedBlobs.open(options(folder));
    assert.ok((await bytesOf(await again.get(blobId(6)))).equals(bytes));
    assert.deepEqual(await again.list(undefined, 10), had);
    const [other] = (await again.usage()).backends;
    assert.deepEqual([one?.usedBytes, one?.id], [other?.usedBytes, other?.id]);
    assert.deepEqual(readdirSync(join(folder, 't')), []);
  });

  await t.test('names that lie are found', async () => {
    const path = filesOf(join(folder, 'd')).find((one) => one.includes(blobId(1))) ?? '';
    renameSync(path, path.replace('.7.1', '.8.1'));
    await using again = await RentedBlobs.open(options(folder));
    assert.equal((await again.list(undefined, 1))[0]?.allocSeq, 8);
    assert.equal(await again.verify(blobId(1)), 'corrupt');
    const long = filesOf(join(folder, 'd')).find((one) => one.includes(blobId(6))) ?? '';
    const bytes = readFileSync(long);
    writeFileSync(long, Buffer.concat([bytes, Buffer.alloc(MIB)]));
    await assert.rejects(again.get(blobId(6)), /longer than its name says/);
    writeFileSync(long, bytes);
    assert.equal(await again.verify(blobId(6)), 'good');
  });

  await t.test('what a connection left that ended is gone with the next one', async () => {
    const pid = join(home, 'pid');
    const command = ['sh', '-c', `echo $$ >${pid}; exec ${SERVER}`];
    await using broken = await RentedBlobs.open(options(folder, { command }));
    await broken.get(blobId(6));
    writeFileSync(join(folder, 't', 'half'), 'x');
    process.kill(Number(readFileSync(pid, 'utf8')));
    await until('it is connected again', async () => {
      skippedMs += 60_000;
      await broken.get(blobId(6));
      return readdirSync(join(folder, 't')).length === 0;
    });
  });

  await t.test('many writes at once have few requests under way', async () => {
    const [live, most] = [new Set<Disposable>(), { requests: 0 }];
    const after: RentedOptions['clock']['after'] = (ms, work) => {
      const timer = systemClock.after(ms, work);
      live.add(timer);
      most.requests = Math.max(most.requests, live.size);
      return {
        [Symbol.dispose]: () => {
          live.delete(timer);
          timer[Symbol.dispose]();
        },
      };
    };
    await using other = await RentedBlobs.open(options(folder, { clock: { ...clock, after } }));
    const numbers = Array.from({ length: 6 }, (_, at) => 10 + at);
    const put = (at: number): Promise<unknown> =>
      other.put(blobId(at), inPieces(blobBytes(at, 2 * MIB)), putOptions({ length: 2 * MIB }));
    await Promise.all(numbers.map(put));
    assert.equal(most.requests, RENTED_REQUESTS);
    for (const at of numbers) assert.equal(await other.delete(blobId(at)), true);
  });

  await t.test('who asks how it is does not wait for one that hangs', async () => {
    const after: RentedOptions['clock']['after'] = (ms, work) =>
      systemClock.after(ms === RENTED_USAGE_MS ? 1 : ms, work);
    const changes = { command: ['sleep', '100'], clock: { ...clock, after } };
    const hanging = await RentedBlobs.open(options(folder, changes));
    const [usage] = (await hanging.usage()).backends;
    assert.deepEqual([usage?.state, usage?.reason], ['away', 'it is not connected yet']);
    await hanging[Symbol.asyncDispose]();
  });

  await t.test('making one that broke off is gone on with', async () => {
    const other = join(home, 'other');
    for (const name of ['t', 'd', 'd/00']) mkdirSync(join(other, name), { recursive: true });
    writeFileSync(join(other, 'NODE.new'), '{"for');
    writeFileSync(join(other, 'd', '00', 'thing'), 'x');
    const again = (): Promise<RentedBlobs> => RentedBlobs.open(options(other, { create: true }));
    await assert.rejects(again(), /is not empty, and no storage of Moln/);
    rmSync(join(other, 'd', '00', 'thing'));
    await using made = await again();
    await made.put(blobId(1), inPieces(blobBytes(1, 1000)), putOptions());
    assert.equal((await bytesOf(await made.get(blobId(1)))).length, 1000);
  });

  await t.test('another key opens nothing', async () => {
    await using strange = await RentedBlobs.open(options(folder, { key: Buffer.alloc(32, 8) }));
    await failsWith('BLOBS_CORRUPT', strange.get(blobId(6)));
  });

  await t.test('it is away when it does not answer, or is another folder', async () => {
    const stateOf = async (rented: RentedBlobs): Promise<string> => {
      const [usage] = (await rented.usage()).backends;
      return `${usage?.state}: ${usage?.reason ?? ''}`;
    };
    for (const [changes, why] of [
      [{ command: ['false'] }, /away: the connection ended/],
      [{ command: ['sh', '-c', 'echo Permission denied >&2'] }, /away: Permission denied/],
      [{ command: ['no-such-ssh'] }, /away: there is no program "no-such-ssh" on this machine/],
      [{ command: ['cat'] }, /away: what answers does not speak SFTP/],
      [{ nodeId: 'n2' }, /away: .*belongs to node "n1"/],
      [{ id: 'other' }, /away: .*not "other"/],
    ] as const) {
      await using other = await RentedBlobs.open(options(folder, changes));
      await until(String(why), async () => why.test(await stateOf(other)));
      await failsWith('BLOBS_AWAY', other.get(blobId(6)));
    }
    const moved = join(home, 'moved');
    renameSync(folder, moved);
    mkdirSync(folder);
    await using empty = await RentedBlobs.open(options(folder));
    await until('it is another one', async () => /no file "NODE"/.test(await stateOf(empty)));
    rmSync(folder, { recursive: true });
    renameSync(moved, folder);
    skippedMs += 60_000;
    await until('it is good', async () => (await stateOf(empty)).startsWith('good'));
    assert.equal((await empty.get(blobId(6))).length, 200_000);
    await assert.rejects(
      RentedBlobs.open(options(home, { create: true })),
      /is not empty, and no storage of Moln/,
    );
  });
});
