/**
 * A node that was forgotten has no way to etcd any more, though its certificate is good for weeks; everybody else has. What
 * it ran goes on elsewhere, and never beside it.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EventDetail } from '../../src/api/model.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/time.ts';
import { readAuthorities } from '../../src/cluster/authority-files.ts';
import { readKeyPair } from '../../src/cluster/certificate.ts';
import type { KeyPair } from '../../src/cluster/x509.ts';
import { type EtcdTls, openEtcdRegistry, type Registry } from '../../src/registry/registry.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { SINGLETON } from '../../testing/singleton-watch.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { knocks } from '../../testing/tls-knock.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c', 'd'] as const;
const MANAGERS = 3;
const CLIENT_PORT = 7421;
const PEER_PORT = 7422;
/** The leader looks every 3 s, and restarts the members one after the other. */
const CUT_OFF_WITHIN_MS = 60_000;

/** What is in a node's keys, as somebody has it who took the machine away. */
async function credentialsOf(node: TestNode): Promise<KeyPair> {
  const pair = await readKeyPair(join(node.dataFolder, 'keys', 'node.pem'));
  assert.ok(pair !== undefined);
  return pair;
}

async function authorityOf(node: TestNode): Promise<{ readonly certificatePem: string }> {
  const [authority] = (await readAuthorities(join(node.dataFolder, 'keys', 'ca.pem'))) ?? [];
  assert.ok(authority !== undefined);
  return authority;
}

function doorsOf(...nodes: readonly TestNode[]): readonly string[] {
  const ports = [CLIENT_PORT, PEER_PORT];
  return nodes.flatMap(({ address }) => ports.map((port) => `https://${address}:${port}`));
}

/** A client of etcd with a node's certificate, that has a connection open from now on. */
async function clientAt(node: TestNode, credentials: KeyPair): Promise<Registry> {
  const { certificatePem: caPem } = await authorityOf(node);
  const registry = await openEtcdRegistry({
    endpoints: [`https://${node.address}:${CLIENT_PORT}`],
    prefix: '/test/',
    client: 'test',
    tls: (): EtcdTls => ({ caPem, ...credentials }),
    patienceMs: 500,
    clock: systemClock,
    log: silentLogger,
  });
  await registry.get('/any');
  return registry;
}

/** Nothing else may take it meanwhile, so that is where it goes. */
async function leadTo(
  cluster: TestCluster,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const others = cluster.nodes.filter((node) => node.isRunning && node.name !== name);
  const [asked] = others;
  assert.ok(asked !== undefined);
  for (const other of others) await asked.json('node', other.name, 'drain');
  await work();
  await cluster.runsOn(SINGLETON, [name], { seer: asked.name });
  for (const other of others) await asked.json('node', other.name, 'undrain');
}

async function untilCutOff(seer: TestNode, name: string): Promise<void> {
  await until(
    `${name} to be cut off`,
    async () => {
      const { stdout } = await seer.cli('events', '--json');
      const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as EventDetail);
      return events.some(({ node, text }) => node === name && text.includes('cut off'));
    },
    { withinMs: CUT_OFF_WITHIN_MS },
  );
}

async function processOfEtcd(node: TestNode): Promise<string> {
  return readFile(join(node.dataFolder, 'etcd', 'etcd.pid'), 'utf8');
}

test('a forgotten manager is out of etcd, at no cost for anybody else', async (t) => {
  await using cluster = await TestCluster.form(t, NAMES);
  const { managers } = await cluster.isManagedBy(MANAGERS, 'a');
  assert.ok(!managers.includes('d'), 'the last one is a worker');
  const [a, b, c, d] = NAMES.map((name) => cluster.node(name));
  assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined);
  let watching: Invariants | undefined;
  await leadTo(cluster, 'c', async () => {
    watching = await Invariants.watch(t, cluster);
  });
  assert.ok(watching !== undefined);
  await using watched = watching;
  await a.json('deploy', appFolder(t, nodeApp('process.env.MOLN_INSTANCE')), '--name', 'app');
  await a.json('app', 'app', 'scale', '4');
  await cluster.runsOn('app', NAMES);
  const stolen = await credentialsOf(c);
  const good = await credentialsOf(b);
  const authority = await authorityOf(a);

  await step(t, 'before, it is one of them', async () => {
    for (const door of doorsOf(a, b))
      assert.equal(await knocks(door, authority, stolen), true, door);
  });

  await using heldAtA = await clientAt(a, stolen);
  await using heldAtB = await clientAt(b, stolen);
  await step(t, 'it is forgotten while it runs, under load', async () => {
    const before = await Promise.all([a, b].map(processOfEtcd));
    await using load = cluster.load('app', ['a', 'b']);
    await until('some answers', () => load.answered > 100);
    await a.json('node', 'c', 'forget', '--yes');
    await untilCutOff(a, 'c');
    const after = await Promise.all([a, b].map(processOfEtcd));
    await cluster.isManagedBy(MANAGERS, 'a');
    for (const [at, id] of after.entries()) assert.notEqual(id, before[at], 'restarted');
    await b.json('app', 'app', 'env', 'COLOUR=blue');
    assert.deepEqual(failuresOf(await load.stop()), []);
  });

  await step(t, 'then neither new connections nor those it had lead anywhere', async () => {
    for (const door of doorsOf(a, b, d)) {
      assert.equal(await knocks(door, authority, stolen), false, door);
      assert.equal(await knocks(door, authority, good), true, door);
    }
    for (const held of [heldAtA, heldAtB]) await assert.rejects(held.get('/any'));
    await using other = await clientAt(a, good);
    assert.equal(await other.get('/any'), undefined);
  });

  await step(t, 'also after an agent and its etcd were started anew', async () => {
    await a.kill();
    await a.restart();
    await cluster.isManagedBy(MANAGERS, 'b');
    for (const door of doorsOf(a)) {
      assert.equal(await knocks(door, authority, stolen), false, door);
      assert.equal(await knocks(door, authority, good), true, door);
    }
    const settled = await processOfEtcd(b);
    await b.json('app', 'app', 'env', 'COLOUR=red');
    assert.equal(await processOfEtcd(b), settled, 'nothing is restarted twice');
    await watched.hold();
  });

  await step(
    t,
    'one that is forgotten in the moment in which it falls silent runs nothing twice',
    async () => {
      await leadTo(cluster, 'd', () => Promise.resolve());
      await d.crash();
      await cluster.sees('a', { a: 'ready', b: 'ready', d: 'suspect' });
      await a.json('node', 'd', 'forget', '--yes');
      await until(
        'it runs elsewhere',
        async () => (await cluster.placesOf(SINGLETON, 'a')).length === 1,
      );
      await watched.hold();
    },
  );
});

test('where one manager is left, a worker that is forgotten is cut off too', async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b']);
  const [a, b] = [cluster.node('a'), cluster.node('b')];
  await cluster.isManagedBy(1, 'a');
  const stolen = await credentialsOf(b);
  await using held = await clientAt(a, stolen);
  await a.json('deploy', appFolder(t, { 'index.html': 'hello' }), '--name', 'site');
  await using load = cluster.load('site', ['a']);
  await a.json('node', 'b', 'forget', '--yes');
  await untilCutOff(a, 'b');
  await assert.rejects(held.get('/any'));
  const authority = await authorityOf(a);
  for (const door of doorsOf(a)) {
    assert.equal(await knocks(door, authority, stolen), false, door);
    assert.equal(await knocks(door, authority, await credentialsOf(a)), true, door);
  }
  assert.deepEqual(failuresOf(await load.stop()), []);
});
