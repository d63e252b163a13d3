/** Web sockets and other upgrades through the data plane. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Gateway,
  proxyRoute,
  RawOrigin,
  socketUpstream,
  startApp,
  startWithApp,
  until,
} from './gateway-kit.ts';
import { openWebSocket, startEchoServer } from './web-socket-kit.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

describe('upgrades', () => {
  async function startEcho(): Promise<Gateway> {
    const gateway = await Gateway.start([]);
    const path = `${gateway.folder}/ws.sock`;
    const echo = await startEchoServer(path);
    gateway.onDispose(() => echo[Symbol.dispose]());
    await gateway.route(proxyRoute([socketUpstream(path)]));
    return gateway;
  }

  test('web sockets carry messages both ways, large ones too, and close in order', async () => {
    await using gateway = await startEcho();
    const socket = await openWebSocket(gateway.port);
    assert.deepEqual(gateway.plane.stats().upstreams, { one: { requests: 0, upgrades: 1 } });
    const large = Buffer.alloc(5_000_000, 'moln');
    const received: Buffer[] = [];
    socket.on('message', (data: Buffer) => received.push(data));
    for (const message of ['one', large, 'two']) socket.send(message);
    await until('three echoes', () => received.length === 3);
    assert.equal(received[0]?.toString(), 'one');
    assert.ok(received[1]?.equals(large));
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.close(4000, 'bye');
    assert.equal(await closed, 4000);
    await until(
      'the tunnel is gone',
      () => Object.keys(gateway.plane.stats().upstreams).length === 0,
    );
  });

  test('web sockets outlive config changes', async () => {
    await using gateway = await startEcho();
    const socket = await openWebSocket(gateway.port);
    for (let change = 0; change < 100; change++) await gateway.route();
    const echo = new Promise<string>((resolve) => {
      socket.once('message', (data: Buffer) => resolve(data.toString()));
    });
    socket.send('still here');
    assert.equal(await echo, 'still here');
    assert.deepEqual(gateway.plane.stats().upstreams, { one: { requests: 0, upgrades: 1 } });
    socket.terminate();
  });

  test('a stream of events counts as they do, and is no request that anybody waits for', async () => {
    const over = Promise.withResolvers<void>();
    await using gateway = await startWithApp((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.write('data: 1\n\n');
      void over.promise.then(() => response.end());
    });
    const loads = (): readonly unknown[] => Object.values(gateway.plane.stats().upstreams);
    const client = gateway.connect();
    client.send(GET);
    await client.see(/data: 1/);
    assert.deepEqual(loads(), [{ requests: 0, upgrades: 1 }]);
    over.resolve();
    await until('the stream is gone', () => loads().length === 0);
  });

  for (const [what, cache] of [
    ['passed on', undefined],
    ['of a route with a cache', {}],
  ] as const) {
    test(`a drain ends a quiet stream of events, ${what}: who listens comes again`, async () => {
      await using gateway = await Gateway.start([]);
      const path = await startApp(gateway, (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: 1\n\n');
      });
      gateway.cache = { memoryBytes: 16 * 1024 * 1024 };
      const route = proxyRoute([socketUpstream(path)]);
      await gateway.route({ ...route, ...(cache === undefined ? {} : { cache }) });
      const client = gateway.connect();
      client.send(GET);
      await client.see(/data: 1/);
      await gateway.plane.drain(600_000);
      await client.closed();
    });
  }

  test('a drain lets the answer to a POST finish, which may be a stream of events too', async () => {
    const over = Promise.withResolvers<void>();
    await using gateway = await startWithApp((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      void over.promise.then(() => response.end('data: last\n\n'));
    });
    const [listens, asks] = [gateway.connect(), gateway.connect()];
    listens.send(GET);
    await listens.see(/data: 1/);
    asks.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    await asks.see(/data: 1/);
    const drained = gateway.plane.drain(600_000);
    await listens.closed();
    over.resolve();
    await asks.see(/data: last\n\n\r\n0\r\n\r\n/);
    await drained;
  });

  test('bytes sent with the handshake arrive, and either side may close first', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, (connection) => {
      const { socket, seen } = connection;
      if (seen.endsWith('\r\n\r\nearly')) {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nhi',
        );
      }
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nearly');
    // The origin answers when it has both; the gateway must not wait for the answer with the bytes.
    await until('the head at the origin', () => origin.seen.includes('\r\n\r\n'));
    origin.connections[0]?.socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nhi',
    );
    await client.see(/Connection: Upgrade\r\nUpgrade: raw\r\n\r\nhi$/);
    await until('early bytes at the origin', () => origin.seen.endsWith('early'));
    client.socket.end('last words');
    await until('the last words at the origin', () => origin.seen.endsWith('last words'));
    await client.closed();
  });

  test('a refused upgrade is an ordinary answer', async () => {
    await using gateway = await startWithApp((_request, response) => {
      response.statusCode = 426;
      response.end('no');
    });
    const client = gateway.connect();
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await client.see(/^HTTP\/1\.1 426 [^]*no$/);
    client.clear();
    client.send(GET);
    await client.see(/^HTTP\/1\.1 426 [^]*no$/);
  });
});
