/** etcd's members come and go: endpoints that change, revoked certificates, restarts, a log that stays small. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import {
  createAuthority,
  createRevocationList,
  issueCertificate,
  type KeyPair,
  serialsIn,
  type Validity,
} from '../src/cluster/x509.ts';
import {
  EtcdMember,
  type EtcdTls,
  openEtcdAdmin,
  openEtcdRegistry,
} from '../src/registry/registry.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { openOn } from '../testing/etcd-registry-kit.ts';
import { follow, plain, put, rejects } from '../testing/registry-kit.ts';
import { knocks } from '../testing/tls-knock.ts';
import { until } from '../testing/until.ts';

const common = { clock: systemClock, log: silentLogger } as const;

async function makeFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-members-'));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('calls and watches go on at other members, also when the former one hangs', async () => {
  await using etcd = await startEtcd(3);
  const [one, two, three] = etcd.members;
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  await using registry = await openOn([one.endpoint], '/moln/');
  using admin = await openEtcdAdmin({ endpoints: [one.endpoint], ...common });
  assert.equal((await admin.members()).length, 3);
  const first = await put(registry, '/a', '1');
  const stop = new AbortController();
  const seen: number[] = [];
  const watching = follow(registry, '/', first, stop.signal, (batch) => {
    seen.push(batch.revision);
  });
  await until('the watch runs', () => seen.length === 1);

  registry.setEndpoints?.([two.endpoint, three.endpoint]);
  admin.setEndpoints([two.endpoint, three.endpoint]);
  const { pid } = one;
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGSTOP');
  try {
    const written = [first];
    for (let at = 0; at < 20; at++) written.push(await put(registry, '/a', String(at)));
    await until('the watch has seen all', () => seen.length === written.length, { withinMs: 8000 });
    assert.deepEqual(seen, written);
    assert.equal((await admin.members()).length, 3);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  registry.setEndpoints?.(etcd.endpoints);
  const last = await put(registry, '/a', 'last');
  await until('and goes on with all of them', () => seen.at(-1) === last);
  stop.abort();
  await watching;
  assert.throws(() => registry.setEndpoints?.([]), /without members/);
});

test('commits that are under way when the endpoints change are answered', async () => {
  await using etcd = await startEtcd(1);
  await using other = await startEtcd(1);
  await using registry = await openOn(etcd.endpoints, '/moln/');
  const first = await put(registry, '/a', '1');
  const held = Array.from({ length: 20 }, (_, at) => put(registry, `/${at}`, 'x'));
  // Another etcd altogether, so that it shows where each went.
  registry.setEndpoints?.(other.endpoints);
  const revisions = await Promise.all(held);
  assert.equal(new Set(revisions).size, held.length);
  assert.ok(first > 0);
  assert.equal(await registry.get('/a'), undefined);
});

test('a revoked node is refused when it connects, and at a restart what it has open ends', async (context) => {
  const folder = await makeFolder(context);
  const pki = await makePki();
  const [node, forgotten, other] = await Promise.all(
    ['node', 'forgotten', 'other'].map((name) => pki.issue(name)),
  );
  assert.ok(node !== undefined && forgotten !== undefined && other !== undefined);
  const certificateFile = join(folder, 'node.pem');
  const [caFile, crlFile] = [join(folder, 'ca.pem'), join(folder, 'crl.der')];
  await writeFile(caFile, pki.authority.certificatePem);
  await writeFile(certificateFile, node.keyPem + node.certificatePem, { mode: 0o600 });
  await writeFile(crlFile, await pki.revoke());
  const tls = { caFile, certificateFile, keyFile: certificateFile, crlFile };
  const tlsOf = (pair: KeyPair) => (): EtcdTls => ({
    caPem: pki.authority.certificatePem,
    ...pair,
  });
  let spawned = 0;
  const onSpawn = (): Promise<void> => {
    spawned++;
    return Promise.resolve();
  };
  await using etcd = await startEtcd(1, { tls, onSpawn }, tlsOf(node));
  const [member] = etcd.members;
  assert.ok(member !== undefined);
  const options = { prefix: '/moln/', endpoints: etcd.endpoints, patienceMs: 500, ...common };
  await using good = await openEtcdRegistry({ ...options, tls: tlsOf(other) });
  await using bad = await openEtcdRegistry({ ...options, tls: tlsOf(forgotten) });
  await put(bad, '/a', '1');
  const doors = [member.endpoint, member.peerUrl];
  for (const door of doors) assert.equal(await knocks(door, pki.authority, forgotten), true, door);

  await writeFile(crlFile, await pki.revoke(forgotten));
  await rejects(openEtcdRegistry({ ...options, tls: tlsOf(forgotten) }), 'REGISTRY_UNAVAILABLE');
  for (const door of doors) {
    assert.equal(await knocks(door, pki.authority, forgotten), false, door);
    assert.equal(await knocks(door, pki.authority, other), true, door);
  }
  // etcd looks at the list when a connection begins, and never again.
  await put(bad, '/a', '2');
  assert.equal(plain(await good.get('/a'))?.value, '2');
  const { pid } = member;
  // The worker's step meanwhile must not start another one.
  await Promise.all([member.restart(), member.step(), member.restart(), member.step()]);
  assert.notEqual(member.pid, pid);
  assert.equal(spawned, 3);
  await until('the good one is back', () => put(good, '/a', '3'));
  await rejects(bad.get('/a'), 'REGISTRY_UNAVAILABLE');
  await member.end();
  await member.restart();
  assert.equal(member.isRunning, false, 'what has ended stays so');
});

test('a list that has ended or was signed by a former authority locks nobody out', async (context) => {
  const folder = await makeFolder(context);
  const [pki, former] = [await makePki(), await makePki()];
  const [node, forgotten] = [await pki.issue('node'), await pki.issue('forgotten')];
  const certificateFile = join(folder, 'node.pem');
  const [caFile, crlFile] = [join(folder, 'ca.pem'), join(folder, 'crl.der')];
  await writeFile(caFile, pki.authority.certificatePem);
  await writeFile(certificateFile, node.keyPem + node.certificatePem, { mode: 0o600 });
  const ended = await makePki({ notBefore: YEAR_2024, notAfter: YEAR_2024 + 3600_000 });
  const tls = { caFile, certificateFile, keyFile: certificateFile, crlFile };
  await writeFile(crlFile, await former.revoke());
  await using etcd = await startEtcd(1, { tls }, () => ({
    caPem: pki.authority.certificatePem,
    ...node,
  }));
  const door = etcd.endpoints[0] ?? '';
  for (const authority of [pki, former, ended]) {
    await writeFile(crlFile, await authority.revoke(forgotten));
    assert.equal(await knocks(door, pki.authority, node), true);
    assert.equal(await knocks(door, pki.authority, forgotten), false);
  }
});

test('OpenSSL reads and verifies the list of revoked certificates', async (context) => {
  const folder = await makeFolder(context);
  const pki = await makePki();
  const [one, two] = [await pki.issue('one'), await pki.issue('two')];
  const [ca, crl] = [join(folder, 'ca.pem'), join(folder, 'crl.der')];
  await writeFile(ca, pki.authority.certificatePem);
  const read = async (list: Buffer): Promise<string> => {
    await writeFile(crl, list);
    const words = ['crl', '-inform', 'der', '-in', crl, '-noout', '-text', '-CAfile', ca];
    const { stdout, stderr } = await promisify(execFile)('openssl', words);
    return stdout + stderr;
  };
  const none = await read(await pki.revoke());
  assert.match(none, /verify OK/);
  assert.match(none, /No Revoked Certificates/);
  const both = await read(await pki.revoke(one, two));
  assert.match(both, /verify OK/);
  assert.match(both, /Version 2/);
  for (const pair of [one, two]) assert.ok(both.includes(`Serial Number: ${serialOf(pair)}`), both);
  assert.match(both, new RegExp(`CRL Number: \\s*${pki.now}`));
  const serials = await serialsIn(await pki.revoke(one, two));
  assert.deepEqual(
    serials,
    [one, two].map((pair) => serialOf(pair).toLowerCase()),
  );
  assert.equal(await serialsIn(Buffer.from('no list')), undefined);
});

test('the log of etcd is capped, and etcd goes on writing it', async () => {
  await using etcd = await startEtcd(1);
  const [running] = etcd.members;
  assert.ok(running !== undefined);
  // As the next agent that adopts it.
  const logBytesMax = 10_000;
  const member = new EtcdMember({ ...running.options, logBytesMax });
  const log = join(running.options.folder, 'etcd.log');
  await member.step();
  assert.equal(member.isAdopted, true);
  const line = `${'x'.repeat(99)}\n`;
  for (let round = 0; round < 5; round++) {
    await appendFile(log, line.repeat(150));
    await member.step();
    assert.equal((await stat(log)).size, 0);
    assert.ok((await stat(`${log}.1`)).size >= logBytesMax);
  }
  // What no peer would say makes it complain: the file is still the one that it writes to.
  await fetch(`${running.peerUrl}/raft/stream/message/1`).catch(() => undefined);
  await until('etcd has said something', async () => (await stat(log)).size > 0);
  const text = await readFile(log, 'utf8');
  assert.ok(!text.startsWith('\0'), 'there is no hole');
});

function serialOf({ certificatePem }: KeyPair): string {
  return new X509Certificate(certificatePem).serialNumber;
}

const YEAR_2024 = 1_704_067_200_000;

interface Pki {
  readonly authority: KeyPair;
  readonly now: number;
  issue(commonName: string): Promise<KeyPair>;
  /** A list of these. */
  revoke(...pairs: readonly KeyPair[]): Promise<Buffer>;
}

async function makePki(given?: Validity): Promise<Pki> {
  const now = systemClock.now();
  const validity = given ?? { notBefore: now - 60_000, notAfter: now + 3600_000 };
  const authority = await createAuthority({ commonName: 'test', validity });
  return {
    authority,
    now,
    issue: (commonName) =>
      issueCertificate({
        authority,
        commonName,
        validity,
        dnsNames: [],
        addresses: ['127.0.0.1'],
        uris: [],
        asClient: true,
      }),
    revoke: (...pairs) => {
      const revoked = pairs.map((pair) => ({ serial: serialOf(pair), at: now }));
      return createRevocationList({ authority, revoked, now });
    },
  };
}
