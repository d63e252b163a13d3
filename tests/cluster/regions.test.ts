/** Two regions: each gateway leads to the instances of its own region, and to the other's when those are gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const REQUESTS = 40;
/** Says which instance answers; instances are on nodes by `placesOf`. */
const APP = nodeApp(`process.env.MOLN_INSTANCE`);

/** Instances that answered `REQUESTS` requests to the gateway of `asked`. */
async function answering(asked: TestNode): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (let count = 0; count < REQUESTS; count++) {
    const { status, body } = await asked.get('app');
    assert.equal(status, 200, body);
    found.add(body);
  }
  return found;
}

test('near instances answer, far ones when there are no near ones', async (t) => {
  const regions = { one: 'east', two: 'west' };
  await using cluster = await TestCluster.form(t, ['one', 'two'], { regions });
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  await one.json('deploy', appFolder(t, APP), '--name', 'app');
  await one.json('app', 'app', 'scale', '2');
  const places = await cluster.placesOf('app', 'one');
  assert.deepEqual(places.toSorted(), ['one', 'two']);
  const [near, far] = [await answering(one), await answering(two)];

  await step(t, 'each gateway leads to its own region', async () => {
    assert.deepEqual([near.size, far.size], [1, 1]);
    assert.notDeepEqual(near, far);
  });

  await step(t, 'a region that is emptied loses no request', async () => {
    await using load = cluster.load('app', ['two']);
    await one.json('node', 'two', 'drain');
    await until('nothing to run there', async () => {
      return !(await cluster.placesOf('app', 'one')).includes('two');
    });
    await answering(two);
    await load.stop();
    assert.deepEqual(load.failures, []);
  });
});
