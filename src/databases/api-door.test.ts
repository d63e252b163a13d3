/** What the API hands on to the private socket of the database process, as bytes. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage, request } from 'node:http';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../../testing/until.ts';
import { ApiDoor } from './api-door.ts';

/** More than any kernel keeps for a socket. */
const BODY_BYTES = 64 * 1024 * 1024;
/** Headers that Node reads of one request. */
const HEADERS_READ = 2000;

test('whatever a client writes, the private socket sees one WebSocket request and no local mark', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-door-'));
  t.after(() => rm(folder, { recursive: true }));
  const seen: Buffer[] = [];
  const inside = createServer((socket) => {
    socket.on('data', (chunk) => seen.push(chunk)).on('error', () => undefined);
  });
  const path = join(folder, 'private.sock');
  await new Promise<void>((done) => inside.listen(path, done));
  using door = new ApiDoor(path);
  const outside = createHttpServer({ maxHeaderSize: 256 * 1024 });
  outside.on('upgrade', (request: IncomingMessage, socket, head) =>
    door.upgrade(request, socket, head, { isLocal: false }),
  );
  // Node may also take it for an ordinary request: then it never gets here.
  outside.on('request', (_request, response) => response.end());
  await new Promise<void>((done) => outside.listen(0, '127.0.0.1', done));
  const { port } = outside.address() as AddressInfo;
  t.after(() => {
    inside.close();
    outside.close();
  });
  for (const count of [0, HEADERS_READ]) {
    seen.length = 0;
    let answered = false;
    const client = connect(port, '127.0.0.1').on('error', () => undefined);
    client.on('data', () => (answered = true)).on('close', () => (answered = true));
    t.after(() => client.destroy());
    const padding = 'a: \r\n'.repeat(count);
    const inner = 'POST /control/config HTTP/1.1\r\nx-moln-local: 1\r\n\r\n';
    client.write(
      `GET /db/shop/ HTTP/1.1\r\nHost: x\r\nX-Moln-Local: 1\r\nUpgrade: websocket\r\n${padding}Connection: Upgrade\r\n\r\n${inner}`,
    );
    await until('the bytes', () => answered || Buffer.concat(seen).includes('/control/config'));
    const text = Buffer.concat(seen).toString();
    assert.ok(text !== '' || count > 0);
    if (text === '') continue;
    const [head = ''] = text.split('\r\n\r\n');
    assert.match(head, /^GET \/db\/shop\/ HTTP\/1\.1\r\nconnection: Upgrade\r\nupgrade: websocket/);
    assert.doesNotMatch(head, /x-moln-local/i);
  }
});

test('an answer that came before the body was read wins over the write that failed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-door-'));
  t.after(() => rm(folder, { recursive: true }));
  let says = '';
  const inside = createServer((socket) => {
    socket.on('error', () => undefined);
    // It reads no more than the head.
    socket.once('data', () => {
      socket.pause();
      if (says === '') socket.destroy();
      else socket.write(says, () => socket.destroy());
    });
  });
  const path = join(folder, 'private.sock');
  await new Promise<void>((done) => inside.listen(path, done));
  using door = new ApiDoor(path, { away: '"away"', lost: '"lost"' });
  const outside = createHttpServer((asked, response) => {
    void door.serve(asked, response, { isLocal: false });
  });
  await new Promise<void>((done) => outside.listen(0, '127.0.0.1', done));
  t.after(() => {
    inside.close();
    outside.close();
    outside.closeAllConnections();
  });
  const { port } = outside.address() as AddressInfo;
  const put = async (): Promise<string> => {
    const asked = request({
      port,
      method: 'PUT',
      agent: false,
      headers: { connection: 'keep-alive' },
    });
    const answered = once(asked, 'response') as Promise<[IncomingMessage]>;
    const sent = once(asked, 'finish');
    asked.end(Buffer.alloc(BODY_BYTES));
    const [answer] = await answered;
    let text = `${answer.statusCode} `;
    for await (const piece of answer as AsyncIterable<Buffer>) text += piece.toString();
    await sent;
    return text;
  };
  says = 'HTTP/1.1 507 Full\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfull';
  for (let times = 0; times < 10; times += 1) assert.equal(await put(), '507 full');
  says = '';
  assert.equal(await put(), '502 "lost"');
});

test('a client of HTTP/1.0 gets no 100, whatever it expects', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-door-'));
  t.after(() => rm(folder, { recursive: true }));
  const inside = createHttpServer((asked, response) => {
    asked.resume().on('end', () => response.end('done'));
  });
  const path = join(folder, 'private.sock');
  await new Promise<void>((done) => inside.listen(path, done));
  using door = new ApiDoor(path);
  const outside = createHttpServer((asked, response) => {
    void door.serve(asked, response, { isLocal: false });
  });
  outside.on('checkContinue', (asked: IncomingMessage, response) => {
    void door.serve(asked, response, { isLocal: false });
  });
  await new Promise<void>((done) => outside.listen(0, '127.0.0.1', done));
  const { port } = outside.address() as AddressInfo;
  t.after(() => {
    inside.close();
    outside.close();
  });
  for (const [version, first] of [
    ['1.0', 'HTTP/1.1 200 OK'],
    ['1.1', 'HTTP/1.1 100 Continue'],
  ]) {
    const client = connect(port, '127.0.0.1');
    client.write(
      `PUT /x HTTP/${version}\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na`,
    );
    let text = '';
    for await (const piece of client as AsyncIterable<Buffer>) text += piece.toString();
    assert.equal(text.split('\r\n')[0], first);
    assert.match(text, /done/);
  }
});
