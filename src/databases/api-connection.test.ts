/** Bytes of clients on their way to the database process, which here is a server of our own behind a socket. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type Server, type ServerResponse } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../testing/until.ts';
import { QUICK_REQUEST_BYTES_MAX } from '../hrana/limits.ts';
import { ApiConnection } from './api-connection.ts';

const REQUEST = 'POST /db/shop/v2/pipeline HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}';

interface Kit {
  readonly client: Socket;
  readonly near: Socket;
  readonly connection: ApiConnection;
  readonly asked: ServerResponse[];
  readonly given: Socket[];
  readonly server: Server;
  readonly received: () => string;
}

async function start(context: TestContext): Promise<Kit> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-api-connection-'));
  const asked: ServerResponse[] = [];
  const server = createHttpServer((request, response) => {
    request.resume();
    asked.push(response);
  });
  const path = join(folder, 'process.sock');
  server.listen(path);
  await once(server, 'listening');
  const door = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const address = door.address();
  if (typeof address !== 'object' || address === null) throw new Error('There is no port');
  const came = once(door, 'connection') as Promise<[Socket]>;
  const client = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  const [near] = await came;
  let received = '';
  client.on('error', () => undefined);
  client.on('data', (bytes: Buffer) => (received += bytes.toString()));
  const given: Socket[] = [];
  const connection = new ApiConnection({
    socket: near,
    process: path,
    isMeant: () => true,
    handOver: (socket) => given.push(socket),
    onGone: () => undefined,
  });
  connection.start();
  context.after(async () => {
    client.destroy();
    near.destroy();
    door.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  return { client, near, connection, asked, given, server, received: () => received };
}

function answer(response: ServerResponse | undefined, body = 'ok'): void {
  response?.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body);
}

test('requests that do not wait for answers are not gathered without end', async (context) => {
  const { client, near, asked } = await start(context);
  client.write(REQUEST.repeat(100_000));
  for (let answered = 0; answered < 50; answered++) {
    await until('the next is asked', () => asked.length > answered);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    answer(asked[answered]);
  }
  assert.ok(near.bytesRead <= 4 * QUICK_REQUEST_BYTES_MAX, `${near.bytesRead} bytes`);
});

test('who leaves is known to have left where the statement runs', async (context) => {
  const { client, asked } = await start(context);
  client.write(REQUEST);
  await until('it is asked', () => asked.length === 1);
  client.end();
  await until('it is told', () => asked[0]?.closed === true);
  assert.equal(asked[0]?.writableFinished, false);
});

test('a process that is let go of takes no part in the next request', async (context) => {
  const { client, connection, asked, received } = await start(context);
  client.write(REQUEST);
  await until('it is asked', () => asked.length === 1);
  answer(asked[0], 'one');
  await until('it is answered', () => received().endsWith('one'));
  connection.sweep();
  // The next request is read before the old connection is heard to be closed.
  const isRead = new Promise<void>((resolve) => {
    client.write(REQUEST, () => resolve());
  });
  connection.sweep();
  await isRead;
  await until('it is asked', () => asked.length === 2);
  answer(asked[1], 'two');
  await until('it is answered', () => received().endsWith('two'));
  assert.doesNotMatch(received(), /503/);
});

test('who is slow with a request, or takes no answers, does not stay', async (context) => {
  const { client, connection, asked, given, near } = await start(context);
  client.write(REQUEST);
  await until('it is asked', () => asked.length === 1);
  client.pause();
  answer(asked[0], 'x'.repeat(32 * 1024 * 1024));
  await until('it is cut', () => {
    connection.sweep();
    return near.destroyed;
  });
  const slow = await start(context);
  slow.client.write(REQUEST.slice(0, -1));
  await until('it is handed over', () => {
    if (slow.near.bytesRead > 0) slow.connection.sweep();
    return slow.given.length === 1;
  });
  assert.equal(given.length, 0);
  assert.equal(String(slow.near.read()), REQUEST.slice(0, -1));
});

test('a process that ends in the middle is told apart from one that is away', async (context) => {
  const { client, asked, server, received } = await start(context);
  client.write(REQUEST);
  await until('it is asked', () => asked.length === 1);
  server.closeAllConnections();
  await until('it is answered', () => received().includes('DATABASE_OUTCOME_UNKNOWN'));
  const next = await start(context);
  next.server.close();
  next.client.write(REQUEST);
  await until('it is answered', () => next.received().includes('DATABASES_AWAY'));
});
