/** The agent is killed, paused and restarted while clients keep asking: they must not notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import type { AppDetail } from '../src/api/model.ts';

const ENOUGH = 200;

test('an agent killed under load fails no request, and adopts everything when it is back', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(t, nodeApp('process.pid'));
  await node.json('deploy', folder, '--name', 'pid');
  const pid = (await node.get('pid')).body;
  const gateways = (await node.status()).gateway.workers.map((worker) => worker.pid);

  await using load = node.load('pid', '/', { parallel: 4 });
  await until('some answers', () => load.answers > ENOUGH);
  await node.crash();
  const atCrash = load.answers;
  await until('answers without an agent', () => load.answers > atCrash + ENOUGH);
  assert.equal((await node.cli('status')).code, 3);
  await node.restart();
  const atRestart = load.answers;
  await until('answers with the new agent', () => load.answers > atRestart + ENOUGH);

  const { failures, bodies } = await load.stop();
  assert.deepEqual(failures, []);
  assert.deepEqual([...bodies.keys()], [pid], 'the same process answered all the time');
  const app = await node.json<AppDetail>('app', 'pid');
  assert.deepEqual(
    app.instanceList.map(({ state, restarts }) => [state, restarts]),
    [['healthy', 0]],
  );
  const workers = (await node.status()).gateway.workers;
  assert.deepEqual(
    workers.map((worker) => worker.pid),
    gateways,
    'the gateways are adopted',
  );
});

test('an instance that dies while the agent is dead is started by the next agent', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('deploy', appFolder(t, nodeApp('process.pid')), '--name', 'pid');
  const { instanceList } = await node.json<AppDetail>('app', 'pid');
  const before = instanceList[0]?.pid ?? 0;
  await node.crash();
  process.kill(before, 'SIGKILL');
  await node.restart();
  await until('a healthy instance', async () => (await node.get('pid')).status === 200);
  const after = (await node.json<AppDetail>('app', 'pid')).instanceList;
  assert.equal(after.length, 1);
  assert.notEqual(after[0]?.pid, before);
});

test('a paused agent disturbs no request', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('deploy', appFolder(t, nodeApp('"x"')), '--name', 'app');
  await using load = node.load('app');
  node.pause();
  const atPause = load.answers;
  await until('answers while the agent stands still', () => load.answers > atPause + ENOUGH);
  node.resume();
  assert.deepEqual((await load.stop()).failures, []);
});

test('down stops what a killed agent left behind', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('deploy', appFolder(t, nodeApp('"x"')), '--name', 'app');
  await node.crash();
  assert.notEqual(node.processes().length, 0, 'gateway and instance go on');
  const { code, stdout } = await node.cli('down');
  assert.equal(code, 0);
  assert.match(stdout, /Stopped \d+ process(?:es)? that a crashed agent had left/);
  await node.expectNoProcess();
});
