/** The data plane over TLS. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { createAuthority, issueCertificate, type KeyPair } from '../src/cluster/x509.ts';
import { Client, Gateway, RawOrigin, socketUpstream, until } from './gateway-kit.ts';

const DAY_MS = 86_400_000;

async function issue(authority: KeyPair, name: string): Promise<KeyPair> {
  const validity = { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + DAY_MS };
  return issueCertificate({
    authority,
    commonName: name,
    validity,
    dnsNames: [name],
    addresses: [],
    uris: [],
    asClient: false,
  });
}

function listener(pair: KeyPair): Gateway['listeners'][number] {
  const tls = { cert: pair.certificatePem, key: pair.keyPem };
  return { id: 'http', address: '127.0.0.1', port: 0, protocol: 'https', tls };
}

async function dial(gateway: Gateway, authority: KeyPair): Promise<Client> {
  const socket: TLSSocket = connect({
    port: gateway.port,
    host: '127.0.0.1',
    servername: 'a.example',
    ca: authority.certificatePem,
  });
  const client = new Client(socket);
  gateway.onDispose(() => socket.destroy());
  await until('the handshake', () => socket.authorized || client.error !== undefined);
  assert.equal(client.error, undefined);
  return client;
}

test('files and upstreams over TLS, and a new certificate without a new port', async () => {
  const validity = { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + DAY_MS };
  const authority = await createAuthority({ commonName: 'Test', validity });
  const pair = await issue(authority, 'a.example');
  await using gateway = await Gateway.start([], { listeners: [listener(pair)] });
  const large = 'moln'.repeat(100_000);
  const root = join(gateway.folder, 'site');
  await mkdir(root);
  await writeFile(join(root, 'large.txt'), large);
  await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket, seen }) => {
    if (/\r\n\r\n(?:body)?$/.test(seen)) {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${seen.length}\r\n\r\n${seen}`);
    }
  });
  const upstreams = [socketUpstream(origin.path)];
  const routes = [
    { id: 'app', hosts: ['*'], path: '/', target: { kind: 'upstreams', upstreams } },
    { id: 'site', hosts: ['*'], path: '/static', target: { kind: 'static', root } },
  ] as const;
  await gateway.route(...routes);
  const client = await dial(gateway, authority);
  client.send('GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await client.see(/X-Forwarded-Proto: https\r\n[^]*proto=https\r\n\r\n$/);
  client.clear();
  client.send('GET /static/large.txt HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await client.see(/\r\n\r\n(?:moln){100000}$/);
  const { port } = gateway;
  gateway.listeners = [listener(await issue(authority, 'b.example'))];
  await gateway.route(...routes);
  assert.equal(gateway.port, port);
  client.clear();
  client.send('GET /y HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await client.see(/proto=https\r\n\r\n$/);
  const other = connect({
    port,
    host: '127.0.0.1',
    servername: 'b.example',
    ca: authority.certificatePem,
  });
  gateway.onDispose(() => other.destroy());
  await until('a handshake with the new certificate', () => other.authorized);
});

test('plain bytes on a TLS port break only their own connection', async () => {
  const validity = { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + DAY_MS };
  const authority = await createAuthority({ commonName: 'Test', validity });
  const pair = await issue(authority, 'a.example');
  await using gateway = await Gateway.start([], { listeners: [listener(pair)] });
  const plain = gateway.connect();
  plain.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await plain.closed();
  const client = await dial(gateway, authority);
  client.send('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await client.see(/^HTTP\/1\.1 404 /);
});

test('handshakes that never end count as connections', async () => {
  const validity = { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + DAY_MS };
  const authority = await createAuthority({ commonName: 'Test', validity });
  const pair = await issue(authority, 'a.example');
  await using gateway = await Gateway.start([], {
    listeners: [listener(pair)],
    limits: { connectionsMax: 2 },
  });
  const silent = [gateway.connect(), gateway.connect()];
  await until('two connections', () => silent.every(({ socket }) => !socket.connecting));
  await gateway.connect().closed();
  assert.equal(gateway.plane.stats().connectionsRefused, 1);
  for (const { socket } of silent) socket.resetAndDestroy();
  const answered = async (): Promise<boolean> => {
    const client = await dial(gateway, authority).catch(() => undefined);
    client?.send('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
    await client?.closed();
    return client?.text.startsWith('HTTP/1.1 404 ') ?? false;
  };
  await until('room again', answered);
  gateway.limits = { ...gateway.limits, connectionsMax: 1 };
  await gateway.route();
  let only: Client | undefined;
  await until('the only connection', async () => {
    only = await dial(gateway, authority).catch(() => undefined);
    return only !== undefined;
  });
  await gateway.connect().closed();
  assert.equal(only?.ended, false);
});
