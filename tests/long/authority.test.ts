/** The authority is replaced while everything runs: nobody is locked out, and no request fails. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AuthorityStatus, EventDetail, ManagerStatus } from '../../src/api/model.ts';
import { readAuthorities } from '../../src/cluster/authority-files.ts';
import { fingerprintOf, isIssuedBy, readKeyPair } from '../../src/cluster/certificate.ts';
import type { KeyPair } from '../../src/cluster/x509.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { knocks } from '../../testing/tls-knock.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;
const CLIENT_PORT = 7421;
const PEER_PORT = 7422;
const STEPS = ['asked', 'trust', 'renew', 'drop', 'done'] as const;
/** Each etcd member is restarted twice, one after the other. */
const ROTATED_WITHIN_MS = 180_000;

function authority(node: TestNode): Promise<AuthorityStatus> {
  return node.json<AuthorityStatus>('authority');
}

async function credentialsOf(node: TestNode): Promise<KeyPair> {
  const pair = await readKeyPair(join(node.dataFolder, 'keys', 'node.pem'));
  assert.ok(pair !== undefined);
  return pair;
}

async function untilRotated(seer: TestNode, former: string): Promise<string> {
  return until(
    'the authority to be rotated',
    async () => {
      const { rotation, fingerprint } = await authority(seer);
      if (rotation === undefined && fingerprint !== former) return fingerprint;
      throw new Error(JSON.stringify(rotation));
    },
    { withinMs: ROTATED_WITHIN_MS },
  );
}

/** On the disk: what is trusted, by whom the node is certified, and whose keys are there. */
async function isOn(node: TestNode, fingerprint: string): Promise<void> {
  const all = (await readAuthorities(join(node.dataFolder, 'keys', 'ca.pem'))) ?? [];
  const [only] = all;
  assert.deepEqual(
    all.map(({ certificatePem }) => fingerprintOf(certificatePem)),
    [fingerprint],
  );
  assert.ok(only !== undefined);
  const { certificatePem } = await credentialsOf(node);
  assert.ok(isIssuedBy(certificatePem, only.certificatePem));
}

/** Of the authority that signs. */
async function hasKey(node: TestNode): Promise<boolean> {
  const [first] = (await readAuthorities(join(node.dataFolder, 'keys', 'ca.pem'))) ?? [];
  return first?.keyPem !== undefined;
}

async function events(seer: TestNode): Promise<readonly EventDetail[]> {
  const { stdout } = await seer.cli('events', '--json');
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as EventDetail);
}

test('a lone node rotates at once, and its former pin goes on to work', async (t) => {
  await using cluster = await TestCluster.start(t, ['a']);
  const node = cluster.node('a');
  const { fingerprint, rotatesAt, since, until: end } = await authority(node);
  assert.ok(since < rotatesAt && rotatesAt < end);
  const { stdout, stderr } = await node.cli('authority', 'rotate');
  const next = await untilRotated(node, fingerprint);
  assert.ok(stdout.includes(next), stdout);
  assert.match(stderr, /new authority/);
  await isOn(node, next);
  assert.match((await node.cli('authority')).stdout, /Good until/);
  const wanted = ['--name', 'ci', '--scope', 'read'];
  const { token } = await node.json<{ token: string }>('token', 'create', ...wanted);
  const url = `https://${node.address}:${node.ports.api}`;
  for (const pin of [fingerprint, next]) {
    const elsewhere = { env: { MOLN_DATA: '/nonexistent' } };
    const words = ['status', '--url', url, '--token', token, '--pin', pin];
    const { code, stderr: said } = await node.cliWith(elsewhere, ...words);
    assert.equal(code, 0, said);
  }
});

test('two nodes, one of which holds the registry, rotate under load', async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b']);
  await cluster.isManagedBy(1, 'a');
  const [a, b] = [cluster.node('a'), cluster.node('b')];
  await a.json('deploy', appFolder(t, nodeApp('process.env.MOLN_INSTANCE')), '--name', 'app');
  await a.json('app', 'app', 'scale', '2');
  await cluster.runsOn('app', ['a', 'b']);
  const { fingerprint } = await authority(b);
  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('app', ['a', 'b']);
  await until('some answers', () => load.answered > 100);
  await b.cli('authority', 'rotate');
  const next = await untilRotated(b, fingerprint);
  assert.deepEqual(failuresOf(await load.stop()), []);
  for (const node of [a, b]) await isOn(node, next);
  assert.ok(await hasKey(b), 'it could take over');
  await watched.hold();
});

test('three nodes rotate under load, and the leader is killed on the way', async (t) => {
  await using cluster = await TestCluster.form(t, NAMES);
  await cluster.isManagedBy(NAMES.length, 'a');
  const nodes = NAMES.map((name) => cluster.node(name));
  const [a, b, c] = nodes;
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  await a.json('deploy', appFolder(t, nodeApp('process.env.MOLN_INSTANCE')), '--name', 'app');
  await a.json('app', 'app', 'scale', '3');
  await cluster.runsOn('app', NAMES);
  await using watched = await Invariants.watch(t, cluster);
  const { fingerprint: first } = await authority(a);
  const former = await Promise.all(nodes.map(credentialsOf));
  const formerInvite = await cluster.invite('a');
  const net = a.address.slice(0, a.address.lastIndexOf('.'));
  let second = '';
  let third = '';

  await step(t, 'all nodes go over, and not a request fails', async () => {
    await using load = cluster.load('app', NAMES);
    await until('some answers', () => load.answered > 100);
    await b.cli('authority', 'rotate');
    second = await untilRotated(a, first);
    assert.deepEqual(failuresOf(await load.stop()), []);
    for (const node of nodes) {
      assert.equal((await authority(node)).fingerprint, second);
      await isOn(node, second);
    }
    await cluster.isManagedBy(NAMES.length, 'a');
    await b.json('app', 'app', 'env', 'COLOUR=blue');
  });

  await step(t, 'the former certificates open nothing any more', async () => {
    const [next] = (await readAuthorities(join(a.dataFolder, 'keys', 'ca.pem'))) ?? [];
    assert.ok(next !== undefined);
    for (const [at, { address }] of nodes.entries()) {
      const pair = former[(at + 1) % former.length];
      assert.ok(pair !== undefined);
      for (const port of [CLIENT_PORT, PEER_PORT]) {
        const door = `https://${address}:${port}`;
        assert.equal(await knocks(door, next, pair), false, door);
        assert.equal(await knocks(door, next, await credentialsOf(b)), true, door);
      }
    }
  });

  await step(t, 'an invite of before lets a node in, and one of now another', async () => {
    for (const [at, [name, invite]] of [
      ['d', formerInvite],
      ['e', await cluster.invite('b')],
    ].entries()) {
      assert.ok(name !== undefined && invite !== undefined);
      const node = await cluster.add(t, name, `${net}.${NAMES.length + at + 1}`);
      await node.join(invite);
      await isOn(node, second);
      await until(`${name} to serve`, async () => (await node.get('app')).status === 200);
    }
  });

  await step(t, 'the leader is killed in each step', async () => {
    const all = cluster.nodes;
    await using load = cluster.load('app', ['d', 'e']);
    await until('some answers', () => load.answered > 100);
    const d = cluster.node('d');
    const rotating = d.cli('authority', 'rotate');
    for (const wanted of ['trust', 'renew', 'drop'] as const) {
      const reached = await until(
        `step ${wanted}`,
        async () => {
          const { rotation, fingerprint } = await authority(d);
          const isOver = rotation === undefined && fingerprint !== second;
          const now = isOver ? 'done' : (rotation?.step ?? 'asked');
          if (STEPS.indexOf(now) >= STEPS.indexOf(wanted)) return now;
          throw new Error(JSON.stringify(rotation));
        },
        { withinMs: ROTATED_WITHIN_MS },
      );
      const { leader = '' } = await until('a leader', async () => {
        const status = await d.json<ManagerStatus>('manager');
        return status.leader === undefined ? undefined : status;
      });
      t.diagnostic(`${leader} is killed in step ${reached}`);
      await cluster.node(leader).crash();
      await until('another one to lead', async () => {
        const { leader: next } = await d.json<ManagerStatus>('manager');
        return next !== undefined && next !== leader;
      });
      await cluster.node(leader).restart();
    }
    await rotating;
    third = await untilRotated(d, second);
    assert.deepEqual(failuresOf(await load.stop()), []);
    for (const node of all) await isOn(node, third);
    assert.deepEqual(await Promise.all([a, b, c, d].map(hasKey)), [true, true, true, false]);
    await cluster.isManagedBy(NAMES.length, 'd');
    await cluster.node('e').json('app', 'app', 'env', 'COLOUR=green');
    await watched.hold();
  });

  await step(t, 'it waits for a node that is away, until that is forgotten', async () => {
    const e = cluster.node('e');
    await e.kill();
    await b.cli('authority', 'rotate');
    await until(
      'it waits for that one alone',
      async () => {
        const { rotation } = await authority(c);
        const [lack, ...others] = rotation?.waitsFor ?? [];
        const isAway = lack?.node === 'e' && lack.isAway && others.length === 0;
        if (isAway && /bring it back, or forget it/.test(lack.sentence)) return true;
        throw new Error(JSON.stringify(rotation));
      },
      { withinMs: ROTATED_WITHIN_MS },
    );
    assert.match((await b.cli('authority', 'rotate')).stdout, /e .* is away: bring it back/);
    const f = await cluster.add(t, 'f', `${net}.6`);
    await f.join(await cluster.invite('b', '--role', 'manager'));
    const both = (await readAuthorities(join(f.dataFolder, 'keys', 'ca.pem'))) ?? [];
    assert.equal(
      both.filter(({ keyPem }) => keyPem !== undefined).length,
      2,
      'it may sign for both',
    );
    await a.json('node', 'e', 'forget', '--yes');
    const fourth = await untilRotated(c, third);
    await isOn(f, fourth);
    await assert.rejects(e.restart(), /removed from the cluster/);
    await watched.hold();
  });

  await step(t, 'what happened is told', async () => {
    const told = (await events(c)).filter(({ kind }) => kind === 'authority');
    const rotated = told.findIndex(({ text }) => text.includes('was rotated'));
    assert.deepEqual(
      told
        .slice(0, rotated + 1)
        .map(
          ({ text }) =>
            /to be rotated|was made|All nodes trust|have certificates|was rotated/.exec(text)?.[0],
        ),
      ['to be rotated', 'was made', 'All nodes trust', 'have certificates', 'was rotated'],
    );
  });
});
