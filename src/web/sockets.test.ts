import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { serve } from './serve.ts';

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: app.test',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');
/** "A" as a text frame with a mask of zeros (RFC 6455 §5.2). */
const FRAME = Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x41]);

test('who sends faster than messages are handled waits, however small they are', async (t) => {
  const handled = Promise.withResolvers<void>();
  let count = 0;
  const served = await serve(
    {
      fetch: async () => new Response(),
      cut: () => undefined,
      connect: async () => ({
        open: async () => undefined,
        message: async () => {
          await setImmediate();
          if (++count < 50) return;
          handled.resolve();
          await new Promise(() => undefined);
        },
        close: async () => undefined,
      }),
    },
    { port: 0, host: '127.0.0.1' },
  );
  // Its handler never ends, so the connection is cut.
  t.after(() => served.close(0));
  const connected = once(served.server, 'connection') as Promise<[Socket]>;
  const client = connect((served.server.address() as AddressInfo).port, '127.0.0.1');
  t.after(() => client.destroy());
  const [own] = await connected;
  client.write(UPGRADE);
  await once(client, 'data');
  client.write(Buffer.alloc(FRAME.length * 1_000_000, FRAME));
  await handled.promise;
  assert.ok(own.bytesRead < 1024 ** 2, `It has read ${own.bytesRead} bytes`);
});
