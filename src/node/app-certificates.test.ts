import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { openIdentity } from '../cluster/cluster.ts';
import type { Tls } from './app-certificate.ts';
import { AppCertificates } from './app-certificates.ts';

function servesWith(all: readonly Tls[], host: string): string | undefined {
  return all.find(({ cert }) => new X509Certificate(cert).checkHost(host) !== undefined)?.cert;
}

test('as many certificates as the hosts need, and a new host changes one of them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-certificates-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const clock = systemClock;
  const options = { dataFolder: folder, nodeName: 'one', clock, log: silentLogger };
  const identity = await openIdentity(options);
  let issued = 0;
  const { node, certificate, authorityPem, authorities } = identity;
  using certificates = new AppCertificates({
    path: join(folder, 'apps-certificate.json'),
    identity: {
      node,
      certificate,
      authorityPem,
      authorities,
      issueServerCertificate: (names) => {
        issued++;
        return identity.issueServerCertificate(names);
      },
    },
    clock,
    log: silentLogger,
    onIssued: () => {},
  });
  await certificates.open();
  assert.equal((await certificates.of([])).length, 1, 'one for everybody else');
  const hosts = Array.from({ length: 250 }, (_, at) => `h${at}.localhost`);
  const first = await certificates.of([...hosts, '*']);
  assert.equal(first.length, 3);
  for (const host of hosts) assert.ok(servesWith(first, host), host);
  const before = issued;
  const second = await certificates.of([...hosts.slice(1), 'new.localhost']);
  assert.equal(issued, before + 1);
  assert.ok(servesWith(second, 'new.localhost'));
  assert.equal(servesWith(second, 'h0.localhost'), undefined);
  assert.equal(servesWith(second, 'h249.localhost'), servesWith(first, 'h249.localhost'));
  assert.equal((await certificates.of(['h249.localhost'])).length, 2, 'empty ones are not served');
  const kept = readdirSync(folder).filter((name) => name.startsWith('apps-certificate'));
  assert.equal(kept.length, 3);
});
