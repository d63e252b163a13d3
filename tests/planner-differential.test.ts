/** Random SQL on 1, 3 and 8 stripes and on one plain SQLite: every answer and every error equal. The long form is in `long/`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomSeed } from '../testing/seeded.ts';
import { tellStory } from '../testing/planner-story.ts';

const FIXED_STORIES = 25;
const NEW_STORIES = 10;
const STATEMENTS = 60;

test('generated statements answer as SQLite does, on any number of stripes', async (t) => {
  const first = randomSeed();
  t.diagnostic(`new stories begin at seed ${first}`);
  const seeds = [
    ...Array.from({ length: FIXED_STORIES }, (_, at) => at + 1),
    ...Array.from({ length: NEW_STORIES }, (_, at) => first + at),
  ];
  let rows = 0;
  for (const seed of seeds)
    rows += (await tellStory({ seed, statements: STATEMENTS, temporary: seed % 3 === 0 })).rows;
  assert.ok(rows > seeds.length, 'the stories hardly give rows: the generator has lost its aim');
});
