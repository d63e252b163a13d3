/** A storage in somebody else's bucket, by our own S3 face: what it is given, what it does to it, that it goes away and comes back, and what a recovery reads of it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isMolnError, messageOf } from '../src/base/errors.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { checkRented, RentedBlobs, type RentedOptions } from '../src/blobs/blobs.ts';
import { S3Folder } from '../src/blobs/s3-folder.ts';
import { Checkpoints } from '../src/files/checkpoint.ts';
import type { FileStore } from '../src/files/files.ts';
import { encryptionKey, printRecoveryKey, rentedKey } from '../src/files/recovery-key.ts';
import { Recovery } from '../src/files/recovery.ts';
import { S3Face } from '../src/s3/s3.ts';
import {
  blobBytes,
  blobId,
  bytesOf,
  failsWith,
  inPieces,
  putOptions,
  sha256,
} from '../testing/blob-conformance.ts';
import { FileKit } from '../testing/file-kit.ts';
import { until } from '../testing/until.ts';

const MIB = 1024 * 1024;
const BUCKET = 'space';
const KEY = { id: 'MKRENTED', secret: 'secret-of-the-rented', owner: 'them', may: 'all' } as const;
const LATER_KEY = { ...KEY, id: 'MKLATER' };

/** Only what time is, is said by the test. */
let skippedMs = 0;
const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skippedMs };

async function serve(store: FileStore, port = 0): Promise<Server> {
  const server = new S3Face({ store, clock: systemClock, log: silentLogger }).server();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

/** Passes on what `handle` does not take; gives its port. */
async function between(
  t: TestContext,
  port: number,
  handle: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>,
): Promise<number> {
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (await handle(request, response)) return;
    const ask = { port, host: '127.0.0.1', method: request.method, path: request.url };
    const passed = httpRequest({ ...ask, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    request.pipe(passed);
  };
  const server = createServer((request, response) => void pass(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => stop(server));
  return (server.address() as AddressInfo).port;
}

test('addresses of buckets', () => {
  const { scheme, user, host, port, folder } = checkRented('s3://work@s3.example.com:9000/b/a/c/');
  assert.deepEqual(
    [scheme, user, host, port, folder],
    ['s3', 'work', 's3.example.com', 9000, '/b/a/c'],
  );
  for (const url of [
    's3://host',
    's3://host/',
    's3://key:secret@host/bucket',
    's3://host/bucket?x',
    's3://host/bucket//x',
    's3+ftp://host/bucket',
  ])
    assert.throws(
      () => checkRented(url),
      (error) => isMolnError(error, 'BLOBS_INVALID') && !error.message.includes('key:secret'),
      url,
    );
});

test('a storage in a rented bucket', async (t) => {
  await using kit = await FileKit.start({ accessKeys: [KEY, LATER_KEY] });
  const { store } = kit;
  await store.createBucket(BUCKET, { owner: KEY.owner });
  let server = await serve(store);
  t.after(async () => stop(server));
  const { port } = server.address() as AddressInfo;
  const credentials = join(kit.folder, 'credentials');
  const options = (changes: Partial<RentedOptions> = {}): RentedOptions => ({
    url: `s3+http://work@127.0.0.1:${port}/${BUCKET}/their/place`,
    nodeId: 'n1',
    limitBytes: 100 * MIB,
    keepFree: '10%',
    key: Buffer.alloc(32, 7),
    keysFile: credentials,
    clock,
    log: silentLogger,
    ...changes,
  });
  const keysThere = async (): Promise<readonly string[]> =>
    (await store.list(BUCKET, { prefix: '', limit: 1000 })).objects.map(({ key }) => key);
  const keyOf = async (at: number): Promise<string> =>
    (await keysThere()).find((key) => key.includes(`/${blobId(at)}.`)) ?? '';
  const readThere = async (key: string): Promise<Buffer> => {
    const info = await store.head(BUCKET, key);
    assert.ok(info !== undefined, key);
    const pieces: Uint8Array[] = [];
    for await (const piece of store.read(info)) pieces.push(piece);
    return Buffer.concat(pieces);
  };

  await t.test('without its keys it says which file lacks them', async () => {
    await assert.rejects(
      RentedBlobs.open(options({ create: true })),
      /credentials" cannot be read: ENOENT/,
    );
    writeFileSync(credentials, '[default]\naws_access_key_id = x\n');
    await assert.rejects(RentedBlobs.open(options({ create: true })), /no section \[work\]/);
    writeFileSync(
      credentials,
      `[work]\naws_access_key_id = ${KEY.id}\naws_secret_access_key = other\n`,
    );
    await assert.rejects(RentedBlobs.open(options({ create: true })), /SignatureDoesNotMatch/);
    writeFileSync(
      credentials,
      `[default]\n[work]\naws_access_key_id=${KEY.id}\naws_secret_access_key = ${KEY.secret}\nregion = eu-north-1\n`,
    );
    const url = `s3+http://work@127.0.0.1:${port}/none/x`;
    await assert.rejects(RentedBlobs.open(options({ create: true, url })), /NoSuchBucket/);
  });

  const rented = await RentedBlobs.open(options({ create: true }));
  t.after(async () => rented[Symbol.asyncDispose]());
  const [usage] = (await rented.usage()).backends;
  assert.deepEqual([usage?.state, usage?.limitBytes], ['good', 100 * MIB]);

  await t.test('what was put is read back, whole and in ranges', async () => {
    for (const [at, length] of [0, 1, 65_536, 65_537, 3 * MIB + 5].entries()) {
      const bytes = blobBytes(at, length);
      const id = blobId(at);
      // Of some it is not known before how long they are.
      const wish = at % 2 === 0 ? putOptions({ length }) : putOptions();
      const written = await rented.put(id, inPieces(bytes), wish);
      assert.deepEqual(written, { length, sha256: sha256(bytes) });
      assert.ok((await bytesOf(await rented.get(id))).equals(bytes));
      for (const [start, end] of [
        [0, 1],
        [65_535, 65_537],
        [100_000, 900_000],
        [length, length + 10],
      ] as const) {
        const part = await bytesOf(await rented.get(id, { start, end }));
        assert.ok(part.equals(bytes.subarray(start, end)), `${length}: ${start}-${end}`);
      }
      assert.equal(await rented.verify(id), 'good');
    }
    const bytes = await readThere(await keyOf(4));
    assert.ok(!bytes.includes(blobBytes(4, 3 * MIB + 5).subarray(0, 32)));
  });

  await t.test('what is not as announced is refused, and nothing of it stays', async () => {
    const had = await keysThere();
    const put = (changes: object): Promise<unknown> =>
      rented.put(blobId(9), inPieces(blobBytes(1, 400_000)), putOptions(changes));
    await failsWith('BLOBS_TOO_LARGE', put({ maxBytes: 399_999 }));
    await failsWith('BLOBS_LENGTH', put({ length: 400_001 }));
    await failsWith('BLOBS_HASH', put({ sha256: '0'.repeat(64) }));
    await failsWith('BLOBS_FULL', put({ maxBytes: 200 * MIB }));
    await failsWith('BLOBS_MISSING', rented.get(blobId(9)));
    assert.deepEqual(await keysThere(), had);
  });

  await t.test('it is replaced and removed', async () => {
    const bytes = blobBytes(5, 100_000);
    await rented.put(blobId(0), inPieces(bytes), putOptions({ allocSeq: 9 }));
    assert.ok((await bytesOf(await rented.get(blobId(0)))).equals(bytes));
    assert.equal(await rented.delete(blobId(0)), true);
    assert.equal(await rented.delete(blobId(0)), false);
    assert.equal(await keyOf(0), '');
  });

  await t.test('it lies: what does not open is no copy, and is put aside', async () => {
    const key = await keyOf(4);
    const flipped = await readThere(key);
    flipped[70_000] = (flipped[70_000] ?? 0) ^ 1;
    await store.put(BUCKET, key, inPieces(flipped), {});
    await failsWith('BLOBS_CORRUPT', rented.get(blobId(4)).then(bytesOf));
    assert.equal(await rented.verify(blobId(4)), 'corrupt');
    assert.equal(await rented.verify(blobId(4)), 'missing');
    assert.match(await keyOf(4), /^their\/place\/q\//);
    await store.delete(BUCKET, await keyOf(3));
    await failsWith('BLOBS_MISSING', rented.get(blobId(3)));
  });

  await t.test(
    'it is away when nobody answers, comes back, and what it has is found again',
    async () => {
      const bytes = blobBytes(6, 200_000);
      await rented.put(blobId(6), inPieces(bytes), putOptions());
      const had = await rented.list(undefined, 10);
      await stop(server);
      await failsWith('BLOBS_AWAY', rented.get(blobId(6)));
      const [gone] = (await rented.usage()).backends;
      assert.equal(gone?.state, 'away');
      server = await serve(store, port);
      await until('it is connected again', async () => {
        skippedMs += 60_000;
        return (await rented.usage()).backends[0]?.state === 'good';
      });
      assert.ok((await bytesOf(await rented.get(blobId(6)))).equals(bytes));
      await assert.rejects(RentedBlobs.open(options({ create: true })), /another process has it/);
      await rented[Symbol.asyncDispose]();
      await using again = await RentedBlobs.open(options());
      assert.deepEqual(await again.list(undefined, 10), had);
      assert.ok((await bytesOf(await again.get(blobId(6)))).equals(bytes));
    },
  );

  await t.test('two nodes that add it at the same moment: one of them gets it', async () => {
    const both = Promise.withResolvers<void>();
    let claims = 0;
    const narrow = await between(t, port, async ({ method, url }) => {
      if (method !== 'PUT' || url?.endsWith('/twice/NODE') !== true) return false;
      claims += 1;
      if (claims === 2) both.resolve();
      await (claims === 1 ? both.promise : Promise.any(opening));
      return false;
    });
    const url = `s3+http://work@127.0.0.1:${narrow}/${BUCKET}/twice`;
    const opening = ['n1', 'n2'].map((nodeId) =>
      RentedBlobs.open(options({ create: true, url, nodeId })),
    );
    const opened = await Promise.allSettled(opening);
    for (const each of opened) if ('value' in each) await each.value[Symbol.asyncDispose]();
    assert.deepEqual(opened.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
    const said = opened.map((each) => ('reason' in each ? messageOf(each.reason) : ''));
    assert.match(said.join(''), said[0] === '' ? /belongs to node "n1"/ : /belongs to node "n2"/);
  });

  await t.test('an answer that breaks off is no end of the blob', async () => {
    let left = 1;
    const half = createServer((request, response) => {
      const isBlob = request.headers.range !== undefined && /\/d\//.test(request.url ?? '');
      const ask = { port, host: '127.0.0.1', method: request.method, path: request.url };
      const passed = httpRequest({ ...ask, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        const isCut = isBlob && Number(answer.headers['content-length']) > MIB && left-- > 0;
        if (isCut)
          answer.once('data', (piece: Buffer) => response.write(piece, () => response.destroy()));
        else answer.pipe(response);
      });
      request.pipe(passed);
    });
    half.listen(0, '127.0.0.1');
    await once(half, 'listening');
    t.after(async () => stop(half));
    const at = half.address() as AddressInfo;
    const url = `s3+http://work@127.0.0.1:${at.port}/${BUCKET}/cut`;
    await using cut = await RentedBlobs.open(options({ create: true, url }));
    const bytes = blobBytes(7, 3 * MIB);
    await cut.put(blobId(7), inPieces(bytes), putOptions());
    await assert.rejects(cut.get(blobId(7)).then(bytesOf));
    await until('it is connected again', async () => {
      skippedMs += 60_000;
      return (await cut.usage()).backends[0]?.state === 'good';
    });
    assert.ok((await bytesOf(await cut.get(blobId(7)))).equals(bytes));
  });

  await t.test('who reads on later keeps no answer waiting', async () => {
    const bytes = blobBytes(8, 16 * MIB);
    await store.put(BUCKET, 'long/one', inPieces(bytes), {});
    let underWay = 0;
    const counted = await between(t, port, (_, response) => {
      underWay += 1;
      response.once('close', () => (underWay -= 1));
      return false;
    });
    const address = checkRented(`s3+http://work@127.0.0.1:${counted}/${BUCKET}/long`);
    using folder = new S3Folder({
      address,
      keysFile: credentials,
      answerMs: 60_000,
      atOnce: 4,
      clock,
    });
    await folder.greeted();
    const range = { start: 0, end: bytes.length };
    const reading = folder.read(`${address.folder}/one`, range, { pieceBytes: 65_552 });
    const pieces = [(await reading.next()).value as Buffer];
    await until('all that was asked is answered', () => underWay === 0);
    for await (const piece of reading) pieces.push(piece);
    assert.ok(Buffer.concat(pieces).equals(bytes));
    assert.equal(folder.isOver, false);
  });

  await t.test('it is away while its keys are refused, and new ones are found', async () => {
    let isRefused = false;
    const refusing = await between(t, port, ({ headers }, response) => {
      const isTaken = isRefused && headers.authorization?.includes(`=${KEY.id}/`) === true;
      if (isTaken) response.writeHead(403).end();
      return isTaken;
    });
    const keysFile = join(kit.folder, 'keys-that-end');
    const keys = ({ id, secret }: { readonly id: string; readonly secret: string }): void =>
      writeFileSync(keysFile, `[work]\naws_access_key_id=${id}\naws_secret_access_key=${secret}\n`);
    keys(KEY);
    const url = `s3+http://work@127.0.0.1:${refusing}/${BUCKET}/ends`;
    await using ends = await RentedBlobs.open(options({ create: true, url, keysFile }));
    const bytes = blobBytes(1, 1000);
    await ends.put(blobId(1), inPieces(bytes), putOptions());
    isRefused = true;
    skippedMs += 60_000;
    const [gone] = (await ends.usage()).backends;
    assert.deepEqual([gone?.state, gone?.reason], ['away', 'it refuses: 403 Forbidden']);
    keys(LATER_KEY);
    skippedMs += 60_000;
    assert.equal((await ends.usage()).backends[0]?.state, 'good');
    assert.ok((await bytesOf(await ends.get(blobId(1)))).equals(bytes));
  });

  await t.test('who asked before it was connected again hears that it is away', async () => {
    const parked: ServerResponse[] = [];
    let cuts = 0;
    const shaky = await between(t, port, (request, response) => {
      const isPart = request.headers.range !== undefined;
      if (isPart && request.url?.includes(`/${blobId(1)}.`) === true) parked.push(response);
      else if (isPart && cuts-- > 0)
        response.writeHead(206, { 'content-length': 9 }).write('x', () => response.destroy());
      else return false;
      return true;
    });
    const url = `s3+http://work@127.0.0.1:${shaky}/${BUCKET}/shaky`;
    await using shared = await RentedBlobs.open(options({ create: true, url }));
    for (const at of [1, 2]) await shared.put(blobId(at), inPieces(blobBytes(at, 9)), putOptions());
    const early = failsWith('BLOBS_AWAY', shared.get(blobId(1)));
    await until('it is asked', () => parked.length > 0);
    cuts = 1;
    await failsWith('BLOBS_AWAY', shared.get(blobId(2)));
    await until('it is connected again', async () => {
      skippedMs += 60_000;
      return (await shared.usage()).backends[0]?.state === 'good';
    });
    for (const response of parked) response.destroy();
    await early;
  });

  await t.test('what gives no whole list, or no parts, is not believed', async () => {
    const list = '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>';
    const odd = await between(t, port, (request, response) => {
      response.end(request.url?.includes('list-type') === true ? list : 'all of it');
      return true;
    });
    const address = checkRented(`s3+http://work@127.0.0.1:${odd}/${BUCKET}/odd`);
    const how = { address, keysFile: credentials, answerMs: 60_000, atOnce: 4, clock };
    using folder = new S3Folder(how);
    await folder.greeted();
    await assert.rejects(folder.list(address.folder), /how its list goes on/);
    const part = folder.read(`${address.folder}/one`, { start: 4, end: 6 }, { pieceBytes: 65_552 });
    await assert.rejects(part.next(), /does not give parts/);
  });

  await t.test('more is listed than one answer has', async () => {
    const names = Array.from({ length: 1005 }, (_, at) => `name & ${at}`);
    const put = async (name: string): Promise<unknown> =>
      store.put(BUCKET, `many/${name}`, inPieces(Buffer.from('x')), {});
    await Promise.all(names.map(put));
    const address = checkRented(`s3+http://work@127.0.0.1:${port}/${BUCKET}/many`);
    const how = { address, keysFile: credentials, answerMs: 60_000, atOnce: 4, clock };
    using folder = new S3Folder(how);
    await folder.greeted();
    const listed = await folder.list(address.folder);
    assert.deepEqual(listed.map(({ name }) => name).toSorted(), names.toSorted());
  });

  await t.test('what is not empty is not taken', async () => {
    await store.put(BUCKET, 'other/thing', inPieces(Buffer.from('x')), {});
    const url = `s3+http://work@127.0.0.1:${port}/${BUCKET}/other`;
    await assert.rejects(
      RentedBlobs.open(options({ create: true, url })),
      /is not empty, and no storage of Moln/,
    );
  });
});

test('files of a lost cloud are brought back from the bucket that it rented', async (t) => {
  await using theirs = await FileKit.start({ accessKeys: [KEY] });
  await theirs.store.createBucket(BUCKET, { owner: KEY.owner });
  const server = await serve(theirs.store);
  t.after(async () => stop(server));
  const { port } = server.address() as AddressInfo;
  const keysFile = join(theirs.folder, '.aws', 'credentials');
  mkdirSync(dirname(keysFile));
  writeFileSync(
    keysFile,
    `[default]\naws_access_key_id=${KEY.id}\naws_secret_access_key=${KEY.secret}\n`,
  );
  const url = `s3+http://127.0.0.1:${port}/${BUCKET}`;
  await using old = await FileKit.start({ key: 3 });
  const bytes = new Map([
    ['large', blobBytes(1, 9 * MIB + 5)],
    ['packed', blobBytes(2, 70_000)],
    ['inline', blobBytes(3, 5)],
  ]);
  await old.store.createBucket('data', { owner: 'ann' });
  for (const [key, body] of bytes) await old.store.put('data', key, inPieces(body), {});
  const { link, sessions, places } = old.parts();
  await new Checkpoints({
    link,
    sessions,
    places,
    contents: old.store.contents,
    clock: systemClock,
    log: silentLogger,
  }).make();
  const secret = encryptionKey(Buffer.alloc(32, 3));
  const options = { url, key: rentedKey(secret), keysFile, clock, log: silentLogger };
  const space = { nodeId: 'n1', keepFree: 0, limitBytes: 100 * MIB } as const;
  await using rented = await RentedBlobs.open({ ...options, ...space, create: true });
  // As repair does it, all copies.
  for (const blobs of old.blobs.values())
    for (const { id } of await blobs.list(undefined, 1000)) {
      const { body, length } = await blobs.get(id);
      const meta = (await blobs.stat(id))?.meta ?? putOptions();
      await rented.put(id, body, { ...meta, length, maxBytes: length });
    }

  await using fresh = await FileKit.start({ key: 4 });
  const home = process.env['HOME'];
  process.env['HOME'] = theirs.folder;
  t.after(() => {
    process.env['HOME'] = home;
  });
  const { store } = fresh;
  await using recovery = new Recovery({
    ...fresh.parts(),
    scratch: join(fresh.folder, 'recovery'),
    onBlocks: () => undefined,
    clock: systemClock,
    log: silentLogger,
  });
  await t.test('a checkpoint that cannot be had now is not passed over', async (t2) => {
    const shaky = await between(t2, port, (request, response) => {
      const isTaken = /\/d\/c[^/]\//.test(request.url ?? '') && request.method === 'GET';
      if (isTaken) response.writeHead(503).end();
      return isTaken;
    });
    await using broken = new Recovery({
      ...fresh.parts(),
      scratch: join(fresh.folder, 'broken'),
      onBlocks: () => undefined,
      clock: { ...systemClock, sleep: () => Promise.resolve() },
      log: silentLogger,
    });
    const folders = [`s3+http://127.0.0.1:${shaky}/${BUCKET}`];
    const key = printRecoveryKey(secret);
    await failsWith('BLOBS_AWAY', broken.start({ folders, withCatalogue: true, key }));
  });
  const wish = { folders: [url], withCatalogue: true };
  await failsWith('FILES_RECOVERY_KEY_MISSING', recovery.start(wish));
  const wrong = printRecoveryKey(encryptionKey(Buffer.alloc(32, 5)));
  await recovery.start({ ...wish, key: wrong });
  await recovery.ended();
  assert.deepEqual([recovery.state().why, recovery.state().buckets], [undefined, []]);
  await recovery.start({ ...wish, key: printRecoveryKey(secret) });
  await recovery.ended();
  const { why, buckets, catalogues } = recovery.state();
  assert.deepEqual([why, buckets], [undefined, ['data']]);
  assert.match(catalogues.join(), /^checkpoint of/);
  for (const [key, body] of bytes) {
    const info = await store.head('data', key);
    assert.ok(info !== undefined, key);
    const pieces: Uint8Array[] = [];
    for await (const piece of store.read(info)) pieces.push(piece);
    assert.ok(Buffer.concat(pieces).equals(body), key);
  }
});
