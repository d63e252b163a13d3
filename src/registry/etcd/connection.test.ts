import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import {
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../base/time.ts';
import { until } from '../../../testing/until.ts';
import { Connection, failureOf } from './connection.ts';
import { create, RangeResponseSchema, toBinary, WatchResponseSchema } from './etcd-pb.ts';
import { frameOf, MESSAGE_BYTES_MAX } from './grpc-wire.ts';

/** Turns of the event loop between the member's good-bye and ours: one of them meets the connection half closed. */
const TURNS = 40;
const HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const;
const RANGE = frameOf(toBinary(RangeResponseSchema, create(RangeResponseSchema, { count: 7n })));

type Answer = (stream: ServerHttp2Stream) => void;

class Member implements AsyncDisposable {
  readonly #server: Http2Server = createServer();
  readonly sessions: ServerHttp2Session[] = [];
  answer: Answer = () => {};

  static async start(t: TestContext): Promise<Member> {
    const member = new Member();
    member.#server.on('session', (session) => {
      member.sessions.push(session);
      session.on('error', () => {});
    });
    member.#server.on('stream', (stream) => {
      stream.on('error', () => {});
      member.answer(stream);
    });
    member.#server.listen(0, '127.0.0.1');
    await once(member.#server, 'listening');
    t.after(() => member[Symbol.asyncDispose]());
    return member;
  }

  connection(): Connection {
    const { port } = this.#server.address() as AddressInfo;
    return new Connection(`http://127.0.0.1:${port}`, { clock: systemClock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.sessions) session.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Headers, these bytes in these pieces, and trailers. */
function says(chunks: readonly Buffer[], trailers: Readonly<Record<string, string>>): Answer {
  return (stream) => {
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    for (const chunk of chunks) stream.write(chunk);
    stream.end();
  };
}

const OK = { 'grpc-status': '0' } as const;

test('an answer is read however it is cut', async (t) => {
  const member = await Member.start(t);
  const connection = member.connection();
  assert.equal(await connection.open(), undefined);
  const cuts = [[RANGE], [...RANGE].map((byte) => Buffer.of(byte))];
  for (const chunks of cuts) {
    member.answer = says(chunks, OK);
    assert.equal((await connection.kv.range({})).count, 7n);
  }
  connection.close();
});

test('what is larger than the windows goes both ways', async (t) => {
  const member = await Member.start(t);
  const connection = member.connection();
  await connection.open();
  const value = Buffer.alloc(5_000_000, 'v');
  const large = frameOf(
    toBinary(RangeResponseSchema, create(RangeResponseSchema, { kvs: [{ value }] })),
  );
  let sentBytes = 0;
  member.answer = (stream) => {
    stream.on('data', (chunk: Buffer) => (sentBytes += chunk.length));
    stream.on('end', () => says([large], OK)(stream));
  };
  const { kvs } = await connection.kv.range({ key: Buffer.alloc(1_000_000) });
  assert.ok(sentBytes > 1_000_000);
  assert.ok(kvs[0] !== undefined && value.equals(kvs[0].value));
  connection.close();
});

test('what a member that says good-bye has taken is answered, and the next call goes over a new connection', async (t) => {
  const member = await Member.start(t);
  const connection = member.connection();
  await connection.open();
  const taken = Promise.withResolvers<ServerHttp2Stream>();
  member.answer = taken.resolve;
  const call = connection.kv.range({});
  const stream = await taken.promise;
  stream.session?.goaway();
  await until('the good-bye to be heard', () => !connection.isOpen);
  says([RANGE], OK)(stream);
  assert.equal((await call).count, 7n);
  await until('the connection to end', () => connection.isClosed);
  assert.equal(await connection.open(), undefined);
  member.answer = says([RANGE], OK);
  assert.equal((await connection.kv.range({})).count, 7n);
  assert.equal(member.sessions.length, 2);
  connection.close();
});

test('a peer that speaks something else is a connection that has failed', async (t) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const connection = new Connection(`http://127.0.0.1:${port}`, { clock: systemClock });
  assert.equal(await connection.open(), undefined);
  await assert.rejects(
    connection.kv.range({}),
    (error) => failureOf(error).status === 'Unavailable',
  );
  await until('the end', () => connection.isClosed);
});

const FAILURES: readonly (readonly [
  what: string,
  answer: Answer,
  status: string,
  words: RegExp,
])[] = [
  [
    'a status in the trailers, its message percent-encoded',
    says([], { 'grpc-status': '9', 'grpc-message': 'lease%20not%20found%3A%20%C3%A9' }),
    'FailedPrecondition',
    /^lease not found: é$/,
  ],
  [
    'a status without a body',
    (stream) => stream.respond({ ...HEADERS, 'grpc-status': '12' }, { endStream: true }),
    'Unimplemented',
    /^$/,
  ],
  ['a status that does not exist', says([RANGE], { 'grpc-status': '99' }), 'Unknown', /^$/],
  ['no status at all', says([RANGE], {}), 'Internal', /without a status/],
  ['a message that is cut off', says([RANGE.subarray(0, 6)], OK), 'Internal', /cut off/],
  ['no message', says([], OK), 'Internal', /no message/],
  ['bytes that are no protocol buffers', says([frameOf(Buffer.of(0xff))], OK), 'Internal', /./],
  ['a compressed message', says([Buffer.from([1, 0, 0, 0, 0])], OK), 'Internal', /compressed/],
  [
    'a message that is too large',
    (stream) => {
      const head = Buffer.alloc(5);
      head.writeUInt32BE(MESSAGE_BYTES_MAX + 1, 1);
      stream.respond(HEADERS);
      stream.write(head);
    },
    'ResourceExhausted',
    /at most 67108864/,
  ],
  [
    'a proxy that knows no member',
    (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
    'Unavailable',
    /HTTP status 503/,
  ],
  [
    'something else than gRPC',
    (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/html' });
      stream.end('<p>');
    },
    'Unknown',
    /text\/html/,
  ],
  [
    'a reset',
    (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
    'Unavailable',
    /reset with code 7/,
  ],
  ['a connection that is gone', (stream) => stream.session?.destroy(), 'Unavailable', /./],
  ['silence', () => {}, 'DeadlineExceeded', /within 300 ms/],
];

test('each way to fail has its status', async (t) => {
  const member = await Member.start(t);
  for (const [what, answer, status, words] of FAILURES) {
    await t.test(what, async () => {
      const connection = member.connection();
      assert.equal(await connection.open(), undefined);
      member.answer = answer;
      await assert.rejects(connection.kv.range({}, { timeoutMs: 300 }), (error) => {
        const failure = failureOf(error);
        assert.equal(failure.status, status, failure.message);
        assert.match(failure.message, words);
        return true;
      });
      connection.close();
    });
  }
});

test('without a connection nothing is sent', async (t) => {
  const member = await Member.start(t);
  const connection = member.connection();
  await assert.rejects(
    connection.kv.range({}),
    (error) => failureOf(error).status === 'Unavailable',
  );
  assert.equal(member.sessions.length, 0);
  assert.equal(await connection.open(), undefined);
  member.answer = says([RANGE], OK);
  await connection.kv.range({});
  // And it may be opened again after it has ended.
  member.sessions[0]?.destroy();
  await until('the end to be seen', () => !connection.isOpen);
  assert.equal(await connection.open(), undefined);
  await connection.kv.range({});
  connection.close();
  // At once, not only when its socket tells.
  assert.equal(connection.isOpen, false);
  await assert.rejects(connection.kv.range({}), /is not connected/);
});

test('a talk says and hears until one of both leaves, and a slow listener holds the other back', async (t) => {
  const member = await Member.start(t);
  const connection = member.connection();
  await connection.open();
  const frame = frameOf(
    toBinary(
      WatchResponseSchema,
      create(WatchResponseSchema, { cancelReason: 'x'.repeat(64_000) }),
    ),
  );
  let sent = 0;
  const reset = Promise.withResolvers<number>();
  member.answer = (stream) => {
    stream.respond(HEADERS);
    stream.on('close', () => reset.resolve(stream.rstCode ?? 0));
    const send = (): void => {
      while (!stream.destroyed && stream.write(frame)) sent++;
      stream.once('drain', send);
    };
    stream.once('data', send);
  };
  const watch = connection.watch.watch({});
  watch.say({ requestUnion: { case: 'createRequest', value: {} } });
  let before = -1;
  await until('the other side to wait', () => {
    const isSteady = sent > 0 && sent === before;
    before = sent;
    return isSteady;
  });
  const held = sent;
  let heard = 0;
  for await (const { cancelReason } of watch) {
    assert.equal(cancelReason.length, 64_000);
    if (++heard > held + 64) break;
  }
  assert.equal(await reset.promise, constants.NGHTTP2_CANCEL);
  connection.close();
});

test('what ends a talk is thrown behind the last message, and the signal ends it as well', async (t) => {
  const member = await Member.start(t);
  const connection = member.connection();
  await connection.open();
  member.answer = says([frameOf(new Uint8Array())], { 'grpc-status': '14' });
  let heard = 0;
  await assert.rejects(
    async () => {
      for await (const _ of connection.watch.watch({})) heard++;
    },
    (error) => failureOf(error).status === 'Unavailable',
  );
  assert.equal(heard, 1);
  member.answer = (stream) => stream.respond(HEADERS);
  const stop = new AbortController();
  const silent = connection.watch.watch({ signal: stop.signal })[Symbol.asyncIterator]();
  const next = silent.next();
  stop.abort();
  await assert.rejects(next, (error) => failureOf(error).status === 'Canceled');
  connection.close();
});

test('a member that says good-bye on an idle connection breaks nothing, whenever we close it', async (t) => {
  const member = await Member.start(t);
  member.answer = says([], { 'grpc-status': '12' });
  for (let turns = 0; turns < TURNS; turns++) {
    const connection = member.connection();
    assert.equal(await connection.open(), undefined);
    await assert.rejects(connection.kv.range({}));
    member.sessions.at(-1)?.goaway(0);
    for (let at = 0; at < turns; at++) await turn();
    connection.close();
  }
});
