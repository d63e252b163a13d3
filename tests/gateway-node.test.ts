/** Requests to instances on other nodes: two data planes, real certificates, real sockets. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { NODE_REUSE_MS } from '../src/gateway/limits.ts';
import { RawOrigin, socketUpstream, startApp, until, proxyRoute } from './gateway-kit.ts';
import { answer, ask, TwoNodes } from './gateway-node-kit.ts';
import { openWebSocket, startEchoServer } from './web-socket-kit.ts';

const MIB = 1024 * 1024;
const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';

function echo(request: IncomingMessage, response: ServerResponse): void {
  request.pipe(response);
}

/** `size` bytes in pieces of uneven length that differ, and their hash. */
function body(size: number): { readonly stream: Readable; readonly hash: () => string } {
  const hash = createHash('sha256');
  function* pieces(): Generator<Buffer> {
    for (let at = 0, piece = 0; at < size; piece++) {
      const part = Buffer.alloc(Math.min(size - at, 1 + ((piece * 7919) % 100_000)), `${piece} `);
      hash.update(part);
      at += part.length;
      yield part;
    }
  }
  return { stream: Readable.from(pieces()), hash: () => hash.digest('hex') };
}

async function hashOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}

/** Until a number has not changed for many looks. */
async function standstill(who: string, value: () => number): Promise<void> {
  let [before, looks] = [-1, 0];
  await until(`${who} stands still`, () => {
    const now = value();
    looks = now === before ? looks + 1 : 0;
    before = now;
    return looks >= 40;
  });
}

test('a request and a big body go there and back, from either node', async () => {
  await using nodes = await TwoNodes.start();
  const { one, two } = nodes;
  await nodes.lead(socketUpstream(await startApp(two, echo), 'there'));
  one.locals = [socketUpstream(await startApp(one, echo), 'here')];
  await one.route(proxyRoute([nodes.far('there')]));
  const port = one.node?.port ?? 0;
  const back = { kind: 'node', node: 'one', host: '127.0.0.1', port } as const;
  await two.route(proxyRoute([{ id: 'here', address: back }]));
  for (const gateway of [one, two]) {
    assert.deepEqual(await answer(gateway), { status: 200, text: '' });
    const { stream, hash } = body(24 * MIB);
    const response = await ask(gateway, { method: 'POST', send: stream });
    const received = await hashOf(response);
    assert.equal(received, hash());
  }
});

test('requests that follow each other use one connection, and any number use their own', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await RawOrigin.start(`${nodes.two.folder}/o.sock`, (connection) => {
    if (!connection.seen.endsWith('\r\n\r\n')) return;
    connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  await nodes.lead(socketUpstream(origin.path));
  for (let time = 0; time < 5; time++) assert.equal((await answer(nodes.one)).text, 'ok');
  assert.equal(origin.connections.length, 1);
  const many = Array.from({ length: 50 }, () => answer(nodes.one));
  for (const { text } of await Promise.all(many)) assert.equal(text, 'ok');
});

test('a connection to another node is not used for ever, so that a gateway there may drain', async () => {
  const clock = new ManualClock();
  await using nodes = await TwoNodes.start({ clock });
  await using origin = await RawOrigin.start(`${nodes.two.folder}/o.sock`, ({ socket, seen }) => {
    if (!seen.endsWith('\r\n\r\n')) return;
    socket.write('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 2\r\n\r\nok');
  });
  await nodes.lead(socketUpstream(origin.path));
  for (let time = 0; time < 3; time++) {
    assert.equal((await answer(nodes.one)).text, 'ok');
    clock.advance(NODE_REUSE_MS / 3);
  }
  assert.equal(origin.connections.length, 1);
  clock.advance(NODE_REUSE_MS / 3);
  await until('it is closed', () => origin.connections[0]?.socket.destroyed === true);
  assert.equal((await answer(nodes.one)).text, 'ok');
  assert.equal(origin.connections.length, 2);
});

test('a client that does not read stops the instance, not the memory of two gateways', async () => {
  const size = 256 * MIB;
  const piece = Buffer.alloc(MIB, 'moln');
  let sent = 0;
  await using nodes = await TwoNodes.start();
  const path = await startApp(nodes.two, (_request, response) => {
    response.writeHead(200, { 'Content-Length': size });
    const write = (): void => {
      while (sent < size) {
        sent += piece.length;
        if (!response.write(piece)) break;
      }
      if (sent < size) response.once('drain', write);
      else response.end();
    };
    write();
  });
  await nodes.lead(socketUpstream(path));
  const response = await ask(nodes.one);
  await standstill('the instance', () => sent);
  assert.ok(sent < 48 * MIB, `${sent / MIB} MiB are on their way to nobody`);
  let received = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) received += chunk.length;
  assert.equal(received, size);
});

test('web sockets', async () => {
  await using nodes = await TwoNodes.start();
  const path = `${nodes.two.folder}/ws.sock`;
  using server = await startEchoServer(path);
  await nodes.lead(socketUpstream(path));
  const socket = await openWebSocket(nodes.one.port);
  const received: Buffer[] = [];
  socket.on('message', (data: Buffer) => received.push(data));
  const large = Buffer.alloc(3_000_000, 'moln');
  for (const message of ['one', large, 'two']) socket.send(message);
  await until('three echoes', () => received.length === 3);
  assert.ok(received[1]?.equals(large));
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  socket.close(4000, 'bye');
  assert.equal(await closed, 4000);
  await until('no client at the instance', () => server.clients === 0);
});

test('either side of an upgraded connection may close its half first', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await RawOrigin.start(`${nodes.two.folder}/o.sock`, (connection) => {
    const { socket, seen } = connection;
    if (seen.endsWith('\r\n\r\n')) socket.write(`${SWITCHED}hello`);
    if (seen.endsWith('finish')) socket.end('done');
  });
  await nodes.lead(socketUpstream(origin.path));
  const client = nodes.one.connect();
  // The client's kit answers an end with an end; this one has more to say.
  client.socket.removeAllListeners('end');
  client.send(UPGRADE);
  await client.see(/hello$/);
  client.send('finish');
  await client.see(/hellodone$/);
  await until('the end of the instance', () => client.socket.readableEnded);
  client.socket.end('last words');
  await until('the last words', () => origin.seen.endsWith('finishlast words'));
  await client.closed();
  const second = nodes.one.connect();
  second.send(UPGRADE);
  await second.see(/hello$/);
  second.socket.end('finish');
  await second.see(/hellodone$/);
  await second.closed();
});

test('an answer that ends with its connection is not whole when the instance breaks off', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await RawOrigin.start(`${nodes.two.folder}/o.sock`, ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npart');
    // A unix socket is reset when it closes with bytes unread.
    socket.pause();
  });
  await nodes.lead(socketUpstream(origin.path));
  const client = nodes.one.connect();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 * MIB}\r\n\r\n`);
  await client.see(/part/);
  client.send(Buffer.alloc(64 * MIB));
  await standstill('the client', () => client.socket.writableLength);
  origin.connections[0]?.socket.destroy();
  await client.closed();
  assert.doesNotMatch(client.text, /\r\n0\r\n/, 'the last chunk would say that all is there');
});

test('an instance that sends its head and ends is answered for whole', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await RawOrigin.start(`${nodes.two.folder}/o.sock`, (connection) => {
    const { socket, seen } = connection;
    if (seen.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall');
  });
  await nodes.lead(socketUpstream(origin.path));
  assert.deepEqual(await answer(nodes.one), { status: 200, text: 'all' });
});
