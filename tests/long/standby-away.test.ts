/** Two machines of which the standby stays away: the other one comes up at once, serves, and says what is missing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventDetail, ManagerStatus } from '../../src/api/model.ts';
import { appFolder } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const LOST_WITHIN_MS = 60_000;

async function texts(node: TestNode): Promise<readonly string[]> {
  const { stdout } = await node.cli('events', '--json');
  const lines = stdout.trim().split('\n').filter(Boolean);
  return lines.map((line) => (JSON.parse(line) as EventDetail).text);
}

test('a node of two comes up without the standby, and says that changes wait for it', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  await one.json('deploy', appFolder(t, { 'index.html': 'hello' }), '--name', 'site');
  await until('the standby to have everything', async () => {
    const { standby } = await one.json<ManagerStatus>('manager');
    return standby?.isInSync === true;
  });
  await using watched = await Invariants.watch(t, cluster);

  await step(t, 'both go, one comes back', async () => {
    await Promise.all([one.kill(), two.kill()]);
    await one.restart();
    assert.match(one.output, /changes wait for two/i);
    const said = await texts(one);
    assert.ok(
      !said.some((text) => text.includes('two is away: changes are on one machine only')),
      'it was up before anybody could know that the standby is lost',
    );
    await until('the site to answer', async () => (await one.get('site')).status === 200);
  });

  await using load = cluster.load('site', ['one']);
  await step(t, 'changes go on when the standby counts as lost', async () => {
    await until(
      'the cluster to say so',
      async () => (await texts(one)).some((text) => text.includes('two is away')),
      { withinMs: LOST_WITHIN_MS },
    );
    const { code } = await one.cli('node', 'one', 'label', 'word=1', '--json');
    assert.equal(code, 0);
    await watched.hold();
    assert.deepEqual(failuresOf(await load.stop()), []);
  });
});
