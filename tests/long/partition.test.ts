/** The network between machines is cut: each in a network namespace of its own, which takes root. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import type { ManagerStatus } from '../../src/api/model.ts';
import { step } from '../../testing/step.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { canMakeNets, makeNet, type TestNet } from '../../testing/net-kit.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';

const READY = { a: 'ready', b: 'ready', c: 'ready' } as const;
const APP = {
  ...nodeApp('process.env.MOLN_INSTANCE'),
  'moln.json': JSON.stringify({ lostAfter: '5s' }),
};
/** "Routing away < 2 s", and room for a slow machine. */
const ROUTED_WITHIN_MS = 4000;
const skip = canMakeNets ? false : 'only root can make network namespaces';

async function formOn(
  t: TestContext,
  net: TestNet,
  names: readonly string[],
): Promise<TestCluster> {
  return TestCluster.form(t, names, {
    places: names.map((_, at) => ({ address: net.addressOf(at + 1), under: net.under(at + 1) })),
    portsOn: '127.0.0.1',
  });
}

test(
  'a node is cut off: the others go on, it keeps serving what it has, and it comes back',
  { skip },
  async (t) => {
    const net = await makeNet(t, 3);
    await using cluster = await formOn(t, net, ['a', 'b', 'c']);
    await cluster.isManagedBy(3, 'a');
    await cluster.node('a').json('deploy', appFolder(t, APP), '--name', 'app');
    await cluster.node('a').json('app', 'app', 'scale', '3');
    await cluster.runsOn('app', ['a', 'b', 'c']);
    await using watched = await Invariants.watch(t, cluster);

    await step(t, 'a worker', async () => {
      await using load = cluster.load('app', ['a', 'b']);
      await until('some answers', () => load.answered > 1000);
      const cutMs = performance.now();
      net.cut(3);
      await cluster.sees('a', { ...READY, c: 'lost' });
      await until('three instances on the others', async () => {
        const places = await cluster.placesOf('app', 'a');
        return places.length === 3 && !places.includes('c');
      });
      const asked = await load.stop();
      const later = asked.filter(({ startedMs }) => startedMs > cutMs + ROUTED_WITHIN_MS);
      assert.deepEqual(failuresOf(later, cutMs), []);
      const { isLive } = await cluster.node('c').json<ManagerStatus>('manager');
      assert.equal(isLive, false, 'the lonely one knows it');
      net.heal(3);
      await cluster.sees('a', READY);
      await cluster.sees('c', READY);
      await until('the lonely one to serve again', async () => {
        return (await cluster.node('c').get('app')).status === 200;
      });
      await watched.hold();
    });

    await step(t, 'the leader', async () => {
      const { leader = '' } = await cluster.node('a').json<ManagerStatus>('manager');
      const at = cluster.names.indexOf(leader) + 1;
      const others = cluster.names.filter((name) => name !== leader);
      const seer = others[0] ?? '';
      await using load = cluster.load('app', others);
      await until('some answers', () => load.answered > 1000);
      const cutMs = performance.now();
      net.cut(at);
      await until(
        'another leader',
        async () => {
          const now = await cluster.node(seer).json<ManagerStatus>('manager');
          return now.isLive && now.leader !== undefined && others.includes(now.leader);
        },
        { withinMs: 30_000 },
      );
      await cluster.node(seer).json('app', 'app', 'env', 'COLOUR=blue');
      const { code, stderr } = await cluster.node(leader).cli('app', 'app', 'scale', '1');
      assert.equal(code, 1, 'who is alone decides nothing');
      assert.match(stderr, /registry|manager/i);
      net.heal(at);
      await watched.hold();
      const later = (await load.stop()).filter(
        ({ startedMs }) => startedMs > cutMs + ROUTED_WITHIN_MS,
      );
      assert.deepEqual(failuresOf(later, cutMs), []);
    });
  },
);

test(
  'a machine that cannot be reached back is refused, with direction and port',
  { skip },
  async (t) => {
    const net = await makeNet(t, 2);
    await using cluster = await formOn(t, net, ['one']);
    const hidden = '192.0.2.7';
    net.addHidden(2, hidden);
    const options = { under: net.under(2), portsOn: '127.0.0.1' };
    const two = await cluster.add(t, 'two', hidden, options);
    await assert.rejects(two.join(await cluster.invite()), (error: Error) => {
      assert.match(error.message, /"one" cannot reach this machine/);
      assert.ok(error.message.includes(`${hidden}:${two.ports.api}`), error.message);
      return true;
    });
    assert.deepEqual(readdirSync(two.dataFolder), []);
    assert.deepEqual(Object.keys(await cluster.states('one')), ['one']);
  },
);
