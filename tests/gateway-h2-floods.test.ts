/** What must not harm: floods, malformed requests and clients that do not read, over HTTP/2. Each limit is in `H2` of limits.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLogger, type LogFields, type Logger } from '../src/base/log.ts';
import { H2 } from '../src/gateway/limits.ts';
import { type Gateway, proxyRoute, RawOrigin, socketUpstream, until } from './gateway-kit.ts';
import { fieldBlock, FLAG, frame, FRAME, GET, H2Client, RawH2, startH2 } from './gateway-h2-kit.ts';

const PROTOCOL_ERROR = Buffer.from([0, 0, 0, 1]);
const REFUSED = Buffer.from([0, 0, 0, 7]);
const CANCEL = Buffer.from([0, 0, 0, 8]);
const EMPTY = Buffer.alloc(0);

/** With an origin that answers `/` and lets `/hangs` wait. */
async function withOrigin(gateway: Gateway): Promise<RawOrigin> {
  const origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket, seen }) => {
    if (!seen.includes(' /hangs ')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  await gateway.route(proxyRoute([socketUpstream(origin.path)]));
  return origin;
}

/** What the gateway says about connections that it ended. */
function listening(): { readonly log: Logger; readonly said: string[] } {
  const said: string[] = [];
  const sinks = [
    ({ fields }: { readonly fields: LogFields }) => void said.push(String(fields.why)),
  ];
  return {
    said,
    log: createLogger({ part: 'test', sinks, now: () => Date.now(), level: 'debug' }),
  };
}

async function stillServes(gateway: Gateway): Promise<void> {
  const answer = await new H2Client(gateway).get('/');
  assert.deepEqual([answer.status, String(answer.body)], [200, 'ok']);
}

describe('floods', () => {
  test('requests that are taken back at once', async () => {
    const { log, said } = listening();
    await using gateway = await startH2([], {}, log);
    await using origin = await withOrigin(gateway);
    const raw = new RawH2(gateway);
    const block = fieldBlock(
      GET.map(([name, value]) => [name, name === ':path' ? '/hangs' : value]),
    );
    const all: Buffer[] = [];
    for (let at = 0; at < 5 * H2.resetsMax; at++) {
      all.push(frame(FRAME.headers, FLAG.endHeaders + FLAG.endStream, 2 * at + 1, block));
      all.push(frame(FRAME.reset, 0, 2 * at + 1, CANCEL));
    }
    raw.socket.write(Buffer.concat(all));
    await raw.gone();
    assert.ok(said.includes('too many requests were taken back'), said.join());
    assert.ok(origin.connections.length <= H2.resetsMax + H2.streamsMax);
    await stillServes(gateway);
  });

  for (const [what, type] of [
    ['PING', FRAME.ping],
    ['SETTINGS', FRAME.settings],
  ] as const) {
    test(`${what} frames without end`, async () => {
      const { log, said } = listening();
      await using gateway = await startH2([], {}, log);
      await using _origin = await withOrigin(gateway);
      const raw = new RawH2(gateway);
      const one = frame(type, 0, 0, type === FRAME.ping ? Buffer.alloc(8) : EMPTY);
      const hundred = Buffer.concat(Array.from({ length: 100 }, () => one));
      for (let sent = 100; sent <= H2.controlFramesMax + 100 && !raw.ended; sent += 100) {
        raw.socket.write(hundred);
        await until('answers', () => raw.ended || raw.answers(type) >= sent);
      }
      await raw.gone();
      assert.ok(said.includes('too many PING or SETTINGS frames'), said.join());
      // One that does not even read the answers is stopped too.
      const deaf = new RawH2(gateway);
      deaf.socket.pause();
      deaf.socket.write(Buffer.concat(Array.from({ length: 100 }, () => hundred)));
      await until('the end of it', () => gateway.plane.stats().connections === 0);
      await stillServes(gateway);
    });
  }

  test('a head that never ends', async () => {
    await using gateway = await startH2([]);
    await using origin = await withOrigin(gateway);
    const raw = new RawH2(gateway);
    raw.send(FRAME.headers, FLAG.endStream, 1, fieldBlock(GET));
    for (let at = 0; at < 100; at++) {
      raw.send(FRAME.continuation, 0, 1, fieldBlock([[`x-${at}`, 'v'.repeat(1000)]]));
    }
    await raw.gone();
    assert.equal(origin.connections.length, 0);
    await stillServes(gateway);
  });

  test('a head that is far too long resets its stream only', async () => {
    await using gateway = await startH2([], { requestHeadBytesMax: 1024, requestHeadersMax: 8 });
    await using origin = await withOrigin(gateway);
    const raw = new RawH2(gateway);
    const long = [...GET, ['x-long', 'v'.repeat(4000)]] as const;
    raw.ask(1, long);
    // As long as the client has not read what it may send.
    assert.match(String((await raw.see(FRAME.data, 1)).payload), /^431 /);
    raw.send(FRAME.settings, FLAG.ack, 0, EMPTY);
    raw.ask(7, long);
    await raw.see(FRAME.reset, 7);
    raw.ask(9, [...GET, ...Array.from({ length: 30 }, (_none, at) => [`x-${at}`, 'v'] as const)]);
    await raw.see(FRAME.reset, 9);
    assert.equal(origin.connections.length, 0);
    raw.ask(11, GET);
    await raw.see(FRAME.data, 11);
  });

  test('more requests at once than the limit', async () => {
    await using gateway = await startH2([]);
    await using _origin = await withOrigin(gateway);
    const raw = new RawH2(gateway);
    await raw.see(FRAME.settings);
    const hangs = GET.map(([name, value]) => [name, name === ':path' ? '/hangs' : value] as const);
    for (let at = 0; at <= H2.streamsMax; at++) raw.ask(2 * at + 1, hangs);
    const last = 2 * H2.streamsMax + 1;
    assert.deepEqual((await raw.see(FRAME.reset, last)).payload, REFUSED);
    assert.equal(raw.frames.filter(({ type }) => type === FRAME.reset).length, 1);
    await stillServes(gateway);
  });
});

describe('malformed requests never reach an upstream', () => {
  const replaced = (name: string, value: string): readonly (readonly [string, string])[] =>
    GET.map((field) => (field[0] === name ? ([name, value] as const) : field));
  const cases: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    ['a name in capitals', [...GET, ['X-Big', '1']]],
    ['Connection', [...GET, ['connection', 'close']]],
    ['Transfer-Encoding', [...GET, ['transfer-encoding', 'chunked']]],
    ['Upgrade', [...GET, ['upgrade', 'websocket']]],
    ['TE other than trailers', [...GET, ['te', 'gzip']]],
    ['no path', GET.filter(([name]) => name !== ':path')],
    ['no method', GET.filter(([name]) => name !== ':method')],
    ['no scheme', GET.filter(([name]) => name !== ':scheme')],
    ['no authority', GET.filter(([name]) => name !== ':authority')],
    ['an empty path', replaced(':path', '')],
    ['a whole URL as path', replaced(':path', 'http://b.example/')],
    ['a space in the path', replaced(':path', '/ HTTP/1.1')],
    ['another scheme', replaced(':scheme', 'http')],
    ['a pseudo-header twice', [...GET, [':path', '/x']]],
    ['an unknown pseudo-header', [[':x', '1'], ...GET]],
    ['a pseudo-header behind a field', [...GET.slice(1), ['a', 'b'], [':method', 'GET']]],
    ['another host', [...GET, ['host', 'b.example']]],
    ['a host with a user', replaced(':authority', 'a@b')],
    ['a length without a body', [...GET, ['content-length', '5']]],
    ['two lengths', [...GET, ['content-length', '0'], ['content-length', '0']]],
    ['a method in small letters', replaced(':method', 'get')],
    ['CONNECT', replaced(':method', 'CONNECT')],
    ['a value with a line in it', [...GET, ['a', 'b\r\nc: d']]],
    ['a value with a line feed', [...GET, ['a', 'b\nc: d']]],
    ['a value with a zero byte', [...GET, ['a', 'b\0']]],
    ['a value that begins with a space', [...GET, ['a', ' b']]],
    ['CONNECT with an unknown protocol', [[':protocol', 'x'], ...replaced(':method', 'CONNECT')]],
  ];
  for (const [what, fields] of cases) {
    test(what, async () => {
      await using gateway = await startH2([]);
      await using origin = await withOrigin(gateway);
      const raw = new RawH2(gateway);
      raw.ask(1, fields);
      assert.deepEqual((await raw.see(FRAME.reset, 1)).payload, PROTOCOL_ERROR);
      raw.ask(3, GET);
      await raw.see(FRAME.data, 3);
      assert.equal(origin.connections.length, 1);
    });
  }

  for (const [what, length] of [
    ['shorter', '10'],
    ['longer', '2'],
  ] as const) {
    test(`a body that is ${what} than its length`, async () => {
      await using gateway = await startH2([]);
      await using origin = await withOrigin(gateway);
      const raw = new RawH2(gateway);
      const post = GET.map(([name, value]) => {
        if (name === ':path') return [name, '/hangs'] as const;
        return [name, name === ':method' ? 'POST' : value] as const;
      });
      const block = fieldBlock([...post, ['content-length', length]]);
      raw.send(FRAME.headers, FLAG.endHeaders, 1, block);
      raw.send(FRAME.data, FLAG.endStream, 1, Buffer.from('GET /'));
      await until(
        'the end of the request',
        () => raw.ended || raw.frames.some(({ type }) => type === FRAME.reset),
      );
      assert.equal(
        raw.frames.some(({ type }) => type === FRAME.headers),
        false,
      );
      assert.doesNotMatch(origin.seen, /\r\n\r\nGET/);
      await stillServes(gateway);
    });
  }

  for (const [what, fields] of [
    ['a host that is no name', replaced(':authority', 'a..b')],
    ['a name that looks like another', [...GET, ['x_forwarded_for', '1']]],
  ] as const) {
    test(`${what} is answered with 400`, async () => {
      await using gateway = await startH2([]);
      await using origin = await withOrigin(gateway);
      const raw = new RawH2(gateway);
      raw.ask(1, fields);
      const { payload } = await raw.see(FRAME.headers, 1);
      // HPACK's table has `:status: 400` at 12.
      assert.equal(payload[0], 0x80 + 12);
      assert.equal(origin.connections.length, 0);
    });
  }
});

describe('slow clients', () => {
  test('one that asks nothing, and one whose head stops half-way', async () => {
    await using gateway = await startH2([], { requestHeadTimeoutMs: 200 });
    const silent = new RawH2(gateway);
    const half = new RawH2(gateway);
    half.send(FRAME.headers, FLAG.endStream, 1, fieldBlock(GET));
    await Promise.all([silent.gone(), half.gone()]);
    assert.equal(gateway.plane.stats().connections, 0);
  });

  test('a body that stops half-way', async () => {
    await using gateway = await startH2([], { requestBodyIdleTimeoutMs: 200 });
    await using _origin = await withOrigin(gateway);
    const raw = new RawH2(gateway);
    const hangs = GET.map(([name, value]) => [name, name === ':path' ? '/hangs' : value] as const);
    raw.send(FRAME.headers, FLAG.endHeaders, 1, fieldBlock([...hangs, ['content-length', '10']]));
    raw.send(FRAME.data, 0, 1, Buffer.from('half'));
    await raw.see(FRAME.headers, 1);
    assert.equal(gateway.entries.at(-1)?.status, 408);
  });

  test('a window that is never opened', async () => {
    await using gateway = await startH2([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n');
      socket.write(Buffer.alloc(10_000_000));
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)], { idleTimeoutMs: 200 }));
    const raw = new RawH2(gateway);
    raw.ask(1, GET);
    await raw.see(FRAME.reset, 1);
    const got = raw.frames.filter(({ type }) => type === FRAME.data);
    assert.equal(
      got.reduce((sum, { payload }) => sum + payload.length, 0),
      65_535,
    );
  });

  test('a window that is never opened for an answer from memory', async () => {
    const limits = { keepAliveTimeoutMs: 200 };
    await using gateway = await startH2([], limits);
    await using _origin = await withOrigin(gateway);
    await gateway.route({
      id: 'site',
      hosts: ['*'],
      path: '/',
      target: { kind: 'respond', status: 200, message: 'word '.repeat(800) },
    });
    const raw = new RawH2(gateway);
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    raw.send(FRAME.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]));
    raw.ask(1, GET);
    await raw.see(FRAME.reset, 1);
    assert.equal(
      raw.frames.some(({ type }) => type === FRAME.data),
      false,
    );
  });
});
