import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { type Certificate, type Identity, openIdentity } from '../cluster/cluster.ts';
import { AppCertificate, type AppCertificateOptions, type Tls } from './app-certificate.ts';

/** A real identity whose issuing the test can hold up or refuse, and count. */
class Issuer {
  readonly identity: Identity;
  readonly folder: string;
  issued = 0;
  hold: Promise<void> | undefined;
  refuses = false;

  constructor(identity: Identity, folder: string) {
    this.identity = identity;
    this.folder = folder;
  }

  certificate(more: Partial<AppCertificateOptions> = {}): AppCertificate {
    const { node, certificate, authorityPem, authorities } = this.identity;
    return new AppCertificate({
      path: join(this.folder, 'apps-certificate.json'),
      identity: {
        node,
        certificate,
        authorityPem,
        authorities,
        issueServerCertificate: (names) => this.#issue(names),
      },
      clock: systemClock,
      log: silentLogger,
      onIssued: () => {},
      ...more,
    });
  }

  async #issue(names: readonly string[]): Promise<Certificate> {
    this.issued++;
    if (this.refuses) throw new Error('No manager answers');
    await this.hold;
    return this.identity.issueServerCertificate(names);
  }
}

async function issuer(t: TestContext): Promise<Issuer> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-certificate-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const options = { dataFolder: folder, nodeName: 'one', clock: systemClock, log: silentLogger };
  return new Issuer(await openIdentity(options), folder);
}

function hasName({ cert }: Tls, name: string): boolean {
  return new X509Certificate(cert).checkHost(name) !== undefined;
}

test('one certificate for all hosts, issued when they change and kept for the next start', async (t) => {
  const from = await issuer(t);
  using certificate = from.certificate();
  const tls = await certificate.of(['shop.localhost', '*']);
  for (const name of ['shop.localhost', 'localhost', 'one']) assert.ok(hasName(tls, name), name);
  assert.equal(await certificate.of(['shop.localhost']), tls);
  assert.equal(from.issued, 1);
  assert.ok(hasName(await certificate.of(['shop.localhost', 'b.test']), 'b.test'));
  assert.equal(from.issued, 2);
  const file = join(from.folder, 'apps-certificate.json');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  using next = from.certificate();
  await next.open();
  assert.ok(hasName(await next.of(['shop.localhost', 'b.test']), 'b.test'));
  assert.equal(from.issued, 2, 'the kept one was good');
  writeFileSync(file, '{');
  using damaged = from.certificate();
  await damaged.open();
  await damaged.of([]);
  assert.equal(from.issued, 3);
});

test('routes go on with what there is while a manager does not answer', async (t) => {
  const from = await issuer(t);
  const clock = new ManualClock();
  let told = 0;
  using certificate = from.certificate({ clock, onIssued: () => void told++ });
  const gate = Promise.withResolvers<void>();
  from.hold = gate.promise;
  const asked = certificate.of(['shop.localhost']);
  const first = await until('patience is over', async () => {
    clock.advance(1000);
    return Promise.race([asked, new Promise<undefined>((next) => setImmediate(next, undefined))]);
  });
  assert.equal(first.cert, from.identity.certificate.certificatePem + from.identity.authorityPem);
  assert.deepEqual(await certificate.of(['shop.localhost']), first);
  assert.deepEqual(await certificate.of(['other.test']), first);
  assert.equal(from.issued, 1, 'one question at a time');
  gate.resolve();
  await until('it says that there is a better one', () => told === 1);
  assert.ok(hasName(await certificate.of(['shop.localhost']), 'shop.localhost'));
  assert.equal(from.issued, 1);
});

test('a refusal is repeated after a while, not at every apply', async (t) => {
  const from = await issuer(t);
  const clock = new ManualClock();
  let told = 0;
  using certificate = from.certificate({ clock, onIssued: () => void told++ });
  from.refuses = true;
  await certificate.of(['shop.localhost']);
  await certificate.of(['shop.localhost']);
  assert.equal(from.issued, 1);
  from.refuses = false;
  clock.advance(10_000);
  assert.equal(told, 1);
  assert.ok(hasName(await certificate.of(['shop.localhost']), 'shop.localhost'));
});
