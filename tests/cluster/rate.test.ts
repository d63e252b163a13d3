/** A rate limit of a cluster: three nodes with two gateway processes each count together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CacheExplanations } from '../../src/api/api.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { ask } from '../../testing/http.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const HOST = 'limited.test';
const BURST = 12;
/** Each of the six processes may let in one before it has heard of the others. */
const MOST: number = BURST + 6;

/** How many of so many requests, spread over nodes, are let in. */
async function letIn(nodes: readonly TestNode[], times: number, key: string): Promise<number> {
  let count = 0;
  for (let time = 0; time < times; time++) {
    const node = nodes[time % nodes.length];
    assert.ok(node !== undefined);
    const to = { address: node.address, port: node.ports.http, host: HOST, path: '/' };
    const { status } = await ask({ ...to, headers: { 'X-Key': key } });
    assert.ok(status === 200 || status === 429, `status ${status}`);
    if (status === 200) count++;
  }
  return count;
}

test('all gateways of a cluster count one rate together', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two', 'three'], {
    args: ['--gateways', '2'],
  });
  const { nodes } = cluster;
  const one = cluster.node('one');
  await one.json('deploy', appFolder(t, nodeApp('"in"')), '--name', 'app');
  const words = [`host=${HOST}`, 'app=app', `rate.requests=${BURST}`, 'rate.per=1h'];
  const more = ['rate.by=header X-Key', 'rate.scope=cluster'];
  await one.json('route', 'set', 'limited', ...words, ...more);
  await until('all to know all', async () => {
    const { explanations } = await one.json<CacheExplanations>('why', 'cached', `http://${HOST}/`);
    const keepers = new Set(explanations.map(({ owners }) => JSON.stringify(owners.at(-1)?.node)));
    return explanations.length === 6 && keepers.size === 1;
  });

  let first = 0;
  await step(t, 'one burst for all three', async () => {
    first = await letIn(nodes, 3 * BURST, 'first');
    assert.ok(first >= BURST && first <= MOST, `${first}`);
    first += await letIn(nodes, 6, 'first');
    assert.ok(first <= MOST, `${first}`);
  });

  await step(t, 'a node is lost: the others go on counting, and no key begins anew', async () => {
    const places = await cluster.placesOf('app', 'one');
    const lost = nodes.find(({ name }) => name !== 'one' && !places.includes(name));
    assert.ok(lost !== undefined);
    await lost.kill();
    const left = nodes.filter((node) => node !== lost);
    first += await letIn(left, 8, 'first');
    assert.ok(first <= MOST, `${first}`);
    const second = await letIn(left, 3 * BURST, 'second');
    assert.ok(second >= BURST && second <= MOST, `${second}`);
  });
});
