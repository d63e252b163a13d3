import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AddressInfo } from 'node:net';
import { isMolnError } from '../base/errors.ts';
import { isPinned, parsePin } from './pin.ts';
import { remoteTarget, Transport } from './transport.ts';

let folder = '';
const file = (name: string): string => join(folder, name);
const pem = (name: string): string => readFileSync(file(`${name}.pem`), 'utf8');
const pinOf = (name: string): string =>
  parsePin(new X509Certificate(pem(name)).fingerprint256.toLowerCase());

/** A CA that we pin, a leaf of it, and another CA with a leaf that only claims to be ours. */
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'moln-pin-'));
  const openssl = (...words: string[]): void => {
    execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const name of ['ca', 'other']) {
    openssl(
      'req',
      '-x509',
      ...key,
      '-subj',
      '/CN=Moln CA',
      '-days',
      '2',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    );
  }
  for (const [name, ca] of [
    ['leaf', 'ca'],
    ['fake', 'other'],
  ] as const) {
    openssl(
      'req',
      '-x509',
      ...key,
      '-subj',
      '/CN=node',
      '-days',
      '2',
      '-CA',
      `${ca}.pem`,
      '-CAkey',
      `${ca}.key`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-addext',
      'basicConstraints=critical,CA:false',
    );
  }
});
after(() => rmSync(folder, { recursive: true }));

test('a pin is read in the forms that people copy', () => {
  const hex = 'ab'.repeat(32);
  assert.equal(parsePin(hex.toUpperCase()), hex);
  assert.equal(parsePin(`sha256:${hex}`), hex);
  assert.equal(parsePin(hex.match(/../g)?.join(':') ?? ''), hex);
  assert.throws(() => parsePin(hex.slice(1)), /not a SHA-256 fingerprint/);
});

test('a certificate is pinned by its own fingerprint, and not after its time', () => {
  const leaf = new X509Certificate(pem('leaf'));
  const nowMs = leaf.validFromDate.getTime() + 1000;
  assert.equal(isPinned(leaf, pinOf('leaf'), nowMs), true);
  assert.equal(isPinned(leaf, pinOf('other'), nowMs), false);
  assert.equal(isPinned(leaf, pinOf('leaf'), leaf.validToDate.getTime() + 1), false);
});

/** Asks a TLS server with that leaf and chain; the error's code, or `ok`. */
async function askServer(leaf: string, chain: string, pin: string | undefined): Promise<string> {
  const server = createServer({
    key: readFileSync(file(`${leaf}.key`)),
    cert: pem(leaf) + pem(chain),
  });
  const sockets = new Set<TLSSocket>();
  let requests = 0;
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      requests++;
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}');
    });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    const { port } = server.address() as AddressInfo;
    const target = remoteTarget(`https://127.0.0.1:${port}`, 'secret', pin);
    const nowMs = new X509Certificate(pem('leaf')).validFromDate.getTime() + 1000;
    await new Transport(target, () => nowMs, new AbortController().signal).json({
      method: 'GET',
      path: '/',
    });
    return 'ok';
  } catch (error) {
    assert.equal(requests, 0, 'nothing may be sent to a peer that is not trusted');
    return isMolnError(error) ? error.code : String(error);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  }
}

test('a leaf that the pinned CA signed is trusted; one that merely shows the CA is not', async () => {
  assert.equal(await askServer('leaf', 'ca', pinOf('ca')), 'ok');
  assert.equal(await askServer('leaf', 'ca', pinOf('leaf')), 'ok');
  assert.equal(await askServer('fake', 'ca', pinOf('ca')), 'CLI_PIN_MISMATCH');
  assert.equal(await askServer('leaf', 'ca', pinOf('other')), 'CLI_PIN_MISMATCH');
  assert.equal(await askServer('leaf', 'ca', undefined), 'CLI_UNTRUSTED');
});
