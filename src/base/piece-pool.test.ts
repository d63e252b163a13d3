import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack, PIECE_BYTES_MAX, share, takePiece } from './piece-pool.ts';

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

test('a piece that several have is used again when all have given it back', () => {
  const piece = takePiece(PIECE_BYTES_MAX);
  share(piece.subarray(0, 10));
  share(piece.subarray(10));
  for (let holders = 3; holders > 0; holders--) {
    assert.notEqual(takePiece(PIECE_BYTES_MAX).buffer, piece.buffer);
    giveBack(piece);
  }
  assert.equal(takePiece(PIECE_BYTES_MAX).buffer, piece.buffer);
  share(Buffer.alloc(PIECE_BYTES_MAX));
});

test('what is not of the pool stays whose it is', () => {
  const small = takePiece(1000);
  const large = takePiece(PIECE_BYTES_MAX + 1);
  const other = Buffer.alloc(PIECE_BYTES_MAX);
  for (const piece of [small, large, other]) giveBack(piece);
  const next = takePiece(PIECE_BYTES_MAX);
  for (const piece of [small, large, other]) assert.notEqual(next.buffer, piece.buffer);
});
