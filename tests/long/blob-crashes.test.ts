/** A storage node that is killed many times over one set of blobs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashWriters } from '../../testing/blob-crashes.ts';

const ROUNDS = 25;

test('a storage node that is killed again and again keeps every acknowledged blob', async (t) => {
  const acknowledged = await crashWriters(ROUNDS, 2026);
  t.diagnostic(`${acknowledged} acknowledged in ${ROUNDS} lives`);
  assert.ok(acknowledged > 0);
});
