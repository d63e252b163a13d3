/** Two machines, and the first one is gone for good with its disk: nothing that was acknowledged is lost. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AppDetail, ManagerStatus } from '../../src/api/model.ts';
import { step } from '../../testing/step.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const APP = {
  ...nodeApp('process.env.COUNT + " " + process.env.MOLN_INSTANCE'),
  'moln.json': JSON.stringify({ lostAfter: '5s' }),
};

/** Two nodes of which the second has everything that the first has. */
async function twoInSync(cluster: TestCluster): Promise<readonly [TestNode, TestNode]> {
  const two = cluster.node('two');
  await until('the standby to be there', async () => {
    const { standby, sentence } = await two.json<ManagerStatus>('manager');
    if (standby?.isInSync === true) return true;
    throw new Error(sentence);
  });
  return [cluster.node('one'), two];
}

async function untilNobodyAnswers(node: TestNode): Promise<ManagerStatus> {
  return until(
    `${node.name} to say that no manager answers`,
    async () => {
      const seen = await node.json<ManagerStatus>('manager');
      return seen.isLive ? undefined : seen;
    },
    { withinMs: 30_000 },
  );
}

test('the first is killed while it writes, and its disk wiped: takeover brings all back', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = await twoInSync(cluster);
  await one.json('deploy', appFolder(t, APP), '--name', 'app', '--domain', 'shop.example.org');
  await one.json('app', 'app', 'scale', '2');
  await cluster.runsOn('app', ['one', 'two']);
  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('app', ['two']);

  // Every setting that is acknowledged counts; the last one may be cut off by the kill.
  let acknowledged = 0;
  const writing = (async (): Promise<void> => {
    for (let count = 1; ; count++) {
      const { code } = await one.cli('app', 'app', 'domains', `d${count}.example.org`, '--json');
      if (code !== 0) return;
      acknowledged = count;
    }
  })();
  await until('some acknowledged writes', () => acknowledged >= 5, { withinMs: 30_000 });
  const killedMs = performance.now();
  await one.kill();
  await writing;
  for (const name of readdirSync(one.dataFolder)) {
    rmSync(join(one.dataFolder, name), { recursive: true, force: true });
  }

  await step(t, 'the other serves on, and says what it takes', async () => {
    await until('two to serve', async () => (await two.get('app')).status === 200);
    const status = await untilNobodyAnswers(two);
    const { sentence } = await two.status();
    assert.match(`${status.sentence} ${sentence}`, /moln manager takeover/);
  });

  await step(t, 'takeover: everything acknowledged is there, and it can be changed', async () => {
    const taken = await two.json<ManagerStatus>('manager', 'takeover', '--yes');
    assert.deepEqual(taken.managers, ['two']);
    assert.ok(taken.isLive);
    const { domains, release } = await two.json<AppDetail>('app', 'app');
    assert.ok(release !== undefined);
    const last = Number(/^d(\d+)\./.exec(domains[0] ?? '')?.[1] ?? 0);
    assert.ok(last >= acknowledged, `${last} of ${acknowledged} acknowledged writes`);
    await cluster.runsOn('app', ['two', 'two'], { seer: 'two' });
    await two.json('app', 'app', 'env', 'COUNT=many');
    await until('the change to be live', async () =>
      (await two.get('app')).body.startsWith('many'),
    );
  });

  await step(t, 'another machine joins the one that is left', async () => {
    await cluster.sees('two', { one: 'lost', two: 'ready' });
    await two.json('node', 'one', 'forget', '--yes');
    const three = await cluster.add(t, 'three', two.address.replace(/\d+$/, '3'));
    await three.join(await cluster.invite('two'));
    await cluster.sees('two', { two: 'ready', three: 'ready' });
    await until('three to serve', async () => (await three.get('app')).body.startsWith('many'));
    await watched.hold();
    const later = (await load.stop()).filter(({ startedMs }) => startedMs > killedMs);
    assert.deepEqual(failuresOf(later, killedMs), [], 'only what was in flight there may fail');
  });
});

test('the first comes back after a takeover: it follows, and its own registry is set aside', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = await twoInSync(cluster);
  await one.json('deploy', appFolder(t, APP), '--name', 'app');
  await one.json('deploy', appFolder(t, { 'index.html': 'hello' }), '--name', 'site');
  await until('both to serve', async () => (await two.get('site')).status === 200);
  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('site', ['two']);
  await one.kill();
  await untilNobodyAnswers(two);
  await two.json<ManagerStatus>('manager', 'takeover', '--yes');
  await until('one to be missed', async () => (await cluster.states('two'))['one'] !== 'ready');
  await two.json('app', 'app', 'env', 'COUNT=after');
  await one.restart();
  await cluster.sees('two', { one: 'ready', two: 'ready' });
  await cluster.sees('one', { one: 'ready', two: 'ready' });
  await until('one to know what happened', async () => {
    const { env } = await one.json<AppDetail>('app', 'app');
    return env['COUNT'] === 'after';
  });
  const { managers } = await one.json<ManagerStatus>('manager');
  assert.deepEqual(managers, ['two']);
  await watched.hold();
  assert.deepEqual(failuresOf(await load.stop()), []);
});
