/** Every rule of caching once more, with the cache closed and opened from its disk between any two steps, and nothing kept in memory. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { HttpCache } from '../src/cache/cache.ts';
import { CACHE_CASES } from '../testing/cache-cases/all.ts';
import { playCase } from '../testing/cache-model.ts';

for (const { theme, cases } of CACHE_CASES) {
  describe(`${theme}, after a restart`, () => {
    for (const one of cases) {
      test(`${one.rule}: ${one.name}`, async (context) => {
        const folder = mkdtempSync(join(tmpdir(), 'moln-cache-'));
        context.after(() => rmSync(folder, { recursive: true }));
        await playCase(one, {
          restart: true,
          open: ({ bodyBytesMax }) =>
            HttpCache.open({
              memoryBytesMax: 0,
              bodyBytesMax,
              disk: { folder, bytesMax: 16 * 1024 * 1024, lifetimeSMin: 0 },
              onTrouble: (error) => assert.fail(error as Error),
            }),
        });
      });
    }
  });
}
