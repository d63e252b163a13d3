/** The port for gateways of other nodes: who comes in, who does not, and what nobody may hold open. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { ManualClock } from '../testing/manual-clock.ts';
import { NODE_DOOR } from '../src/gateway/limits.ts';
import { Client, proxyRoute, RawOrigin, socketUpstream, startApp, until } from './gateway-kit.ts';
import { answer, Authority, TwoNodes } from './gateway-node-kit.ts';

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** An instance `app` of node two that answers, upgrades when asked, and counts. */
async function startOrigin(nodes: TwoNodes): Promise<RawOrigin> {
  const origin = await RawOrigin.start(`${nodes.two.folder}/o.sock`, ({ socket, seen }) => {
    if (!seen.endsWith('\r\n\r\n')) return;
    socket.write(seen.includes('Upgrade: raw') ? `${SWITCHED}hello` : OK);
  });
  await nodes.lead(socketUpstream(origin.path, 'app'));
  return origin;
}

test('nobody comes in without a certificate of a node of this cluster, the protocol and TLS 1.3', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await startOrigin(nodes);
  const foreign = await Authority.create();
  const { authority } = nodes;
  const as = async (from: Authority, uris?: readonly string[]): Promise<ConnectionOptions> => {
    const pair = await from.node('one', uris);
    return { cert: pair.certificatePem, key: pair.keyPem };
  };
  const own = `spiffe://${authority.clusterId}/node/one`;
  const strangers: Readonly<Record<string, ConnectionOptions>> = {
    'no certificate': { cert: undefined, key: undefined },
    'of a foreign authority': await as(foreign),
    'of a foreign authority that claims this cluster': await as(foreign, [own]),
    'of a server, no node': await as(authority, []),
    'of a node of another cluster': await as(authority, ['spiffe://other/node/one']),
    'of two nodes': await as(authority, [own, `${own}more`]),
    'another protocol': { ALPNProtocols: ['http/1.1'] },
    'no protocol': { ALPNProtocols: [] },
    'TLS 1.2': { maxVersion: 'TLSv1.2' },
  };
  for (const [what, options] of Object.entries(strangers)) {
    const { socket, client } = nodes.knock(options);
    socket.once('secureConnect', () => client.send('app\n'));
    await client.closed();
    assert.equal(client.text, '', what);
    assert.equal(origin.connections.length, 0, what);
  }
  const plain = new Client(connect(nodes.two.node?.port ?? 0, '127.0.0.1'));
  plain.send('app\nGET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await plain.closed();
  assert.equal(origin.connections.length, 0);
  const { client } = nodes.knock();
  client.send('app\n');
  await client.see(/^\+$/);
  assert.equal((await answer(nodes.one)).text, 'ok');
});

test('another node than the one that was meant gets no request', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await startOrigin(nodes);
  const three = await nodes.authority.node('three');
  await nodes.change({ cert: three.certificatePem, key: three.keyPem });
  assert.equal((await answer(nodes.one)).status, 503);
  const foreign = await Authority.create();
  const other = await foreign.node('two', [`spiffe://${nodes.authority.clusterId}/node/two`]);
  await nodes.change({ cert: other.certificatePem, key: other.keyPem });
  assert.equal((await answer(nodes.one)).status, 503);
  assert.equal(origin.connections.length, 0);
});

test('a node that is met again need not be the one of before', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await startOrigin(nodes);
  const upgraded = nodes.one.connect();
  upgraded.send(UPGRADE);
  await upgraded.see(/hello$/);
  // The session of node two is known by now; node three's gateway has taken its place.
  const three = await nodes.authority.node('three');
  await nodes.change({ cert: three.certificatePem, key: three.keyPem });
  assert.equal((await answer(nodes.one)).status, 503);
  assert.equal(origin.connections.length, 1);
});

test('a server at the address that does not speak the protocol gets no request', async () => {
  await using nodes = await TwoNodes.start();
  const { createServer } = await import('node:tls');
  const { cert, key } = nodes.two.node ?? {};
  let seen = '';
  const server = createServer({ cert, key, minVersion: 'TLSv1.3' }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      socket.write('+');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  nodes.two.onDispose(() => server.close());
  const { port } = server.address() as { readonly port: number };
  const address = { kind: 'node', node: 'two', host: '127.0.0.1', port } as const;
  await nodes.one.route(proxyRoute([{ id: 'app', address }]));
  assert.equal((await answer(nodes.one)).status, 503);
  assert.equal(seen, '');
});

test('a forgotten node is cut off in the middle, and does not come in again', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await startOrigin(nodes);
  const client = nodes.one.connect();
  client.send(UPGRADE);
  await client.see(/hello$/);
  const { client: waiting, socket } = nodes.knock();
  await once(socket, 'secureConnect');
  await nodes.change({ revoked: ['one'] });
  await client.closed();
  await waiting.closed();
  await until('the instance has nobody', () => origin.connections[0]?.socket.destroyed === true);
  assert.equal((await answer(nodes.one)).status, 503);
  const { client: again } = nodes.knock();
  again.send('app\n');
  await again.closed();
  assert.equal(again.text, '');
  assert.equal(origin.connections.length, 1);
});

test('what led to a forgotten node is cut too, and it is not asked any more', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await startOrigin(nodes);
  const client = nodes.one.connect();
  client.send(UPGRADE);
  await client.see(/hello$/);
  if (nodes.one.node !== undefined) nodes.one.node = { ...nodes.one.node, revoked: ['two'] };
  await nodes.one.route(proxyRoute([nodes.far('app')]));
  await client.closed();
  assert.equal((await answer(nodes.one)).status, 503);
  assert.equal(origin.connections.length, 1);
});

test('a first line that is none, too long, early or of nobody here ends the connection', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await startOrigin(nodes);
  nodes.two.locals = [socketUpstream(origin.path, 'app'), nodes.far('elsewhere')];
  await nodes.two.route();
  const lines: readonly (readonly [string, string])[] = [
    ['nobody\n', '-'],
    ['elsewhere\n', '-'],
    ['\n', '-'],
    ['app\r\n', '-'],
    ['__proto__\n', '-'],
    [`${'a'.repeat(NODE_DOOR.nameBytesMax)}\n`, '-'],
    ['app\nGET / HTTP/1.1\r\n', ''],
    ['app\napp\n', ''],
    ['\0\u00ff'.repeat(5000), ''],
    ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', ''],
    ['a'.repeat(NODE_DOOR.nameBytesMax + 1), ''],
  ];
  for (const [line, wanted] of lines) {
    const { client } = nodes.knock();
    client.send(line);
    await client.closed();
    assert.equal(client.text, wanted, JSON.stringify(line.slice(0, 40)));
  }
  const { client: silent, socket } = nodes.knock();
  await once(socket, 'secureConnect');
  socket.end();
  await silent.closed();
  assert.equal(silent.text, '');
  assert.equal(origin.connections.length, 0);
  const { client } = nodes.knock();
  for (const letter of 'app\n') client.send(letter);
  await client.see(/^\+$/);
});

test('who leaves while the instance is connected to leaves nothing behind', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await startOrigin(nodes);
  const { client, socket } = nodes.knock();
  await once(socket, 'secureConnect');
  socket.end('app\n');
  await until('the instance hears of the end', () => {
    return origin.connections[0]?.socket.readableEnded === true;
  });
  await client.closed();
  assert.equal(client.text, '+');
});

test('a first line that does not come, and a refusal that is not heard, end in time', async () => {
  const clock = new ManualClock();
  await using nodes = await TwoNodes.start({ clock });
  await using origin = await startOrigin(nodes);
  const { client: slow, socket } = nodes.knock();
  await once(socket, 'secureConnect');
  const { client: refused } = nodes.knock();
  // It keeps its own half open.
  refused.socket.removeAllListeners('end');
  refused.send('nobody\n');
  await refused.see(/^-$/);
  const { client: good } = nodes.knock();
  good.send('app\n');
  await good.see(/^\+$/);
  slow.send('a');
  clock.advance(NODE_DOOR.refusedLingerMs);
  await until('its bytes are not taken', () => {
    refused.send('more');
    return refused.ended;
  });
  assert.equal(slow.ended, false);
  clock.advance(NODE_DOOR.nameTimeoutMs);
  await slow.closed();
  assert.equal(slow.text, '');
  good.send('GET / HTTP/1.1\r\n\r\n');
  await good.see(/ok$/);
  assert.equal(origin.connections.length, 1);
});

test('handshakes that never end keep no node out, and end with the door', async () => {
  await using nodes = await TwoNodes.start();
  await using _origin = await startOrigin(nodes);
  const port = nodes.two.node?.port ?? 0;
  const silent: Socket[] = [];
  let ended = 0;
  nodes.two.onDispose(() => silent.forEach((socket) => socket.destroy()));
  for (let count = 0; count < NODE_DOOR.handshakesMax + 20; count++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => ended++);
    silent.push(socket);
    await once(socket, 'connect');
  }
  await until('the oldest are gone', () => ended >= 20);
  assert.equal((await answer(nodes.one)).text, 'ok');
  assert.ok(ended <= 25, `${ended} are gone, those beyond the limit only`);
  await nodes.two.plane.drain(0);
  await until('all are gone', () => ended === silent.length);
});

test('connections that say nothing are asked whether they live', async () => {
  await using nodes = await TwoNodes.start();
  await using _origin = await startOrigin(nodes);
  const { client } = nodes.knock();
  client.send('app\n');
  await client.see(/^\+$/);
  const hex = (number = 0): string => number.toString(16).toUpperCase().padStart(4, '0');
  const ends = `:${hex(nodes.two.node?.port)} 0100007F:${hex(client.socket.localPort)} `;
  await until('a keep-alive timer of the kernel', async () => {
    const line = (await readFile('/proc/net/tcp', 'utf8'))
      .split('\n')
      .find((text) => text.includes(ends));
    // `tr` of proc(5): 2 is a keep-alive timer.
    return line !== undefined && / 02:[0-9A-F]{8} /.test(line);
  });
});

test('a closed door lets nobody in; what is open goes on, and it opens again', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await startOrigin(nodes);
  const client = nodes.one.connect();
  client.send(UPGRADE);
  await client.see(/hello$/);
  const door = nodes.two.node;
  nodes.two.node = undefined;
  await nodes.two.route();
  assert.equal((await answer(nodes.one)).status, 503);
  client.send('still here\r\n\r\n');
  await client.see(/hello.*hello$/s);
  assert.equal(origin.connections.length, 1);
  nodes.two.node = door;
  await nodes.two.route();
  // It is passed over for a moment after it took no connection; alone it is asked all the same.
  assert.equal((await answer(nodes.one)).text, 'ok');
});

test('a draining gateway waits for what other nodes have under way', async () => {
  await using nodes = await TwoNodes.start();
  const asked = Promise.withResolvers<() => void>();
  const path = await startApp(nodes.two, (request, response) => {
    if (request.url === '/late') asked.resolve(() => response.end('late'));
    else response.end('ok');
  });
  await nodes.lead(socketUpstream(path));
  const late = answer(nodes.one, { path: '/late' });
  const finish = await asked.promise;
  const drained = nodes.two.plane.drain(60_000);
  assert.equal((await answer(nodes.one)).status, 503);
  finish();
  assert.deepEqual(await late, { status: 200, text: 'late' });
  await drained;
});

test('certificates are renewed while connections run', async () => {
  await using nodes = await TwoNodes.start();
  await using _origin = await startOrigin(nodes);
  const client = nodes.one.connect();
  client.send(UPGRADE);
  await client.see(/hello$/);
  const seen = new Set<string>();
  for (let round = 0; round < 5; round++) {
    for (const [gateway, id] of [
      [nodes.one, 'one'],
      [nodes.two, 'two'],
    ] as const) {
      const pair = await nodes.authority.node(id);
      if (gateway.node === undefined) continue;
      gateway.node = { ...gateway.node, cert: pair.certificatePem, key: pair.keyPem };
    }
    await nodes.two.route();
    await nodes.one.route(proxyRoute([nodes.far('app')]));
    const asked = Array.from({ length: 5 }, () => answer(nodes.one));
    for (const { text } of await Promise.all(asked)) assert.equal(text, 'ok');
    const { socket } = nodes.knock();
    await once(socket, 'secureConnect');
    seen.add(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
    socket.destroy();
  }
  assert.equal(seen.size, 5);
  client.clear();
  client.send('still here\r\n\r\n');
  await client.see(/hello$/);
});
