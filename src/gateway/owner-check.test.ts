import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waysEach } from './owner-check.ts';

test('slow owners of a node share as many connections as it has processes', () => {
  const cases = [
    [1, 1, 1],
    [4, 1, 4],
    [4, 2, 2],
    [4, 3, 1],
    [4, 4, 1],
    [64, 64, 1],
    // Some that were slow have gone since.
    [2, 3, 1],
    [4, 0, 4],
  ] as const;
  for (const [processes, slow, ways] of cases) {
    assert.equal(waysEach({ processes, slow }), ways, `${slow} of ${processes}`);
  }
});
