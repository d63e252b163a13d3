/** Requests that an upstream over HTTP/2 says it has not dealt with: they are sent again, whatever their method. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { RouteConfig } from '../src/gateway/config.ts';
import { ASKING } from '../src/gateway/limits.ts';
import { fieldBlock, FLAG, FRAME, frame, H2Client, startH2 } from './gateway-h2-kit.ts';
import { type Gateway, proxyRoute } from './gateway-kit.ts';

const REFUSED = 7;
const INTERNAL = 2;
const WINDOW_UPDATE = 8;
const NOTHING: Buffer = Buffer.alloc(0);

/** One connection to the upstream. */
interface Line {
  /** The first is 1. */
  readonly number: number;
  reset(stream: number, code: number): void;
  goaway(lastStream: number, code: number): void;
  /** The body of the request, in capitals. */
  answer(stream: number): void;
}

interface RawUpstream {
  readonly port: number;
  /** Bodies of the requests that came whole, by connection. */
  readonly bodies: string[];
  lines: number;
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, at * 4);
  return bytes;
}

/** Frames by hand: Node's own server cannot say which requests it has not dealt with. */
async function startRaw(
  t: TestContext,
  asked: (line: Line, stream: number) => void,
): Promise<RawUpstream> {
  const raw: RawUpstream = { port: 0, bodies: [], lines: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const bodies = new Map<number, string>();
    const line: Line = {
      number: ++raw.lines,
      reset: (stream, code) => socket.write(frame(FRAME.reset, 0, stream, numbers(code))),
      goaway: (last, code) => socket.write(frame(FRAME.goaway, 0, 0, numbers(last, code))),
      answer: (stream) => {
        socket.write(
          frame(FRAME.headers, FLAG.endHeaders, stream, fieldBlock([[':status', '200']])),
        );
        const body = Buffer.from((bodies.get(stream) ?? '').toUpperCase());
        socket.write(frame(FRAME.data, FLAG.endStream, stream, body));
      },
    };
    socket.write(frame(FRAME.settings, 0, 0, NOTHING));
    let rest: Buffer = NOTHING;
    let isGreeted = false;
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      if (!isGreeted && rest.length >= 24) {
        isGreeted = true;
        rest = rest.subarray(24);
      }
      while (isGreeted && rest.length >= 9) {
        const end = 9 + rest.readUIntBE(0, 3);
        if (rest.length < end) return;
        const [type = 0, flags = 0] = rest.subarray(3, 5);
        const stream = rest.readUInt32BE(5);
        const body = rest.subarray(9, end).toString('latin1');
        rest = rest.subarray(end);
        if (type === FRAME.data && body !== '') {
          bodies.set(stream, (bodies.get(stream) ?? '') + body);
          for (const each of [0, stream]) {
            socket.write(frame(WINDOW_UPDATE, 0, each, numbers(body.length)));
          }
        }
        const isRequest = type === FRAME.data || type === FRAME.headers;
        if (!isRequest || (flags & FLAG.endStream) === 0) continue;
        raw.bodies.push(`${line.number}:${bodies.get(stream) ?? ''}`);
        asked(line, stream);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return Object.assign(raw, { port: (server.address() as AddressInfo).port });
}

async function before(
  t: TestContext,
  ports: readonly number[],
  more: Partial<RouteConfig> = {},
): Promise<Gateway> {
  const upstreams = ports.map((port, at) => ({
    id: `app-${at}`,
    address: { kind: 'tcp', host: '127.0.0.1', port, http2: true } as const,
  }));
  const gateway = await startH2([{ ...proxyRoute(upstreams), ...more }]);
  t.after(() => gateway[Symbol.asyncDispose]());
  return gateway;
}

const POST = { ':method': 'POST', ':path': '/' };
const SIZED = { ...POST, 'content-length': '5' };

test('a POST that was refused is sent again with its body, framed as it was', async (t) => {
  let refusals = 0;
  const raw = await startRaw(t, (line, stream) => {
    if (refusals++ % 2 === 0) line.reset(stream, REFUSED);
    else line.answer(stream);
  });
  const gateway = await before(t, [raw.port]);
  const client = new H2Client(gateway);
  for (const headers of [SIZED, POST]) {
    const answer = await client.ask(headers, 'hello');
    assert.deepEqual([answer.status, answer.body.toString()], [200, 'HELLO']);
  }
  const empty = await client.ask(POST);
  assert.equal(empty.status, 200);
  assert.deepEqual(raw.bodies, ['1:hello', '1:hello', '1:hello', '1:hello', '1:', '1:']);
});

test('what came after the last request that a leaving upstream deals with goes over a new connection', async (t) => {
  for (const code of [0, INTERNAL]) {
    const raw = await startRaw(t, (line, stream) => {
      if (line.number === 1) line.goaway(0, code);
      else line.answer(stream);
    });
    const client = new H2Client(await before(t, [raw.port]));
    const answer = await client.ask(SIZED, 'hello');
    assert.deepEqual([answer.status, answer.body.toString()], [200, 'HELLO'], `code ${code}`);
    assert.deepEqual(raw.bodies, ['1:hello', '2:hello']);
  }
});

test('what it may have dealt with is not sent again', async (t) => {
  // Node says of each stream that it ended as its connection did.
  for (const code of [INTERNAL, REFUSED]) {
    const raw = await startRaw(t, (line, stream) => line.goaway(stream, code));
    const client = new H2Client(await before(t, [raw.port]));
    assert.equal((await client.ask(SIZED, 'hello')).status, 502, `code ${code}`);
    assert.deepEqual(raw.bodies, ['1:hello']);
  }
});

test('who refuses again has another one asked in his place, and no more often than the budget says', async (t) => {
  const refusing = await startRaw(t, (line, stream) => line.reset(stream, REFUSED));
  const willing = await startRaw(t, (line, stream) => line.answer(stream));
  const client = new H2Client(await before(t, [refusing.port, willing.port]));
  for (let asked = 0; asked < 8; asked++) {
    assert.equal((await client.ask(SIZED, 'hello')).status, 200);
  }
  assert.equal(willing.bodies.length, 8);
  assert.equal(refusing.bodies.length % 2, 0);
  refusing.bodies.length = 0;
  const retries = { attempts: 3, budget: 0, perSecond: 0 };
  const balance = { algorithm: 'p2c', retries } as const;
  const bounded = new H2Client(await before(t, [refusing.port], { balance }));
  assert.equal((await bounded.ask(SIZED, 'hello')).status, 502);
  assert.equal(refusing.bodies.length, 1);
});

test('a body is held up to a limit, and not sent again beyond it', async (t) => {
  const raw = await startRaw(t, (line, stream) => line.reset(stream, REFUSED));
  const client = new H2Client(await before(t, [raw.port]));
  const asked = async (bytes: number): Promise<readonly number[]> => {
    raw.bodies.length = 0;
    assert.equal((await client.ask(POST, Buffer.alloc(bytes, 'x'))).status, 502);
    return raw.bodies.map((body) => body.length - '1:'.length);
  };
  const most = ASKING.heldBytesMax;
  assert.deepEqual(await asked(most), [most, most]);
  assert.deepEqual(await asked(most + 1), [most + 1]);
});
