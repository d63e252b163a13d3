import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { proveHandles } from '../net/net.ts';
import { JsonDoor } from './json-door.ts';

type Act = (socket: Socket, question: string) => Promise<void> | void;

/** A server that does with each question what is said next. */
class Other implements AsyncDisposable {
  readonly acts: Act[] = [];
  connections = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), 'moln-json-'));
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => {
    this.connections += 1;
    this.#sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/.exec(text)?.[1]);
      if (end < 0 || text.length < end + 4 + length) return;
      const question = Buffer.from(text.slice(end + 4), 'latin1').toString();
      text = '';
      void this.acts.shift()?.(socket, question);
    });
  });
  readonly path: string = join(this.#folder, 'socket');

  static async start(): Promise<Other> {
    const other = new Other();
    other.#server.listen(other.path);
    await once(other.#server, 'listening');
    return other;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const answer = (body: string, fields = ''): string =>
  `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const echo: Act = (socket, question) => void socket.write(answer(question));

for (const way of ['through streams', 'past streams'] as const)
  test(`questions ${way}`, async (t) => {
    if (way === 'past streams') assert.ok(await proveHandles());
    await using other = await Other.start();
    using door = new JsonDoor({
      socketPath: other.path,
      path: '/q',
      fields: '',
      answerBytesMax: 1000,
      silentMs: 60_000,
      idleMs: 60_000,
    });

    await t.test('one after the other share a connection, two at once do not', async () => {
      other.acts.push(echo, echo, echo, echo);
      assert.deepEqual(await door.ask({ a: 'ä' }), { status: 200, value: { a: 'ä' } });
      assert.deepEqual(await door.ask([1]), { status: 200, value: [1] });
      assert.equal(other.connections, 1);
      const both = await Promise.all([door.ask(1), door.ask(2)]);
      assert.deepEqual(
        both.map(({ value }) => value),
        [1, 2],
      );
      assert.equal(other.connections, 2);
    });

    await t.test('an answer in small pieces', async () => {
      other.acts.push(async (socket) => {
        for (const byte of Buffer.from(answer('{"b":"ö"}'))) {
          socket.write(Buffer.of(byte));
          await turn();
        }
      });
      assert.deepEqual((await door.ask(1)).value, { b: 'ö' });
    });

    await t.test('what is no answer is said, and the next question is answered', async () => {
      const bad: readonly (readonly [Act, RegExp])[] = [
        [(socket) => void socket.end(), /the connection ended/],
        [(socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Le'), /the connection ended/],
        [(socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\n{}'), /has no length/],
        [(socket) => void socket.write(answer(`"${'x'.repeat(2000)}"`)), /too long/],
        [(socket) => void socket.write(answer('no JSON')), /JSON/],
        [(socket) => void socket.write(`${answer('1')}${answer('2')}`), /nobody asked/],
      ];
      for (const [act, why] of bad) {
        other.acts.push(act, echo);
        await assert.rejects(door.ask(1), why);
        assert.deepEqual((await door.ask(2)).value, 2);
      }
    });

    await t.test('one that is closed afterwards is not asked again', async () => {
      other.acts.push(
        (socket, question) => void socket.end(answer(question, 'Connection: close\r\n')),
      );
      assert.deepEqual((await door.ask(1)).value, 1);
      other.acts.push(echo);
      assert.deepEqual((await door.ask(2)).value, 2);
    });
  });

test('a server that says nothing is given up', async () => {
  await using other = await Other.start();
  const socketPath = other.path;
  const options = {
    socketPath,
    path: '/q',
    fields: '',
    answerBytesMax: 1000,
    silentMs: 50,
    idleMs: 50,
  };
  using door = new JsonDoor(options);
  other.acts.push(() => undefined);
  await assert.rejects(door.ask(1), /said nothing for too long/);
  using nobody = new JsonDoor({ ...options, socketPath: `${socketPath}-gone` });
  await assert.rejects(nobody.ask(1), /ENOENT/);
});

test('a connection that nobody uses is let go of', async () => {
  await using other = await Other.start();
  using door = new JsonDoor({
    socketPath: other.path,
    path: '/q',
    fields: '',
    answerBytesMax: 1000,
    silentMs: 60_000,
    idleMs: 20,
  });
  const ended = Promise.withResolvers<void>();
  other.acts.push((socket, question) => {
    socket.once('end', ended.resolve);
    void echo(socket, question);
  }, echo);
  await door.ask(1);
  await ended.promise;
  assert.deepEqual((await door.ask(2)).value, 2);
  assert.equal(other.connections, 2);
});
