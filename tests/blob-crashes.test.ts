/** A storage node whose process is killed, a few times; `long/` kills it many times. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashWriters } from '../testing/blob-crashes.ts';

test('a process killed at any moment has kept what it acknowledged, and nothing half-written', async () => {
  assert.ok((await crashWriters(2, 11)) > 0);
});
