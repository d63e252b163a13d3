import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  blobBytes,
  blobConformance,
  blobId,
  bytesOf,
  failsWith,
  inPieces,
  putOptions,
} from '../../testing/blob-conformance.ts';
import { ServedBlobs } from '../../testing/blob-kit.ts';
import { FarBlobs, httpBlobCall, isBlobId } from './blobs.ts';
import { full } from './errors.ts';
import type { BlobRequest, BlobResponse } from './wire.ts';

blobConformance('far', () => ServedBlobs.start());

test('a node copies a blob from another one', async () => {
  await using east = await ServedBlobs.start({ name: 'east' });
  await using west = await ServedBlobs.start({ name: 'west', peer: () => east.call });
  const bytes = blobBytes(1, 3_000_000);
  const id = blobId(1);
  assert.ok(isBlobId(id));
  const written = await east.store.put(id, inPieces(bytes), putOptions());
  const ticket = east.ticket({ id, verb: 'read', maxBytes: 0, allocSeq: 0 });
  const limits = { maxBytes: bytes.length, allocSeq: 9 };
  assert.deepEqual(await west.store.pull(id, { node: 'east', ticket }, limits), written);
  assert.ok((await bytesOf(await west.store.get(id))).equals(bytes));
  assert.equal((await west.store.stat(id))?.meta.allocSeq, putOptions().allocSeq);
  const other = { ...limits, maxBytes: 10 };
  await failsWith('BLOBS_TOO_LARGE', west.store.pull(id, { node: 'east', ticket }, other));
  const pull = west.store.pull(blobId(2), { node: 'east', ticket }, limits);
  await failsWith('BLOBS_TICKET', pull);
});

test('a copy that there is no room for lets go of what it was to be read from', async (t) => {
  await using east = await ServedBlobs.start({ name: 'east' });
  let left = 0;
  const peer = async (asked: BlobRequest): Promise<BlobResponse> => {
    const answer = await east.call(asked);
    const pieces = answer.body[Symbol.asyncIterator]();
    const next = (): Promise<IteratorResult<Uint8Array>> => pieces.next();
    const leave = async (): Promise<IteratorResult<Uint8Array>> => {
      left += 1;
      return (await pieces.return?.()) ?? { done: true, value: undefined };
    };
    const body = { [Symbol.asyncIterator]: () => ({ next, return: leave }) };
    return asked.method === 'GET' ? { ...answer, body } : answer;
  };
  await using west = await ServedBlobs.start({ name: 'west', peer: () => peer });
  const bytes = blobBytes(1, 3_000_000);
  await east.store.put(blobId(1), inPieces(bytes), putOptions());
  const ticket = east.ticket({ id: blobId(1), verb: 'read', maxBytes: 0, allocSeq: 0 });
  t.mock.method(west.near, 'put', () => Promise.reject(full(bytes.length, 0)));
  const limits = { maxBytes: bytes.length, allocSeq: 9 };
  const pull = west.store.pull(blobId(1), { node: 'east', ticket }, limits);
  await failsWith('BLOBS_FULL', pull);
  assert.equal(left, 1);
});

test('whoever waits for a copy hears that it goes on', async () => {
  await using east = await ServedBlobs.start({ name: 'east' });
  await using west = await ServedBlobs.start({ name: 'west', peer: () => east.call });
  const id = blobId(1);
  await east.store.put(id, inPieces(blobBytes(1, 3_000_000)), putOptions());
  const headers = {
    'moln-ticket': west.ticket({ id, verb: 'write', maxBytes: 3_000_000, allocSeq: 9 }),
    'moln-source-ticket': east.ticket({ id, verb: 'read', maxBytes: 0, allocSeq: 0 }),
  };
  const path = `/c/${id}?pull=east`;
  const pull = request({ host: '127.0.0.1', port: west.port, method: 'POST', path, headers });
  let heard = 0;
  pull.on('information', ({ statusCode }) => {
    assert.equal(statusCode, 102);
    heard += 1;
  });
  pull.end();
  const [answer] = (await once(pull, 'response')) as [IncomingMessage];
  answer.resume();
  assert.equal(answer.statusCode, 200);
  assert.ok(heard >= 3, `${heard} times`);
});

test('a ticket allows one thing, on one node, for some time', async () => {
  await using made = await ServedBlobs.start();
  const { near } = made;
  const id = blobId(1);
  await near.put(id, inPieces(blobBytes(1, 100)), putOptions());
  const ticket = made.ticket({ id, verb: 'read', maxBytes: 0, allocSeq: 0 });
  const get = (text: string): Promise<unknown> => made.with(() => text).get(id);
  const put = (maxBytes: number, allocSeq: number): Promise<unknown> =>
    made
      .with(() => made.ticket({ id, verb: 'write', maxBytes, allocSeq }))
      .put(id, inPieces(blobBytes(1, 100)), putOptions({ maxBytes: 100, allocSeq: 7 }));
  await get(ticket);
  await put(100, 7);
  await failsWith('BLOBS_TICKET', put(99, 7));
  await failsWith('BLOBS_TICKET', put(100, 8));
  await failsWith('BLOBS_TICKET', made.with(() => ticket).get(blobId(2)));
  await failsWith('BLOBS_TICKET', made.with(() => ticket).delete(id));
  await failsWith('BLOBS_TICKET', made.with(() => ticket).usage());
  await failsWith('BLOBS_TICKET', get(''));
  await failsWith('BLOBS_TICKET', get(`${ticket.slice(0, -2)}AA`));
  await failsWith(
    'BLOBS_TICKET',
    get(made.ticket({ id, verb: 'read', maxBytes: 0, allocSeq: 0 }, -1)),
  );
  const elsewhere = { id, verb: 'read', maxBytes: 0, allocSeq: 0 } as const;
  await failsWith('BLOBS_TICKET', get(made.ticket(elsewhere, 1000, 'another')));
});

test('a node that goes away is an error that may be tried again', async () => {
  await using made = await ServedBlobs.start();
  await made.store.usage();
  await made.stop();
  await failsWith('BLOBS_BROKEN', made.store.usage());
  await failsWith(
    'BLOBS_BROKEN',
    made.store.put(blobId(1), inPieces(blobBytes(1, 9)), putOptions()),
  );
});

test('whoever calls may bring the connections, and they are kept', async () => {
  await using made = await ServedBlobs.start();
  let connections = 0;
  using http = httpBlobCall({
    connect: async () => {
      connections++;
      const socket = connect(made.port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
  });
  const store = new FarBlobs({ call: http.call, ticket: (claim) => made.ticket(claim) });
  for (let i = 0; i < 5; i++) await store.usage();
  assert.equal(connections, 1);
});

test('slow readers, of whom some leave, get the bytes of their blob and no others', async () => {
  await using served = await ServedBlobs.start();
  const bytes = 7_000_001;
  const blobs = [1, 2, 3].map((n) => ({ id: blobId(n), body: blobBytes(n, bytes) }));
  for (const { id, body } of blobs) await served.store.put(id, inPieces(body), putOptions());
  const read = async (reader: number): Promise<void> => {
    const { id, body } = blobs[reader % blobs.length] ?? assert.fail();
    const ticket = served.ticket({ id, verb: 'read', maxBytes: 0, allocSeq: 0 });
    const asked = { host: '127.0.0.1', port: served.port, agent: false, path: `/c/${id}` };
    const sent = request({ ...asked, headers: { 'moln-ticket': ticket } });
    sent.on('error', () => undefined).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const leavesAt = reader % 4 === 3 ? bytes / 3 : bytes;
    let at = 0;
    for await (const piece of answer as AsyncIterable<Buffer>) {
      assert.ok(piece.equals(body.subarray(at, at + piece.length)), `reader ${reader} at ${at}`);
      at += piece.length;
      if (at >= leavesAt) break;
      // Others are served meanwhile, with what was given back.
      for (let turns = 0; turns < reader % 5; turns++) await turn();
    }
    assert.ok(at >= leavesAt, `reader ${reader} got ${at} bytes`);
  };
  await Promise.all(Array.from({ length: 16 }, (_, reader) => read(reader)));
});
