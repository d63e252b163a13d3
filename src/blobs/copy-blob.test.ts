/** Copies of blobs from node to node: the same file, and what becomes of one that is damaged where it is read. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  blobBytes,
  blobId,
  failsWith,
  inPieces,
  putOptions,
} from '../../testing/blob-conformance.ts';
import { BlobNode, ServedBlobs } from '../../testing/blob-kit.ts';
import type { BlobStore, Written } from './blobs.ts';
import { copyBlob } from './blobs.ts';
import { blobPath } from './layout.ts';

const LENGTH = 3_000_000;
const ID = blobId(1);

type Pull = () => Promise<Written>;

/** As nodes do it, and within one. */
async function eachWay(
  check: (way: { folders: readonly [string, string]; to: BlobStore; pull: Pull }) => Promise<void>,
): Promise<void> {
  const bytes = blobBytes(1, LENGTH);
  await using east = await ServedBlobs.start({ name: 'east' });
  await using west = await ServedBlobs.start({ name: 'west', peer: () => east.call });
  await east.store.put(ID, inPieces(bytes), putOptions());
  const ticket = east.ticket({ id: ID, verb: 'read', maxBytes: 0, allocSeq: 0 });
  const limits = { maxBytes: LENGTH, allocSeq: 9 };
  await check({
    folders: [east.folder, west.folder],
    to: west.store,
    pull: () => west.store.pull(ID, { node: 'east', ticket }, limits),
  });
  await using near = await BlobNode.start();
  await using other = await BlobNode.start();
  await near.store.put(ID, inPieces(bytes), putOptions());
  await check({
    folders: [near.folder, other.folder],
    to: other.store,
    pull: () => copyBlob(ID, { from: near.store, to: other.store, maxBytes: LENGTH }),
  });
}

test('a copy is the same file, its checksums included', async () => {
  await eachWay(async ({ folders: [from, to], to: target, pull }) => {
    await pull();
    assert.ok(readFileSync(blobPath(to, ID)).equals(readFileSync(blobPath(from, ID))));
    assert.equal(await target.verify(ID), 'good');
  });
});

test('a bit that has changed is found by the copy, and the blob put aside where it is', async () => {
  await eachWay(async ({ folders: [from, to], to: target, pull }) => {
    const path = blobPath(from, ID);
    const file = readFileSync(path);
    file.writeUInt8(file.readUInt8(1_000_000) ^ 0x10, 1_000_000);
    writeFileSync(path, file);
    await failsWith('BLOBS_CORRUPT', pull());
    assert.equal(readdirSync(join(from, 'q')).length, 1);
    assert.equal(await target.stat(ID), undefined);
    assert.deepEqual(readdirSync(join(to, 't')), []);
    await failsWith('BLOBS_MISSING', pull());
  });
});

test('what still grows is not copied', async () => {
  await using near = await BlobNode.start();
  await using other = await BlobNode.start();
  await near.store.append(ID, 0, inPieces(blobBytes(1, LENGTH)), putOptions());
  const way = { from: near.store, to: other.store, maxBytes: LENGTH };
  await failsWith('BLOBS_INVALID', copyBlob(ID, way));
  assert.equal(await other.store.stat(ID), undefined);
});
