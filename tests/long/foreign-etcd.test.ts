/** `moln up --etcd URL`: the registry in an etcd that somebody else looks after, with certificates of their own. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AuthorityStatus, ManagerStatus } from '../../src/api/model.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../../src/cluster/x509.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { type EtcdUnderTest, startEtcd } from '../../testing/etcd-kit.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';

const HOUR_MS = 3_600_000;
const LED_WITHIN_MS = 40_000;

interface Foreign {
  readonly etcd: EtcdUnderTest;
  /** The words for `moln up`. */
  readonly words: readonly string[];
}

/** Its authority is none of Moln's, and it lets nobody in without a certificate. */
async function foreignEtcd(t: TestContext): Promise<Foreign> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-foreign-'));
  t.after(() => rm(folder, { recursive: true }));
  const validity = { notBefore: Date.now() - HOUR_MS, notAfter: Date.now() + HOUR_MS };
  const authority = await createAuthority({ commonName: 'somebody', validity });
  const issue = (commonName: string): Promise<KeyPair> =>
    issueCertificate({
      authority,
      commonName,
      validity,
      dnsNames: ['localhost'],
      addresses: ['127.0.0.1'],
      uris: [],
      asClient: true,
    });
  const [member, client] = await Promise.all([issue('member'), issue('moln')]);
  const files = {
    'ca.pem': authority.certificatePem,
    'member.pem': member.certificatePem,
    'member.key': member.keyPem,
    'client.pem': client.certificatePem,
    'client.key': client.keyPem,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const file = (name: keyof typeof files): string => join(folder, name);
  const etcd = await startEtcd(
    3,
    {
      tls: {
        caFile: file('ca.pem'),
        certificateFile: file('member.pem'),
        keyFile: file('member.key'),
      },
    },
    () => ({
      caPem: authority.certificatePem,
      certificatePem: client.certificatePem,
      keyPem: client.keyPem,
    }),
  );
  const access = ['--etcd-ca', file('ca.pem'), '--etcd-cert', file('client.pem')];
  const words = ['--etcd', etcd.endpoints.join(','), ...access, '--etcd-key', file('client.key')];
  return { etcd, words };
}

test('a cluster on an etcd that somebody else looks after', async (t) => {
  const foreign = await foreignEtcd(t);
  await using etcd = foreign.etcd;
  await using cluster = await TestCluster.form(t, ['alone']);
  const before = cluster.node('alone');
  const { dataFolder, address } = before;
  const net = address.replace(/\.\d+$/, '');

  await step(t, 'a node with apps moves there with what it has', async () => {
    await before.json('deploy', appFolder(t, nodeApp('"hello"')), '--name', 'app');
    assert.equal(await before.stop(), 0);
    const one = await cluster.add(t, 'one', `${net}.2`, { dataFolder, args: foreign.words });
    await one.restart();
    await until('it serves', async () => (await one.get('app')).body === 'hello');
    const status = await one.json<ManagerStatus>('manager');
    assert.deepEqual([status.engine, status.leader, status.isLive], ['etcd', 'one', true]);
    assert.deepEqual(status.endpoints, etcd.endpoints);
    assert.match(status.sentence, /an etcd of your own/);
  });
  const one = cluster.node('one');

  await step(
    t,
    'others join without a word about it, and there are three who may lead',
    async () => {
      for (const [at, name] of ['two', 'three'].entries()) {
        const node = await cluster.add(t, name, `${net}.${at + 3}`);
        await node.join(await cluster.invite('one'));
      }
      await one.json('app', 'app', 'scale', '3');
      await until('three managers', async () => {
        return (await one.json<ManagerStatus>('manager')).managers.length === 3;
      });
      assert.equal(
        existsSync(join(cluster.node('two').dataFolder, 'etcd')),
        false,
        'no etcd of ours',
      );
    },
  );

  await step(t, 'what is not ours to change is refused', async () => {
    for (const words of [
      ['manager', 'set', 'one'],
      ['manager', 'takeover', '--yes'],
    ]) {
      const { code, stderr } = await one.cli(...words);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /etcd/);
    }
  });

  await step(t, 'the authority of the nodes is rotated without a word to that etcd', async () => {
    const { fingerprint } = await one.json<AuthorityStatus>('authority');
    await cluster.node('two').cli('authority', 'rotate');
    for (const node of ['one', 'two', 'three']) {
      await until(`${node} to have another`, async () => {
        const now = await cluster.node(node).json<AuthorityStatus>('authority');
        return now.rotation === undefined && now.fingerprint !== fingerprint;
      });
    }
    await one.json('app', 'app', 'env', 'COLOUR=red');
  });

  await step(t, 'the first node is killed: another one leads', async () => {
    await using watched = await Invariants.watch(t, cluster);
    await using load = cluster.load('app', ['two', 'three']);
    await until('some answers', () => load.answered > 1000);
    const killedMs = performance.now();
    await one.kill();
    const two = cluster.node('two');
    await until(
      'another leader',
      async () => {
        const { leader } = await two.json<ManagerStatus>('manager');
        return leader === 'two' || leader === 'three';
      },
      { withinMs: LED_WITHIN_MS },
    );
    await two.json('app', 'app', 'env', 'COLOUR=blue');
    await one.restart();
    await until('the first serves again', async () => (await one.get('app')).status === 200);
    await watched.hold();
    const later = (await load.stop()).filter(({ startedMs }) => startedMs > killedMs);
    assert.deepEqual(failuresOf(later, killedMs), [], 'only what was in flight there may fail');
  });

  await step(t, 'another etcd is not taken for it', async () => {
    await using other = await startEtcd(1);
    await one.kill();
    const args = ['--etcd', other.endpoints.join(',')];
    const again = await cluster.add(t, 'one', `${net}.2`, { dataFolder, args });
    await assert.rejects(again.restart(), /does not hold the registry of this cluster/);
  });
});

test('an etcd that is not there or lets nobody in is refused before anything is touched', async (t) => {
  const foreign = await foreignEtcd(t);
  await using etcd = foreign.etcd;
  await using cluster = await TestCluster.form(t, ['one']);
  const { dataFolder, address } = cluster.node('one');
  await cluster.node('one').json('deploy', appFolder(t, nodeApp('"hello"')), '--name', 'app');
  assert.equal(await cluster.node('one').stop(), 0);
  for (const args of [
    ['--etcd', 'http://127.0.0.1:1'],
    ['--etcd', etcd.endpoints.join(',')],
    foreign.words.slice(0, 4),
  ]) {
    const node = await cluster.add(t, 'one', address, { dataFolder, args });
    await assert.rejects(node.restart(), /The etcd at .* cannot be used/);
    assert.equal(existsSync(join(dataFolder, 'registry.json')), false);
  }
  const node = await cluster.add(t, 'one', address, { dataFolder });
  await node.restart();
  await until('it serves as before', async () => (await node.get('app')).body === 'hello');
});
