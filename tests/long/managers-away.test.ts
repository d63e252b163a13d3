/** No manager answers: what runs goes on and is served, reads say how old they are, and all is well once they are back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ManagerStatus } from '../../src/api/model.ts';
import { step } from '../../testing/step.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { SINGLETON } from '../../testing/singleton-watch.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import type { SeenProcess } from '../../testing/processes.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;

function etcdOf(node: TestNode): readonly SeenProcess[] {
  return node.processes().filter(({ command }) => /^\S*etcd\s/.test(command));
}

async function isLive(node: TestNode): Promise<boolean> {
  return (await node.json<ManagerStatus>('manager')).isLive;
}

test('all managers hang, and come back', async (t) => {
  await using cluster = await TestCluster.form(t, NAMES);
  const nodes = cluster.nodes;
  await cluster.isManagedBy(3, 'a');
  const [a, b] = [cluster.node('a'), cluster.node('b')];
  await b.json('deploy', appFolder(t, nodeApp('process.env.MOLN_INSTANCE')), '--name', 'app');
  await b.json('app', 'app', 'scale', '3');
  await cluster.runsOn('app', NAMES);
  await b.json('deploy', appFolder(t, { 'index.html': 'static' }), '--name', 'site');

  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('app', NAMES);
  const members = nodes.flatMap(etcdOf);
  for (const { pid } of members) process.kill(pid, 'SIGSTOP');
  for (const node of nodes) {
    await until(`${node.name} to say that no manager answers`, async () => !(await isLive(node)), {
      withinMs: 30_000,
    });
  }

  await step(t, 'everything is served and shown', async () => {
    for (const node of nodes) {
      assert.equal((await node.get('app')).status, 200);
      assert.equal((await node.get('site')).body, 'static');
      const { sentence, apps } = await node.status();
      assert.match(sentence, /manager|registry/i, 'the first sentence says so');
      assert.deepEqual(
        apps.map(({ name }) => name),
        ['app', 'site', SINGLETON],
      );
    }
  });

  await step(t, 'a change is refused in time, with a sentence', async () => {
    const begunMs = performance.now();
    const { code, stderr } = await a.cli('app', 'app', 'scale', '1');
    assert.equal(code, 1);
    assert.match(stderr, /registry|manager/i);
    assert.doesNotMatch(stderr, /\n\s+at /);
    assert.ok(performance.now() - begunMs < 45_000, 'nobody waits for ever');
  });

  await step(t, 'an agent that starts meanwhile serves what it knew', async () => {
    await b.crash();
    const started = b.restart();
    await until('b to serve', async () => (await b.get('app')).status === 200);
    for (const { pid } of members) process.kill(pid, 'SIGCONT');
    await started;
  });

  for (const node of nodes) {
    await until(`${node.name} to be live again`, () => isLive(node), { withinMs: 40_000 });
  }
  await watched.hold();
  assert.deepEqual(failuresOf(await load.stop()), [], 'no request failed in all this');
  await cluster.runsOn('app', NAMES);
  await a.json('app', 'app', 'scale', '1');
  await until('the change to be seen', async () => {
    return (await cluster.placesOf('app', 'c')).length === 1;
  });
});

test('kill -9 of an etcd member: it is started again, nobody notices', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  await two.json('deploy', appFolder(t, nodeApp('"x"')), '--name', 'app');
  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('app', ['one', 'two']);
  const [member] = etcdOf(one);
  assert.ok(member !== undefined);
  process.kill(member.pid, 'SIGKILL');
  await until('another etcd process', () => etcdOf(one).some(({ pid }) => pid !== member.pid));
  await until('the registry to answer', () => isLive(two), { withinMs: 30_000 });
  await two.json('app', 'app', 'env', 'COLOUR=red');
  await watched.hold();
  assert.deepEqual(failuresOf(await load.stop()), []);
});
