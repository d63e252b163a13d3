import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack, PIECE_BYTES_MAX, takePiece } from './piece-pool.ts';

test('a piece that was given back is used again, and no other is', () => {
  const first = takePiece(PIECE_BYTES_MAX - 1);
  const second = takePiece(PIECE_BYTES_MAX);
  assert.equal(first.length, PIECE_BYTES_MAX - 1);
  assert.notEqual(first.buffer, second.buffer);
  giveBack(first.subarray(7));
  giveBack(first);
  const third = takePiece(100_000);
  assert.equal(third.buffer, first.buffer);
  // Given back twice, it was there once.
  const fourth = takePiece(100_000);
  assert.ok(fourth.buffer !== first.buffer && fourth.buffer !== second.buffer);
});

test('what is not of the pool stays whose it is', () => {
  const small = takePiece(1000);
  const large = takePiece(PIECE_BYTES_MAX + 1);
  const other = Buffer.alloc(PIECE_BYTES_MAX);
  for (const piece of [small, large, other]) giveBack(piece);
  const next = takePiece(PIECE_BYTES_MAX);
  for (const piece of [small, large, other]) assert.notEqual(next.buffer, piece.buffer);
});
