/** Which pieces of the past are kept, as a table. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PastPiece } from './commit-log.ts';
import { PAST_BYTES_MAX, PAST_MS, PAST_PIECES_MAX } from './limits.ts';
import { filesOf, keptPieces } from './past.ts';

function piece(at: number, bytes = 10): PastPiece {
  const file = (id: string): PastPiece['entries'] => ({ id, sha256: '', bytes, nodes: [] });
  return { from: at, to: at + 1, at, base: file(`s${at}`), entries: file(`e${at}`) };
}

function kept(pieces: readonly PastPiece[], now: number): readonly number[] {
  return keptPieces(pieces, now).map(({ at }) => at);
}

test('the past is kept for its time, bytes and number, and never with a gap', () => {
  assert.deepEqual(kept([piece(1), piece(2)], 3), [1, 2]);
  assert.deepEqual(kept([piece(1), piece(2)], 2 + PAST_MS), [2]);
  assert.deepEqual(kept([piece(1), piece(2, PAST_BYTES_MAX), piece(3)], 4), [3]);
  const many = Array.from({ length: PAST_PIECES_MAX + 5 }, (_, at) => piece(at));
  assert.equal(kept(many, 100).length, PAST_PIECES_MAX);
  assert.equal(kept(many, 100).at(-1), PAST_PIECES_MAX + 4);
});

test('a record names all its files, the newest first', () => {
  const first = { ...piece(1), base: undefined };
  const record = { id: 'x', index: 9, hash: '', schemaVersion: 1, sha256: '', bytes: 1, nodes: [] };
  const files = filesOf({ ...record, past: [first, piece(2)] });
  assert.deepEqual(
    files.map(({ id }) => id),
    ['x', 'e2', 's2', 'e1'],
  );
});
