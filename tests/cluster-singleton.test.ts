/** A singleton never runs twice, whatever happens to the agent of its node: the marks that it leaves tell. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { appFolder } from '../testing/app-folder.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { until } from '../testing/until.ts';

const BEAT_MS = 50;
/** A process may be stopped by the machine for so long between the look at the clock and the write. */
const GRAIN_MS = 2 * BEAT_MS;

/** Appends the time to a file of its own, 20 times a second, as long as it lives. */
const TICKER = `
const { appendFileSync } = require('node:fs');
const file = process.env.MARKS + '/' + process.env.MOLN_INSTANCE;
const beat = () => appendFileSync(file, Date.now() + '\\n');
beat();
setInterval(beat, ${BEAT_MS});
`;

interface Life {
  readonly instance: string;
  readonly from: number;
  readonly to: number;
}

function livesIn(folder: string): readonly Life[] {
  return readdirSync(folder)
    .map((instance) => {
      const beats = readFileSync(join(folder, instance), 'utf8').trim().split('\n').map(Number);
      return { instance, from: beats[0] ?? 0, to: beats.at(-1) ?? 0 };
    })
    .sort((left, right) => left.from - right.from);
}

function expectNoOverlap(lives: readonly Life[]): void {
  for (const [at, life] of lives.entries()) {
    const next = lives[at + 1];
    if (next === undefined) continue;
    assert.ok(
      life.to <= next.from + GRAIN_MS,
      `${next.instance} began ${life.to - next.from} ms before ${life.instance} ended`,
    );
  }
}

function marksFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'moln-marks-'));
  // Apps run under users of their own.
  chmodSync(folder, 0o777);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('the agent of a singleton is killed, stopped, and its node is killed: never two', async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b', 'c']);
  const marks = marksFolder(t);
  const folder = appFolder(t, {
    'package.json': JSON.stringify({ name: 'ticker' }),
    'ticker.js': TICKER,
    'moln.json': JSON.stringify({
      processes: { clock: 'node ticker.js' },
      singletons: ['clock'],
      lostAfter: '5s',
      env: { MARKS: marks },
    }),
  });
  await cluster.node('a').json('deploy', folder, '--name', 'ticker');
  const where = async (seer: string): Promise<string> => {
    const places = await cluster.placesOf('ticker', seer);
    assert.ok(places.length <= 1, `it runs on ${places.join(' and ')}`);
    return places[0] ?? '';
  };
  const lively = (): number => livesIn(marks).filter(({ to }) => Date.now() - to < 1000).length;
  const other = (name: string): string => (name === 'a' ? 'b' : 'a');
  const first = await until('the singleton to run', () => where('a'));

  const moved = async (from: string): Promise<string> => {
    const lives = livesIn(marks).length;
    return until(
      `the singleton to leave ${from}`,
      async () => {
        const now = await where(other(from));
        return livesIn(marks).length > lives && lively() === 1 && now !== from ? now : undefined;
      },
      { withinMs: 40_000 },
    );
  };

  let place = first;
  await t.test('kill -9 of its agent, which does not come back', async () => {
    const node = cluster.node(place);
    await node.crash();
    place = await moved(place);
    expectNoOverlap(livesIn(marks));
    await node.restart();
    await cluster.sees('a', { a: 'ready', b: 'ready', c: 'ready' });
  });

  await t.test('SIGSTOP of its agent', async () => {
    const node = cluster.node(place);
    node.pause();
    const before = place;
    place = await moved(before);
    node.resume();
    await cluster.sees(other(before), { a: 'ready', b: 'ready', c: 'ready' });
    expectNoOverlap(livesIn(marks));
  });

  await t.test('kill -9 of its whole node', async () => {
    const node = cluster.node(place);
    await node.kill();
    place = await moved(place);
    await node.restart();
    await cluster.sees('a', { a: 'ready', b: 'ready', c: 'ready' });
  });

  await t.test('a new release and a restart', async () => {
    await cluster
      .node('a')
      .catch(() => '');
    await cluster.node('b').json('app', 'ticker', 'restart');
    await until('one to run', async () => (await where('c')) !== '' && lively() === 1);
  });

  const lives = livesIn(marks);
  assert.ok(lives.length >= 5, `${lives.length} lives`);
  expectNoOverlap(lives);
});
