import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  blobBytes,
  blobId,
  bytesOf,
  failsWith,
  inPieces,
  putOptions,
  sha256,
} from '../../testing/blob-conformance.ts';
import { BlobNode } from '../../testing/blob-kit.ts';
import { BlockFeed } from './block-feed.ts';

test('storages of one process have the sums of a block from its feed, also one that joins late', async () => {
  await using one = await BlobNode.start();
  await using other = await BlobNode.start();
  await using late = await BlobNode.start();
  for (const [at, length] of [0, 1, 70_000, 200_000, 3_000_001].entries()) {
    const id = blobId(at);
    const bytes = blobBytes(at, length);
    const feed = new BlockFeed();
    const { sums } = feed;
    assert.ok(sums !== undefined);
    const options = { ...putOptions(), sums };
    const put = (node: BlobNode): Promise<unknown> =>
      node.store.put(id, feed.join() ?? assert.fail('the beginning is gone'), options);
    const puts = [put(one), put(other)];
    for await (const piece of inPieces(bytes)) {
      await feed.push(piece);
      if (puts.length === 2) puts.push(put(late));
    }
    feed.end();
    if (puts.length === 2) puts.push(put(late));
    for (const written of await Promise.all(puts))
      assert.deepEqual(written, { length, sha256: sha256(bytes) });
    for (const { store } of [one, other, late]) {
      assert.ok((await bytesOf(await store.get(id))).equals(bytes));
      assert.equal(await store.verify(id), 'good');
    }
  }
});

test('a storage that got less than what the sums are of keeps nothing', async () => {
  await using node = await BlobNode.start();
  for (const length of [1000, 1_000_000]) {
    const bytes = blobBytes(length, length);
    const feed = new BlockFeed();
    const { sums } = feed;
    assert.ok(sums !== undefined);
    await feed.push(bytes);
    feed.end();
    const part = inPieces(bytes.subarray(1));
    const put = node.store.put(blobId(length), part, { ...putOptions(), sums });
    await failsWith('BLOBS_LENGTH', put);
    assert.equal(await node.store.stat(blobId(length)), undefined);
  }
});

test('sums are not begun in the middle of a block', async () => {
  const feed = new BlockFeed();
  await feed.push(Buffer.from('a'));
  assert.equal(feed.sums, undefined);
});
