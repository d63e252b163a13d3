/** What certificate authorities ask of a gateway, and session tickets that several gateways share. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { GatewayConfig, ListenerConfig, RouteConfig } from '../src/gateway/config.ts';
import { httpsListener, issue } from './gateway-h2-kit.ts';
import { Gateway, until } from './gateway-kit.ts';

const HTTP: ListenerConfig = { id: 'http', address: '127.0.0.1', port: 0, protocol: 'http' };
const HELLO: RouteConfig = {
  id: 'hello',
  hosts: ['a.example'],
  path: '/',
  target: { kind: 'respond', status: 403, message: 'no' },
};

function dial(gateway: Gateway, options: ConnectionOptions): TLSSocket {
  const socket = connect({
    port: gateway.port,
    host: '127.0.0.1',
    servername: 'a.example',
    rejectUnauthorized: false,
    ...options,
  });
  gateway.onDispose(() => socket.destroy());
  return socket;
}

test('a token is answered on every host and before everything else', async () => {
  await using gateway = await Gateway.start([HELLO], {
    listeners: [{ ...HTTP, redirectHttpsPort: 443 }],
  });
  gateway.challenges = { http: [{ token: 'tok-1', answer: 'tok-1.print' }], tls: [] };
  await gateway.route(HELLO);
  const ask = (method: string, path: string, host: string): Promise<string> =>
    gateway.exchange(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const path = '/.well-known/acme-challenge/tok-1';
  for (const host of ['a.example', 'unknown.example']) {
    assert.match(await ask('GET', path, host), /^HTTP\/1\.1 200 [^]*\r\n\r\ntok-1\.print$/);
  }
  assert.match(await ask('HEAD', path, 'a.example'), /\r\nContent-Length: 11\r\n[^]*\r\n\r\n$/);
  const others = await ask('GET', '/.well-known/acme-challenge/tok-2', 'a.example');
  assert.match(others, /^HTTP\/1\.1 403 /, 'an app may have questions of its own');
  gateway.challenges = undefined;
  await gateway.route(HELLO);
  assert.match(await ask('GET', path, 'a.example'), /^HTTP\/1\.1 403 /);
});

test('an authority that asks over TLS gets its answer, and nobody else', async () => {
  const asked = await issue(['a.example']);
  await using gateway = await Gateway.start([HELLO], {
    listeners: [httpsListener(await issue(['usual.example']))],
  });
  gateway.challenges = { http: [], tls: [{ host: 'a.example', ...asked }] };
  await gateway.route(HELLO);
  const nameOf = async (socket: TLSSocket): Promise<string | undefined> => {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().subjectaltname;
  };
  const authority = dial(gateway, { ALPNProtocols: ['acme-tls/1'] });
  assert.equal(await nameOf(authority), 'DNS:a.example');
  assert.equal(authority.alpnProtocol, 'acme-tls/1');
  for (const ALPNProtocols of [['http/1.1'], ['h2', 'acme-tls/1'], undefined]) {
    const client = dial(gateway, ALPNProtocols === undefined ? {} : { ALPNProtocols });
    assert.equal(await nameOf(client), 'DNS:usual.example');
    client.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
    if (client.alpnProtocol !== 'h2') {
      const [answer] = (await once(client, 'data')) as [Buffer];
      assert.match(answer.toString(), /^HTTP\/1\.1 403 /);
    }
  }
  const stranger = dial(gateway, { ALPNProtocols: ['acme-tls/1'], servername: 'b.example' });
  const [error] = (await once(stranger, 'error')) as [Error];
  assert.match(error.message, /alert|ECONNRESET|disconnected/);
});

test('who says nothing while an authority is awaited is not served, and disturbs nobody', async () => {
  await using gateway = await Gateway.start([HELLO], {
    listeners: [httpsListener(await issue(['a.example']))],
  });
  gateway.challenges = { http: [], tls: [{ host: 'a.example', ...(await issue(['a.example'])) }] };
  await gateway.route(HELLO);
  const half = gateway.connect();
  half.send('\x16\x03\x01');
  half.socket.end();
  await half.closed();
  const noise = gateway.connect();
  noise.send('GET / HTTP/1.1\r\n\r\n');
  await noise.closed();
  await once(dial(gateway, {}), 'secureConnect');
});

/** Whether a session of `from` is resumed at `to`. */
async function resumed(
  from: Gateway,
  to: Gateway,
  version: 'TLSv1.2' | 'TLSv1.3',
): Promise<boolean> {
  const first = dial(from, { maxVersion: version });
  let session: Buffer | undefined;
  first.on('session', (said: Buffer) => (session = said));
  first.write('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
  first.on('data', () => undefined);
  await until('a ticket', () => session !== undefined);
  const second = dial(to, { maxVersion: version, session });
  await once(second, 'secureConnect');
  return second.isSessionReused();
}

test('gateways with the same ticket keys resume sessions of each other, also with keys of before', async () => {
  const [old, now, other] = [1, 2, 3].map(() => randomBytes(48).toString('base64'));
  assert.ok(old !== undefined && now !== undefined && other !== undefined);
  const start = async (ticketKeys: GatewayConfig['ticketKeys']): Promise<Gateway> => {
    const gateway = await Gateway.start([HELLO], {
      // Each with a certificate and key of its own, as the nodes of a cluster have.
      listeners: [httpsListener(await issue(['a.example']))],
    });
    gateway.ticketKeys = ticketKeys;
    await gateway.route(HELLO);
    return gateway;
  };
  await using before = await start([old]);
  await using after = await start([now, old]);
  await using twin = await start([now]);
  await using stranger = await start([other]);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    assert.equal(await resumed(before, after, version), true, `${version}: the former key`);
    assert.equal(await resumed(after, twin, version), true, `${version}: the newest makes tickets`);
    assert.equal(await resumed(before, twin, version), false);
    assert.equal(await resumed(after, stranger, version), false);
  }
});
