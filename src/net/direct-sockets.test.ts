/** Reads and writes past the streams of sockets: slow readers, resets, sides that close, and both ways of writing at once. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { takeReads } from './direct-reads.ts';
import { DirectWriter } from './direct-writes.ts';
import { proveHandles } from './handle-proof.ts';
import { provenBinding, trust } from './stream-binding.ts';

const PIECE_BYTES = 10_000;

class Pair implements AsyncDisposable {
  readonly near: Socket;
  readonly far: Socket;
  readonly #server: Server;

  private constructor(near: Socket, far: Socket, server: Server) {
    this.near = near;
    this.far = far;
    this.#server = server;
  }

  static async open(): Promise<Pair> {
    assert.equal(await proveHandles(), true);
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('There is no port');
    const came = once(server, 'connection') as Promise<[Socket]>;
    const far = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
    const [near] = await came;
    if (far.connecting) await once(far, 'connect');
    for (const socket of [near, far]) socket.on('error', () => undefined);
    return new Pair(near, far, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.near.destroy();
    this.far.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Everything that comes, once the other side has ended. */
async function all(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  takeReads(socket, (bytes, size) => void pieces.push(Buffer.from(bytes.subarray(0, size))));
  await once(socket, 'end');
  return Buffer.concat(pieces);
}

function piece(number: number): Buffer {
  return Buffer.alloc(PIECE_BYTES, number % 251);
}

for (const isDirect of [true, false]) {
  const way = isDirect ? 'directly' : 'through streams, as in a Node that is not as expected';

  test(`bytes come in order, ${way}: a slow reader, large writes in between, and an end`, async () => {
    await using pair = await Pair.open();
    const binding = provenBinding();
    if (!isDirect) trust(undefined);
    const writer = new DirectWriter(pair.near);
    trust(binding);
    const sent: Buffer[] = [];
    let freed = 0;
    const send = (): void => {
      const bytes = piece(sent.length);
      sent.push(bytes);
      const [half, rest] = [bytes.subarray(0, PIECE_BYTES / 2), bytes.subarray(PIECE_BYTES / 2)];
      if (sent.length % 7 === 0) pair.near.write(bytes, () => freed++);
      else if (sent.length % 7 === 1) writer.writeAll([half, rest], () => freed++);
      else if (sent.length % 7 === 2) {
        writer.writeText(bytes.toString('latin1'));
        freed++;
      } else writer.write(bytes, () => freed++);
    };
    while (!writer.blocked) send();
    // Who goes on all the same loses nothing.
    for (let more = 0; more < 20; more++) send();
    const drained = once(pair.near, 'drain');
    const received = all(pair.far);
    await drained;
    assert.equal(writer.blocked, false);
    send();
    pair.near.end();
    assert.equal(Buffer.concat(sent).equals(await received), true);
    assert.equal(freed, sent.length);
  });

  test(`of one large write is known how much has not left, ${way}`, async () => {
    await using pair = await Pair.open();
    const binding = provenBinding();
    if (!isDirect) trust(undefined);
    const writer = new DirectWriter(pair.near);
    trust(binding);
    assert.equal(writer.unsentBytes, 0);
    const total = 32 * 1024 * 1024;
    const done = Promise.withResolvers<void>();
    writer.write(Buffer.alloc(total), done.resolve);
    const before = writer.unsentBytes;
    assert.ok(before > 0);
    let received = 0;
    let after: number | undefined;
    takeReads(pair.far, (_bytes, size) => {
      received += size;
      // The kernel does not keep as much as the rest: the write is still under way.
      if (received > total / 2) after ??= writer.unsentBytes;
    });
    await done.promise;
    assert.ok(after !== undefined && after > 0 && after < before, `${before}, then ${after}`);
    assert.equal(writer.unsentBytes, 0);
  });

  test(`a pause holds reads up, and what follows comes in order, ${way}`, async () => {
    await using pair = await Pair.open();
    const binding = provenBinding();
    if (!isDirect) trust(undefined);
    let received = Buffer.alloc(0);
    takeReads(pair.near, (bytes, size) => {
      received = Buffer.concat([received, bytes.subarray(0, size)]);
      pair.near.pause();
    });
    trust(binding);
    const total = 200 * PIECE_BYTES;
    for (let number = 0; number < 200; number++) pair.far.write(piece(number));
    pair.far.end();
    let isOver = false;
    pair.near.on('end', () => (isOver = true));
    let pauses = 0;
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      const before = received.length;
      await new Promise((resolve) => setImmediate(resolve));
      // One read may have been on its way when the pause came; without a pause there would be many.
      assert.ok(received.length - before <= 128 * 1024);
      if (pair.near.isPaused()) pauses++;
      pair.near.resume();
    }
    assert.ok(pauses > 1);
    assert.equal(received.length, total);
    for (let number = 0; number < 200; number++) {
      assert.equal(received[number * PIECE_BYTES], number % 251);
    }
  });
}

for (const isDirect of [true, false]) {
  test(`reads that are given back go to the stream, ${isDirect ? 'directly' : 'through streams'}`, async () => {
    await using pair = await Pair.open();
    const binding = provenBinding();
    if (!isDirect) trust(undefined);
    const came = Promise.withResolvers<Buffer>();
    const release = takeReads(pair.near, (bytes, size) => {
      release();
      came.resolve(Buffer.from(bytes.subarray(0, size)));
    });
    trust(binding);
    pair.far.write('one');
    assert.equal(String(await came.promise), 'one');
    pair.near.unshift(Buffer.from('one'));
    pair.far.end('two');
    const rest: Buffer[] = [];
    for await (const piece of pair.near as AsyncIterable<Buffer>) rest.push(piece);
    assert.equal(String(Buffer.concat(rest)), 'onetwo');
  });
}

test('a reader that resets ends the socket with an error, and every buffer comes back', async () => {
  await using pair = await Pair.open();
  const writer = new DirectWriter(pair.near);
  let written = 0;
  let freed = 0;
  while (!writer.blocked) {
    written++;
    writer.write(piece(written), () => freed++);
  }
  const failed = once(pair.near, 'error') as Promise<[NodeJS.ErrnoException]>;
  const closed = new Promise<void>((resolve) => pair.near.on('close', () => resolve()));
  pair.far.resetAndDestroy();
  const [error] = await failed;
  assert.match(error.message, /^write (EPIPE|ECONNRESET)$/);
  assert.match(error.code ?? '', /^(EPIPE|ECONNRESET)$/);
  await closed;
  assert.equal(freed, written);
});

test('a socket that is destroyed gives back what waits, and takes no more', async () => {
  await using pair = await Pair.open();
  const writer = new DirectWriter(pair.near);
  let written = 0;
  let freed = 0;
  const write = (): void => {
    written++;
    writer.write(piece(written), () => freed++);
  };
  while (!writer.blocked) write();
  const closed = once(pair.near, 'close');
  pair.near.destroy();
  write();
  await closed;
  assert.equal(freed, written);
});

test('after the end of what is written nobody is told to write on', async () => {
  await using pair = await Pair.open();
  const writer = new DirectWriter(pair.near);
  let written = 0;
  let freed = 0;
  while (!writer.blocked) {
    written++;
    writer.write(piece(written), () => freed++);
  }
  let drains = 0;
  pair.near.on('drain', () => drains++);
  const finished = once(pair.near, 'finish');
  pair.near.end();
  const received = await all(pair.far);
  await finished;
  assert.equal(received.length, written * PIECE_BYTES);
  assert.equal(freed, written);
  assert.equal(drains, 0);
});

test('a side that has ended still reads', async () => {
  await using pair = await Pair.open();
  const received = all(pair.near);
  const answered = all(pair.far);
  const writer = new DirectWriter(pair.near);
  pair.far.end('all of it');
  assert.equal(String(await received), 'all of it');
  writer.write(Buffer.from('answer'), () => undefined);
  pair.near.end();
  assert.equal(String(await answered), 'answer');
});

interface TlsPair {
  readonly near: TLSSocket;
  readonly far: TLSSocket;
}

async function tlsPair(t: TestContext): Promise<TlsPair> {
  assert.equal(await proveHandles(), true);
  const key = { identity: 'test', psk: Buffer.alloc(16, 7) };
  const ciphers = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;
  const server = createTlsServer({ ...ciphers, pauseOnConnect: true, pskCallback: () => key.psk });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  const came = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const far = connectTls({
    ...ciphers,
    port: address.port,
    host: '127.0.0.1',
    pskCallback: () => key,
    checkServerIdentity: () => undefined,
  });
  far.on('error', () => undefined);
  const [near] = await came;
  t.after(() => {
    far.destroy();
    server.close();
  });
  return { near, far };
}

test('of one large write over TLS is known how much has not left', async (t) => {
  const { near, far } = await tlsPair(t);
  const writer = new DirectWriter(near);
  const total = 32 * 1024 * 1024;
  const done = Promise.withResolvers<void>();
  writer.write(Buffer.alloc(total), done.resolve);
  let before: number | undefined;
  let after: number | undefined;
  let received = 0;
  takeReads(far, (_bytes, size) => {
    received += size;
    before ??= writer.unsentBytes;
    if (received > total / 2) after ??= writer.unsentBytes;
  });
  await done.promise;
  assert.ok(before !== undefined && after !== undefined && after < before, `${before}, ${after}`);
  assert.equal(writer.unsentBytes, 0);
});

test('a socket over TLS that is destroyed takes nothing of what was decrypted', async (t) => {
  const { near, far } = await tlsPair(t);
  const closed = once(near, 'close');
  let reads = 0;
  takeReads(near, () => {
    reads++;
    near.destroy();
  });
  // Four records, of which one read of the kernel brings several.
  far.write(Buffer.alloc(60_000));
  await closed;
  assert.equal(reads, 1);
});

test('what TLS had read before a pause is given past it, in order', async (t) => {
  const { near, far } = await tlsPair(t);
  const sent = randomBytes(4 * 1024 * 1024);
  const got: Buffer[] = [];
  let received = 0;
  let past = 0;
  const all = Promise.withResolvers<void>();
  const take = (buffer: Buffer, size: number): void => {
    if (near.isPaused()) past += 1;
    got.push(Buffer.from(buffer.subarray(0, size)));
    received += size;
    near.pause();
    setImmediate(() => near.resume());
    if (received === sent.length) all.resolve();
  };
  takeReads(near, take, { pastPause: true });
  far.write(sent);
  await all.promise;
  assert.ok(Buffer.concat(got).equals(sent));
  assert.ok(past > 0);
  assert.equal(near.readableLength, 0);
});
