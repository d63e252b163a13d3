import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../base/log.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { latestTime, readCron } from './cron.ts';
import { job, type Job, JobRunner, reasonOf } from './jobs.ts';
import { makeOwnTables } from './own-tables.ts';
import { isInTransaction, transaction, useDatabase } from './sql.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const log = createLogger({ part: 'test', now: () => 0, sinks: [] });

async function database(): Promise<SqliteDatabase> {
  const made = new SqliteDatabase(':memory:');
  await makeOwnTables(made);
  useDatabase(made);
  return made;
}

const forRunner = (...jobs: readonly Job<never>[]): readonly Job[] => jobs;

test('a job is done once, belongs to its transaction, and a key keeps it single', async () => {
  await using made = await database();
  const seen: number[] = [];
  const greet = job('greet', ({ id }: { id: number }) => void seen.push(id));
  const [first, second] = [1, 2].map(
    () => new JobRunner({ jobs: forRunner(greet), database: made, log }),
  );
  assert.equal(await greet.enqueue({ id: 1 }, { key: 'one' }), true);
  assert.equal(await greet.enqueue({ id: 1 }, { key: 'one' }), false);
  await greet.enqueue({ id: 2 }, { delaySeconds: 60 });
  const undone = transaction(async () => {
    await greet.enqueue({ id: 3 });
    throw new Error('No');
  });
  await assert.rejects(undone);
  assert.deepEqual(
    await Promise.all([first?.drain(), second?.drain()]).then((counts) => counts.sort()),
    [0, 1],
  );
  assert.deepEqual(seen, [1]);
});

test('a job that is begun at once is no part of the transaction that put it in', async () => {
  await using made = await database();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const look = job('look', () => resolve(isInTransaction()));
  await using runner = new JobRunner({ jobs: forRunner(look), database: made, log });
  runner.start();
  // Until it looks for nothing any more.
  for (let times = 0; times < 100; times++) await Promise.resolve();
  await transaction(async () => await look.enqueue(undefined));
  assert.equal(await promise, false);
});

test('what fails is tried again with growing pauses, then kept with its reason; a dead instance is replaced', async () => {
  await using made = await database();
  const clock = new ManualClock();
  let begun = 0;
  const flaky = job(
    'flaky',
    () => {
      begun++;
      throw new Error(`No ${begun}`);
    },
    { attempts: 2 },
  );
  const runner = new JobRunner({ jobs: forRunner(flaky), database: made, log, clock });
  await made.run({
    sql: "INSERT INTO moln_jobs (name, payload, state, run_at, attempts, held_until) VALUES ('flaky', 'null', 'waiting', 0, 0, ?)",
    args: [clock.now() + 1000],
  });
  assert.equal(await runner.drain(), 0, 'somebody else holds it');
  clock.advance(1001);
  assert.equal(await runner.drain(), 1);
  assert.equal(await runner.drain(), 0, 'a pause');
  clock.advance(5001);
  assert.equal(await runner.drain(), 1);
  clock.advance(1e6);
  assert.equal(await runner.drain(), 0);
  const { rows } = await made.run({
    sql: 'SELECT state, error, attempts FROM moln_jobs',
    args: [],
  });
  assert.deepEqual({ ...rows[0] }, { state: 'failed', error: 'No 2', attempts: 2 });
  clock.advance(31 * 24 * 3_600_000);
  await runner.drain();
  assert.deepEqual((await made.run({ sql: 'SELECT id FROM moln_jobs', args: [] })).rows, []);
});

test('a time is met once, whatever the number of instances, and one that was missed is made up for once', async () => {
  await using made = await database();
  const clock = new ManualClock();
  let times = 0;
  const nightly = job('nightly', () => void times++, { cron: '0 3 * * *' });
  const runners = [1, 2].map(
    () => new JobRunner({ jobs: forRunner(nightly), database: made, log, clock }),
  );
  const all = async (): Promise<void> =>
    void (await Promise.all(runners.map((each) => each.drain())));
  await all();
  assert.equal(times, 0);
  clock.advance(3 * 24 * 3600 * 1000);
  await all();
  await all();
  assert.equal(times, 1);
});

test('cron', () => {
  const at = (text: string, now: string): string =>
    new Date(latestTime(readCron(text), Date.parse(now)) ?? Number.NaN).toISOString().slice(0, 16);
  assert.equal(at('0 3 * * *', '2027-03-01T02:59:30Z'), '2027-02-28T03:00');
  assert.equal(at('*/15 * * * *', '2027-03-01T02:59:30Z'), '2027-03-01T02:45');
  assert.equal(at('30 8-17 * * 1-5', '2027-03-01T07:00Z'), '2027-02-26T17:30');
  assert.equal(at('0 0 29 2 *', '2027-03-01T07:00Z'), '2024-02-29T00:00');
  assert.equal(at('0 0 13 * 5', '2027-03-01T07:00Z'), '2027-02-26T00:00');
  assert.equal(at('0 0 * * 7', '2027-03-01T07:00Z'), '2027-02-28T00:00');
  for (const bad of ['', '* * * *', '60 * * * *', '5-1 * * * *', '*/0 * * * *', 'a * * * *']) {
    assert.throws(() => readCron(bad), /want/, bad);
  }
});

test('a failed job says where in the app it failed', () => {
  const failed = (...frames: readonly string[]): string => {
    const error = new Error('No ducks');
    error.stack = ['Error: No ducks', ...frames.map((each) => `    at ${each}`)].join('\n');
    return reasonOf(error);
  };
  const own = 'work (file:///home/app/blog/app/jobs/feed.ts?v=7:5:9)';
  assert.equal(failed('node:fs:1:2', own), 'No ducks (app/jobs/feed.ts:5)');
  const deployed = 'async Job.work (/var/moln/releases/r1/app/models/duck.ts:12:3)';
  const foreign = 'swim (/var/moln/releases/r1/node_modules/pond/app/swim.js:1:2)';
  assert.equal(failed(foreign, deployed, own), 'No ducks (app/models/duck.ts:12)');
  assert.equal(
    failed('/var/moln/releases/r1/app/jobs/feed.ts:5:9'),
    'No ducks (app/jobs/feed.ts:5)',
  );
  assert.equal(failed('new Promise (<anonymous>)', foreign), 'No ducks');
  assert.equal(reasonOf('only words'), 'only words');
});
