/** Clients that hold a connection and do nothing with it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { listenRaw, said } from '../../testing/raw-client.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { proveHandles } from '../net/net.ts';
import { cannedAcl } from './acl.ts';
import { S3Face } from './s3-face.ts';

const LARGE_BYTES = 32 * 1024 * 1024;
/** For it a connection goes to node:http. */
const TWICE = 'X-A: 1\r\nX-A: 2\r\n';

async function* large(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.alloc(LARGE_BYTES, 'x'));
}

test('a client that does nothing is cut', async (t) => {
  await using kit = await FileKit.start();
  await proveHandles();
  const { store } = kit;
  const acl = cannedAcl('public-read-write', 'ann', 'ann');
  await store.createBucket('photos', { owner: 'ann', settings: { acl } });
  await store.put('photos', 'large', large(), { size: LARGE_BYTES, acl });
  // What is slow in its head is told so, well before it counts as quiet.
  const times = { firstRequestMs: 200, headMs: 200, stallMs: 1000 };
  const face = new S3Face({ store, clock: systemClock, log: silentLogger, times });
  const server = face.server();
  const open = await listenRaw(kit.stack, server);

  await t.test('before it has asked anything', async () => {
    assert.equal(await said(open('')), '');
  });

  await t.test('in the middle of a head', async () => {
    const text = await said(open('GET /photos/large HTTP/1.1\r\nHost: x\r\n'));
    assert.match(text, /^HTTP\/1\.1 400 .*<Code>RequestTimeout</s);
  });

  await t.test('in the middle of a body', async () => {
    for (const more of ['', TWICE]) {
      const put = `PUT /photos/new HTTP/1.1\r\nHost: x\r\n${more}Content-Length: ${LARGE_BYTES}\r\n\r\nx`;
      assert.equal(await said(open(put)), '');
    }
    assert.equal(await store.head('photos', 'new'), undefined);
  });

  await t.test('when it takes nothing of an answer', async () => {
    for (const more of ['', TWICE]) {
      const cut = once(server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
      const socket = open(`GET /photos/large HTTP/1.1\r\nHost: x\r\n${more}\r\n`);
      await cut;
      assert.ok((await said(socket)).length < LARGE_BYTES);
    }
  });

  await t.test('not while its body waits for what takes its time here, but then', async () => {
    const put = store.put.bind(store);
    let socket: Socket;
    let quiet: Promise<unknown>;
    let seen = Promise.withResolvers<boolean>();
    let connection: Socket;
    const { mock } = t.mock.method(store, 'put', (async (...asked) => {
      const slowly = async function* (): AsyncGenerator<Uint8Array> {
        let isFirst = true;
        for await (const piece of asked[2]) {
          if (isFirst) {
            isFirst = false;
            socket.write('y'.repeat(10_000));
            await quiet;
            seen.resolve(!connection.destroyed);
          }
          yield piece;
        }
      };
      return await put(asked[0], asked[1], slowly(), asked[3]);
    }) satisfies typeof store.put);
    for (const more of ['', TWICE]) {
      seen = Promise.withResolvers();
      const connected = once(server, 'connection');
      const head = `PUT /photos/slow HTTP/1.1\r\nHost: x\r\n${more}Content-Length: ${LARGE_BYTES}\r\n\r\n`;
      socket = open(`${head}${'x'.repeat(100_000)}`);
      [connection] = (await connected) as [Socket];
      quiet = once(connection, 'timeout');
      const text = said(socket);
      assert.ok(await seen.promise);
      assert.equal(await text, '');
    }
    mock.restore();
  });

  await t.test('not while it waits for what takes its time here', async () => {
    const late = Promise.withResolvers<void>();
    const list = store.list.bind(store);
    const { mock } = t.mock.method(store, 'list', async (...asked: Parameters<typeof list>) => {
      await late.promise;
      return await list(...asked);
    });
    const quiet = once(server, 'timeout');
    const socket = open(`GET /photos HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${TWICE}\r\n`);
    const text = said(socket);
    await quiet;
    late.resolve();
    assert.match(await text, /^HTTP\/1\.1 200 .*<Key>large</s);
    mock.restore();
  });
});
