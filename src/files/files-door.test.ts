/** Readers that come by the API, over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type Clock, systemClock } from '../base/time.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { DirectWriter, proveHandles } from '../net/net.ts';
import { FilesDoor } from './files-door.ts';

const STALL_MS = 100;
const LARGE: Buffer = Buffer.alloc(32 * 1024 * 1024, 'x');

test('a reader that takes nothing is cut, one that waits for the process is not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-door-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'inside.sock');
  let asked = 0;
  let closed = 0;
  let finish = (): void => undefined;
  const inside = createServer((request, response) => {
    asked++;
    response.once('close', () => closed++);
    if (request.url === '/files/b/large') response.end(LARGE);
    else {
      response.writeHead(200, { 'content-length': 2 }).write('o');
      finish = () => response.end('k');
    }
  });
  using door = new FilesDoor(path, systemClock, STALL_MS);
  const outside = createServer((request, response) => {
    void door.serve(request, response, { isLocal: true });
  });
  t.after(() => {
    for (const server of [inside, outside]) {
      server.close();
      server.closeAllConnections();
    }
  });
  await once(inside.listen(path), 'listening');
  await once(outside.listen(0, '127.0.0.1'), 'listening');
  const { port } = outside.address() as AddressInfo;
  const asking = fetch(`http://127.0.0.1:${port}/files/b/slow`);
  await until('the process was asked', () => asked === 1);
  const stalled = connect(port, '127.0.0.1')
    .on('error', () => undefined)
    .pause();
  stalled.write('GET /files/b/large HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('the process answers it', () => asked === 2);
  await until('it is cut', () => closed === 1);
  finish();
  assert.equal(await (await asking).text(), 'ok');
  stalled.destroy();
});

test('a reader over TLS that takes a little at a time is not cut, one that stops is', async (t) => {
  assert.ok(await proveHandles());
  const folder = await mkdtemp(join(tmpdir(), 'moln-door-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'inside.sock');
  const inside = createServer((_request, response) => response.end(LARGE));
  const clock = new ManualClock();
  using door = new FilesDoor(path, clock, STALL_MS);
  const answering = Promise.withResolvers<ServerResponse>();
  const key = { identity: 'test', psk: Buffer.alloc(16, 7) };
  const ciphers = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;
  const outside = createTlsServer(
    { ...ciphers, pskCallback: () => key.psk },
    (request, response) => {
      answering.resolve(response);
      void door.serve(request, response, { isLocal: true });
    },
  );
  t.after(() => {
    for (const server of [inside, outside]) {
      server.close();
      server.closeAllConnections();
    }
  });
  await once(inside.listen(path), 'listening');
  await once(outside.listen(0, '127.0.0.1'), 'listening');
  const { port } = outside.address() as AddressInfo;
  const checkServerIdentity = (): undefined => undefined;
  const reader = connectTls({
    ...ciphers,
    host: '127.0.0.1',
    port,
    pskCallback: () => key,
    checkServerIdentity,
  });
  reader.on('error', () => undefined).pause();
  t.after(() => reader.destroy());
  reader.write('GET /files/b/large HTTP/1.1\r\nHost: a\r\n\r\n');
  const response = await answering.promise;
  const socket = response.socket ?? assert.fail();
  const writer = new DirectWriter(socket);
  const taken = (): number => socket.bytesWritten - writer.unsentBytes;
  await until('nothing more goes', () => response.writableLength > 0);
  for (let at = 0; at < 5; at += 1) {
    clock.advance(STALL_MS);
    const before = taken();
    const takes = (): boolean => {
      reader.read();
      return taken() > before;
    };
    // The kernel keeps megabytes, which go first.
    await until('it takes a little', takes, { pauseMsMax: 10 });
    assert.ok(!response.destroyed);
  }
  clock.advance(STALL_MS);
  assert.ok(!response.destroyed);
  clock.advance(STALL_MS);
  assert.ok(response.destroyed);
});

test('nothing looks after an answer whose client has left, and one behind another is watched as well', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-door-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'inside.sock');
  const waiting: ServerResponse[] = [];
  let closed = 0;
  const inside = createServer((request, response) => {
    response.once('close', () => closed++);
    if (request.url === '/files/b/large') response.end(LARGE);
    else waiting.push(response);
  });
  let looks = 0;
  const counting: Clock = {
    ...systemClock,
    every: (ms, call) => {
      const timer = systemClock.every(ms, call);
      looks += 1;
      return {
        [Symbol.dispose]: () => {
          timer[Symbol.dispose]();
          looks -= 1;
        },
      };
    },
  };
  using door = new FilesDoor(path, counting, STALL_MS);
  let served = 0;
  const outside = createServer((request, response) => {
    void door.serve(request, response, { isLocal: true }).then(() => served++);
  });
  t.after(() => {
    for (const server of [inside, outside]) {
      server.close();
      server.closeAllConnections();
    }
  });
  await once(inside.listen(path), 'listening');
  await once(outside.listen(0, '127.0.0.1'), 'listening');
  const { port } = outside.address() as AddressInfo;
  const ask = (...names: string[]): Socket => {
    const socket = connect(port, '127.0.0.1')
      .on('error', () => undefined)
      .pause();
    t.after(() => socket.destroy());
    socket.write(names.map((name) => `GET /files/b/${name} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
    return socket;
  };

  const left = ask('small');
  await until('the process was asked', () => waiting.length === 1);
  left.destroy();
  await until('the client is gone', async () => (await connections(outside)) === 0);
  waiting[0]?.end('ok');
  await until('it is over', () => served === 1);
  assert.equal(looks, 0);

  ask('small', 'large');
  await until('the process was asked for the first', () => waiting.length === 2);
  waiting[1]?.end('ok');
  await until('the second is cut', () => closed === 3);

  const both = ask('small', 'large');
  await until('the process was asked for the first of these', () => waiting.length === 3);
  both.destroy();
  await until('their client is gone', async () => (await connections(outside)) === 0);
  waiting[2]?.end('ok');
  await until('both are over', () => served === 5);
  assert.equal(looks, 0);
});

async function connections(server: Server): Promise<number> {
  return await new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
