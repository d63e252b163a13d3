/** A second machine joins over real TLS sockets: once, safely, and again after any interruption. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { isMolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import { isIssuedBy } from '../src/cluster/certificate.ts';
import {
  connectNode,
  decodeInvite,
  encodeInvite,
  fetchAuthorityKey,
  type Identity,
  joinCluster,
  remoteIssuer,
  RotationRecords,
} from '../src/cluster/cluster.ts';
import { openEtcdRegistry, type Registry } from '../src/registry/registry.ts';
import { silentLogger } from '../src/base/log.ts';
import { findEtcd } from '../src/registry/registry.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { freePorts } from '../testing/free-ports.ts';
import { startTcpProxy } from '../testing/tcp-proxy.ts';
import { until } from '../testing/until.ts';
import {
  call,
  type Founder,
  founder,
  type Machine,
  machine,
  nodeOf,
  refuses,
} from './cluster-kit.ts';

const DAY_MS = 86_400_000;

async function namesIn(one: Founder): Promise<readonly string[]> {
  return (await one.members.list()).map(({ name }) => name);
}

/** Nothing was changed: no member came, no use was spent, the machine has no data folder. */
async function assertUntouched(one: Founder, two: Machine): Promise<void> {
  assert.deepEqual(await namesIn(one), ['one']);
  assert.ok((await one.invites.list()).every(({ uses, usesLeft }) => uses === usesLeft));
  await assert.rejects(readdir(two.dataFolder), { code: 'ENOENT' });
}

test('a machine joins with one line, calls the first node and is called by its name', async () => {
  await using one = await founder();
  await using two = await machine();
  const result = await joinCluster(
    two.options(await one.invite(), { labels: { disk: 'ssd' }, region: 'east' }),
  );
  assert.equal(result.completed, false);
  assert.deepEqual(result.cluster, one.identity.cluster);
  assert.deepEqual(
    result.managers.map(({ id, port }) => ({ id, port })),
    [{ id: one.identity.node.id, port: one.port }],
  );
  const member = await one.members.byName('two');
  assert.equal(member?.id, result.node.id);
  assert.deepEqual(
    { region: member?.region, labels: member?.labels, roles: member?.roles },
    { region: 'east', labels: { disk: 'ssd' }, roles: [] },
  );
  const identity = await two.open();
  assert.equal(identity.node.name, 'two');
  assert.equal(identity.isManager, false);
  assert.equal(identity.fingerprint, one.identity.fingerprint);
  assert.equal(identity.certificate.sha256, member?.certificate.sha256);
  const sealed = one.identity.sealer.seal('secret', '/secrets/a');
  assert.equal(identity.sealer.open(sealed, '/secrets/a').toString(), 'secret');
  const hello = (await call(identity, one, 'hello')) as { readonly name: string };
  assert.equal(hello.name, 'one');
  assert.doesNotMatch(await readFile(join(two.dataFolder, 'keys', 'ca.pem'), 'utf8'), /PRIVATE/);
  assert.deepEqual((await readdir(join(two.dataFolder, 'keys'))).sort(), [
    'ca.pem',
    'node.pem',
    'seal.key',
  ]);
});

test('a rotation of the authority that moves on during a join has the certificate signed again', async () => {
  let rotate = (): Promise<void> => Promise.resolve();
  await using one = await founder({ whileJoining: () => rotate() });
  await using two = await machine();
  const { identity, registry } = one;
  const records = new RotationRecords(registry);
  const from = identity.authorityPem;
  const { authorityPem: to, keyPem: keysPem, endorsementPem } = await identity.createSuccessor();
  const endorsement = { certificatePem: endorsementPem, formerPem: from };
  await identity.setAuthorities([from, to], { keysPem, endorsement });
  const read = await records.view();
  const rotation = { step: 'renew', why: 'a test', startedAt: 1 } as const;
  rotate = async () => {
    rotate = () => Promise.resolve();
    await identity.setAuthorities([to, from]);
    await identity.renewIfDue();
    assert.ok(await records.move(read, rotation));
  };
  await joinCluster(two.options(await one.invite()));
  const joined = await two.open();
  assert.deepEqual(joined.authorities.trusted, identity.authorities.trusted);
  assert.ok(isIssuedBy(joined.certificate.certificatePem, to));
  const before = await records.view();
  await using three = await machine('three');
  await joinCluster(three.options(await one.invite()));
  assert.equal(await records.move(before, { ...rotation, step: 'drop' }), false, 'a node came in');
});

test('the registry has a hash of the secret and never the secret', async () => {
  await using one = await founder();
  const { secret } = decodeInvite(await one.invite());
  for (const { value } of (await one.registry.list('/')).entries) {
    assert.ok(!Buffer.from(value).toString('utf8').includes(secret));
  }
});

test('wrong, used, expired and revoked invites are one sentence each and change nothing', async () => {
  await using one = await founder();
  await using two = await machine();
  await using three = await machine('three');
  const good = await one.invite();
  const foreign = encodeInvite({ ...decodeInvite(good), secret: '00'.repeat(16) });
  const unknown = encodeInvite({ ...decodeInvite(good), id: 'nosuchinvite' });
  const cases = [
    ['hello', 'CLUSTER_INVITE_INVALID', /no invite/],
    [good.slice(0, -3), 'CLUSTER_INVITE_INVALID', /not complete/],
    [good.replace('moln1.', 'moln2.'), 'CLUSTER_INVITE_VERSION', /version 2/],
    [foreign, 'CLUSTER_INVITE_UNKNOWN', /does not know/],
    [unknown, 'CLUSTER_INVITE_UNKNOWN', /does not know/],
  ] as const;
  for (const [line, code, words] of cases) {
    await refuses(joinCluster(two.options(line)), code, words);
    await assertUntouched(one, two);
  }
  const short = await one.invite({ ttlMs: 60_000 });
  one.clock.advance(180_000);
  await refuses(joinCluster(two.options(short)), 'CLUSTER_INVITE_EXPIRED', /expired 2 min ago/);
  await assertUntouched(one, two);
  const revoked = await one.invite();
  await one.invites.revoke(decodeInvite(revoked).id);
  await refuses(joinCluster(two.options(revoked)), 'CLUSTER_INVITE_UNKNOWN', /does not know/);
  await joinCluster(three.options(good));
  await refuses(joinCluster(two.options(good)), 'CLUSTER_INVITE_USED', /used up/);
  await assert.rejects(readdir(two.dataFolder), { code: 'ENOENT' });
});

test('names, clocks, versions, ways back and other clusters: refused, and nothing changed', async () => {
  await using one = await founder();
  await using other = await founder({ name: 'stranger' });
  await using two = await machine();
  const invite = await one.invite();
  const [free] = await freePorts('127.0.0.1', 1);
  const behind = two.clock;
  const cases = [
    [{ name: 'one' }, 'CLUSTER_NAME_TAKEN', /node "one" in the cluster already/],
    [{ name: 'Not valid' }, 'CLUSTER_NAME_INVALID', /want 1 to 63/],
    [
      { addresses: ['127.0.0.9'] },
      'CLUSTER_JOINER_UNREACHABLE',
      /"one" cannot reach this machine at 127\.0\.0\.9:\d+: connection refused/,
    ],
    [{ addresses: [] }, 'CLUSTER_JOINER_UNREACHABLE', /no address/],
    [{ port: other.port }, 'NET_PORT_TAKEN', /is taken/],
    [
      { invite: await one.invite({ port: free ?? 0 }) },
      'CLUSTER_UNREACHABLE',
      /No node of the cluster can be reached from this machine, tried 127\.0\.0\.1:/,
    ],
    [
      { invite: await one.invite({ port: other.port }) },
      'CLUSTER_PIN_MISMATCH',
      /nothing was sent/,
    ],
  ] as const;
  for (const [changes, code, words] of cases) {
    await refuses(joinCluster(two.options(invite, changes)), code, words);
    await assertUntouched(one, two);
  }
  behind.advance(2 * 3_600_000);
  await refuses(joinCluster(two.options(invite)), 'CLUSTER_CLOCK_OFF', /2 h ahead of the cluster/);
  behind.advance(-40 * DAY_MS);
  await refuses(joinCluster(two.options(invite)), 'CLUSTER_CLOCK_OFF', /certificate is good from/);
  await assertUntouched(one, two);
});

test('a machine of this or another cluster stays what it is', async () => {
  await using one = await founder();
  await using two = await machine();
  await using alone = await machine();
  await joinCluster(two.options(await one.invite()));
  await refuses(joinCluster(two.options(await one.invite())), 'CLUSTER_ALREADY_MEMBER', /already/);
  await alone.open();
  const before = await readFile(join(alone.dataFolder, 'node.json'), 'utf8');
  const joining = joinCluster(alone.options(await one.invite()));
  await refuses(joining, 'CLUSTER_OTHER_MEMBER', /belongs to the cluster "moln" already/);
  assert.equal(await readFile(join(alone.dataFolder, 'node.json'), 'utf8'), before);
});

test('a machine of an older or a newer Moln is told so, whatever else it sends', async () => {
  await using one = await founder();
  const older = one.admission.join({ protocol: 0, version: '0.0.9', secrets: 'in another shape' });
  await refuses(older, 'CLUSTER_VERSION_TOO_OLD', /Moln 0\.0\.9, too old .* has 0\.1\.0/);
  const newer = one.admission.join({ protocol: 9, version: '3.0.0' });
  await refuses(newer, 'CLUSTER_VERSION_TOO_NEW', /Moln 3\.0\.0, too new .* has 0\.1\.0/);
});

test('a stranger at the join door cannot make it swallow much', async () => {
  await using one = await founder();
  await using two = await machine();
  const labels = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, at) => [`label-${at}`, 'x'.repeat(100)]),
  );
  const joining = joinCluster(two.options(await one.invite(), { labels }));
  await refuses(joining, 'NET_RPC_TOO_LARGE', /at most 65536/);
  await assertUntouched(one, two);
});

test('the first node enters itself again with a new key and name; nobody else can as it', async () => {
  await using one = await founder();
  const member = await one.members.byName('one');
  assert.ok(member);
  const certificate = { ...member.certificate, keySha256: 'another' };
  const admission = one.members.admission({ ...member, certificate });
  await refuses(admission, 'CLUSTER_NAME_TAKEN', /"one"/);
  await one.members.register({ ...member, name: 'first', certificate });
  assert.equal(await one.members.byName('one'), undefined);
  assert.equal((await one.members.byName('first'))?.certificate.keySha256, 'another');
});

test('somebody in between with an authority of their own is sent nothing', async () => {
  await using one = await founder();
  await using stranger = await founder({ name: 'stranger' });
  await using two = await machine();
  // Decrypts what it gets, as one in between would: with a certificate that its own authority has signed.
  let heard = 0;
  const { certificate, authorityPem } = stranger.identity;
  const evil = createTlsServer(
    {
      key: certificate.keyPem,
      cert: certificate.certificatePem + authorityPem,
      ALPNProtocols: ['moln-join'],
    },
    (socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (data) => {
        heard += data.length;
      });
    },
  );
  evil.listen(0, '127.0.0.1');
  await once(evil, 'listening');
  const { port } = evil.address() as AddressInfo;
  const joining = joinCluster(two.options(await one.invite({ port })));
  await refuses(joining, 'CLUSTER_PIN_MISMATCH', /nothing was sent/);
  // It shows the right authority behind its own certificate, as anybody could who has seen it.
  evil.setSecureContext({
    key: certificate.keyPem,
    cert: certificate.certificatePem + one.identity.authorityPem,
  });
  const again = joinCluster(two.options(await one.invite({ port })));
  await refuses(again, 'CLUSTER_PIN_MISMATCH', /nothing was sent/);
  assert.equal(heard, 0);
  await assertUntouched(one, two);
  evil.close();
  await once(evil, 'close');
});

/** Ten machines at once with one line that is good for three. */
async function race(one: Founder): Promise<void> {
  const line = await one.invite({ uses: 3 });
  const machines = await Promise.all(Array.from({ length: 10 }, (_, at) => machine(`m${at}`)));
  const results = await Promise.allSettled(machines.map((two) => joinCluster(two.options(line))));
  const refused = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  assert.equal(refused.length, 7);
  for (const error of refused) {
    assert.ok(isMolnError(error, 'CLUSTER_INVITE_USED'), String(error));
  }
  assert.equal((await one.members.list()).length, 4);
  assert.deepEqual(
    (await one.invites.list()).map(({ usesLeft }) => usesLeft),
    [0],
  );
  for (const two of machines) await two[Symbol.asyncDispose]();
}

test('of ten machines with a line for three, three get in', async () => {
  await using one = await founder();
  await race(one);
});

test('the same on etcd', { skip: (await findEtcd()) === undefined }, async () => {
  await using etcd = await startEtcd(1);
  const { endpoints } = etcd;
  const registry = await openEtcdRegistry({
    endpoints,
    prefix: '/join',
    clock: systemClock,
    log: silentLogger,
  });
  await using one = await founder({ registry });
  await race(one);
});

test('one name at the same time on two machines: one gets it', async () => {
  await using one = await founder();
  await using two = await machine();
  await using twin = await machine();
  const results = await Promise.allSettled([
    joinCluster(two.options(await one.invite())),
    joinCluster(twin.options(await one.invite())),
  ]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  assert.deepEqual((await namesIn(one)).toSorted(), ['one', 'two']);
});

test('a forgotten node is cut off at once and does not come in again', async () => {
  await using one = await founder();
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const identity = await two.open();
  await using client = connectNode({ identity, node: nodeOf(one), clock: systemClock });
  await client.connect();
  assert.deepEqual(
    one.server.peers().map(({ name }) => name),
    ['two'],
  );
  await one.members.forget('two');
  await until('the connection is cut', () => one.server.peers().length === 0);
  await refuses(client.call('hello', {}), 'CLUSTER_NODE_FORGOTTEN', /was removed/);
  await refuses(call(identity, one, 'hello'), 'CLUSTER_NODE_FORGOTTEN', /was removed/);
  assert.deepEqual(await namesIn(one), ['one']);
});

test('without a certificate of this cluster nobody gets to the calls', async () => {
  await using one = await founder();
  await using stranger = await founder({ name: 'stranger' });
  const forged: Identity = Object.create(stranger.identity, {
    trustedPem: { value: one.identity.trustedPem },
    cluster: { value: one.identity.cluster },
    certificate: { value: stranger.identity.certificate },
  }) as Identity;
  await assert.rejects(call(forged, one, 'hello'), isMolnError);
  assert.deepEqual(one.server.peers(), []);
  await refuses(call(stranger.identity, one, 'hello'), 'NET_RPC_NOT_TRUSTED', /another cluster/);
});

test('a certificate is renewed over the wire with a new key, and serves at once', async () => {
  await using one = await founder();
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const identity = await two.open();
  const managers = (): Promise<readonly ReturnType<typeof nodeOf>[]> =>
    Promise.resolve([nodeOf(one)]);
  identity.setIssuer(remoteIssuer({ identity, managers, clock: systemClock }));
  const before = identity.certificate;
  assert.equal(await identity.renewIfDue(), false);
  two.clock.advance(21 * DAY_MS);
  assert.equal(await identity.renewIfDue(), true);
  assert.notEqual(identity.certificate.keyPem, before.keyPem);
  const member = await one.members.byName('two');
  assert.equal(member?.certificate.sha256, identity.certificate.sha256);
  assert.equal(identity.spiffeId, `spiffe://${one.identity.cluster.id}/node/${member?.id}`);
  await call(identity, one, 'hello');
  const server = await identity.issueServerCertificate(['guestbook.localhost']);
  assert.match(server.names, /DNS:guestbook\.localhost/);
  assert.doesNotMatch(server.names, /URI/);
  const wanted = identity.issueServerCertificate(['one']);
  await refuses(wanted, 'CLUSTER_REQUEST_INVALID', /not valid/);
});

test('a manager gets the authority key: with its invite, or once the registry says so', async () => {
  await using one = await founder();
  await using two = await machine();
  await using three = await machine('three');
  await joinCluster(two.options(await one.invite({ role: 'manager' })));
  assert.equal((await two.open()).isManager, true);
  await joinCluster(three.options(await one.invite()));
  const identity = await three.open();
  const managers = (): Promise<readonly ReturnType<typeof nodeOf>[]> =>
    Promise.resolve([nodeOf(one)]);
  const fetching = fetchAuthorityKey({ identity, managers, clock: systemClock });
  await refuses(fetching, 'CLUSTER_NOT_MANAGER', /three/);
  const member = await one.members.byName('three');
  assert.ok(member);
  await one.members.register({ ...member, roles: ['manager'] });
  await fetchAuthorityKey({ identity, managers, clock: systemClock });
  assert.equal(identity.isManager, true);
  assert.equal((await three.open()).isManager, true);
});

/** Calls back once a commit that makes a member is durable, before its answer is sent. */
function withHook(registry: Registry, admitted: () => void): Registry {
  return {
    engine: registry.engine,
    get: (key) => registry.get(key),
    list: (prefix) => registry.list(prefix),
    watch: (prefix, from, signal) => registry.watch(prefix, from, signal),
    lease: (ttlMs) => registry.lease(ttlMs),
    [Symbol.asyncDispose]: () => Promise.resolve(),
    async commit(conditions, operations) {
      const result = await registry.commit(conditions, operations);
      const isMember = operations.some(
        (one) => one.kind === 'put' && one.key.startsWith('/cluster/nodes/'),
      );
      if (isMember && result.kind === 'committed') admitted();
      return result;
    },
  };
}

test('a join that is cut off at any step is completed by the next call, as the same node', async () => {
  await using plain = await founder({ name: 'zero' });
  let cut = (): void => {};
  const registry = withHook(plain.registry, () => cut());
  await using one = await founder({ registry });
  await using proxy = await startTcpProxy({ port: one.port });
  await using two = await machine();
  const line = await one.invite({ port: proxy.port });
  cut = () => proxy.cut();
  const lost = joinCluster(two.options(line));
  await refuses(lost, 'NET_RPC_BROKEN', /broke before the answer/);
  cut = () => {};
  assert.ok(await one.members.byName('two'), 'the cluster has let it in');
  const keys = join(two.dataFolder, 'keys');
  assert.deepEqual(await readdir(keys), ['join.json']);
  const plan = await readFile(join(keys, 'join.json'), 'utf8');
  const id = (JSON.parse(plan) as { readonly nodeId: string }).nodeId;
  // A day may pass over it, and the invite with it.
  one.clock.advance(2 * 3_600_000);
  two.clock.advance(2 * 3_600_000);
  assert.equal((await joinCluster(two.options(line))).node.id, id);
  const files = ['node.json', 'keys/node.pem', 'keys/ca.pem', 'keys/seal.key'];
  const whole = join(two.dataFolder, '..', 'whole');
  await cp(two.dataFolder, whole, { recursive: true });
  for (let missing = 0; missing <= files.length; missing++) {
    await rm(two.dataFolder, { recursive: true });
    await cp(whole, two.dataFolder, { recursive: true });
    await writeFile(join(keys, 'join.json'), plan);
    for (const name of files.slice(0, missing)) await rm(join(two.dataFolder, name));
    const result = await joinCluster(two.options(line));
    assert.equal(result.node.id, id);
    assert.equal(result.completed, missing === 0);
    assert.equal((await two.open()).node.id, id);
    assert.ok(!(await readdir(keys)).includes('join.json'));
  }
  const members = await one.members.list();
  assert.equal(members.filter(({ name }) => name === 'two').length, 1);
});
