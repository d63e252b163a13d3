import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  blobBytes,
  blobId,
  bytesOf,
  failsWith,
  inPieces,
  putOptions,
  sha256,
} from '../../testing/blob-conformance.ts';
import { ServedBlobs } from '../../testing/blob-kit.ts';
import { proveHandles } from '../net/net.ts';
import { BodyDoor } from './body-door.ts';
import type { BlobResponse } from './wire.ts';

type Act = (socket: Socket) => unknown;

/** A server that does with each question what is said next. */
class Other implements AsyncDisposable {
  readonly acts: Act[] = [];
  connections = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => {
    this.connections += 1;
    this.#sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (!text.endsWith('\r\n\r\n')) return;
      text = '';
      void this.acts.shift()?.(socket);
    });
  });

  static async start(): Promise<Other> {
    const other = new Other();
    other.#server.listen(0, '127.0.0.1');
    await once(other.#server, 'listening');
    return other;
  }

  door(connections: number, idleMs = 60_000): BodyDoor {
    const { port } = this.#server.address() as AddressInfo;
    const open = async (): Promise<Socket> => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    return new BodyDoor({ connect: open, connections, idleMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const QUESTION = { method: 'GET', path: '/c/1', headers: { 'moln-ticket': 'x' } } as const;
const headOf = (length: number, fields = ''): string =>
  `HTTP/1.1 200 OK\r\nMoln-Length: 7\r\n${fields}Content-Length: ${length}\r\n\r\n`;
const answer =
  (bytes: Buffer, fields?: string): Act =>
  (socket) =>
    void socket.write(Buffer.concat([Buffer.from(headOf(bytes.length, fields)), bytes]));

async function allOf({ body }: BlobResponse): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

for (const way of ['through streams', 'past streams'] as const)
  test(`bodies ${way}`, async (t) => {
    if (way === 'past streams') assert.ok(await proveHandles());
    await using other = await Other.start();
    using door = other.door(2);

    await t.test('one after the other share a connection', async () => {
      for (const bytes of [blobBytes(1, 1_000_000), Buffer.alloc(0), blobBytes(2, 5)]) {
        other.acts.push(answer(bytes));
        const asked = await door.ask(QUESTION);
        assert.equal(asked.status, 200);
        assert.equal(asked.headers['moln-length'], '7');
        assert.ok((await allOf(asked)).equals(bytes));
      }
      assert.equal(other.connections, 1);
    });

    await t.test('a head may come in parts', async () => {
      other.acts.push(async (socket) => {
        for (const byte of headOf(3)) {
          socket.write(byte);
          await turn();
        }
        socket.write('abc');
      });
      assert.equal((await allOf(await door.ask(QUESTION))).toString(), 'abc');
    });

    await t.test('the third waits until one of two has ended or was left', async () => {
      const bytes = blobBytes(3, 2_000_000);
      other.acts.push(answer(bytes), answer(bytes), answer(bytes), answer(bytes));
      const [first, second] = await Promise.all([door.ask(QUESTION), door.ask(QUESTION)]);
      const third = door.ask(QUESTION);
      const fourth = door.ask(QUESTION);
      for (let turns = 0; turns < 50; turns++) await turn();
      assert.equal(other.acts.length, 2);
      assert.ok((await allOf(first)).equals(bytes));
      assert.ok((await allOf(await third)).equals(bytes));
      for await (const piece of second.body) {
        assert.ok(piece.length > 0);
        break;
      }
      assert.ok((await allOf(await fourth)).equals(bytes));
    });

    await t.test('who is slow to read may be slower than the one that answers', async () => {
      using fresh = other.door(2, 1000);
      const bytes = blobBytes(5, 20_000_000);
      other.acts.push(answer(bytes));
      const { body } = await fresh.ask(QUESTION);
      const pieces: Uint8Array[] = [];
      for await (const piece of body) {
        if (pieces.length === 0) {
          other.acts.push(() => undefined);
          await failsWith('BLOBS_BROKEN', fresh.ask(QUESTION));
        }
        pieces.push(piece);
      }
      assert.ok(Buffer.concat(pieces).equals(bytes));
    });

    await t.test('who is slow to begin with what he sends, too', async () => {
      using fresh = other.door(2, 1000);
      other.acts.push((socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n'));
      const body = async function* (): AsyncGenerator<Uint8Array> {
        other.acts.push(() => undefined);
        await failsWith('BLOBS_BROKEN', fresh.ask(QUESTION));
        other.acts.push(answer(Buffer.from('taken')));
        yield Buffer.from('\r\n\r\n');
      };
      const headers = { 'content-length': '4' };
      const put = await fresh.ask({ method: 'PUT', path: '/c/1', headers, body: body() });
      assert.equal((await allOf(put)).toString(), 'taken');
    });

    await t.test('an answer that says it has none has none', async () => {
      other.acts.push(
        (socket) => socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'),
        answer(Buffer.from('d')),
      );
      using fresh = other.door(1, 10_000);
      assert.equal((await allOf(await fresh.ask(QUESTION))).length, 0);
      assert.equal((await allOf(await fresh.ask(QUESTION))).toString(), 'd');
    });

    await t.test('what breaks off is given as far as it came, and then told', async () => {
      const bytes = blobBytes(4, 100_000);
      other.acts.push((socket) => socket.end(Buffer.concat([Buffer.from(headOf(200_000)), bytes])));
      const asked = await door.ask(QUESTION);
      const pieces: Uint8Array[] = [];
      const reading = (async () => {
        for await (const piece of asked.body) pieces.push(piece);
      })();
      await failsWith('BLOBS_BROKEN', reading);
      assert.ok(Buffer.concat(pieces).equals(bytes));
    });

    await t.test('a kept connection that has been closed is not the end of it', async () => {
      other.acts.push(
        answer(Buffer.from('a')),
        (socket) => socket.destroy(),
        answer(Buffer.from('b')),
      );
      assert.equal((await allOf(await door.ask(QUESTION))).toString(), 'a');
      assert.equal((await allOf(await door.ask(QUESTION))).toString(), 'b');
      // A new one that closes without a word is.
      using fresh = other.door(1);
      other.acts.push((socket) => socket.destroy());
      await failsWith('BLOBS_BROKEN', fresh.ask(QUESTION));
    });

    await t.test('a connection that is to end is not asked again', async () => {
      const before = other.connections;
      using fresh = other.door(1);
      const last = answer(Buffer.from('a'), 'Connection: close\r\n');
      other.acts.push(last, last);
      assert.equal((await allOf(await fresh.ask(QUESTION))).toString(), 'a');
      assert.equal((await allOf(await fresh.ask(QUESTION))).toString(), 'a');
      assert.equal(other.connections, before + 2);
    });

    await t.test('an answer without a length, or longer than it says, is none', async () => {
      other.acts.push((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nabc'));
      await failsWith('BLOBS_BROKEN', door.ask(QUESTION));
      other.acts.push((socket) => socket.write(`${headOf(3)}abcd`));
      await failsWith('BLOBS_BROKEN', door.ask(QUESTION).then(allOf));
      other.acts.push(answer(Buffer.from('c')));
      assert.equal((await allOf(await door.ask(QUESTION))).toString(), 'c');
    });
  });

test('copies that are made side by side have each their own bytes', async () => {
  assert.ok(await proveHandles());
  await using east = await ServedBlobs.start({ name: 'east' });
  await using west = await ServedBlobs.start({ name: 'west', peer: () => east.call });
  const blobs = Array.from({ length: 12 }, (_, n) => ({
    id: blobId(n),
    bytes: blobBytes(n, n % 3 === 0 ? 100_000 + n : 3_000_000 + n),
  }));
  for (const { id, bytes } of blobs) await east.near.put(id, inPieces(bytes), putOptions());
  const pulled = await Promise.all(
    blobs.map(({ id, bytes }) => {
      const ticket = east.ticket({ id, verb: 'read', maxBytes: 0, allocSeq: 0 });
      return west.store.pull(id, { node: 'east', ticket }, { maxBytes: bytes.length, allocSeq: 9 });
    }),
  );
  for (const [at, { id, bytes }] of blobs.entries()) {
    assert.equal(pulled[at]?.sha256, sha256(bytes));
    assert.ok((await bytesOf(await west.near.get(id))).equals(bytes), `blob ${at}`);
  }
});
