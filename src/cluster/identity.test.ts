/** The identity: made once, completed after a cut-off start, renewed in time, and good for real TLS. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, createServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { ManualClock } from '../../testing/manual-clock.ts';
import { isMolnError, systemCode } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { isIssuedBy } from './certificate.ts';
import { fingerprintOf, type Identity, nodeNameOf, openIdentity } from './cluster.ts';
import { CERTIFICATE_LIFE_MS } from './limits.ts';
import { readNodeFile } from './node-file.ts';

interface Ground {
  readonly dataFolder: string;
  readonly clock: ManualClock;
  readonly open: (options?: {
    readonly nodeName?: string;
    readonly clusterName?: string;
    readonly addresses?: readonly string[];
  }) => Promise<Identity>;
}

async function prepare(context: TestContext): Promise<Ground> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'moln-identity-'));
  context.after(() => rm(dataFolder, { recursive: true }));
  const clock = new ManualClock(systemClock.now());
  const open: Ground['open'] = (options) =>
    openIdentity({ dataFolder, clock, log: silentLogger, ...options });
  return { dataFolder, clock, open };
}

function idsOf(identity: Identity): readonly string[] {
  return [identity.cluster.id, identity.node.id, identity.fingerprint, identity.sealer.keyId];
}

async function refuses(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => isMolnError(error, code));
}

test('the first start makes everything, the second finds it', async (context) => {
  const { dataFolder, open } = await prepare(context);
  const first = await open({ nodeName: 'one', clusterName: 'home' });
  assert.equal(first.node.name, 'one');
  assert.equal(first.cluster.name, 'home');
  assert.match(first.fingerprint, /^[0-9a-f]{64}$/);
  assert.equal(first.fingerprint, fingerprintOf(first.authorityPem));
  const second = await open();
  assert.deepEqual(idsOf(second), idsOf(first));
  assert.equal(second.node.name, 'one');
  assert.equal(second.certificate.sha256, first.certificate.sha256);
  assert.deepEqual((await readdir(dataFolder)).sort(), ['keys', 'node.json']);
});

test('a machine whose clock was never set makes no authority', async (context) => {
  const { dataFolder } = await prepare(context);
  const clock = new ManualClock(0);
  const opening = openIdentity({ dataFolder, clock, log: silentLogger });
  await refuses(opening, 'CLUSTER_CLOCK_UNSET');
  assert.deepEqual(await readdir(dataFolder), []);
});

test('keys are for the owner only', async (context) => {
  const { dataFolder, open } = await prepare(context);
  await open();
  assert.equal((await stat(join(dataFolder, 'keys'))).mode & 0o777, 0o700);
  const names = await readdir(join(dataFolder, 'keys'));
  assert.deepEqual(names.sort(), ['ca.pem', 'node.pem', 'seal.key']);
  for (const name of names) {
    assert.equal((await stat(join(dataFolder, 'keys', name))).mode & 0o777, 0o600, name);
  }
});

test('two nodes share nothing', async (context) => {
  const one = idsOf(await (await prepare(context)).open());
  const two = idsOf(await (await prepare(context)).open());
  assert.equal(new Set([...one, ...two]).size, 8);
});

test('a first start that was cut off at any step is completed by the next', async (context) => {
  const files = ['node.pem', 'seal.key', 'ca.pem'];
  for (let left = 0; left <= files.length; left++) {
    const { dataFolder, open } = await prepare(context);
    const first = await open();
    // As it looks before the last step: the ids are there, the marks of the keys are not.
    const path = join(dataFolder, 'node.json');
    const { keys, ...rest } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    assert.ok(keys);
    await writeFile(path, JSON.stringify(rest));
    for (const name of files.slice(0, left)) await unlink(join(dataFolder, 'keys', name));
    await writeFile(join(dataFolder, 'keys', 'ca.pem.tmp-0123456789ab'), 'half');
    const second = await open();
    assert.deepEqual(second.node, first.node);
    assert.deepEqual(second.cluster, first.cluster);
    assert.equal(second.fingerprint === first.fingerprint, left < 3, `${left} files missing`);
    assert.equal(second.sealer.keyId === first.sealer.keyId, left < 2);
    assert.deepEqual(idsOf(await open()), idsOf(second));
    assert.equal((await readdir(join(dataFolder, 'keys'))).length, 3);
  }
});

test('keys that were lost later are never made anew', async (context) => {
  const { dataFolder, open } = await prepare(context);
  await open();
  for (const name of ['ca.pem', 'seal.key']) {
    const path = join(dataFolder, 'keys', name);
    const text = await readFile(path);
    await unlink(path);
    await refuses(open(), 'CLUSTER_KEYS_MISSING');
    await writeFile(path, text);
  }
  await open();
  const other = await prepare(context);
  await other.open();
  await writeFile(
    join(dataFolder, 'keys', 'ca.pem'),
    await readFile(join(other.dataFolder, 'keys', 'ca.pem')),
  );
  await refuses(open(), 'CLUSTER_KEYS_MISSING');
});

test('a lost node certificate is simply issued again', async (context) => {
  const { dataFolder, open } = await prepare(context);
  const first = await open();
  await unlink(join(dataFolder, 'keys', 'node.pem'));
  const second = await open();
  assert.deepEqual(idsOf(second), idsOf(first));
  assert.notEqual(second.certificate.sha256, first.certificate.sha256);
});

test('a folder of a newer Moln, or a damaged one, is refused and left alone', async (context) => {
  const { dataFolder, open } = await prepare(context);
  await open();
  const path = join(dataFolder, 'node.json');
  const good = await readFile(path, 'utf8');
  const newer = JSON.stringify({ ...JSON.parse(good), format: 7, more: true });
  await writeFile(path, newer);
  await assert.rejects(open(), (error) => {
    assert.ok(isMolnError(error, 'CLUSTER_DATA_TOO_NEW'));
    return error.message.endsWith('by a newer Moln (format 7, this one knows up to 2)');
  });
  assert.equal(await readFile(path, 'utf8'), newer);
  for (const text of ['', '{', '[]', '{"format":1}', good.slice(0, -20)]) {
    await writeFile(path, text);
    await refuses(open(), 'CLUSTER_DATA_DAMAGED');
    assert.equal(await readFile(path, 'utf8'), text);
  }
  await writeFile(path, good);
  await writeFile(join(dataFolder, 'keys', 'node.pem'), 'nonsense');
  await refuses(open(), 'CLUSTER_DATA_DAMAGED');
});

test('node.json of format 1 is read for ever', async (context) => {
  const { dataFolder, open } = await prepare(context);
  await writeFile(
    join(dataFolder, 'node.json'),
    await readFile(join(import.meta.dirname, 'golden', 'node-1.json')),
  );
  const identity = await open();
  assert.deepEqual(identity.node, { id: 'n0de12345678', name: 'one' });
  assert.deepEqual(identity.cluster, { id: 'c1uster123456789', name: 'home' });
  assert.equal(identity.createdAt, 1_790_000_000_000);
});

test('node.json of format 2, of a node that has joined, is read for ever', async (context) => {
  const { dataFolder, open } = await prepare(context);
  const path = join(dataFolder, 'node.json');
  await writeFile(path, await readFile(join(import.meta.dirname, 'golden', 'node-2.json')));
  const file = await readNodeFile(path);
  assert.equal(file?.joined?.authorityKey, false);
  assert.deepEqual(file.joined.managers, [
    { id: 'n0de12345678', address: '192.0.2.1', port: 7420 },
  ]);
  // Its keys are elsewhere: none are made in their place.
  await refuses(open(), 'CLUSTER_KEYS_MISSING');
});

test('a node is renamed by its option, and keeps its id', async (context) => {
  const { open } = await prepare(context);
  const first = await open({ nodeName: 'one' });
  const second = await open({ nodeName: 'two' });
  assert.equal(second.node.id, first.node.id);
  assert.equal((await open()).node.name, 'two');
  assert.match(second.certificate.names, /DNS:two/);
  for (const nodeName of ['', 'Two', 'a.b', '-a', 'a'.repeat(64)]) {
    await refuses(open({ nodeName }), 'CLUSTER_NAME_INVALID');
  }
});

test('machine names become node names', () => {
  const cases = [
    ['vm', 'vm'],
    ['Laptop.example.org', 'laptop'],
    ['my_host', 'my-host'],
    ['-', 'node'],
    ['', 'node'],
    ['x'.repeat(80), 'x'.repeat(63)],
  ] as const;
  for (const [machine, node] of cases) assert.equal(nodeNameOf(machine), node);
});

test('a certificate says who the node is and where it is reached', async (context) => {
  const { open } = await prepare(context);
  const identity = await open({ nodeName: 'one', addresses: ['10.1.2.3', '2001:db8::1'] });
  const { names, notBefore, notAfter } = identity.certificate;
  for (const name of [
    'DNS:one',
    'DNS:localhost',
    'IP Address:127.0.0.1',
    'IP Address:0:0:0:0:0:0:0:1',
    'IP Address:10.1.2.3',
    'IP Address:2001:DB8:0:0:0:0:0:1',
    `URI:spiffe://${identity.cluster.id}/node/${identity.node.id}`,
  ]) {
    assert.ok(names.includes(name), `${name} in ${names}`);
  }
  assert.ok(notAfter - notBefore <= CERTIFICATE_LIFE_MS + 3_600_000);
  assert.ok(isIssuedBy(identity.certificate.certificatePem, identity.authorityPem));
  assert.equal(new X509Certificate(identity.authorityPem).ca, true);
  assert.equal(new X509Certificate(identity.certificate.certificatePem).ca, false);
});

test('a new address gets a new certificate', async (context) => {
  const { open } = await prepare(context);
  const seen = new Set([(await open()).certificate.sha256]);
  for (const address of ['10.1.2.3', '2001:db8::1', '2001:db8::2']) {
    const { sha256, certificatePem } = (await open({ addresses: [address] })).certificate;
    assert.equal(new X509Certificate(certificatePem).checkIP(address), address);
    seen.add(sha256);
    assert.equal((await open({ addresses: [address] })).certificate.sha256, sha256);
  }
  assert.equal(seen.size, 4);
});

test('a certificate is renewed after two thirds of its life', async (context) => {
  const { clock, open } = await prepare(context);
  const identity = await open();
  const first = identity.certificate;
  const seen: string[] = [];
  using _listening = identity.onRenewed(() => seen.push(identity.certificate.sha256));
  const worker = identity.renewer();
  const step = async (): Promise<void> => void (await worker.step(new AbortController().signal));
  clock.advance(first.renewAt - clock.now() - 1);
  await step();
  assert.equal(identity.certificate.sha256, first.sha256);
  clock.advance(1);
  await step();
  assert.notEqual(identity.certificate.sha256, first.sha256);
  assert.deepEqual(seen, [identity.certificate.sha256]);
  assert.equal(identity.certificate.notAfter > first.notAfter, true);
  assert.equal((await open()).certificate.sha256, identity.certificate.sha256);
});

interface Greeting {
  readonly text: string;
  readonly clientNames: string | undefined;
}

/** A TLS 1.3 server that wants a client certificate, asked once. Rejects as either side saw it. */
async function greet(server: Identity, client: ConnectionOptions): Promise<Greeting> {
  let clientNames: string | undefined;
  const listener = createServer(
    {
      key: server.certificate.keyPem,
      cert: server.certificate.certificatePem,
      ca: server.authorityPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    (socket: TLSSocket) => {
      clientNames = socket.getPeerCertificate().subjectaltname;
      socket.on('error', () => socket.destroy());
      socket.end('hello');
    },
  );
  listener.on('tlsClientError', () => {});
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  try {
    const { port } = listener.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, ...client });
    // Only a byte from the application proves it: in TLS 1.3 the client finishes before it is refused.
    const text = await new Promise<string>((resolve, reject) => {
      socket.once('data', (data: Buffer) => resolve(data.toString()));
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed without a byte')));
    }).finally(() => socket.destroy());
    return { text, clientNames };
  } finally {
    listener.close();
  }
}

function certificateOptions(identity: Identity): ConnectionOptions {
  const { keyPem, certificatePem } = identity.certificate;
  return { key: keyPem, cert: certificatePem, ca: identity.authorityPem };
}

test('nodes of one cluster trust each other over real TLS', async (context) => {
  const identity = await (await prepare(context)).open({ nodeName: 'one' });
  for (const servername of ['one', 'localhost', undefined]) {
    const options = { ...certificateOptions(identity), ...(servername && { servername }) };
    const greeting = await greet(identity, options);
    assert.equal(greeting.text, 'hello');
    assert.ok(greeting.clientNames?.includes(identity.spiffeId));
  }
});

test('other names, other clusters and nobody at all are refused', async (context) => {
  const identity = await (await prepare(context)).open({ nodeName: 'one' });
  const stranger = await (await prepare(context)).open({ nodeName: 'one' });
  const good = certificateOptions(identity);
  const code = (wanted: string) => (error: unknown) => systemCode(error) === wanted;
  await assert.rejects(
    greet(identity, { ...good, servername: 'two' }),
    code('ERR_TLS_CERT_ALTNAME_INVALID'),
  );
  await assert.rejects(
    greet(identity, { ...good, ca: stranger.authorityPem }),
    /unable to|self-signed|signature/,
  );
  await assert.rejects(greet(identity, { ca: identity.authorityPem }));
  await assert.rejects(
    greet(identity, { ...certificateOptions(stranger), ca: identity.authorityPem }),
  );
});

test('a certificate holds few names and many', async (context) => {
  const identity = await (await prepare(context)).open();
  // A length in one byte of DER, in two and in three.
  for (const count of [1, 8, 30, 100]) {
    const names = Array.from({ length: count }, (_, at) => `app${at}.localhost`);
    const { certificatePem } = await identity.issueServerCertificate(names);
    const { subjectAltName } = new X509Certificate(certificatePem);
    const found = subjectAltName?.split(', ').filter((name) => name.startsWith('DNS:'));
    assert.deepEqual(
      found,
      names.map((name) => `DNS:${name}`),
    );
  }
});

test('a server certificate for apps carries exactly their names', async (context) => {
  const identity = await (await prepare(context)).open();
  const names = ['guestbook.localhost', 'site.localhost', 'example.org'];
  const certificate = await identity.issueServerCertificate(names);
  const parsed = new X509Certificate(certificate.certificatePem);
  for (const name of names) assert.equal(parsed.checkHost(name), name);
  assert.equal(parsed.checkHost('other.localhost'), undefined);
  assert.ok(isIssuedBy(certificate.certificatePem, identity.authorityPem));
  assert.ok(!certificate.names.includes('spiffe:'), 'it cannot pose as the node');
  const clientAuth = '1.3.6.1.5.5.7.3.2';
  assert.ok(!parsed.keyUsage?.includes(clientAuth), 'nor as any client');
  const node = new X509Certificate(identity.certificate.certificatePem);
  assert.ok(node.keyUsage?.includes(clientAuth));
});
