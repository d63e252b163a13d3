/** etcd's members come and go: endpoints that change, revoked certificates, a log that stays small. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { createAuthority, issueCertificate, type KeyPair } from '../src/cluster/x509.ts';
import {
  EtcdMember,
  type EtcdTls,
  openEtcdAdmin,
  openEtcdRegistry,
} from '../src/registry/registry.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { openOn } from '../testing/etcd-registry-kit.ts';
import { follow, plain, put, rejects } from '../testing/registry-kit.ts';
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

test('a new connection of a revoked node is refused', async (context) => {
  const folder = await makeFolder(context);
  const pki = await makePki(folder);
  const [node, forgotten] = [await pki.issue('node'), await pki.issue('forgotten')];
  await writeFile(join(folder, 'node.pem'), node.certificatePem);
  await writeFile(join(folder, 'node.key'), node.keyPem, { mode: 0o600 });
  const crlFile = join(folder, 'crl.pem');
  await pki.writeCrl(crlFile);
  const files = {
    caFile: join(folder, 'ca.pem'),
    certificateFile: join(folder, 'node.pem'),
    keyFile: join(folder, 'node.key'),
    crlFile,
  };
  const tlsOf = (pair: KeyPair) => (): EtcdTls => ({
    caPem: pki.authority.certificatePem,
    ...pair,
  });
  await using etcd = await startEtcd(1, { tls: files }, tlsOf(node));
  const options = { prefix: '/moln/', endpoints: etcd.endpoints, patienceMs: 500, ...common };
  await using good = await openEtcdRegistry({ ...options, tls: tlsOf(node) });
  await using bad = await openEtcdRegistry({ ...options, tls: tlsOf(forgotten) });
  await put(bad, '/a', '1');

  await pki.revoke(forgotten);
  await pki.writeCrl(crlFile);
  await rejects(openEtcdRegistry({ ...options, tls: tlsOf(forgotten) }), 'REGISTRY_UNAVAILABLE');
  // etcd looks at the list when a connection begins, and never again.
  await put(bad, '/a', '2');
  assert.equal(plain(await good.get('/a'))?.value, '2');
  const [member] = etcd.members;
  assert.ok(member !== undefined);
  await etcd.kill(member);
  await member.start();
  await until('the good one is back', () => put(good, '/a', '3'));
  await rejects(bad.get('/a'), 'REGISTRY_UNAVAILABLE');
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

interface Pki {
  readonly authority: KeyPair;
  issue(commonName: string): Promise<KeyPair>;
  revoke(pair: KeyPair): Promise<void>;
  writeCrl(path: string): Promise<void>;
}

/** Lists of revoked certificates are made by OpenSSL, which must agree with etcd on what they are. */
async function makePki(folder: string): Promise<Pki> {
  const now = systemClock.now();
  const validity = { notBefore: now - 60_000, notAfter: now + 3600_000 };
  const authority = await createAuthority({ commonName: 'test', validity });
  const [ca, key] = [join(folder, 'ca.pem'), join(folder, 'ca.key')];
  await writeFile(ca, authority.certificatePem);
  await writeFile(key, authority.keyPem, { mode: 0o600 });
  await writeFile(join(folder, 'index.txt'), '');
  const config = join(folder, 'ca.cnf');
  await writeFile(
    config,
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${folder}/index.txt\ndefault_md=sha256\ndefault_crl_days=1\n`,
  );
  const run = async (...args: string[]): Promise<void> => {
    const begin = ['ca', '-config', config, '-cert', ca, '-keyfile', key];
    await promisify(execFile)('openssl', [...begin, ...args]);
  };
  return {
    authority,
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
    async revoke({ certificatePem }) {
      const path = join(folder, 'revoked.pem');
      await writeFile(path, certificatePem);
      await run('-revoke', path);
    },
    writeCrl: (path) => run('-gencrl', '-out', path),
  };
}
