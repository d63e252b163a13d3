/** How connections and streams to upstreams over HTTP/2 end before their time, and what must not be believed then. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createH2 } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer as createTls } from 'node:tls';
import { H2Upstream } from '../src/gateway/h2-upstream.ts';
import { UpstreamTls } from '../src/gateway/upstream-tls.ts';
import type { RouteConfig, UpstreamTlsConfig } from '../src/gateway/config.ts';
import {
  AUTHORITY,
  fieldBlock,
  FLAG,
  FRAME,
  frame,
  H2Client,
  issue,
  startH2,
} from './gateway-h2-kit.ts';
import { type Gateway, proxyRoute, until } from './gateway-kit.ts';

const NOTHING: Buffer = Buffer.alloc(0);
const TLS: UpstreamTlsConfig = { ca: AUTHORITY.certificatePem, name: 'grpc.test' };

type End = (socket: Socket, stream: number) => void;

const PREFACE_BYTES = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length;

/** Calls `asked` for each stream that begins. */
function readStreams(socket: Socket, asked: (stream: number) => void): void {
  let rest: Buffer = NOTHING;
  let skipped = PREFACE_BYTES;
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= skipped + 9) {
      const frameAt = skipped;
      const end = frameAt + 9 + rest.readUIntBE(frameAt, 3);
      if (rest.length < end) return;
      if (rest[frameAt + 3] === FRAME.headers) asked(rest.readUInt32BE(frameAt + 5));
      rest = rest.subarray(end);
      skipped = 0;
    }
  });
}

/** Answers requests with a head and a part of a body, and then ends as told. */
async function startRaw(
  t: TestContext,
  end: End,
  isTls: boolean,
): Promise<{ readonly port: number; readonly asked: () => number }> {
  let asked = 0;
  const sockets: Socket[] = [];
  const take = (socket: Socket): void => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write(frame(FRAME.settings, 0, 0, NOTHING));
    readStreams(socket, (stream) => {
      asked++;
      const fields = [
        [':status', '200'],
        ['cache-control', 'max-age=60'],
      ] as const;
      socket.write(frame(FRAME.headers, FLAG.endHeaders, stream, fieldBlock(fields)));
      socket.write(frame(FRAME.data, 0, stream, Buffer.from('a part')), () => end(socket, stream));
    });
  };
  const server = isTls
    ? createTls({ ...(await issue(['grpc.test'])), ALPNProtocols: ['h2'] }, take)
    : createServer(take);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked: () => asked };
}

async function before(
  t: TestContext,
  port: number,
  more: Partial<RouteConfig>,
  isTls = false,
): Promise<Gateway> {
  const tls = isTls ? { tls: TLS } : {};
  const address = { kind: 'tcp', host: '127.0.0.1', port, http2: true, ...tls } as const;
  const gateway = await startH2([{ ...proxyRoute([{ id: 'grpc', address }]), ...more }]);
  t.after(() => gateway[Symbol.asyncDispose]());
  return gateway;
}

function code(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

const ENDS: Readonly<Record<string, End>> = {
  'a reset without an error': (socket, stream) =>
    socket.write(frame(FRAME.reset, 0, stream, code(0))),
  'a reset with an error': (socket, stream) => socket.write(frame(FRAME.reset, 0, stream, code(2))),
  'a stream that was taken back': (socket, stream) =>
    socket.write(frame(FRAME.reset, 0, stream, code(8))),
  'a farewell': (socket) =>
    socket.end(frame(FRAME.goaway, 0, 0, Buffer.concat([code(1), code(0)]))),
  'the end of the connection': (socket) => socket.end(),
};

for (const [name, end] of Object.entries(ENDS)) {
  for (const isTls of [false, true]) {
    test(`${name} does not make a part the whole, ${isTls ? 'over TLS' : 'in plain text'}`, async (t) => {
      const raw = await startRaw(t, end, isTls);
      const client = new H2Client(await before(t, raw.port, { cache: {} }, isTls));
      for (let ask = 1; ask <= 2; ask++) {
        const answer = await client.get('/part');
        // What came with the end itself may not have gone on.
        assert.ok(answer.status === 502 || answer.code !== 0, `${answer.status} ${answer.code}`);
        // Nothing of it was stored.
        assert.equal(raw.asked(), ask);
      }
    });
  }
}

test('an upstream that takes few requests at once gets no more, from the first one on', async (t) => {
  const server = createH2({ settings: { maxConcurrentStreams: 5 } });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200 });
    stream.end('well');
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const client = new H2Client(await before(t, (server.address() as AddressInfo).port, {}));
  const calls = Array.from({ length: 50 }, () =>
    client.ask({ ':method': 'POST', ':path': '/' }, 'x'),
  );
  const statuses = (await Promise.all(calls)).map(({ status }) => status);
  assert.deepEqual(
    statuses,
    Array.from({ length: 50 }, () => 200),
  );
});

test('a field may be called constructor', async (t) => {
  const server = createH2();
  server.on('stream', (stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(String(headers['constructor']));
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const client = new H2Client(await before(t, (server.address() as AddressInfo).port, {}));
  const answer = await client.get('/', { constructor: 'x' });
  assert.equal(answer.body.toString(), 'x');
});

test('a connection that does not come about is in nobody’s way', async (t) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const place = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  for (const tls of [undefined, new UpstreamTls(TLS, place, 'h2')]) {
    const upstream = new H2Upstream(place, tls);
    const streams = [upstream.open(), upstream.open()];
    for (const stream of streams) stream.on('error', () => undefined);
    const first = sockets.length;
    await until('the connection', () => sockets.length > first);
    const gone = once(sockets.at(-1) ?? server, 'close');
    sockets.at(-1)?.resume();
    streams[0]?.destroy();
    const next = upstream.open().on('error', () => undefined);
    await until('another connection', () => sockets.length > first + 1);
    streams[1]?.destroy();
    await gone;
    next.destroy();
    upstream.sweep(0);
  }
});

test('a doubted connection that was left is asked nothing', async (t) => {
  // It does not answer the end of the other side.
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const upstream = new H2Upstream({ host: '127.0.0.1', port }, undefined);
  const stream = upstream.open().on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  t.after(() => {
    socket.destroy();
    server.close();
  });
  socket.on('error', () => undefined).resume();
  socket.write(frame(FRAME.settings, 0, 0, NOTHING));
  await once(stream, 'connect');
  stream.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  upstream.retire();
  const ended = once(socket, 'end');
  stream.destroy();
  await ended;
  upstream.sweep(0);
});
