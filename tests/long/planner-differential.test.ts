/** The long form of `planner-differential.test.ts`: `npm test -- long/planner`. `MOLN_STORIES=FROM+COUNT` chooses the seeds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomSeed } from '../../testing/seeded.ts';
import { tellStory } from '../../testing/planner-story.ts';

const STORIES = 400;
const STATEMENTS = 200;

test('many generated statements answer as SQLite does, on any number of stripes', async (t) => {
  const [from, count] = (process.env['MOLN_STORIES'] ?? '').split('+').map(Number);
  const first = from !== undefined && from > 0 ? from : randomSeed();
  const stories = count ?? STORIES;
  let statements = 0;
  for (let seed = first; seed < first + stories; seed += 1) {
    statements += (await tellStory({ seed, statements: STATEMENTS })).statements;
  }
  t.diagnostic(`${statements} statements, seeds ${first} to ${first + stories - 1}`);
  assert.ok(statements > stories);
});
