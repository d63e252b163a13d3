/** The long form of `sql-logic.test.ts`: `npm test -- long/sql-logic`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineOf, plannerOf } from '../../testing/logic/databases.ts';
import { FAMILIES } from '../../testing/logic/families.ts';
import { playFamily } from '../../testing/logic/play-family.ts';
import { randomSeed } from '../../testing/seeded.ts';

const SEEDS = 5;
const SIZE = 1000;
const ENGINE_SIZE = 200;

for (const family of Object.keys(FAMILIES)) {
  test(`many statements of "${family}" answer as SQLite does`, async () => {
    const first = randomSeed();
    let played = 0;
    for (let seed = first; seed < first + SEEDS; seed += 1) {
      const databases = [1, 3, 8].map((count) => plannerOf(count));
      played += (await playFamily({ family, seed, size: SIZE }, databases)).records;
    }
    assert.ok(played > SEEDS * 100);
  });

  test(`statements of "${family}" on 8 real stripes answer as SQLite does`, async () => {
    const databases = [await engineOf(8, { sqliteIds: true })];
    await playFamily({ family, seed: randomSeed(), size: ENGINE_SIZE }, databases);
  });
}
