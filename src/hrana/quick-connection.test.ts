/** A connection that is read without node:http: clients that leave, are slow, or do not wait for answers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../base/time.ts';
import { until } from '../../testing/until.ts';
import type { HranaAnswer, HranaRequest } from './http-endpoints.ts';
import { QUICK_REQUEST_BYTES_MAX } from './limits.ts';
import { QuickConnection } from './quick-connection.ts';

const REQUEST = 'POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}';
const OK: HranaAnswer = { status: 200, type: 'text/plain', body: 'ok' };

class Pair implements AsyncDisposable {
  readonly asked: HranaRequest[] = [];
  readonly given: Socket[] = [];
  readonly client: Socket;
  readonly near: Socket;
  readonly connection: QuickConnection;
  received = '';

  private constructor(client: Socket, near: Socket, answer: () => Promise<HranaAnswer>) {
    this.client = client;
    this.near = near;
    client.on('error', () => undefined);
    client.on('data', (bytes: Buffer) => (this.received += bytes.toString()));
    this.connection = new QuickConnection({
      socket: near,
      clock: systemClock,
      isQuick: (target) => target === '/quick',
      answer: (request) => {
        this.asked.push(request);
        return answer();
      },
      handOver: (socket) => this.given.push(socket),
      onGone: () => undefined,
      keepAliveMs: 60_000,
    });
    this.connection.start();
  }

  static async open(answer: () => Promise<HranaAnswer>): Promise<Pair> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('There is no port');
    const came = once(server, 'connection') as Promise<[Socket]>;
    const client = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
    const [near] = await came;
    server.close();
    return new Pair(client, near, answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy();
    this.near.destroy();
    await until('it is gone', () => this.near.closed);
  }
}

test('requests that do not wait for answers are not gathered without end', async () => {
  const answers: (() => void)[] = [];
  await using pair = await Pair.open(
    () => new Promise((resolve) => answers.push(() => resolve(OK))),
  );
  pair.client.write(REQUEST.repeat(100_000));
  for (let answered = 0; answered < 50; answered++) {
    await until('the next is asked', () => answers.length > answered);
    // What more there is to read has been read by then.
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    answers[answered]?.();
  }
  assert.ok(pair.near.bytesRead <= 4 * QUICK_REQUEST_BYTES_MAX, `${pair.near.bytesRead} bytes`);
  assert.equal(pair.given.length, 0);
});

test('a client that sends nothing more has left, and its statement is told', async () => {
  const never = Promise.withResolvers<HranaAnswer>();
  await using pair = await Pair.open(() => never.promise);
  pair.client.write(REQUEST);
  await until('it is asked', () => pair.asked.length === 1);
  pair.client.end();
  await until('it is told', () => pair.asked[0]?.client.hasLeft === true);
  never.resolve(OK);
});

test('who is slow with a request goes to whoever has times for that, with all that came', async () => {
  await using pair = await Pair.open(() => Promise.resolve(OK));
  pair.client.write(REQUEST + REQUEST.slice(0, -1));
  await until('the first is answered', () => pair.received.endsWith('ok'));
  pair.connection.sweep();
  assert.equal(pair.given.length, 1);
  pair.client.write('}');
  pair.given[0]?.resume();
  let rest = '';
  pair.given[0]?.on('data', (bytes: Buffer) => (rest += bytes.toString()));
  await until('all of it is there', () => rest === REQUEST);
  assert.equal(pair.asked.length, 1);
});

test('nothing is looked at after a request that was to be the last', async () => {
  await using pair = await Pair.open(() => Promise.resolve(OK));
  pair.client.write(REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n') + REQUEST);
  await until('it is ended', () => pair.near.destroyed);
  assert.equal(pair.asked.length, 1);
  assert.match(pair.received, /^HTTP\/1\.1 200 [^]*ok$/);
});

test('it is ended when nothing was asked between two sweeps, and not while an answer is awaited', async () => {
  const slow = Promise.withResolvers<HranaAnswer>();
  const answers = [Promise.resolve(OK), slow.promise];
  await using pair = await Pair.open(() => answers.shift() ?? Promise.reject(new Error('a third')));
  pair.connection.sweep();
  pair.client.write(REQUEST);
  await until('the first is answered', () => pair.received.endsWith('ok'));
  pair.connection.sweep();
  pair.client.write(REQUEST);
  await until('the second is asked', () => pair.asked.length === 2);
  for (let sweeps = 0; sweeps < 5; sweeps++) pair.connection.sweep();
  slow.resolve(OK);
  await until('the second is answered', () => /ok.*ok$/s.test(pair.received));
  pair.connection.sweep();
  assert.equal(pair.near.destroyed, false);
  pair.connection.sweep();
  await until('it is ended', () => pair.near.destroyed);
});
