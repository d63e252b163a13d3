import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAuthority } from '../cluster/x509.ts';
import { checkRoute } from './check-record.ts';
import { inlineFiles } from './inline-files.ts';

test('the authorities of upstreams go with a route, and no key that is beside them', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-inline-'));
  t.after(() => rm(folder, { recursive: true }));
  const validity = { notBefore: Date.now() - 1000, notAfter: Date.now() + 86_400_000 };
  const { certificatePem, keyPem } = await createAuthority({ commonName: 'A', validity });
  await writeFile(join(folder, 'ca.pem'), `${keyPem}\n${certificatePem}\n${certificatePem}`);
  await writeFile(join(folder, 'key.pem'), keyPem);
  const url = 'https://10.0.0.1:8443';
  const written = inlineFiles(
    { host: 'a.example', upstreams: ['http://b', { url, tls: { ca: 'ca.pem', name: 'a' } }] },
    folder,
  );
  assert.doesNotMatch(JSON.stringify(written), /PRIVATE KEY/);
  const { config } = checkRoute('x', written);
  assert.ok(config.target.kind === 'upstreams');
  const [, { address } = { address: undefined }] = config.target.upstreams;
  assert.ok(address?.kind === 'tcp');
  assert.equal(address.tls?.ca?.match(/BEGIN CERTIFICATE/g)?.length, 2);
  // What is inline already stays as it is.
  assert.deepEqual(inlineFiles(written, '/nowhere'), written);
  const wrong = { upstreams: { url, tls: { ca: 'key.pem' } } };
  assert.throws(() => inlineFiles(wrong, folder), /"upstreams.tls.ca" is "key.pem", which has no/);
});
