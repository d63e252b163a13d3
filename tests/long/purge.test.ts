/** A purge reaches the gateways of all nodes, also one whose agent was away when it was ordered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CacheExplanations, CacheStatus, PurgeAnswer } from '../../src/api/api.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const APP = nodeApp(
  `(response.setHeader('Cache-Control', 'max-age=3600'),
    response.setHeader('Cache-Tag', 'page'),
    'asked ' + (globalThis.asked = (globalThis.asked ?? 0) + 1))`,
);

async function warm(node: TestNode): Promise<void> {
  await until(`${node.name} to have it stored`, async () => {
    const { headers } = await node.get('app');
    return /; hit/.test(String(headers['cache-status']));
  });
}

/** Whether a gateway process of that node has the page of its own port. */
async function has(node: TestNode, seer: TestNode): Promise<boolean> {
  const url = `${node.url('app')}/`;
  const { explanations } = await seer.json<CacheExplanations>('why', 'cached', url);
  return explanations.some((one) => one.node === node.name && one.variants.length > 0);
}

test('a purge reaches both nodes, and one that was away follows', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  await one.json('deploy', appFolder(t, APP), '--name', 'app');

  await step(t, 'both are asked, and both purge', async () => {
    for (const node of cluster.nodes) await warm(node);
    for (const node of cluster.nodes) assert.equal(await has(node, two), true);
    const { tiers } = await two.json<CacheStatus>('cache');
    assert.deepEqual(new Set(tiers.map(({ node }) => node)), new Set(['one', 'two']));
    const done = await two.json<PurgeAnswer>('cache', 'purge', '--tag', 'page');
    assert.deepEqual([[...done.nodes].sort(), done.away], [['one', 'two'], []]);
    for (const node of cluster.nodes) assert.equal(await has(node, one), false);
  });

  await step(t, 'one that was away purges when it is back', async () => {
    for (const node of cluster.nodes) await warm(node);
    two.pause();
    await until('two to be missed', async () => (await cluster.states('one'))['two'] !== 'ready');
    const done = await one.json<PurgeAnswer>('cache', 'purge', '--app', 'app');
    assert.deepEqual([done.nodes, done.away], [['one'], ['two']]);
    assert.equal(await has(one, one), false);
    two.resume();
    await cluster.sees('one', { one: 'ready', two: 'ready' });
    await until('two to have purged', async () => !(await has(two, two)));
  });
});
