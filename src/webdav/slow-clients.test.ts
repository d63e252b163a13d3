/** Clients of WebDAV that hold a connection and do nothing with it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { listenRaw, said } from '../../testing/raw-client.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { WebDavFace } from './webdav-face.ts';

const LARGE_BYTES = 32 * 1024 * 1024;
const HEAD = `Host: x\r\nAuthorization: Basic ${btoa('ann:token')}\r\n`;

async function* large(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.alloc(LARGE_BYTES, 'x'));
}

test('a client of WebDAV that does nothing is cut', async (t) => {
  await using kit = await FileKit.start();
  const { store } = kit;
  await store.createBucket('photos', { owner: 'ann' });
  await store.put('photos', 'large', large(), { size: LARGE_BYTES });
  const whoIs = () => Promise.resolve({ owner: 'ann', may: 'all', readOnly: false } as const);
  const options = { store, clock: systemClock, log: silentLogger, whoIs, stallMs: 1000 };
  const server = new WebDavFace(options).server();
  const open = await listenRaw(kit.stack, server);

  await t.test('in the middle of a body', async () => {
    const put = `PUT /photos/new HTTP/1.1\r\n${HEAD}Content-Length: ${LARGE_BYTES}\r\n\r\nx`;
    assert.equal(await said(open(put)), '');
    assert.equal(await store.head('photos', 'new'), undefined);
  });

  await t.test('when it takes nothing of an answer', async () => {
    const cut = once(server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
    const socket = open(`GET /photos/large HTTP/1.1\r\n${HEAD}\r\n`);
    await cut;
    assert.ok((await said(socket)).length < LARGE_BYTES);
  });

  await t.test('not while it waits for what takes its time here', async () => {
    const late = Promise.withResolvers<void>();
    const head = store.head.bind(store);
    const { mock } = t.mock.method(store, 'head', async (...asked: Parameters<typeof head>) => {
      await late.promise;
      return await head(...asked);
    });
    const quiet = once(server, 'timeout');
    const socket = open(`HEAD /photos/large HTTP/1.1\r\n${HEAD}Connection: close\r\n\r\n`);
    const text = said(socket);
    await quiet;
    late.resolve();
    assert.match(await text, /^HTTP\/1\.1 200 /);
    mock.restore();
  });
});
