/** Two machines, and the first one comes back after the other has taken over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppDetail, ManagerStatus } from '../../src/api/model.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { clientOf, COUNTED, numbersIn } from '../../testing/counting-client.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { twoInSync, untilNobodyAnswers } from '../../testing/two-machines.ts';
import { until } from '../../testing/until.ts';

const APP = {
  ...nodeApp('process.env.COUNT + " " + process.env.MOLN_INSTANCE'),
  'moln.json': JSON.stringify({ lostAfter: '5s' }),
};

test('the first comes back after a takeover: it follows, and its own registry is set aside', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = await twoInSync(cluster);
  await one.json('deploy', appFolder(t, APP), '--name', 'app');
  await one.json('deploy', appFolder(t, { 'index.html': 'hello' }), '--name', 'site');
  await one.json('db', 'create', 'shop');
  const { token } = await one.json<{ readonly token: string }>('db', 'token', 'shop');
  await clientOf(one, token).execute(COUNTED);
  await clientOf(one, token).execute('INSERT INTO counted (n) VALUES (1)');
  await until('both to serve', async () => (await two.get('site')).status === 200);
  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('site', ['two']);
  await one.kill();
  await untilNobodyAnswers(two);
  await two.json<ManagerStatus>('manager', 'takeover', '--yes');
  await until('one to be missed', async () => (await cluster.states('two'))['one'] !== 'ready');
  await two.json('app', 'app', 'env', 'COUNT=after');
  await until('the database to be written', async () =>
    clientOf(two, token).execute('INSERT INTO counted (n) VALUES (2)'),
  );
  await one.restart();
  await cluster.sees('two', { one: 'ready', two: 'ready' });
  await cluster.sees('one', { one: 'ready', two: 'ready' });
  await until('one to know what happened', async () => {
    const { env } = await one.json<AppDetail>('app', 'app');
    return env['COUNT'] === 'after';
  });
  await until('one to have the rows of both times', async () => {
    assert.deepEqual(await numbersIn(clientOf(one, token)), [1, 2]);
    return true;
  });
  const { managers } = await one.json<ManagerStatus>('manager');
  assert.deepEqual(managers, ['two']);
  await watched.hold();
  assert.deepEqual(failuresOf(await load.stop()), []);
});
