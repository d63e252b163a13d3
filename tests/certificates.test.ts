/** Certificates of a node: of your own, ordered by ACME at a real authority, and what is said when they go wrong. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import type { CertificateList, CertificateRow } from '../src/api/api.ts';
import type { Status } from '../src/api/model.ts';
import { Pebble } from '../testing/pebble-kit.ts';
import { step } from '../testing/step.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import { AUTHORITY, issue } from './gateway-h2-kit.ts';

const SHOP = 'shop.mail.example.com';
const DAY_MS = 86_400_000;

async function served(node: TestNode, host: string): Promise<X509Certificate> {
  const socket = connect({
    port: node.ports.https,
    host: node.address,
    servername: host,
    rejectUnauthorized: false,
  });
  try {
    await once(socket, 'secureConnect');
    return new X509Certificate(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0));
  } finally {
    socket.destroy();
  }
}

async function isServedBy(node: TestNode, host: string, issuer: RegExp): Promise<X509Certificate> {
  return until(`${host} to be served by ${issuer}`, async () => {
    const certificate = await served(node, host);
    if (issuer.test(certificate.issuer) && certificate.checkHost(host) !== undefined) {
      return certificate;
    }
    throw new Error(`${certificate.issuer} ${(await node.cli('certificate', 'list')).stdout}`);
  });
}

async function metricsOf(node: TestNode): Promise<string> {
  const words = ['token', 'create', '--name', 'metrics', '--scope', 'read'];
  const { token } = await node.json<{ token: string }>(...words);
  const url = `http://${node.address}:${node.ports.api}/metrics`;
  return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).text();
}

function files(t: TestContext): (name: string, text: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'moln-certificates-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return (name, text) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
}

test('certificates of your own: checked, served at once, warned about', async (t) => {
  const write = files(t);
  await using node = await TestNode.start(t);
  await node.json('deploy', 'examples/site', '--name', 'shop', '--domain', SHOP);
  const list = (): Promise<CertificateList> => node.json<CertificateList>('certificate', 'list');

  await step(t, 'nothing is ordered until somebody says so, and why is said', async () => {
    const { sentence, acme, certificates } = await list();
    assert.match(sentence, /ordering is off, because .* switches it on/);
    assert.equal(acme, undefined);
    assert.deepEqual(
      certificates.map(({ host, state, source }) => ({ host, state, source })),
      [{ host: SHOP, state: 'none', source: 'cluster' }],
    );
    const { stderr } = await node.cli('certificate', 'order', SHOP);
    assert.match(stderr, /Ordering certificates is switched off/);
    const unagreed = await node.cli('certificate', 'acme', '--email', 'me@example.org');
    assert.match(unagreed.stderr, /without agreement to the terms/);
  });

  const good = await issue([SHOP]);
  const other = await issue(['other.example.org']);
  const chain = good.cert + AUTHORITY.certificatePem;
  await step(t, 'bad input is refused with one clear sentence', async () => {
    const encrypted = good.key.replaceAll('PRIVATE KEY', 'ENCRYPTED PRIVATE KEY');
    const cases: readonly (readonly [cert: string, key: string, sentence: RegExp])[] = [
      [
        good.cert,
        other.key,
        /The key does not belong to the certificate for shop\.mail\.example\.com/,
      ],
      [
        AUTHORITY.certificatePem + good.cert,
        good.key,
        /wrong order: the key belongs to certificate 2 of 2, want it first/,
      ],
      [chain + good.cert, good.key, /wrong order: certificate 3 did not sign certificate 2/],
      [good.cert, encrypted, /The key is encrypted, and gateways have nobody to ask/],
      ['garbage', good.key, /The certificate file holds no PEM, want "CERTIFICATE"/],
      [good.key, good.key, /The certificate file holds "PRIVATE KEY" alone, want "CERTIFICATE"/],
      [
        '-----BEGIN CERTIFICATE-----\nabcd\n-----END CERTIFICATE-----\n',
        good.key,
        /Certificate 1 of 1 in the file cannot be read/,
      ],
      [good.cert, 'garbage', /The key file holds no "PRIVATE KEY" in PEM/],
      [
        other.cert,
        other.key,
        /The certificate is for other\.example\.org, not for "shop\.mail\.example\.com"/,
      ],
    ];
    for (const [cert, key, sentence] of cases) {
      const words = ['--cert', write('bad.pem', cert), '--key', write('bad.key', key)];
      const { code, stderr } = await node.cli('certificate', 'add', SHOP, ...words);
      assert.notEqual(code, 0);
      assert.match(stderr, sentence);
    }
    const ended = await issue([SHOP], {
      notBefore: Date.now() - 2 * DAY_MS,
      notAfter: Date.now() - DAY_MS,
    });
    const words = ['--cert', write('e.pem', ended.cert), '--key', write('e.key', ended.key)];
    assert.match((await node.cli('certificate', 'add', SHOP, ...words)).stderr, /expired already/);
  });

  await step(t, 'a good one is served without a restart, and its key is never shown', async () => {
    const words = ['--cert', write('a.pem', chain), '--key', write('a.key', good.key)];
    const row = await node.json<CertificateRow>('certificate', 'add', SHOP, ...words);
    // Of a life of two days a day is left, which is more than a third.
    assert.deepEqual([row.state, row.source, row.names], ['good', 'own', [SHOP]]);
    await isServedBy(node, SHOP, /CN=Test/);
    assert.doesNotMatch(JSON.stringify([row, await list()]), /PRIVATE KEY/);
    assert.match((await served(node, 'shop.localhost')).issuer, /Moln|CN=/);
  });

  await step(t, 'one that ends soon, or fits nobody, is told everywhere by name', async () => {
    const soon = await issue([SHOP], {
      notBefore: Date.now() - 80 * DAY_MS,
      notAfter: Date.now() + 9 * DAY_MS,
    });
    const words = ['--cert', write('s.pem', soon.cert), '--key', write('s.key', soon.key)];
    await node.json('certificate', 'add', SHOP, ...words);
    const more = ['--cert', write('o.pem', other.cert), '--key', write('o.key', other.key)];
    await node.json('certificate', 'add', 'other.example.org', ...more);
    const { warnings } = await list();
    assert.deepEqual(warnings.map(({ host, kind }) => `${host} ${kind}`).sort(), [
      'other.example.org mismatch',
      `${SHOP} expires-soon`,
    ]);
    const status = await node.json<Status>('status');
    assert.match(status.sentence, /certificate for shop\.mail\.example\.com expires at /);
    assert.equal(status.warnings.length, 2);
    const doctor = await node.cli('doctor');
    assert.match(
      doctor.stdout,
      /warn +certificates +The certificate for .*shop\.mail\.example\.com/,
    );
    const metrics = await metricsOf(node);
    assert.match(
      metrics,
      /moln_certificate_expiry_timestamp_seconds\{host="shop\.mail\.example\.com",source="own"\} \d+/,
    );
    assert.match(
      metrics,
      /moln_certificate_warning\{host="shop\.mail\.example\.com",kind="expires-soon"\} 1/,
    );
    await node.cli('certificate', 'remove', 'other.example.org');
    assert.equal((await list()).warnings.length, 1);
  });

  await node.cli('certificate', 'remove', SHOP);
  await isServedBy(node, SHOP, /^(?!.*CN=Test)/s);
  assert.match(
    (await node.cli('certificate', 'remove', SHOP)).stderr,
    /There is no certificate for/,
  );
});

test('certificates ordered by ACME for the hosts of apps', async (t) => {
  await using node = await TestNode.start(t);
  const { http: httpPort, https: tlsPort } = node.ports;
  await using pebble = await Pebble.start(t, { httpPort, tlsPort });
  await node.json('deploy', 'examples/site', '--name', 'shop', '--domain', SHOP);
  const acme = (...more: readonly string[]): Promise<unknown> =>
    node.json(
      'certificate',
      'acme',
      '--email',
      'me@mail.example.com',
      '--terms-agreed',
      '--directory',
      pebble.directory,
      '--directory-ca',
      pebble.caFile,
      ...more,
    );

  await step(t, 'by HTTP-01, and another host when it comes', async () => {
    await acme();
    await isServedBy(node, SHOP, /Pebble/);
    await node.cli('app', 'shop', 'domains', SHOP, 'www.mail.example.com');
    await isServedBy(node, 'www.mail.example.com', /Pebble/);
    const { certificates, warnings } = await node.json<CertificateList>('certificate', 'list');
    assert.deepEqual(
      certificates.map(({ state, source }) => `${state} ${source}`),
      ['good acme', 'good acme'],
    );
    assert.deepEqual(warnings, []);
  });

  await step(t, 'anew when somebody wants it, by TLS-ALPN-01', async () => {
    await acme('--challenge', 'tls-alpn-01');
    const before = await served(node, SHOP);
    assert.equal((await node.cli('certificate', 'order', SHOP)).code, 0);
    await until('another one', async () => {
      const now = await served(node, SHOP);
      return now.serialNumber !== before.serialNumber;
    });
    assert.match(
      (await node.cli('certificate', 'order', 'x.localhost')).stderr,
      /local network only/,
    );
    assert.match(
      (await node.cli('certificate', 'order', 'not.mail.example.com')).stderr,
      /No app or route has the host/,
    );
  });

  await step(t, 'an authority that is away is said, and what is held serves on', async () => {
    await pebble.stop();
    await node.cli('certificate', 'order', SHOP);
    const failing = await until('the failure', async () => {
      const row = await node.json<CertificateRow>('certificate', 'show', SHOP);
      return row.state === 'failing' ? row : undefined;
    });
    assert.match(
      failing.text,
      /failed once, is tried again at .*: The certificate authority at https:\/\/127\.0\.0\.1:\d+\/dir cannot be reached: connect ECONNREFUSED/,
    );
    await isServedBy(node, SHOP, /Pebble/);
    const told = (await node.cli('events')).stdout;
    assert.match(told, /shop\.mail\.example\.com has a new certificate/);
    assert.match(told, /could not be had: .* cannot be reached/);
    await node.cli('certificate', 'acme', '--off');
    const { warnings } = await node.json<CertificateList>('certificate', 'list');
    assert.deepEqual(warnings, []);
  });

  await step(t, 'no key is in a log or in the clear in the registry', async () => {
    assert.doesNotMatch(node.logTail(), /PRIVATE KEY/);
  });
});
