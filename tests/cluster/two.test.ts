/** The second machine takes one command: everything through the CLI, the gateways and signals. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import type {
  AppDetail,
  LiveSample,
  ManagerStatus,
  NodeDetail,
  SlotDetail,
} from '../../src/api/model.ts';
import { step } from '../../testing/step.ts';
import { appFolder, nodeApp, writeFiles } from '../../testing/app-folder.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { freeNet, TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

interface Deployed {
  readonly release: string;
}

async function historyOf(node: TestNode): Promise<readonly LiveSample[]> {
  const socketPath = join(node.dataFolder, 'run', 'api.sock');
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get({ socketPath, path: '/api/history' }, resolve).once('error', reject);
  return (await json(await promise)) as readonly LiveSample[];
}

test('a node that has apps invites a second one: nothing is lost, no request fails', async (t) => {
  const region = { regions: { two: 'east' } };
  await using cluster = await TestCluster.form(t, ['one'], region);
  const one = cluster.node('one');
  await one.json('deploy', appFolder(t, nodeApp('"hello"')), '--name', 'app');
  await one.json('deploy', appFolder(t, { 'index.html': '<h1>Hej</h1>' }), '--name', 'site');
  const before = await one.status();

  await using load = cluster.load('app', ['one']);
  const net = one.address.replace(/\.\d+$/, '');
  const two = await cluster.add(t, 'two', `${net}.2`, region);
  await two.join(await cluster.invite());
  await cluster.sees('one', { one: 'ready', two: 'ready' });
  await cluster.sees('two', { one: 'ready', two: 'ready' });
  assert.deepEqual(failuresOf(await load.stop()), [], 'the move of the registry disturbs nobody');

  const [first, second] = [await one.status(), await two.status()];
  assert.equal(first.cluster.id, before.cluster.id);
  assert.deepEqual(second.cluster, first.cluster);
  assert.equal(first.registry.engine, 'etcd');
  assert.deepEqual(
    second.apps.map(({ name }) => name),
    ['app', 'site'],
  );
  const nodes = await two.json<readonly NodeDetail[]>('nodes');
  assert.deepEqual(
    nodes.map(({ name, region: where }) => [name, where === 'east']),
    [
      ['one', false],
      ['two', true],
    ],
  );
  for (const node of cluster.nodes) {
    await until(`${node.name} to serve both`, async () => {
      const [app, site] = [await node.get('app'), await node.get('site')];
      return app.body === 'hello' && site.body.includes('Hej');
    });
  }
});

test('apps spread, both gateways serve them, and any node takes commands', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  const folder = appFolder(t, nodeApp('process.env.MOLN_INSTANCE'));
  await two.json('deploy', folder, '--name', 'app');
  await one.json('app', 'app', 'scale', '2');
  await cluster.runsOn('app', ['one', 'two']);

  for (const node of cluster.nodes) {
    const seen = new Set<string>();
    // One at a time is answered by the instance beside the gateway, many by both.
    await until(`answers of both instances through ${node.name}`, async () => {
      const answers = await Promise.all(Array.from({ length: 64 }, () => node.get('app')));
      for (const { status, body } of answers) {
        assert.equal(status, 200, body);
        seen.add(body);
      }
      return seen.size === 2;
    });
  }
  const slots = await two.json<readonly SlotDetail[]>('why', 'app', 'app');
  assert.deepEqual(slots.map(({ node }) => node ?? '').sort(), ['one', 'two']);
  assert.ok(slots.every(({ reason }) => reason.length > 0));

  await step(t, 'the figures of an app on one count what came to two', async () => {
    await using _load = cluster.load('app', ['two']);
    await until('the load of two', async () => {
      const rate = (await historyOf(one)).at(-1)?.apps['app']?.requestsPerSecond ?? 0;
      return rate > 30;
    });
  });

  await step(t, 'a deploy on two under load: all at once, no failed request', async () => {
    await using load = cluster.load('app', ['one', 'two']);
    await until('some answers', () => load.answered > 50);
    writeFiles(folder, nodeApp('"new " + process.env.MOLN_INSTANCE'));
    await two.json<Deployed>('deploy', folder, '--name', 'app');
    const deployedMs = performance.now();
    for (const node of cluster.nodes) assert.match((await node.get('app')).body, /^new /);
    const atDeploy = load.answered;
    await until('more answers', () => load.answered > atDeploy + 50);
    const asked = await load.stop();
    assert.deepEqual(failuresOf(asked, deployedMs), []);
    const old = asked.filter(
      (each) => each.startedMs > deployedMs && !each.body?.startsWith('new'),
    );
    assert.deepEqual(old, [], 'deploy returns when no gateway knows the old release any more');
    await cluster.runsOn('app', ['one', 'two']);
  });

  await step(t, 'rollback, env, logs and run reach both nodes', async () => {
    await one.json('app', 'app', 'rollback');
    for (const node of cluster.nodes) assert.doesNotMatch((await node.get('app')).body, /^new/);
    await two.json('app', 'app', 'env', 'COLOUR=blue');
    const ran = await two.cli('app', 'app', 'run', '--', 'sh', '-c', 'echo $COLOUR');
    assert.equal(ran.stdout, 'blue\n', ran.stderr);
  });

  await step(
    t,
    'of two deploys at once through two nodes the second is told of the first',
    async () => {
      const files = nodeApp('"first"');
      // On two it starts when the test says so.
      const gate = join(two.dataFolder, 'apps', 'app', 'data', 'go');
      const isOpen = `!process.cwd().startsWith(${JSON.stringify(two.dataFolder)}) ||
      require('node:fs').existsSync(process.env.MOLN_DATA_DIR + '/go')`;
      const server = `(function start() {
      if (!(${isOpen})) return setTimeout(start, 20);
      ${files['server.js']}
    })()`;
      writeFiles(folder, { ...files, 'server.js': server });
      const before = (await one.json<AppDetail>('app', 'app')).release;
      await using first = one.follow('deploy', folder, '--name', 'app');
      const ready = await until('the new instance on one', async () => {
        const { instanceList } = await one.json<AppDetail>('app', 'app');
        return instanceList.find(
          ({ node, state, release }) => node === 'one' && state === 'healthy' && release !== before,
        );
      });
      const second = await two.cli('deploy', appFolder(t, nodeApp('"second"')), '--name', 'app');
      assert.equal(second.code, 1);
      assert.match(second.stderr, /App "app" is busy: one has a change of it under way/);
      writeFileSync(gate, '');
      const { code, stdout } = await first.ended();
      assert.equal(code, 0, stdout);
      assert.equal((await two.get('app')).body, 'first');
      const { instanceList } = await two.json<AppDetail>('app', 'app');
      assert.ok(
        instanceList.some(({ id }) => id === ready.id),
        'what the first had begun serves',
      );
      await cluster.runsOn('app', ['one', 'two']);
    },
  );

  await step(t, 'the name of any node is its own, not a domain of an app', async () => {
    for (const node of cluster.nodes) {
      const ran = await one.cli('app', 'app', 'domains', 'add', node.name);
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, new RegExp(`"${node.name}" cannot be the domain of an app`));
    }
  });

  await step(t, 'the state of managers is said plainly', async () => {
    const manager = await two.json<ManagerStatus>('manager');
    assert.deepEqual(manager.managers, ['one']);
    assert.equal(manager.leader, 'one');
    assert.ok(manager.isLive);
    const { stdout } = await two.cli('manager');
    assert.match(stdout, /one more machine/i, 'what a third machine would give');
  });

  await step(t, 'both stop in order, and come back as they were', async () => {
    assert.equal(await two.stop(), 0);
    assert.equal((await one.get('app')).status, 200);
    assert.equal(await one.stop(), 0);
    await one.restart();
    await two.restart();
    await cluster.sees('two', { one: 'ready', two: 'ready' });
    for (const node of cluster.nodes) {
      await until(`${node.name} to serve`, async () => (await node.get('app')).status === 200);
    }
    await until('two instances, wherever they are now', async () => {
      return (await cluster.placesOf('app', 'two')).length === 2;
    });
  });
});

test('test nets of clusters side by side differ', async (t) => {
  assert.notEqual(await freeNet(t), await freeNet(t));
});
