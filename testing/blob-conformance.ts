/** What every storage node must do, near or far, as one function for `node:test`. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import type { BlobContent, BlobId, BlobStore, PutOptions } from '../src/blobs/blobs.ts';
import { seeded } from './seeded.ts';

export interface BlobStoreUnderTest extends AsyncDisposable {
  readonly store: BlobStore;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const PATTERN_BYTES = 4 * KIB;

/** An id that begins like this. */
export function blobId(start: number | string): BlobId {
  return (typeof start === 'number' ? start.toString(16).padStart(8, '0') : start).padEnd(32, 'e');
}

/** Bytes that are told from all others, and each 4 KiB of them from the rest. */
export function blobBytes(seed: number, length: number): Buffer {
  const random = seeded(seed);
  const pattern = Buffer.alloc(PATTERN_BYTES);
  for (let at = 0; at < PATTERN_BYTES; at += 4) pattern.writeUInt32LE(random.below(2 ** 32), at);
  const bytes = Buffer.alloc(length, pattern);
  for (let at = 0; at + 4 <= length; at += PATTERN_BYTES) bytes.writeUInt32LE(at, at);
  return bytes;
}

export function putOptions(changes: Partial<PutOptions> = {}): PutOptions {
  return {
    fid: 'f1',
    index: 0,
    allocSeq: 7,
    name: 'bucket/a key.txt',
    policy: '2 copies',
    createdAt: 1_795_176_000_123,
    maxBytes: 8 * MIB,
    ...changes,
  };
}

/** In pieces of odd sizes, as they come from a network. */
export async function* inPieces(bytes: Buffer, piece = 50_001): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += piece) {
    await Promise.resolve();
    yield bytes.subarray(at, at + piece);
  }
}

export async function bytesOf({ body }: BlobContent): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function failsWith(code: string, work: Promise<unknown>): Promise<unknown> {
  let thrown: unknown;
  await work.then(
    () => assert.fail(`want ${code}, but it was done`),
    (error: unknown) => {
      thrown = error;
    },
  );
  assert.ok(isMolnError(thrown, code), `want ${code}, got ${String(thrown)}`);
  return thrown;
}

export function blobConformance(name: string, make: () => Promise<BlobStoreUnderTest>): void {
  test(`${name}: what was put is read back, whole and in ranges`, async () => {
    await using made = await make();
    const { store } = made;
    for (const [i, length] of [0, 1, 4096, 65_536, 65_537, 262_144, 3 * MIB + 5].entries()) {
      const bytes = blobBytes(i, length);
      const id = blobId(i);
      const written = await store.put(id, inPieces(bytes), putOptions({ length }));
      assert.deepEqual(written, { length, sha256: sha256(bytes) });
      const content = await store.get(id);
      assert.equal(content.length, length);
      assert.equal(content.sha256, sha256(bytes));
      assert.ok((await bytesOf(content)).equals(bytes));
      for (const [start, end] of [
        [0, 1],
        [65_535, 65_537],
        [100_000, 900_000],
        [length - 1, length + 10],
      ] as const) {
        if (start < 0) continue;
        const part = await bytesOf(await store.get(id, { start, end }));
        assert.ok(part.equals(bytes.subarray(start, end)), `${length}: ${start}-${end}`);
      }
      const { maxBytes: _, length: __, ...meta } = putOptions();
      assert.deepEqual(await store.stat(id), { ...written, meta, sealed: true });
      assert.equal(await store.verify(id), 'good');
    }
  });

  test(`${name}: what is not as announced is refused, and nothing of it stays`, async () => {
    await using made = await make();
    const { store } = made;
    for (const length of [1000, 400_000]) {
      const bytes = blobBytes(1, length);
      const id = blobId(1);
      const put = (changes: Partial<PutOptions>): Promise<unknown> =>
        store.put(id, inPieces(bytes), putOptions(changes));
      await failsWith('BLOBS_TOO_LARGE', put({ maxBytes: length - 1 }));
      await failsWith('BLOBS_TOO_LARGE', put({ length: length - 1 }));
      await failsWith('BLOBS_LENGTH', put({ length: length + 1 }));
      await failsWith('BLOBS_HASH', put({ sha256: '0'.repeat(64) }));
      await failsWith('BLOBS_INVALID', put({ fid: '' }));
      await failsWith('BLOBS_INVALID', store.put('../../etc', inPieces(bytes), putOptions()));
      assert.equal(await store.stat(id), undefined);
      await failsWith('BLOBS_MISSING', store.get(id));
      assert.deepEqual(await store.list(undefined, 10), []);
    }
  });

  test(`${name}: a body that breaks off leaves nothing`, async () => {
    await using made = await make();
    const { store } = made;
    for (const length of [1000, 700_000]) {
      async function* broken(): AsyncGenerator<Buffer> {
        yield* inPieces(blobBytes(1, length));
        throw new Error('cut off');
      }
      await assert.rejects(store.put(blobId(1), broken(), putOptions()), /cut off|BLOBS_/);
      assert.equal(await store.stat(blobId(1)), undefined);
    }
  });

  test(`${name}: more than there is room for is refused before the body`, async () => {
    await using made = await make();
    let read = false;
    async function* body(): AsyncGenerator<Buffer> {
      read = true;
      await Promise.resolve();
      yield Buffer.alloc(1);
    }
    const length = 15 * 1024 * MIB;
    const put = made.store.put(blobId(1), body(), putOptions({ maxBytes: length, length }));
    await failsWith('BLOBS_FULL', put);
    assert.equal(read, false);
  });

  test(`${name}: lists in the order of ids, page by page`, async () => {
    await using made = await make();
    const { store } = made;
    const ids = ['00', '0f', '10', '7fff', '7fff0', '80', 'ff', 'ffff'].map((id) => blobId(id));
    for (const [i, id] of [...ids].reverse().entries()) {
      await store.put(id, inPieces(blobBytes(i, 10 + i)), putOptions({ allocSeq: i }));
    }
    await store.append(blobId('7f'), 0, inPieces(blobBytes(1, 77)), putOptions({ allocSeq: 99 }));
    const wanted = [...ids.slice(0, 3), blobId('7f'), ...ids.slice(3)].sort();
    const listed: string[] = [];
    for (let after: string | undefined; ; after = listed.at(-1)) {
      const page = await store.list(after, 4);
      listed.push(...page.map(({ id }) => id));
      if (page.length < 4) break;
    }
    assert.deepEqual(listed, wanted);
    assert.deepEqual((await store.list(blobId('7efe'), 1))[0], {
      id: blobId('7f'),
      length: 77,
      allocSeq: 99,
    });
  });

  test(`${name}: what is deleted is gone`, async () => {
    await using made = await make();
    const { store } = made;
    for (const [i, length] of [100, 500_000].entries()) {
      await store.put(blobId(i), inPieces(blobBytes(i, length)), putOptions());
      assert.equal(await store.delete(blobId(i)), true);
      assert.equal(await store.delete(blobId(i)), false);
      assert.equal(await store.stat(blobId(i)), undefined);
      assert.equal(await store.verify(blobId(i)), 'missing');
      // The same again, as repair may bring it.
      await store.put(blobId(i), inPieces(blobBytes(i, length)), putOptions());
      assert.ok((await bytesOf(await store.get(blobId(i)))).equals(blobBytes(i, length)));
    }
    const [usage] = (await store.usage()).backends;
    assert.equal(usage?.blobs, 2);
    assert.equal(usage?.state, 'good');
  });

  test(`${name}: an open blob grows, is cut, read and closed`, async () => {
    await using made = await make();
    const { store } = made;
    const id = blobId(1);
    const all = blobBytes(3, 400_000);
    const options = putOptions({ maxBytes: all.length });
    const add = (from: number, to: number): Promise<{ readonly length: number }> =>
      store.append(id, from, inPieces(all.subarray(from, to)), options);
    await failsWith('BLOBS_MISSING', store.append(id, 0, inPieces(all)));
    assert.deepEqual(await add(0, 10), { length: 10 });
    assert.deepEqual(await store.append(id, 10, inPieces(all.subarray(10, 70_000))), {
      length: 70_000,
    });
    const refused = await failsWith('BLOBS_OFFSET', add(10, 20));
    assert.deepEqual((refused as { details?: unknown }).details, { length: 70_000 });
    assert.deepEqual(await add(70_000, 300_000), { length: 300_000 });
    const half = await store.get(id, { start: 65_000, end: 66_000 });
    assert.equal(half.length, 300_000);
    assert.equal(half.sha256, undefined);
    assert.ok((await bytesOf(half)).equals(all.subarray(65_000, 66_000)));
    await store.truncate(id, 100_000);
    assert.ok((await bytesOf(await store.get(id))).equals(all.subarray(0, 100_000)));
    assert.equal((await store.stat(id))?.sealed, false);
    assert.equal(await store.verify(id), 'good');
    await add(100_000, 400_000);
    await failsWith('BLOBS_TOO_LARGE', store.append(id, 400_000, inPieces(Buffer.alloc(1))));
    const written = { length: all.length, sha256: sha256(all) };
    assert.deepEqual(await store.seal(id), written);
    assert.deepEqual(await store.seal(id), written);
    await failsWith('BLOBS_SEALED', store.append(id, 400_000, inPieces(Buffer.alloc(1)), options));
    await failsWith('BLOBS_SEALED', store.truncate(id, 5));
    assert.ok((await bytesOf(await store.get(id))).equals(all));
    assert.equal((await store.stat(id))?.meta.fid, 'f1');
  });

  test(`${name}: a whole blob takes the place of an open one`, async () => {
    await using made = await make();
    const { store } = made;
    for (const [i, length] of [3000, 300_000].entries()) {
      const bytes = blobBytes(i, length);
      await store.append(blobId(i), 0, inPieces(bytes.subarray(0, 1000)), putOptions());
      const written = await store.put(blobId(i), inPieces(bytes), putOptions());
      assert.ok((await bytesOf(await store.get(blobId(i)))).equals(bytes));
      assert.deepEqual(await store.seal(blobId(i)), written);
    }
    assert.equal((await store.usage()).backends[0]?.blobs, 2);
  });
}
