/** A node that comes back asks the others whether it is one of them still, at once or as soon as somebody answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import { joinCluster, type NodeAddress } from '../src/cluster/cluster.ts';
import { askIfWelcome, LateWelcome } from '../src/node/welcome.ts';
import { founder, machine, nodeOf, VERSION } from './cluster-kit.ts';

test('who is a node still is welcome, who was forgotten is told, and nobody at all is asked again', async () => {
  await using one = await founder();
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const own = { identity: await two.open(), version: VERSION, clock: systemClock };
  const away: NodeAddress = { ...nodeOf(one), port: 1 };
  assert.equal(await askIfWelcome([], own), 'welcome', 'there is nobody else');
  assert.equal(await askIfWelcome([nodeOf(one)], own), 'welcome');
  assert.equal(await askIfWelcome([away], own), 'unknown');

  let others = [away];
  const refusals: unknown[] = [];
  const worker = (): LateWelcome =>
    new LateWelcome({
      ...own,
      others: () => others,
      onRefused: (error) => refusals.push(error),
    });
  const late = worker();
  assert.equal((await late.step()).kind, 'idle');
  others = [nodeOf(one)];
  assert.equal((await late.step()).kind, 'done');
  assert.deepEqual(refusals, []);

  await one.members.forget('two');
  assert.equal((await worker().step()).kind, 'done');
  assert.equal(isMolnError(refusals[0], 'CLUSTER_NODE_FORGOTTEN'), true);
});
