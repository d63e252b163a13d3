/** Uploads as bytes between a client and a file process, over real sockets. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../base/time.ts';
import { proveHandles } from '../net/net.ts';
import { until } from '../../testing/until.ts';
import { FilesDoor } from './files-door.ts';

const MIB: number = 1024 * 1024;
const OK = 'HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}';

/** A client, the door between, and what stands for the process: `answer` has each of its connections. */
class Way implements AsyncDisposable {
  readonly #folder: string;
  readonly #servers: Server[] = [];
  readonly #door: FilesDoor;
  readonly inside: Socket[] = [];
  readonly client: Socket;
  said = '';

  private constructor(folder: string, door: FilesDoor, client: Socket) {
    this.#folder = folder;
    this.#door = door;
    this.client = client;
    client.on('error', () => undefined).on('data', (bytes) => (this.said += bytes.toString()));
  }

  static async open(
    length: number,
    {
      answer,
      begun = Buffer.alloc(0),
      isLate = false,
    }: {
      answer?: (socket: Socket) => void;
      begun?: Buffer;
      /** Led when the client has said that it sends no more. */
      isLate?: boolean;
    },
  ): Promise<Way> {
    await proveHandles();
    const folder = await mkdtemp(join(tmpdir(), 'moln-led-'));
    const path = join(folder, 'inside.sock');
    const door = new FilesDoor(path, systemClock);
    const outside = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      const headers = {
        host: 'a',
        'x-moln-local': '1',
        'x-kept': 'yes',
        'keep-alive': 'timeout=5',
      };
      const upload = { socket, method: 'PUT', url: '/files/b/k', headers, length, begun };
      const lead = (): void => door.lead({ ...upload, isLocal: false });
      if (isLate) socket.once('end', lead).resume();
      else lead();
    });
    outside.listen(join(folder, 'outside.sock'));
    await once(outside, 'listening');
    const client = connect(join(folder, 'outside.sock'));
    const way = new Way(folder, door, client);
    way.#servers.push(outside);
    if (answer !== undefined) {
      const inside = createServer((socket) => {
        way.inside.push(socket.on('error', () => undefined));
        answer(socket);
      });
      inside.listen(path);
      way.#servers.push(inside);
      await once(inside, 'listening');
    }
    return way;
  }

  async ended(): Promise<string> {
    await until('the end of the answer', () => this.client.readableEnded || this.client.destroyed);
    return this.said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#door[Symbol.dispose]();
    this.client.destroy();
    for (const socket of this.inside) socket.destroy();
    for (const server of this.#servers) server.close();
    await rm(this.#folder, { recursive: true });
  }
}

test('the process gets the head of one request, its body, and nothing that follows', async () => {
  const body = patterned(3 * MIB + 11);
  const seen: Buffer[] = [];
  let bytes = 0;
  await using way = await Way.open(body.length, {
    begun: body.subarray(0, 1000),
    answer: (socket) =>
      socket.on('data', (chunk) => {
        seen.push(chunk);
        bytes += chunk.length;
        if (chunk.length > 0 && bytes > body.length && Buffer.concat(seen).includes(END))
          socket.end(OK);
      }),
  });
  const END = body.subarray(-1000);
  const smuggled = 'POST /control/config HTTP/1.1\r\nx-moln-local: 1\r\n\r\n';
  way.client.write(Buffer.concat([body.subarray(1000), Buffer.from(smuggled)]));
  assert.equal(await way.ended(), OK);
  const all = Buffer.concat(seen);
  const at = all.indexOf('\r\n\r\n') + 4;
  const head = all.toString('latin1', 0, at);
  assert.match(head, /^PUT \/files\/b\/k HTTP\/1\.1\r\n/);
  assert.match(head, /\r\nconnection: close\r\n/);
  assert.match(head, /\r\nx-kept: yes\r\n/);
  assert.doesNotMatch(head, /x-moln-local|keep-alive/);
  assert.deepEqual(all.subarray(at), body);
});

test('a process that takes its time gets every byte as it was', async () => {
  const body = patterned(24 * MIB);
  const hash = createHash('sha256');
  let bytes = -1;
  await using way = await Way.open(body.length, { answer: (socket) => socket.pause() });
  way.client.write(body);
  await until('the process to be asked', () => way.inside.length > 0);
  const [inside] = way.inside;
  assert.ok(inside !== undefined);
  inside.on('data', (chunk) => {
    const from = bytes < 0 ? chunk.indexOf('\r\n\r\n') + 4 : 0;
    hash.update(chunk.subarray(from));
    bytes = Math.max(0, bytes) + chunk.length - from;
    if (bytes === body.length) inside.end(OK);
  });
  inside.resume();
  assert.equal(await way.ended(), OK);
  assert.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'));
});

test('a refusal is read by a client that still sends', async () => {
  const refusal = 'HTTP/1.1 507 Full\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';
  await using way = await Way.open(100 * MIB, {
    answer: (socket) => void socket.once('data', () => socket.end(refusal, () => socket.destroy())),
  });
  way.client.write(Buffer.alloc(20 * MIB));
  assert.equal(await way.ended(), refusal);
});

test('a process that ends without an answer is told of, also after it asked for the body', async () => {
  const go = 'HTTP/1.1 100 Continue\r\n\r\n';
  for (const before of ['', go]) {
    await using way = await Way.open(2 * MIB, {
      answer: (socket) => void socket.once('data', () => socket.end(before)),
    });
    const said = await way.ended();
    assert.ok(said.startsWith(`${before}HTTP/1.1 502 Bad Gateway\r\n`), said);
    assert.match(said, /FILES_OUTCOME_UNKNOWN/);
  }
});

test('a process that is not there is told of', async () => {
  await using way = await Way.open(2 * MIB, {});
  const said = await way.ended();
  assert.match(said, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assert.match(said, /retry-after: 1\r\n/);
  assert.match(said, /FILES_AWAY/);
});

test('a client that leaves in the middle takes its request along', async () => {
  for (const leave of [(client: Socket) => client.destroy(), (client: Socket) => client.end()]) {
    let isGone = false;
    await using way = await Way.open(2 * MIB, {
      answer: (socket) => void socket.resume().on('close', () => (isGone = true)),
    });
    way.client.write('some');
    await until('the process to be asked', () => way.inside.length > 0);
    leave(way.client);
    await until('the request to end', () => isGone);
  }
});

test('a client that had left before is not waited for', async () => {
  await using way = await Way.open(2 * MIB, {
    answer: (socket) => void socket.resume(),
    isLate: true,
  });
  way.client.end('some');
  assert.equal(await way.ended(), '');
});

function patterned(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_value, at) => at % 251));
}
