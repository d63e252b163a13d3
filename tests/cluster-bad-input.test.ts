/** A join that cannot be: one clear sentence each, nothing changed on either side. */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { AppDetail, InviteDetail, NodeDetail } from '../src/api/model.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { step } from '../testing/step.ts';
import { decodeInvite, encodeInvite } from '../src/cluster/cluster.ts';
import { MOLN } from '../testing/moln.ts';
import { freeNet, TestCluster } from '../testing/test-cluster.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

/** A little more than the life of the shortest invite. */
const EXPIRED_MS = 1500;

test('invites that are wrong, used, revoked, expired or of strangers', async (t) => {
  await using cluster = await TestCluster.form(t, ['one']);
  await using strangers = await TestCluster.form(t, ['foreign']);
  const one = cluster.node('one');
  const net = one.address.replace(/\.\d+$/, '');
  const two = await cluster.add(t, 'two', `${net}.2`);

  const refuses = async (line: string, words: RegExp): Promise<void> => {
    await assert.rejects(two.join(line), (error: Error) => {
      assert.match(error.message, words);
      assert.doesNotMatch(error.message, /\n\s+at /, 'a sentence and no stack');
      return true;
    });
    assert.deepEqual(Object.keys(await cluster.states('one')), ['one']);
    assert.deepEqual(readdirSync(two.dataFolder), [], 'nothing is left in the data folder');
    await two.expectNoProcess();
  };

  const line = await cluster.invite();
  await refuses('hello', /no invite/i);
  await refuses(line.slice(0, -4), /not complete|no invite/i);
  // As if somebody else had taken the address of the first node over.
  const { fingerprint: pin } = (await strangers.node('foreign').status()).cluster;
  await refuses(
    encodeInvite({ ...decodeInvite(line), pin }),
    /is not of the cluster that this invite is for/,
  );
  const foreign = await strangers.invite();
  const short = await cluster.invite('one', '--ttl', '1s');
  const revoked = await one.json<InviteDetail & { invite: string }>('invite');
  await one.json('invite', 'revoke', revoked.id);
  await refuses(revoked.invite, /does not know|revoked/i);
  const shortMs = performance.now();
  await until('the invite to expire', () => performance.now() > shortMs + EXPIRED_MS);
  await refuses(short, /expired/i);
  assert.equal((await one.status()).registry.engine, 'sqlite', 'and no etcd for nothing');

  await step(t, 'a used one', async () => {
    await two.join(line);
    await cluster.sees('one', { one: 'ready', two: 'ready' });
    const three = await cluster.add(t, 'three', `${net}.3`);
    await assert.rejects(three.join(line), /used/i);
    assert.deepEqual(readdirSync(three.dataFolder), []);
    assert.deepEqual(Object.keys(await cluster.states('one')).toSorted(), ['one', 'two']);
  });

  await step(t, 'a node of another cluster', async () => {
    assert.equal(await two.stop(), 0);
    await assert.rejects(two.join(foreign), /another cluster|belongs to|already/i);
    assert.deepEqual(Object.keys(await strangers.states('foreign')), ['foreign']);
    await two.restart();
    await cluster.sees('two', { one: 'ready', two: 'ready' });
  });

  await step(t, 'a second node of the name', async () => {
    const twin = await TestNode.create(t, { name: 'two', address: `${net}.4` });
    await assert.rejects(twin.join(await cluster.invite()), /"two".*already|already.*"two"/i);
    assert.deepEqual(readdirSync(twin.dataFolder), []);
    await twin[Symbol.asyncDispose]();
  });
});

test('a first node that cannot be reached', async (t) => {
  await using cluster = await TestCluster.form(t, ['one']);
  const one = cluster.node('one');
  const net = one.address.replace(/\.\d+$/, '');
  const line = await cluster.invite();
  const two = await cluster.add(t, 'two', `${net}.2`);
  await one.stop();
  await assert.rejects(two.join(line), (error: Error) => {
    assert.match(error.message, /can be reached from this machine/);
    assert.ok(error.message.includes(`${one.address}:${one.ports.api}`), error.message);
    return true;
  });
  assert.deepEqual(readdirSync(two.dataFolder), []);
});

/** The program as another version of it would be; what stands in front of the usual one to start it instead. */
function otherVersion(
  t: TestContext,
  { version, protocol }: { readonly version: string; readonly protocol: number },
): readonly string[] {
  const root = dirname(MOLN);
  const folder = mkdtempSync(join(tmpdir(), 'moln-version-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['moln', 'src', 'package.json']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const edit = (name: string, from: RegExp, to: string): void => {
    const text = readFileSync(join(folder, name), 'utf8');
    assert.match(text, from);
    writeFileSync(join(folder, name), text.replace(from, to));
  };
  edit('package.json', /"version": "[^"]*"/, `"version": "${version}"`);
  for (const name of ['CLUSTER_PROTOCOL', 'CLUSTER_PROTOCOL_MIN']) {
    edit('src/cluster/join-wire.ts', new RegExp(`${name} = \\d+`), `${name} = ${protocol}`);
  }
  return ['sh', '-c', `shift; exec ${join(folder, 'moln')} "$@"`, 'sh'];
}

test('a machine of an older or a newer Moln is told which one it takes', async (t) => {
  await using cluster = await TestCluster.form(t, ['one']);
  const one = cluster.node('one');
  const net = one.address.replace(/\.\d+$/, '');
  const { version: own } = await one.status();
  const cases = [
    [
      { version: '0.0.9', protocol: 0 },
      `has Moln 0.0.9, too old for the cluster, which has ${own}`,
    ],
    [
      { version: '9.0.0', protocol: 9 },
      `has Moln 9.0.0, too new for the cluster, which has ${own}`,
    ],
  ] as const;
  for (const [at, [other, words]] of cases.entries()) {
    const under = otherVersion(t, other);
    await using two = await TestNode.create(t, { name: 'two', address: `${net}.${at + 2}`, under });
    await assert.rejects(two.join(await cluster.invite()), (error: Error) => {
      assert.ok(error.message.includes(words), error.message);
      assert.match(error.message, new RegExp(`[Ii]nstall Moln ${own} here`));
      assert.doesNotMatch(error.message, /\n\s+at /, 'a sentence and no stack');
      return true;
    });
    assert.deepEqual(readdirSync(two.dataFolder), []);
  }
  assert.deepEqual(Object.keys(await cluster.states('one')), ['one']);
  assert.equal((await one.status()).registry.engine, 'sqlite', 'nothing has moved for them');
});

test('a node that is updated to what does not go with the others says so and does no harm', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  const { version: own } = await one.status();
  await one.json('deploy', appFolder(t, nodeApp('"hello"')), '--name', 'app');
  await one.json('app', 'app', 'scale', '2');
  await cluster.runsOn('app', ['one', 'two']);
  assert.equal(await two.stop(), 0);
  const before = await knowledgeOf(one);
  for (const [other, words] of [
    [{ version: '0.0.9', protocol: 0 }, `Moln 0.0.9 on this machine is too old for its cluster`],
    [{ version: '9.0.0', protocol: 9 }, `Moln 9.0.0 on this machine is too new for its cluster`],
  ] as const) {
    const { dataFolder, address } = two;
    const under = otherVersion(t, other);
    await using updated = await TestNode.create(t, { name: 'two', address, under, dataFolder });
    await assert.rejects(updated.restart(), (error: Error) => {
      assert.ok(error.message.includes(`${words}: node "one" has ${own}`), error.message);
      assert.match(error.message, new RegExp(`Nothing was changed.*nstall Moln ${own} here`));
      assert.doesNotMatch(error.message, /\n\s+at /, 'a sentence and no stack');
      return true;
    });
    assert.deepEqual(await knowledgeOf(one), before);
  }
  await two.restart();
  await cluster.sees('one', { one: 'ready', two: 'ready' });
  await until('two to serve', async () => (await two.get('app')).body === 'hello');
});

/** What the cluster knows of its nodes and apps, but for how they are at the moment. */
async function knowledgeOf(seer: TestNode): Promise<unknown> {
  const nodes = await seer.json<readonly NodeDetail[]>('nodes');
  const { release, env, scale, history } = await seer.json<AppDetail>('app', 'app');
  const members = nodes.map(({ id, name, labels, isManager, joinedAt, certificateEndsAt }) => {
    return { id, name, labels, isManager, joinedAt, certificateEndsAt };
  });
  return { members, release, env, scale, deployments: history.length };
}

test('without etcd: how to get it, before anything is touched', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('hides a program by a mount, which only root may');
  const net = await freeNet(t);
  const hide = ['for f in /usr/bin/etcd /usr/local/bin/etcd /usr/sbin/etcd; do'];
  const script = `${hide.join(' ')} [ -e "$f" ] && mount --bind /dev/null "$f"; done; exec "$@"`;
  const under = ['unshare', '-m', 'sh', '-c', script, 'sh'];
  await using one = await TestNode.start(t, { name: 'one', address: `${net}.1`, under });
  await using two = await TestNode.create(t, { name: 'two', address: `${net}.2` });
  const invited = await one.cli('invite', '--json');
  const words = /apt(?:-get)? install .*etcd-server/;
  if (invited.code === 0) {
    const { invite } = JSON.parse(invited.stdout) as { readonly invite: string };
    await assert.rejects(two.join(invite), words);
  } else {
    assert.match(invited.stderr, words);
  }
  assert.ok(!existsSync(`${one.dataFolder}/etcd`));
  assert.deepEqual(readdirSync(two.dataFolder), []);
  const { nodes, registry } = await one.status();
  assert.equal(registry.engine, 'sqlite');
  assert.equal(nodes.length, 1);
});
