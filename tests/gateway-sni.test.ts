/** Several certificates on one listener, and what is told about them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { connect } from 'node:tls';
import { certificateTroubles } from '../src/gateway/certificates.ts';
import { Gateway } from './gateway-kit.ts';
import { httpsListener, issue } from './gateway-h2-kit.ts';

const DAY_MS = 86_400_000;

async function namesSeen(gateway: Gateway, servername: string): Promise<string | undefined> {
  const socket = connect({
    port: gateway.port,
    host: '127.0.0.1',
    servername,
    rejectUnauthorized: false,
  });
  gateway.onDispose(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket.getPeerCertificate().subjectaltname;
}

test('the exact name first, then the wildcard, then the first one', async () => {
  const certificates = [await issue(['*.example']), await issue(['b.example', 'c.example'])];
  const listeners = [httpsListener(await issue(['a.other']), { certificates })];
  await using gateway = await Gateway.start([], { listeners });
  assert.equal(await namesSeen(gateway, 'b.example'), 'DNS:b.example, DNS:c.example');
  assert.equal(await namesSeen(gateway, 'C.Example'), 'DNS:b.example, DNS:c.example');
  assert.equal(await namesSeen(gateway, 'x.example'), 'DNS:*.example');
  assert.equal(await namesSeen(gateway, 'y.x.example'), 'DNS:a.other');
  const { port } = gateway;
  gateway.listeners = [
    httpsListener(await issue(['a.other']), { certificates: [await issue(['x.example'])] }),
  ];
  await gateway.route();
  assert.equal(gateway.port, port);
  assert.equal(await namesSeen(gateway, 'x.example'), 'DNS:x.example');
});

describe('troubles are told by name', () => {
  const troubles = async (
    names: readonly string[],
    hosts: readonly string[],
    [fromDays, toDays]: readonly [number, number] = [-1, 89],
  ): Promise<string> => {
    const now = Date.now();
    const tls = await issue(names, {
      notBefore: now + fromDays * DAY_MS,
      notAfter: now + toDays * DAY_MS,
    });
    return certificateTroubles(
      { listeners: [httpsListener(tls)], routes: [{ hosts }] },
      now,
    ).join();
  };

  test('of time', async () => {
    assert.equal(await troubles(['a.b'], ['a.b']), '');
    assert.match(
      await troubles(['a.b'], ['a.b'], [-90, -1]),
      /^The certificate for a\.b of listener "http" has expired on /,
    );
    assert.match(await troubles(['a.b'], ['a.b'], [-70, 20]), /expires on /);
    assert.equal(await troubles(['a.b'], ['a.b'], [-3, 4]), '');
    assert.match(await troubles(['a.b'], ['a.b'], [1, 90]), /is not valid before /);
  });

  test('of hosts', async () => {
    assert.match(
      await troubles(['a.b'], ['b.b']),
      /^The certificate for a\.b of listener "http" fits no host of the routes$/,
    );
    assert.match(await troubles(['*.b'], ['x.a.b', 'b']), /fits no host/);
    for (const host of ['*', 'x.b', '*.b']) assert.equal(await troubles(['*.b'], [host]), '');
    assert.equal(await troubles(['x.b'], ['*.b']), '');
  });
});
