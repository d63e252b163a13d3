import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { SocketOutbox } from './outbox.ts';

const MIB = 1024 * 1024;

/** Streams carry it, as they do with TLS: nobody has proven the handles of this process. */
test('a slow reader of small pieces keeps little more than the pieces', async (t) => {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  const came = once(server, 'connection') as Promise<[Socket]>;
  const near = connect(address.port, '127.0.0.1');
  const [far] = await came;
  t.after(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  const out = new SocketOutbox(near);
  const { mock } = t.mock.method(near, 'write');
  out.text('');
  out.flush();
  // TLS would read within it, before what was read last is used up.
  assert.equal(mock.callCount(), 0);
  mock.restore();
  while (near.writableLength === 0) near.write(Buffer.alloc(16 * 1024));
  const before = process.memoryUsage().arrayBuffers;
  let pieces = 0;
  for (; !out.blocked; pieces++) {
    out.text('a small piece');
    out.flush();
  }
  assert.ok(pieces > 1000);
  const kept = process.memoryUsage().arrayBuffers - before;
  assert.ok(kept < 4 * MIB, `${pieces} pieces keep ${kept} bytes`);
});
