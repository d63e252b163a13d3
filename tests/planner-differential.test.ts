/** Random SQL on 1, 3 and 8 stripes and on one plain SQLite: every answer and every error equal. The long form is in `long/`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEVER, PlannerPair } from '../testing/planner-pair.ts';
import { tellStory } from '../testing/planner-story.ts';
import { randomSeed, seeded } from '../testing/seeded.ts';
import { ExpressionCorpus, IndexCorpus, joinOf, joinSchema } from '../testing/sql-corpus.ts';

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

const CORPUS_STATEMENTS = 120;

test('statements of the shapes of public corpora answer as SQLite does', async (t) => {
  const first = randomSeed();
  t.diagnostic(`the seeds are ${first} and the next`);
  for (const seed of [first, first + 1]) {
    using pair = new PlannerPair([1, 3, 8], seed % 2 === 0 ? {} : { exact: NEVER });
    const expressions = new ExpressionCorpus(seeded(seed));
    const indexes = new IndexCorpus(seeded(seed), 40);
    const all = [
      ...expressions.schema(),
      ...Array.from({ length: CORPUS_STATEMENTS }, () => expressions.query()),
      ...['tab0', 'tab1', 'tab2'].map((name) => ({ sql: `DROP TABLE ${name}`, ordered: false })),
      ...indexes.schema(),
      ...Array.from({ length: CORPUS_STATEMENTS }, () => indexes.statement()),
    ];
    for (const { sql, ordered } of all) await pair.ask(sql, { ordered });
  }
});

test('a join of 64 tables asks each stripe once', async () => {
  using pair = new PlannerPair([3]);
  for (const sql of joinSchema(64)) await pair.ask(sql);
  const [stripes] = pair.stripes;
  assert.ok(stripes !== undefined);
  for (const tables of [5, 17, 64]) {
    stripes.log = [];
    const { rows } = await pair.ask(joinOf(seeded(tables), tables));
    assert.equal(rows?.length, 1);
    assert.ok(stripes.log.length <= stripes.count, `${stripes.log.length} texts`);
  }
});
