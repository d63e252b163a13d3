import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CACHE_CASES } from '../../testing/cache-cases/all.ts';
import { playCase } from '../../testing/cache-model.ts';

for (const { theme, cases } of CACHE_CASES) {
  describe(theme, () => {
    for (const one of cases) test(`${one.rule}: ${one.name}`, () => playCase(one));
    test('no two cases have the same name', () => {
      const names = cases.map(({ rule, name }) => `${rule}: ${name}`);
      assert.deepEqual([...new Set(names)], names);
    });
  });
}
