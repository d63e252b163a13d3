/** The gateways of a cluster share their caches: one request at the app, whatever the number of gateways, processes and regions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CacheExplanations, PurgeAnswer } from '../../src/api/api.ts';
import { appFolder } from '../../testing/app-folder.ts';
import { ask, type Answer } from '../../testing/http.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const CROWD = 200;
const LED = 60;
const HOST = 'app.localhost';
/**
 * Counts by path, so that each answer says how many times its path was asked for. `/late…` is answered from the second time on, or with
 * `/own-now`; `/own-held` says how many wait for that.
 */
const APP = {
  'package.json': JSON.stringify({ name: 'app', scripts: { start: 'node server.js' } }),
  'server.js': `const counts = new Map();
const held = [];
const server = require('node:http').createServer(({ url }, response) => {
  const count = (counts.get(url) ?? 0) + 1;
  counts.set(url, count);
  response.setHeader('Cache-Control', url.startsWith('/own') ? 'no-store' : 'max-age=3600');
  if (url === '/own-held') return response.end(String(held.length));
  if (url === '/own-now') for (const answer of held.splice(0)) answer();
  if (count > 1 || !url.startsWith('/late')) response.end(url + ' ' + count);
  else held.push(() => response.end(url + ' ' + count));
});
server.listen(process.env.LISTEN_SOCKET ?? Number(process.env.PORT));
process.on('SIGTERM', () => process.exit(0));
`,
};

/** All say the same host, so it is the same URL wherever they come in. */
function get(node: TestNode, path: string): Promise<Answer> {
  return ask({ address: node.address, port: node.ports.http, host: HOST, path });
}

async function crowd(nodes: readonly TestNode[], path: string): Promise<readonly Answer[]> {
  const asked = Array.from({ length: CROWD }, (_, at) => nodes[at % nodes.length]);
  return await Promise.all(asked.flatMap((node) => (node === undefined ? [] : get(node, path))));
}

async function explained(seer: TestNode, path: string): Promise<CacheExplanations['explanations']> {
  const url = `http://${HOST}${path}`;
  return (await seer.json<CacheExplanations>('why', 'cached', url)).explanations;
}

/** Whether all six processes have the same one in mind as the owner of all for some key. */
async function agree(seer: TestNode): Promise<boolean> {
  const said = await explained(seer, '/');
  const owners = new Set(
    said.map(({ owners: named }) => {
      const owner = named.find(({ tier }) => tier === 'cluster');
      return `${owner?.node} ${owner?.worker}`;
    }),
  );
  return said.length === 6 && owners.size === 1 && !owners.has('undefined undefined');
}

test('three gateways with two processes each are one cache', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two', 'three'], {
    args: ['--gateways', '2'],
    regions: { three: 'east' },
  });
  const { nodes } = cluster;
  const [one, , three] = ['one', 'two', 'three'].map((name) => cluster.node(name));
  assert.ok(one !== undefined && three !== undefined);
  await one.json('deploy', appFolder(t, APP), '--name', 'app');
  await until('all to know all', () => agree(one));

  await step(t, 'a crowd everywhere is one request at the app', async () => {
    for (const path of ['/a', '/b', '/c']) {
      for (const { status, body } of await crowd(nodes, path)) {
        assert.equal(status, 200);
        assert.equal(body, `${path} 1`);
      }
    }
  });

  await step(t, 'why says who owns it, and has it', async () => {
    const said = await explained(three, '/a');
    const cluster = said.filter(({ owners }) =>
      owners.some(({ tier, isSelf }) => tier === 'cluster' && isSelf),
    );
    assert.equal(cluster.length, 1);
    assert.equal(cluster[0]?.decision, 'hit');
    const words = await three.cli('why', 'cached', `http://${HOST}/a`);
    assert.match(words.stdout, /owned by (?:this process|worker [12] of (?:one|two|three))/);
  });

  await step(t, 'what is not to be stored goes to the app each time', async () => {
    const answers = await crowd(nodes, '/own');
    const seen = new Set(answers.map(({ body }) => body));
    assert.equal(seen.size, CROWD);
  });

  await step(t, 'a purge reaches owners and copies', async () => {
    const done = await one.json<PurgeAnswer>('cache', 'purge', '--app', 'app');
    assert.equal(done.nodes.length, 3);
    for (const { variants } of await explained(one, '/a')) assert.deepEqual(variants, []);
    for (const { body } of await crowd(nodes, '/a')) assert.equal(body, '/a 2');
  });

  await step(t, 'a process of another node hangs: who waits for it asks the app', async () => {
    const [place] = await cluster.placesOf('app', 'one');
    const asker = nodes.find(({ name }) => name === place);
    assert.ok(asker !== undefined);
    let path = '';
    let tries = 0;
    const owner = await until('one to own it on another node', async () => {
      path = `/late${tries++}`;
      const said = await explained(asker, path);
      return said.find(
        ({ node, owners }) =>
          node !== place && owners.some(({ tier, isSelf }) => tier === 'cluster' && isSelf),
      );
    });
    const asked = [get(asker, path), get(asker, path)];
    // All turn twice: it is asked, and has taken it.
    for (let turn = 0; turn < 2; turn++) await explained(asker, path);
    process.kill(owner.pid, 'SIGSTOP');
    try {
      for (const { status, body } of await Promise.all(asked)) {
        assert.equal(status, 200);
        assert.match(body, new RegExp(`^${path} [23]$`));
      }
      const alive = cluster.node(owner.node).processes();
      assert.ok(
        alive.some(({ pid }) => pid === owner.pid),
        'nobody has replaced it meanwhile',
      );
    } finally {
      process.kill(owner.pid, 'SIGCONT');
    }
    await until('all to agree again', () => agree(one));
  });

  await step(
    t,
    'a process that only leads questions on hangs: who waits asks the app',
    async () => {
      const [place] = await cluster.placesOf('app', 'one');
      const asker = nodes.find(({ name }) => name === place);
      assert.ok(asker !== undefined);
      const leader = (await explained(asker, '/')).find(({ node }) => node !== place);
      assert.ok(leader !== undefined);
      // Some of them belong to the other process of that node, and about half of those are asked by way of this one.
      const paths = Array.from({ length: LED }, (_, at) => `/late-led${at}`);
      const held = async (): Promise<number> => Number((await get(asker, '/own-held')).body);
      const before = await held();
      const asked = paths.map(async (path) => ({ path, ...(await get(asker, path)) }));
      // What reached the app only after `/own-now` would never be answered.
      await until('all to wait at the app', async () => (await held()) === before + LED);
      for (let turn = 0; turn < 2; turn++) await explained(asker, '/');
      process.kill(leader.pid, 'SIGSTOP');
      try {
        await get(asker, '/own-now');
        for (const { path, status, body } of await Promise.all(asked)) {
          assert.equal(status, 200);
          assert.match(body, new RegExp(`^${path} [1-9]$`));
        }
        const alive = cluster.node(leader.node).processes();
        assert.ok(
          alive.some(({ pid }) => pid === leader.pid),
          'nobody has replaced it meanwhile',
        );
      } finally {
        process.kill(leader.pid, 'SIGCONT');
      }
      await until('all to agree again', () => agree(one));
    },
  );

  await step(t, 'a node is lost: its keys are others’, and no request fails', async () => {
    // Not the one with the only instance.
    const places = await cluster.placesOf('app', 'one');
    const lost = nodes.find(({ name }) => name !== 'one' && !places.includes(name));
    assert.ok(lost !== undefined);
    const left = nodes.filter((node) => node !== lost);
    await lost.kill();
    for (let at = 0; at < 20; at++) {
      for (const { status, body } of await Promise.all(
        left.map((node) => get(node, `/lost${at}`)),
      )) {
        assert.equal(status, 200);
        assert.match(body, new RegExp(`^/lost${at} \\d+$`));
      }
    }
    await until('the others to share without it', async () => {
      const said = await explained(one, '/without');
      return said.length === 4 && said.every(({ owners }) => owners[0]?.node !== lost.name);
    });
    for (const { body } of await crowd(left, '/without')) assert.equal(body, '/without 1');
  });
});
