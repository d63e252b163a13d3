/** Going from one authority to the next, by real TLS: whoever trusts both, or has pinned either, is let in and comes in. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { systemCode } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { isEndorsed } from './authority-files.ts';
import { fingerprintOf, isIssuedBy } from './certificate.ts';
import { fetchAuthority } from './fetch-authority.ts';
import { type Identity, openIdentity, type Successor } from './identity.ts';
import { JOIN_PROTOCOL } from './join-wire.ts';

interface Ground {
  readonly folder: string;
  readonly identity: Identity;
  readonly former: string;
  readonly successor: Successor;
  /** What is done at each node, one after the other. */
  readonly trust: () => Promise<void>;
  readonly renew: () => Promise<void>;
  readonly drop: () => Promise<void>;
  readonly open: () => Promise<Identity>;
}

async function prepare(context: TestContext): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-authorities-'));
  context.after(() => rm(folder, { recursive: true }));
  const open = (): Promise<Identity> =>
    openIdentity({ dataFolder: folder, clock: systemClock, log: silentLogger, nodeName: 'one' });
  const identity = await open();
  const former = identity.authorityPem;
  const successor = await identity.createSuccessor();
  const { authorityPem, keyPem, endorsementPem } = successor;
  const endorsement = { certificatePem: endorsementPem, formerPem: former };
  return {
    folder,
    identity,
    former,
    successor,
    open,
    trust: () => identity.setAuthorities([former, authorityPem], { endorsement, keysPem: keyPem }),
    renew: async () => {
      await identity.setAuthorities([authorityPem, former]);
      await identity.renewIfDue();
    },
    drop: () => identity.setAuthorities([authorityPem]),
  };
}

/** What comes in answer to one byte; a server that asks for certificates and trusts as `identity` does. */
async function greet(
  identity: Identity,
  client: { readonly ca: string; readonly key?: string; readonly cert?: string },
  check: (port: number) => Promise<void> = () => Promise.resolve(),
): Promise<string> {
  const server = createServer(
    {
      key: identity.certificate.keyPem,
      cert: identity.chainPem,
      ca: identity.trustedPem,
      requestCert: true,
      rejectUnauthorized: client.cert !== undefined,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [JOIN_PROTOCOL],
    },
    (socket: TLSSocket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => socket.end('hello'));
    },
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    await check(port);
    const socket = connect({ port, host: '127.0.0.1', ALPNProtocols: [JOIN_PROTOCOL], ...client });
    socket.write('x');
    const { promise, resolve } = Promise.withResolvers<string>();
    socket.once('data', (data: Buffer) => resolve(data.toString()));
    socket.once('error', (error) => resolve(systemCode(error) ?? String(error)));
    socket.once('close', () => resolve('closed'));
    return await promise.finally(() => socket.destroy());
  } catch (error) {
    return systemCode(error) ?? String(error);
  } finally {
    server.close();
  }
}

const credentials = (identity: Identity): { readonly key: string; readonly cert: string } => ({
  key: identity.certificate.keyPem,
  cert: identity.certificate.certificatePem,
});

test('the successor is vouched for by the one before, and by no other', async (context) => {
  const { former, successor } = await prepare(context);
  const other = await prepare(context);
  const { authorityPem, endorsementPem: certificatePem } = successor;
  assert.equal(isEndorsed(authorityPem, { certificatePem, formerPem: former }), true);
  assert.equal(isEndorsed(authorityPem, { certificatePem, formerPem: other.former }), false);
  const foreign = other.successor.endorsementPem;
  assert.equal(isEndorsed(authorityPem, { certificatePem: foreign, formerPem: former }), false);
});

test('at every step the old and the new certificate are good on both sides', async (context) => {
  const { identity, former, successor, trust, renew, drop } = await prepare(context);
  const both = former + successor.authorityPem;
  const before = credentials(identity);
  await trust();
  assert.equal(await greet(identity, { ca: both, ...before }), 'hello');
  assert.equal(await greet(identity, { ca: former, ...before }), 'hello');
  await renew();
  assert.ok(isIssuedBy(identity.certificate.certificatePem, successor.authorityPem));
  const after = credentials(identity);
  for (const client of [before, after]) {
    assert.equal(await greet(identity, { ca: both, ...client }), 'hello');
  }
  await drop();
  assert.equal(await greet(identity, { ca: successor.authorityPem, ...after }), 'hello');
  assert.notEqual(await greet(identity, { ca: both, ...before }), 'hello', 'the old one is out');
});

test('who has pinned either one trusts the node that was renewed', async (context) => {
  const { identity, former, successor, trust, renew, drop } = await prepare(context);
  const stranger = await prepare(context);
  const [old, next] = [fingerprintOf(former), fingerprintOf(successor.authorityPem)];
  const fetched = async (pin: string): Promise<string> => {
    let pem = '';
    await greet(identity, { ca: former }, async (port) => {
      const where = { host: '127.0.0.1', port };
      pem = await fetchAuthority(where, { pin: pin.slice(0, 32), clock: systemClock });
    });
    return pem;
  };
  await trust();
  assert.equal(identity.authorities.pin, old);
  assert.equal(await fetched(old), former);
  for (const step of [renew, drop]) {
    await step();
    assert.equal(await fetched(old), former);
    assert.equal(await fetched(next), successor.authorityPem);
    assert.equal(await fetched(fingerprintOf(stranger.former)), '');
    for (const ca of [former, successor.authorityPem]) {
      assert.equal(await greet(identity, { ca }), 'hello');
    }
    assert.notEqual(await greet(identity, { ca: stranger.former }), 'hello');
  }
  assert.equal(identity.authorities.pin, next);
});

test('a start between any two steps finds what was reached', async (context) => {
  const { folder, former, successor, trust, renew, drop, open, identity } = await prepare(context);
  const [old, next] = [fingerprintOf(former), fingerprintOf(successor.authorityPem)];
  const mark = async (): Promise<unknown> =>
    (JSON.parse(await readFile(join(folder, 'node.json'), 'utf8')) as { keys: unknown }).keys;
  await trust();
  assert.deepEqual((await open()).authorities.trusted, [old, next]);
  assert.ok((await open()).authorities.holdsKeyOf(next));
  await renew();
  const renewed = await open();
  assert.deepEqual(renewed.authorities.trusted, [next, old]);
  assert.equal(renewed.certificate.sha256, identity.certificate.sha256);
  assert.equal(renewed.authorities.pin, old);
  await drop();
  const dropped = await open();
  assert.deepEqual(dropped.authorities.trusted, [next]);
  assert.equal(dropped.chainPem, identity.chainPem, 'the word of the former one is kept');
  assert.deepEqual(await mark(), { authoritySha256: next, sealKeyId: dropped.sealer.keyId });
  const keys = await readFile(join(folder, 'keys', 'ca.pem'), 'utf8');
  assert.equal(keys.match(/PRIVATE KEY/g)?.length, 2, 'the former key is gone');
});

test('a certificate that was not renewed before its start is issued by the one that signs', async (context) => {
  const { identity, former, successor, trust, open } = await prepare(context);
  await trust();
  await identity.setAuthorities([successor.authorityPem, former]);
  const opened = await open();
  assert.ok(isIssuedBy(opened.certificate.certificatePem, successor.authorityPem));
});

test('a node that signs does not go over to an authority whose key it has not got', async (context) => {
  const { identity, former, successor } = await prepare(context);
  await identity.setAuthorities([former, successor.authorityPem]);
  await assert.rejects(identity.setAuthorities([successor.authorityPem, former]), /key/);
  await assert.rejects(identity.setAuthorities([]), /one authority/);
  await identity.takeAuthorityKey(successor.keyPem, fingerprintOf(successor.authorityPem));
  await identity.setAuthorities([successor.authorityPem, former]);
});

test('one that leads nowhere is not trusted', async (context) => {
  const { identity } = await prepare(context);
  const other = await prepare(context);
  const { authorityPem, keyPem: keysPem } = other.successor;
  await assert.rejects(identity.setAuthorities([authorityPem], { keysPem }), /trusted/);
});
