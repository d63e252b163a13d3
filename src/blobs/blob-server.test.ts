import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
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
import { withDeadline } from '../base/time.ts';
import { proveHandles } from '../net/net.ts';
import { full } from './errors.ts';
import { FarBlobs } from './far-blobs.ts';
import { httpBlobCall } from './http-call.ts';
import { encodeHeader } from './wire.ts';

const LONG_BYTES = 5_000_001;

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield await Promise.resolve(Buffer.alloc(100_000));
}

for (const way of ['through streams', 'past streams'] as const)
  test(`puts ${way}`, async (t) => {
    if (way === 'past streams') assert.ok(await proveHandles());
    await using served = await ServedBlobs.start();
    const { near, store } = served;
    let next = 0;
    const put = async (): Promise<void> => {
      const [id, bytes] = [blobId(next++), blobBytes(next, LONG_BYTES)];
      const { length } = bytes;
      const written = await store.put(id, inPieces(bytes), putOptions({ length }));
      assert.equal(written.sha256, sha256(bytes));
      assert.ok((await bytesOf(await near.get(id))).equals(bytes));
    };

    await t.test('side by side have each their own bytes', async () => {
      await Promise.all(Array.from({ length: 12 }, put));
    });

    await t.test('wait for no get, and their bytes may have to be got there', async () => {
      const open = async (): Promise<Socket> => {
        const socket = connect(served.port, '127.0.0.1');
        await once(socket, 'connect');
        return socket;
      };
      using http = httpBlobCall({ connect: open, connections: 1 });
      const far = new FarBlobs({ call: http.call, ticket: (claim) => served.ticket(claim) });
      const [from, to] = [blobId(next++), blobId(next++)];
      const bytes = blobBytes(next, LONG_BYTES);
      await near.put(from, inPieces(bytes), putOptions());
      const body = async function* (): AsyncGenerator<Uint8Array> {
        const late = (): Error => new Error('The get waits for the put');
        const got = await withDeadline(20_000, late, () => far.get(from));
        yield* got.body;
      };
      await far.put(to, body(), putOptions({ length: bytes.length }));
      assert.ok((await bytesOf(await near.get(to))).equals(bytes));
    });

    await t.test('are refused before their body is touched', async () => {
      let isTouched = false;
      const body = async function* (): AsyncGenerator<Uint8Array> {
        isTouched = true;
        yield* endless();
      };
      const without = served.with(() => '');
      const options = putOptions({ length: LONG_BYTES });
      await failsWith('BLOBS_TICKET', without.put(blobId(100), body(), options));
      assert.equal(isTouched, false);
      await put();
    });

    await t.test('are refused in the middle of their body', async (inner) => {
      const { mock } = inner.mock.method(near, 'put', async (_id: string, body: unknown) => {
        for await (const piece of body as AsyncIterable<Uint8Array>) {
          assert.ok(piece.length > 0);
          throw full(LONG_BYTES, 0);
        }
      });
      const options = putOptions({ length: 500_000_000, maxBytes: 500_000_000 });
      await Promise.all(
        [101, 102, 103].map((n) =>
          failsWith('BLOBS_FULL', store.put(blobId(n), endless(), options)),
        ),
      );
      mock.restore();
      await put();
    });

    await t.test('whose source fails leave nothing', async () => {
      const gone = new Error('The client went away');
      const body = async function* (): AsyncGenerator<Uint8Array> {
        yield* inPieces(blobBytes(1, 1_000_000));
        throw gone;
      };
      const id = blobId(104);
      await assert.rejects(store.put(id, body(), putOptions({ length: LONG_BYTES })), gone);
      const short = store.put(id, inPieces(blobBytes(1, 9)), putOptions({ length: LONG_BYTES }));
      await failsWith('BLOBS_LENGTH', short);
      assert.equal(await near.stat(id), undefined);
      await put();
    });

    await t.test(
      'of whoever waits for nothing share a connection with other requests',
      async () => {
        const socket = connect(served.port, '127.0.0.1');
        await once(socket, 'connect');
        const [id, bytes] = [blobId(105), blobBytes(7, LONG_BYTES)];
        const options = putOptions();
        const { maxBytes, allocSeq } = options;
        const head = (method: string, fields: string): string =>
          `${method} /c/${id} HTTP/1.1\r\nHost: node\r\n${fields}\r\n`;
        const write = served.ticket({ id, verb: 'write', maxBytes, allocSeq });
        const read = served.ticket({ id, verb: 'read', maxBytes: 0, allocSeq: 0 });
        const about = `Moln-Ticket: ${write}\r\nMoln-Blob: ${encodeHeader(options)}\r\n`;
        socket.write(head('PUT', `${about}Content-Length: ${bytes.length}\r\n`));
        socket.write(bytes.subarray(0, 1_000_000));
        socket.write(bytes.subarray(1_000_000));
        socket.write(head('GET', `Moln-Ticket: ${read}\r\nConnection: close\r\n`));
        const pieces: Buffer[] = [];
        for await (const piece of socket as AsyncIterable<Buffer>) pieces.push(piece);
        const said = Buffer.concat(pieces);
        assert.match(said.toString('latin1', 0, 500), /^HTTP\/1\.1 201 .*HTTP\/1\.1 200 /s);
        assert.ok(said.subarray(-bytes.length).equals(bytes));
      },
    );
  });
