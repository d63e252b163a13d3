/**
 * Files of SQL tests of our own making, family by family of a well-known outside corpus, on stripes and on plain SQLite: every answer
 * equal, and what each table holds in the end. Files that somebody has: `node scripts/sql-logic.ts FOLDER`. The long form is in `long/`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineOf, plannerOf } from '../testing/logic/databases.ts';
import { FAMILIES } from '../testing/logic/families.ts';
import { playFamily } from '../testing/logic/play-family.ts';
import { randomSeed } from '../testing/seeded.ts';

const SIZE = 60;

test('every family answers as SQLite does, on any number of stripes', async (t) => {
  const seed = randomSeed();
  t.diagnostic(`the seed is ${seed}`);
  for (const family of Object.keys(FAMILIES)) {
    const databases = [1, 3, 8].map((count) => plannerOf(count));
    const { records } = await playFamily({ family, seed, size: SIZE }, databases);
    assert.ok(records >= SIZE, family);
  }
});

for (const family of ['select3', 'random-expressions', 'evidence-triggers', 'keyed-rows']) {
  test(`"${family}" on real stripes answers as SQLite does`, async () => {
    const databases = [await engineOf(3, { sqliteIds: true })];
    const { records } = await playFamily({ family, seed: randomSeed(), size: SIZE }, databases);
    assert.ok(records >= SIZE);
  });
}
