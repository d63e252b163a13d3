/** What is known of bytes once they are written. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { giveBack, PIECE_BYTES_MAX, takePiece } from '../base/piece-pool.ts';
import { CHUNK_BYTES } from './limits.ts';
import type { Received } from './model.ts';

const PIECE_BYTES = 200_001;

/** In pieces of the pool. */
async function* pooled(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = takePiece(Math.min(PIECE_BYTES, bytes.length - at));
    bytes.copy(piece, 0, at);
    yield await Promise.resolve(piece);
  }
}

async function shaOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of body) {
    hash.update(piece);
    giveBack(piece);
  }
  return hash.digest('hex');
}

test('what is said of an object before it counts is of all of its bytes, and they come back', async () => {
  await using kit = await FileKit.start({ places: 2 });
  const { store } = kit;
  await store.createBucket('photos', { owner: 'ann' });
  const put = async (length: number, encrypt: { readonly by: 'cluster' } | undefined) => {
    const bytes = Buffer.from(Uint8Array.from({ length }, (_, at) => length ^ at ^ (at >> 8)));
    const key = `${length}-${encrypt?.by ?? ''}`;
    const hex = (name: string): string => createHash(name).update(bytes).digest('hex');
    let said: Received | undefined;
    const info = await store.put('photos', key, pooled(bytes), {
      encrypt,
      accept: (received) => {
        said = received;
        return {};
      },
    });
    assert.deepEqual(said, { size: length, md5: hex('md5'), sha256: hex('sha256') });
    assert.equal(await shaOf(store.read(info)), hex('sha256'));
  };
  const around = [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5];
  const lengths = [0, 10, 2048, 2049, PIECE_BYTES_MAX + 1, ...around];
  // Side by side: a piece that was given back too early would have the bytes of another.
  for (const encrypt of [undefined, { by: 'cluster' }] as const)
    await Promise.all(lengths.map((length) => put(length, encrypt)));
});

test('of a body that breaks off nothing is left under way', async () => {
  await using kit = await FileKit.start({ places: 2 });
  const { store, folder, places } = kit;
  await store.createBucket('photos', { owner: 'ann' });
  const broken = new Error('the client has left');
  const body = async function* (): AsyncGenerator<Uint8Array> {
    yield* pooled(Buffer.alloc(3 * CHUNK_BYTES + PIECE_BYTES, 'x'));
    throw broken;
  };
  await assert.rejects(store.put('photos', 'half', body(), {}), broken);
  assert.equal(await store.head('photos', 'half'), undefined);
  for (const { node } of places.values())
    assert.deepEqual(await readdir(join(folder, node, 't')), []);
});

test('a copy is read where another node has just added a place', async () => {
  await using kit = await FileKit.start();
  const { store, blobs, places } = kit;
  await store.createBucket('photos', { owner: 'ann' });
  const bytes = Buffer.alloc(PIECE_BYTES, 'new');
  const info = await store.put('photos', 'key', pooled(bytes), {});
  const known = { blobs: new Map(blobs), places: new Map(places) };
  blobs.clear();
  places.clear();
  await assert.rejects(shaOf(store.read(info)), { code: 'FILES_UNREADABLE' });
  kit.onLook = () => {
    for (const [id, one] of known.blobs) blobs.set(id, one);
    for (const [id, one] of known.places) places.set(id, one);
    return Promise.resolve();
  };
  assert.equal(await shaOf(store.read(info)), createHash('sha256').update(bytes).digest('hex'));
});
