/** What a writer hands to the kernel, and what the disk says of it before the end. */
import assert from 'node:assert/strict';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileWriter } from './file-writer.ts';
import { SETTLE_BYTES } from './limits.ts';

const PIECE_BYTES = 100_003;
const PIECES: number = Math.ceil((3 * SETTLE_BYTES) / PIECE_BYTES);

function piece(at: number): Buffer {
  return Buffer.alloc(PIECE_BYTES, at);
}

test('what was written is all there, in its order, and each piece is told of once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-writer-'));
  try {
    const path = join(folder, 'file');
    const told = new Map<Uint8Array, number>();
    const pieces = Array.from({ length: PIECES }, (_, at) => piece(at));
    await using file = await open(path, 'wx');
    const writer = new FileWriter(file, {
      position: 5,
      onWritten: (one) => told.set(one, (told.get(one) ?? 0) + 1),
    });
    for (const one of pieces) await writer.write(one);
    await writer.flush();
    assert.deepEqual(await readFile(path), Buffer.concat([Buffer.alloc(5), ...pieces]));
    assert.deepEqual(
      pieces.map((one) => told.get(one)),
      pieces.map(() => 1),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a disk that refuses a sync on the way is heard at the end', async () => {
  // It takes all that is written, and cannot be synced.
  await using file = await open('/dev/null', 'w');
  const writer = new FileWriter(file);
  for (let at = 0; at < PIECES; at++) await writer.write(piece(at));
  await assert.rejects(writer.flush(), { code: 'EINVAL' });
});
