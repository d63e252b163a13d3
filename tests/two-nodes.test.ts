/** Two nodes on one machine, each with its own folder and address, do not know of each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appFolder } from '../testing/app-folder.ts';
import { TestCluster } from '../testing/test-cluster.ts';

test('two nodes run side by side, and one goes on when the other stops', async (t) => {
  await using cluster = await TestCluster.start(t, ['a', 'b']);
  const [a, b] = [cluster.node('a'), cluster.node('b')];
  for (const [name, node] of [
    ['a', a],
    ['b', b],
  ] as const) {
    const folder = appFolder(t, { 'index.html': `<h1>I am ${name}</h1>` });
    await node.json('deploy', folder, '--name', 'who');
  }
  assert.match((await a.get('who')).body, /I am a/);
  assert.match((await b.get('who')).body, /I am b/);

  const [first, second] = [await a.status(), await b.status()];
  assert.notEqual(first.cluster.id, second.cluster.id);
  assert.deepEqual(
    [first, second].map((status) => status.nodes.map((node) => node.name)),
    [['a'], ['b']],
  );
  assert.equal(second.gateway.url, `http://127.0.0.2:${b.ports.http}`);

  assert.equal(await a.stop(), 0);
  assert.match((await b.get('who')).body, /I am b/);
  await a.restart();
  assert.match((await a.get('who')).body, /I am a/);
});

test('region, labels and name are kept and shown', async (t) => {
  const args = ['--region', 'home', '--label', 'disk=ssd', '--label', 'floor=2'];
  await using cluster = await TestCluster.start(t, ['attic'], { args });
  const [node] = (await cluster.node('attic').status()).nodes;
  assert.equal(node?.name, 'attic');
  assert.equal(node.region, 'home');
  assert.deepEqual(node.labels, { disk: 'ssd', floor: '2' });
  assert.equal((await cluster.node('attic').status()).leader, 'attic');
});
