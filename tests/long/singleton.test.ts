/** A singleton never runs twice, whatever happens to the agent of its node: its beats tell. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf, type PacedLoad } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';

const BEAT_MS = 50;
/** A process may be stopped by the machine for so long between the look at the clock and the write. */
const GRAIN_MS = 2 * BEAT_MS;

/** Tells who it is 20 times a second, as long as it lives; apps see no folder that they could share, so over UDP. */
const TICKER = `
const socket = require('node:dgram').createSocket('udp4');
const beat = () =>
  socket.send(process.env.MOLN_INSTANCE + ' ' + Date.now(), Number(process.env.BEATS), '127.0.0.1');
beat();
setInterval(beat, ${BEAT_MS});
`;

interface Life {
  readonly instance: string;
  readonly from: number;
  to: number;
}

/** The lives of all instances so far, in the order in which they began. */
async function hearBeats(
  t: TestContext,
): Promise<{ readonly port: number; readonly lives: Life[] }> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  const lives: Life[] = [];
  socket.on('message', (message) => {
    const [instance = '', at = ''] = message.toString('utf8').split(' ');
    const life = lives.find((one) => one.instance === instance);
    if (life === undefined) lives.push({ instance, from: Number(at), to: Number(at) });
    else life.to = Math.max(life.to, Number(at));
  });
  return { port: socket.address().port, lives };
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

test('the agent of a singleton is killed, stopped, and its node is killed: never two', async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b', 'c']);
  await cluster.isManagedBy(3, 'a');
  const { port, lives } = await hearBeats(t);
  const folder = appFolder(t, {
    'package.json': JSON.stringify({ name: 'ticker' }),
    'ticker.js': TICKER,
    'moln.json': JSON.stringify({
      processes: { clock: 'node ticker.js' },
      singletons: ['clock'],
      lostAfter: '5s',
      env: { BEATS: String(port) },
    }),
  });
  await cluster.node('a').json('deploy', folder, '--name', 'ticker');
  await cluster.node('a').json('deploy', appFolder(t, nodeApp('"hello"')), '--name', 'app');
  await cluster.node('a').json('app', 'app', 'scale', '3');
  await cluster.runsOn('app', cluster.names);
  await using watched = await Invariants.watch(t, cluster);
  /** Steady requests through the nodes that nothing happens to. */
  const loadBeside = (name: string): PacedLoad =>
    cluster.load(
      'app',
      cluster.names.filter((each) => each !== name),
    );
  const where = async (seer: string): Promise<string> => {
    const places = await cluster.placesOf('ticker', seer);
    assert.ok(places.length <= 1, `it runs on ${places.join(' and ')}`);
    return places[0] ?? '';
  };
  const lively = (): number => lives.filter(({ to }) => Date.now() - to < 1000).length;
  const other = (name: string): string => (name === 'a' ? 'b' : 'a');
  const first = await until('the singleton to run', () => where('a'));

  const moved = async (from: string): Promise<string> => {
    const begun = lives.length;
    return until(
      `the singleton to leave ${from}`,
      async () => {
        const now = await where(other(from));
        return lives.length > begun && lively() === 1 && now !== from ? now : undefined;
      },
      { withinMs: 40_000 },
    );
  };

  let place = first;
  await step(t, 'kill -9 of its agent, which does not come back', async () => {
    const node = cluster.node(place);
    await using load = loadBeside(place);
    await node.crash();
    place = await moved(place);
    expectNoOverlap(lives);
    await node.restart();
    await watched.hold();
    assert.deepEqual(failuresOf(await load.stop()), []);
  });

  await step(t, 'SIGSTOP of its agent', async () => {
    const node = cluster.node(place);
    node.pause();
    const before = place;
    await using load = loadBeside(before);
    place = await moved(before);
    node.resume();
    await watched.hold();
    expectNoOverlap(lives);
    assert.deepEqual(failuresOf(await load.stop()), []);
  });

  await step(t, 'kill -9 of its whole node', async () => {
    const node = cluster.node(place);
    await using load = loadBeside(place);
    const killedMs = performance.now();
    await node.kill();
    place = await moved(place);
    await node.restart();
    await watched.hold();
    const later = (await load.stop()).filter(({ startedMs }) => startedMs > killedMs);
    assert.deepEqual(failuresOf(later, killedMs), [], 'only what was in flight there may fail');
  });

  await step(t, 'a new release and a restart', async () => {
    await cluster.node('b').json('app', 'ticker', 'restart');
    await until('one to run', async () => (await where('c')) !== '' && lively() === 1);
  });

  assert.ok(lives.length >= 5, `${lives.length} lives`);
  expectNoOverlap(lives);
});
