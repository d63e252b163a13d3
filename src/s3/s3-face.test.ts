/** The server itself, over a real store: what is no operation's business. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { test } from 'node:test';
import { FileKit } from '../../testing/file-kit.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Access } from './access-log.ts';
import { cannedAcl } from './acl.ts';
import { S3Face } from './s3-face.ts';

const BYTES = 32 * 1024 * 1024;

async function* pieces(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.alloc(BYTES, 'x'));
}

test('the server', async (t) => {
  await using kit = await FileKit.start();
  const { store } = kit;
  const acl = cannedAcl('public-read-write', 'ann', 'ann');
  const logging = { bucket: 'logs', prefix: '' };
  await store.createBucket('photos', { owner: 'ann', settings: { acl, logging } });
  const accesses: Access[] = [];
  const face = new S3Face({
    store,
    clock: systemClock,
    log: silentLogger,
    note: (access) => accesses.push(access),
  });
  const server = face.server().listen(0, '127.0.0.1');
  kit.stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  await t.test('a form is an access, too', async () => {
    const form = new FormData();
    form.set('key', 'a b');
    form.set('file', new Blob(['x']));
    const answer = await fetch(`http://127.0.0.1:${port}/photos`, { method: 'POST', body: form });
    assert.equal(answer.status, 204);
    assert.deepEqual(
      accesses.map(({ bucket, call }) => [bucket.name, call.key]),
      [['photos', 'a b']],
    );
  });

  await t.test('who is refused at the door has come to the bucket, too', async () => {
    accesses.length = 0;
    const authorization = 'AWS nobody:abc=';
    const date = new Date().toUTCString();
    for (const path of ['elsewhere/x', 'photos/x']) {
      const headers = { authorization, 'x-amz-date': date };
      const answer = await fetch(`http://127.0.0.1:${port}/${path}`, { headers });
      assert.equal(answer.status, 403);
    }
    await until('it is told of', () => accesses.length > 0);
    assert.deepEqual(
      accesses.map(({ bucket, call, code }) => [bucket.name, call.key, call.caller, code]),
      [['photos', 'x', undefined, 'InvalidAccessKeyId']],
    );
  });

  await t.test('nothing is said in the middle of an answer', async () => {
    const acl = cannedAcl('public-read', 'ann', 'ann');
    await store.put('photos', 'large', pieces(), { size: BYTES, acl });
    const socket = connect(port, '127.0.0.1');
    // A field that is there twice is for node:http, which reads on meanwhile.
    socket.write('GET /photos/large HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\n\r\n');
    await once(socket, 'readable');
    // Nothing is read until the server has met what is no HTTP: the answer is on its way still.
    const met = once(server, 'clientError');
    socket.write('no HTTP\r\n\r\n');
    await met;
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => (text += piece.toString('latin1')));
    await once(socket, 'close');
    assert.match(text, /^HTTP\/1.1 200 /);
    assert.ok(text.length < BYTES && !text.includes('400 Bad Request'));
  });
});
