import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { heapMost, requireCacheFits } from './cache-fit.ts';

const GIB = 1024 ** 3;

test('the heap is a part of the machine, or of what it is limited to', () => {
  assert.equal(heapMost(8 * GIB, 0), 6 * GIB);
  assert.equal(heapMost(8 * GIB, 4 * GIB), 3 * GIB);
  // Without a limit cgroups say a number beyond all memory.
  assert.equal(heapMost(8 * GIB, 2 ** 63), 6 * GIB);
});

test('a cache that would end its worker is refused by name', () => {
  requireCacheFits(4 * GIB, 6 * GIB);
  assert.throws(
    () => requireCacheFits(4 * GIB + 1, 6 * GIB),
    (error) => isMolnError(error, 'GATEWAY_CACHE_TOO_LARGE'),
  );
});
