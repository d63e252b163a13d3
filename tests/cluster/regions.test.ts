/** Two regions: each gateway leads to the instances of its own region, and to the other's when those are gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const REQUESTS = 200;
/** Some are led away on purpose, for only an answer says how busy a far instance is: 3 in 100. */
const NEAR_MIN = 0.85;
/** Says which instance answers; instances are on nodes by `placesOf`. */
const APP = nodeApp(`process.env.MOLN_INSTANCE`);

/** The instance that answers most requests to the gateway of `asked`. */
async function answering(asked: TestNode): Promise<{ most: string; share: number }> {
  const found = new Map<string, number>();
  for (let count = 0; count < REQUESTS; count++) {
    const { status, body } = await asked.get('app');
    assert.equal(status, 200, body);
    found.set(body, (found.get(body) ?? 0) + 1);
  }
  const [[most, count] = ['', 0]] = [...found].toSorted(([, a], [, b]) => b - a);
  return { most, share: count / REQUESTS };
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

  await step(t, 'the regions are listed with their nodes', async () => {
    assert.deepEqual(await two.json('regions'), [
      { name: 'east', nodes: ['one'], ready: 1 },
      { name: 'west', nodes: ['two'], ready: 1 },
    ]);
    const { stdout } = await one.cli('regions');
    assert.match(stdout, /^west +1 of 1 +two$/m);
  });

  await step(t, 'each gateway leads to its own region', async () => {
    assert.ok(near.share > NEAR_MIN && far.share > NEAR_MIN, `${near.share}, ${far.share}`);
    assert.notEqual(near.most, far.most);
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
