import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { proveHandles } from '../net/net.ts';
import { KeptHead } from './kept-head.ts';
import { SocketOutbox } from './outbox.ts';

const MIB = 1024 * 1024;

interface Ends {
  readonly near: Socket;
  readonly far: Socket;
}

/** Two ends of one connection. */
async function connected(t: TestContext): Promise<Ends> {
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
  return { near, far };
}

/** Streams carry it, as they do with TLS: nobody has proven the handles of this process. */
test('a slow reader of small pieces keeps little more than the pieces', async (t) => {
  const { near } = await connected(t);
  const out = new SocketOutbox(near);
  const { mock } = t.mock.method(near, 'write');
  out.text('');
  out.owned(Buffer.alloc(0));
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

test('pieces of all kinds leave in the order in which they came', async (t) => {
  const { near, far } = await connected(t);
  assert.equal(await proveHandles(), true);
  const out = new SocketOutbox(near);
  const volatile = Buffer.alloc(100_000);
  const expected: Buffer[] = [];
  const put = {
    text: (size: number, fill: string) => out.text(fill.repeat(size)),
    copied: (size: number, fill: string) => {
      out.copied(volatile.fill(fill), 0, size);
      volatile.fill('?');
    },
    owned: (size: number, fill: string) => out.owned(Buffer.alloc(size, fill)),
    lent: (size: number, fill: string) => out.lent(Buffer.alloc(size, fill), () => undefined),
  };
  const kinds = Object.values(put);
  let letter = 0;
  // Every kind after every other, small and large, each beginning on an empty outbox too.
  for (const first of kinds) {
    for (const [index, second] of kinds.entries()) {
      for (const [size, next] of [
        [3, 5],
        [40_000, 20],
        [20, 40_000],
        [100_000, 100_000],
      ] as const) {
        const fill = String.fromCharCode(97 + (letter++ % 26));
        first(size, fill);
        second(next, fill.toUpperCase());
        put.text(index, '.');
        out.flush();
        expected.push(
          Buffer.from(fill.repeat(size) + fill.toUpperCase().repeat(next) + '.'.repeat(index)),
        );
      }
    }
  }
  const whole = Buffer.concat(expected);
  assert.equal(out.bytes, whole.length);
  out.end();
  const received: Buffer[] = [];
  for await (const chunk of far) received.push(chunk as Buffer);
  assert.equal(Buffer.concat(received).equals(whole), true);
});

test('a head that a socket is still writing is not used for another request', async (t) => {
  const { near, far } = await connected(t);
  assert.equal(await proveHandles(), true);
  const out = new SocketOutbox(near);
  const fills: Buffer[] = [];
  while (!out.blocked) {
    const bytes = Buffer.alloc(64 * 1024, 'x');
    fills.push(bytes);
    out.owned(bytes);
    out.flush();
  }
  const head = KeptHead.take();
  head.text('GET /first HTTP/1.1\r\n\r\n');
  head.sendTo(out, true);
  head.give();
  const other = KeptHead.take();
  assert.notEqual(other, head);
  other.text('GET /second');
  out.end();
  const received: Buffer[] = [];
  for await (const chunk of far) received.push(chunk as Buffer);
  const text = Buffer.concat([...fills, Buffer.from('GET /first HTTP/1.1\r\n\r\n')]);
  assert.equal(Buffer.concat(received).equals(text), true);
  // Nobody writes it any more.
  const again = KeptHead.take();
  assert.equal(again, head);
});
