/** Three nodes are three managers; any one of them may go, and clients of the others do not notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventDetail, ManagerStatus } from '../../src/api/model.ts';
import { step } from '../../testing/step.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;
const READY = { a: 'ready', b: 'ready', c: 'ready' } as const;

/** Answers which instance it is; comes back elsewhere five seconds after its node was last heard. */
const APP = {
  ...nodeApp('process.env.MOLN_INSTANCE'),
  'moln.json': JSON.stringify({ lostAfter: '5s' }),
};

async function managers(cluster: TestCluster, seer: string): Promise<ManagerStatus> {
  return cluster.node(seer).json<ManagerStatus>('manager');
}

async function untilLed(cluster: TestCluster, seer: string, notBy: string): Promise<string> {
  return until(
    `another leader than ${notBy}`,
    async () => {
      const { leader, isLive } = await managers(cluster, seer);
      return isLive && leader !== undefined && leader !== notBy ? leader : undefined;
    },
    { withinMs: 30_000 },
  );
}

test('three nodes: each may be lost and come back', async (t) => {
  await using cluster = await TestCluster.form(t, NAMES);
  await cluster.isManagedBy(NAMES.length, 'a');
  await cluster.node('b').json('deploy', appFolder(t, APP), '--name', 'app');
  await cluster.node('c').json('app', 'app', 'scale', '3');
  await cluster.runsOn('app', NAMES);
  await using watched = await Invariants.watch(t, cluster);

  await step(t, 'a node is killed entirely: requests through the others go on', async () => {
    await using load = cluster.load('app', ['a', 'b']);
    await until('some answers', () => load.answered > 100);
    const killedMs = performance.now();
    await cluster.node('c').kill();
    await until('three instances on the others', async () => {
      const places = await cluster.placesOf('app', 'a');
      if (places.length === NAMES.length && !places.includes('c')) return true;
      throw new Error(places.join(', '));
    });
    t.diagnostic(`three again after ${Math.round(performance.now() - killedMs)} ms`);
    const asked = await load.stop();
    const later = asked.filter(({ startedMs }) => startedMs > killedMs);
    assert.deepEqual(failuresOf(later, killedMs), [], 'only what was in flight there may fail');
    await cluster.sees('a', { ...READY, c: 'lost' }, 40_000);
    await watched.hold();
  });

  await step(t, 'it comes back with its old state and is used again', async () => {
    const c = cluster.node('c');
    await c.restart();
    await cluster.sees('a', READY);
    await until('c to serve', async () => (await c.get('app')).status === 200);
    await until('three instances, and no more', async () => {
      const places = await cluster.placesOf('app', 'c');
      return places.length === NAMES.length;
    });
    await cluster.isManagedBy(NAMES.length, 'a');
    await watched.hold();
  });

  await step(t, 'the leading manager is killed with its etcd: another one leads', async () => {
    await using load = cluster.load('app', ['b', 'c']);
    await until('some answers', () => load.answered > 100);
    const killedMs = performance.now();
    await cluster.node('a').kill();
    const next = await untilLed(cluster, 'b', 'a');
    t.diagnostic(`${next} leads after ${Math.round(performance.now() - killedMs)} ms`);
    await cluster.node('b').json('app', 'app', 'env', 'COLOUR=blue');
    const asked = await load.stop();
    const later = asked.filter(({ startedMs }) => startedMs > killedMs);
    assert.deepEqual(failuresOf(later, killedMs), []);
    await cluster.node('a').restart();
    await cluster.sees('b', READY);
    await cluster.isManagedBy(NAMES.length, 'b');
    await watched.hold();
  });

  await step(t, 'a node that hangs is routed around', async () => {
    const c = cluster.node('c');
    await using load = cluster.load('app', ['a', 'b']);
    await until('some answers', () => load.answered > 100);
    const frozenMs = performance.now();
    watched.frozen();
    c.freeze();
    await cluster.sees('a', { ...READY, c: 'suspect' }, 20_000);
    const before = load.answered;
    await until('requests to be answered while it hangs', () => load.answered > before + 500);
    c.thaw();
    assert.deepEqual(failuresOf(await load.stop(), frozenMs), []);
    await watched.hold();
  });

  await step(t, 'a node is drained and used again without a failed request', async () => {
    await using load = cluster.load('app', NAMES);
    await until('some answers', () => load.answered > 100);
    await cluster.node('a').json('node', 'b', 'drain');
    await until('b to be empty', async () => {
      const places = await cluster.placesOf('app', 'a');
      if (places.length === NAMES.length && !places.includes('b')) return true;
      throw new Error(places.join(', '));
    });
    await cluster.sees('a', { ...READY, b: 'draining' });
    assert.equal((await cluster.node('b').get('app')).status, 200, 'its gateway goes on');
    await cluster.node('a').json('node', 'b', 'undrain');
    await cluster.sees('a', READY);
    await watched.hold();
    assert.deepEqual(failuresOf(await load.stop()), []);
  });

  await step(t, 'what happened is told on every node', async () => {
    const { stdout } = await cluster.node('b').cli('events', '--json');
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as EventDetail);
    const about = (node: string, words: RegExp): boolean =>
      events.some((event) => event.node === node && words.test(event.text));
    assert.ok(about('b', /joined/), stdout);
    assert.ok(about('c', /lost/), stdout);
    const leaders = events.filter(({ kind }) => kind === 'leader');
    assert.ok(leaders.length >= 2, stdout);
  });

  await step(t, 'a node is forgotten: it is gone for good', async () => {
    await cluster.node('c').kill();
    await cluster.node('a').json('node', 'c', 'forget', '--yes');
    await cluster.sees('a', { a: 'ready', b: 'ready' });
    const c = cluster.node('c');
    // It may be up for a moment before a manager has told it.
    const end = c.restart().then(async () => {
      await c.ended();
      throw new Error(c.output);
    });
    await assert.rejects(end, /forgotten|not a node|removed|refused/i);
    assert.equal((await cluster.node('a').get('app')).status, 200);
    await watched.hold();
  });
});

test('three become two: the one that leads holds the registry, the other one a copy', async (t) => {
  await using cluster = await TestCluster.form(t, NAMES);
  await cluster.isManagedBy(NAMES.length, 'a');
  await using watched = await Invariants.watch(t, cluster);
  await cluster.node('a').json('deploy', appFolder(t, { 'index.html': 'hello' }), '--name', 'site');
  await until('b to serve', async () => (await cluster.node('b').get('site')).status === 200);
  await using load = cluster.load('site', ['a', 'b']);
  await cluster.node('c').kill();
  await cluster.node('a').json('node', 'c', 'forget', '--yes');
  await until('the one that leads to hold the registry alone', async () => {
    const { managers: holders, leader } = await cluster.isManagedBy(1, 'a');
    if (holders.length === 1 && holders[0] === leader) return true;
    throw new Error(`${holders.join()} hold it, ${leader} leads`);
  });
  for (const seer of ['a', 'b'] as const) {
    await until(`${seer} to say that there is a copy`, async () => {
      const { sentence } = await managers(cluster, seer);
      if (/standby|one more machine/i.test(sentence)) return true;
      throw new Error(sentence);
    });
    await cluster.node(seer).json('deploy', appFolder(t, APP), '--name', `by-${seer}`);
  }
  await watched.hold();
  assert.deepEqual(failuresOf(await load.stop()), []);
});
