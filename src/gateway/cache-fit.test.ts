import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { cacheMost, requireCacheFits } from './cache-fit.ts';

const GIB = 1024 ** 3;

test('a cache is at most half of the machine, or of what it is limited to', () => {
  assert.equal(cacheMost(8 * GIB, 0), 4 * GIB);
  assert.equal(cacheMost(8 * GIB, 4 * GIB), 2 * GIB);
  // Without a limit cgroups say a number beyond all memory.
  assert.equal(cacheMost(8 * GIB, 2 ** 63), 4 * GIB);
});

test('a cache that would end its worker is refused by name', () => {
  requireCacheFits(4 * GIB, 4 * GIB);
  assert.throws(
    () => requireCacheFits(4 * GIB + 1, 4 * GIB),
    (error) => isMolnError(error, 'GATEWAY_CACHE_TOO_LARGE'),
  );
});
