import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { blobId, failsWith } from '../../testing/blob-conformance.ts';
import { decodeTrailer, encodeTail, imageBytes, TRAILER_BYTES } from './format.ts';
import { checkBlocks, imageOf } from './image.ts';
import type { BlobMeta } from './model.ts';
import {
  decodeOpenSums,
  encodeOpenEntries,
  encodeOpenHead,
  entriesFrom,
  type OpenState,
} from './open-sums.ts';
import {
  decodePackHead,
  decodeRecordHead,
  encodePackHead,
  encodeRecordHead,
} from './pack-format.ts';
import { BlockSums, Sums } from './sums.ts';

const META: BlobMeta = {
  fid: 'f-42',
  index: 3,
  allocSeq: 2 ** 40 + 7,
  name: 'photos/Ærø.jpg',
  policy: '2 copies: east, west',
  createdAt: 1_795_176_000_123,
};
const ID = '00112233445566778899aabbccddeeff';
const PAYLOAD: Buffer = Buffer.alloc(65_600, 'Moln keeps what it was given. ');

function golden(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, 'golden', name));
}

function image(): Buffer {
  const sums = new Sums();
  sums.update(PAYLOAD);
  return Buffer.concat([PAYLOAD, encodeTail(ID, META, sums.finish())]);
}

test('a blob of format 1 is read and written as it always was: blob-1.bin', () => {
  const bytes = golden('blob-1.bin');
  assert.ok(image().equals(bytes));
  const read = imageOf(bytes, ID);
  assert.deepEqual(read.meta, META);
  assert.equal(read.length, PAYLOAD.length);
  assert.equal(read.crcs.length, 2);
  checkBlocks(bytes.subarray(0, read.length), 0, read);
});

test('a pack of format 1 is read and written as it always was: pack-1.bin', () => {
  const nonce = Buffer.alloc(16, 9);
  const live = { id: ID, imageBytes: 4321, deletedAt: undefined };
  const deleted = { id: blobId(7), imageBytes: 99, deletedAt: 1_795_176_000_123 };
  const bytes = golden('pack-1.bin');
  const heads = [encodeRecordHead(live, nonce), encodeRecordHead(deleted, nonce)];
  assert.ok(Buffer.concat([encodePackHead(nonce), ...heads]).equals(bytes));
  assert.deepEqual(decodePackHead(bytes.subarray(0, 64)), nonce);
  assert.deepEqual(decodeRecordHead(bytes.subarray(64, 128), nonce), live);
  assert.deepEqual(decodeRecordHead(bytes.subarray(128), nonce), deleted);
  assert.equal(decodeRecordHead(bytes.subarray(128), Buffer.alloc(16, 8)), undefined);
});

test('sums of an open blob of format 1 are read and written as they always were: open-1.sums', () => {
  const head = { id: ID, meta: META, maxBytes: 8_388_608 };
  const sums = new BlockSums();
  sums.update(PAYLOAD);
  const entries = encodeOpenEntries(entriesFrom(0, sums));
  const bytes = golden('open-1.sums');
  assert.ok(Buffer.concat([encodeOpenHead(head), entries]).equals(bytes));
  const state = decodeOpenSums(bytes) as OpenState;
  assert.deepEqual(
    { id: state.id, meta: state.meta, maxBytes: state.maxBytes, length: state.length },
    { ...head, length: PAYLOAD.length },
  );
  assert.deepEqual(state.crcs, sums.crcs);
  // An entry that a crash tore does not count, nor does what is behind it.
  for (let cut = 1; cut < 16; cut++) {
    const torn = decodeOpenSums(bytes.subarray(0, bytes.length - cut)) as OpenState;
    assert.equal(torn.length, 65_536);
  }
});

test('every bit of what is behind the payload counts', async () => {
  const bytes = image();
  for (let at = PAYLOAD.length; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
    await failsWith(
      'BLOBS_CORRUPT',
      Promise.resolve().then(() => imageOf(changed, ID)),
    );
  }
  const trailer = decodeTrailer(bytes.subarray(-TRAILER_BYTES));
  assert.equal(trailer && imageBytes(trailer), bytes.length);
});
