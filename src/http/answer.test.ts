import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { takePiece } from '../base/piece-pool.ts';
import { begun, writeAnswer } from './answer.ts';

const PIECE_BYTES: number = 256 * 1024;

interface Served {
  readonly message: IncomingMessage;
  /** Of `writeAnswer`. */
  readonly ended: Promise<void>;
}

/** An answer that states `length` and has these pieces, on its way to a client. */
async function serve(
  t: TestContext,
  length: number,
  stream: AsyncIterable<Uint8Array>,
): Promise<Served> {
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => undefined);
  const headers = { 'content-length': String(length) };
  const server = createServer((_request, response) => {
    writeAnswer(response, { status: 200, headers, stream }).then(ended.resolve, ended.reject);
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const asked = request({ host: '127.0.0.1', port, agent: false }).end();
  asked.on('error', () => undefined);
  const [message] = (await once(asked, 'response')) as [IncomingMessage];
  return { message, ended: ended.promise };
}

test('pieces of a body are used again, and come as they were', async (t) => {
  const buffers = new Set<ArrayBufferLike>();
  const count = 60;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < count; at++) {
      const piece = takePiece(PIECE_BYTES).fill(at);
      buffers.add(piece.buffer);
      yield await Promise.resolve(piece);
    }
  }
  const { message, ended } = await serve(t, count * PIECE_BYTES, pieces());
  let length = 0;
  for await (const bytes of message as AsyncIterable<Buffer>) {
    for (let from = 0; from < bytes.length;) {
      const at = Math.floor((length + from) / PIECE_BYTES);
      const to = Math.min(bytes.length, (at + 1) * PIECE_BYTES - length);
      assert.ok(bytes.subarray(from, to).every((byte) => byte === at % 256));
      from = to;
    }
    length += bytes.length;
  }
  await ended;
  assert.equal(length, count * PIECE_BYTES);
  assert.ok(buffers.size < count, `${buffers.size} buffers`);
});

test('a client that goes away ends what is read for it', async (t) => {
  const left = Promise.withResolvers<void>();
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield await Promise.resolve(takePiece(PIECE_BYTES));
    } finally {
      left.resolve();
    }
  }
  const { message, ended } = await serve(t, 2 ** 40, endless());
  message.on('error', () => undefined);
  message.destroy();
  await left.promise;
  await assert.rejects(ended, { code: 'ERR_STREAM_PREMATURE_CLOSE' });
});

test('a body that cannot be read on is seen to break off', async (t) => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(takePiece(PIECE_BYTES));
    throw new Error('the disk is gone');
  }
  const { message, ended } = await serve(t, 2 * PIECE_BYTES, broken());
  await assert.rejects(message.resume().toArray(), { code: 'ECONNRESET' });
  await assert.rejects(ended, /the disk is gone/);
});

test('what cannot even be begun rejects before a head goes out, and what is left is ended', async () => {
  let isEnded = false;
  async function* pieces(count: number): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < count; at++) yield await Promise.resolve(Buffer.of(at));
      throw new Error('the disk is gone');
    } finally {
      isEnded = true;
    }
  }
  await assert.rejects(begun(pieces(0)), /the disk is gone/);
  const got: number[] = [];
  isEnded = false;
  for await (const piece of await begun(pieces(9))) if (got.push(...piece) === 3) break;
  assert.deepEqual([got, isEnded], [[0, 1, 2], true]);
});
