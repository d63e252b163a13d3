/** A long body, over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { until } from '../../testing/until.ts';
import { BodyPieces, proveHandles, takeReads } from './net.ts';

const LENGTH: number = 8 * 1024 * 1024;
/** A piece, and what one read of the kernel may bring beyond it. */
const HELD_MAX: number = 2 * 64 * 1024;

test('of a body that nobody reads yet one small piece is taken, and then all of it', async (t) => {
  assert.ok(await proveHandles());
  const server = createServer({ pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const came = once(server, 'connection') as Promise<[Socket]>;
  const client = connect(port, '127.0.0.1');
  const [socket] = await came;
  t.after(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  const body = new BodyPieces({
    socket,
    length: LENGTH,
    idleMs: 0,
    readerMs: 0,
    onLeave: () => assert.fail('it is read'),
  });
  takeReads(socket, (buffer, size) => body.take(buffer, 0, size));
  const sent = Buffer.alloc(LENGTH, 'moln');
  client.write(sent);
  await until('it holds a piece', () => socket.isPaused());
  const held = LENGTH - body.left;
  assert.ok(held <= HELD_MAX, `${held} bytes`);
  const got: Uint8Array[] = [];
  for await (const piece of body) got.push(piece);
  assert.ok(Buffer.concat(got).equals(sent));
});
