import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { until } from '../../testing/until.ts';
import { createLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { FirstByteListener, type FirstByteOptions } from './first-byte.ts';

const log = createLogger({ part: 'net', sinks: [], now: () => 0 });

async function listening(
  options: Partial<FirstByteOptions>,
): Promise<FirstByteListener & { readonly port: number }> {
  const listener = new FirstByteListener({
    clock: systemClock,
    log,
    onConnection: (socket) => socket.pipe(socket),
    ...options,
  });
  await listener.listen({ address: '127.0.0.1', port: 0 });
  return Object.assign(listener, { port: listener.address()?.port ?? 0 });
}

async function everything(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8');
  for await (const chunk of socket) text += String(chunk);
  return text;
}

test('plain text from loopback reaches the handler with every byte in order', async () => {
  await using listener = await listening({});
  const sent = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`).join('');
  const socket = connect(listener.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('G');
  const answer = everything(socket);
  socket.end(sent);
  assert.equal(await answer, `G${sent}`);
});

test('plain text from elsewhere gets one sentence, is closed, and never reaches the handler', async () => {
  let reached = 0;
  await using listener = await listening({
    allowsPlain: () => false,
    onConnection: () => {
      reached++;
    },
  });
  const socket = connect(listener.port, '127.0.0.1');
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\n${'x'.repeat(100_000)}`);
  const answer = await everything(socket);
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(answer, /This port speaks HTTPS/);
  assert.equal(reached, 0);
});

test('a peer that says nothing is cut off, and so is one that only hangs up', async () => {
  let reached = 0;
  const onConnection = (): void => {
    reached++;
  };
  await using listener = await listening({ firstByteTimeoutMs: 20, onConnection });
  const silent = connect(listener.port, '127.0.0.1');
  assert.equal(await everything(silent), '');
  await using patient = await listening({ firstByteTimeoutMs: 3_600_000, onConnection });
  const leaving = connect(patient.port, '127.0.0.1');
  leaving.end();
  assert.equal(await everything(leaving), '');
  assert.equal(reached, 0);
});

test('a TLS hello without a certificate at hand is closed', async () => {
  await using listener = await listening({});
  const socket = connect(listener.port, '127.0.0.1');
  socket.write(Buffer.from([0x16, 3, 1, 0, 5]));
  assert.equal(await everything(socket), '');
});

test('a taken port names who has it', async () => {
  await using first = await listening({});
  const second = new FirstByteListener({ clock: systemClock, log, onConnection: () => {} });
  await assert.rejects(second.listen({ address: '127.0.0.1', port: first.port }), {
    code: 'NET_PORT_TAKEN',
    message: new RegExp(
      `^Port ${first.port} on 127\\.0\\.0\\.1 is taken by process ${process.pid} `,
    ),
  });
  await second[Symbol.asyncDispose]();
});

test('dispose before listen, and twice, is fine', async () => {
  const listener = new FirstByteListener({ clock: systemClock, log, onConnection: () => {} });
  await listener[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assert.equal(listener.address(), undefined);
});

test('one peer cannot take the connections of all', async () => {
  await using listener = await listening({ connectionsPerPeerMax: 2 });
  const dial = (localAddress: string): Socket =>
    connect({ port: listener.port, host: '127.0.0.1', localAddress });
  const answers = async (socket: Socket): Promise<boolean> => {
    socket.on('error', () => undefined);
    const answer = once(socket, 'data').then(() => true);
    const gone = once(socket, 'close').then(() => false);
    socket.write('hello');
    return Promise.race([answer, gone]);
  };
  const [first, second] = [dial('127.0.0.5'), dial('127.0.0.5')];
  assert.deepEqual([await answers(first), await answers(second)], [true, true]);
  assert.equal(await answers(dial('127.0.0.5')), false);
  const other = dial('127.0.0.6');
  assert.equal(await answers(other), true);
  first.destroy();
  await until('the place of the one that left is free', async () => {
    const next = dial('127.0.0.5');
    const isIn = await answers(next);
    next.destroy();
    return isIn;
  });
  for (const socket of [second, other]) socket.destroy();
});
