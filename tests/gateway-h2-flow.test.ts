/** Back-pressure, caching, tunnels and drains over HTTP/2. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import type { ClientHttp2Stream } from 'node:http2';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { Gateway, proxyRoute, RawOrigin, socketUpstream, startApp, until } from './gateway-kit.ts';
import { acceptOf, H2Client, httpsListener, issue, startH2 } from './gateway-h2-kit.ts';

const MIB = 1024 * 1024;
/** Sockets, pipes and windows on the way; far below what is sent. */
const IN_FLIGHT_MAX: number = 8 * MIB;
/** An answer of 1 MiB takes a minute. */
const SLOW_BYTES_PER_MS: number = MIB / 64_000;

function route(path: string, target: string, more: object = {}): ReturnType<typeof proxyRoute> {
  return { ...proxyRoute([socketUpstream(target, path)]), id: path, path, ...more };
}

async function answersOthers(client: H2Client): Promise<void> {
  for (let round = 0; round < 20; round++) {
    assert.equal(String((await client.get('/quick')).body), 'quick');
  }
}

async function quickApp(gateway: Gateway): Promise<string> {
  return startApp(gateway, (_request, response) => response.end('quick'), 'quick');
}

describe('back-pressure', () => {
  test('a client that reads slowly stops its upstream, and nobody else', async () => {
    await using gateway = await startH2([]);
    const total = 64 * MIB;
    let sent = 0;
    const large = await startApp(gateway, (_request, response) => {
      response.writeHead(200, { 'content-length': total });
      const piece = Buffer.alloc(MIB, 'x');
      const push = (): void => {
        while (sent < total) {
          sent += MIB;
          if (!response.write(piece)) break;
        }
        if (sent >= total) response.end();
      };
      response.on('drain', push);
      push();
    });
    await gateway.route(route('/', large), route('/quick', await quickApp(gateway)));
    const client = new H2Client(gateway);
    const stream = client.session.request({ ':path': '/', ':authority': 'a.example' });
    await once(stream, 'response');
    await answersOthers(client);
    assert.ok(sent < IN_FLIGHT_MAX, `${sent} bytes left the upstream`);
    let got = 0;
    stream.on('data', (chunk: Buffer) => {
      got += chunk.length;
    });
    await once(stream, 'end');
    assert.equal(got, total);
  });

  test('who takes an answer slowly gets all of it, and who takes nothing is not waited for', async () => {
    const clock = new ManualClock();
    await using gateway = await Gateway.start([], {
      clock,
      listeners: [httpsListener(await issue(['a.example']))],
      limits: { keepAliveTimeoutMs: 20_000 },
    });
    const root = join(gateway.folder, 'site');
    await mkdir(root);
    // Of this size it is handed over at once, and the connection has nothing more to do for it.
    await writeFile(join(root, 'whole'), Buffer.alloc(MIB, 'x'));
    await gateway.route({ id: 's', hosts: ['*'], path: '/', target: { kind: 'static', root } });
    const client = new H2Client(gateway);
    const ask = (): ClientHttp2Stream =>
      client.session.request({ ':path': '/whole', ':authority': 'a.example' });
    const slow = ask();
    slow.on('error', () => undefined);
    let got = 0;
    slow.on('data', ({ length }: Buffer) => {
      got += length;
      slow.pause();
      clock.advance(length / SLOW_BYTES_PER_MS);
      setImmediate(() => slow.resume());
    });
    await once(slow, 'close');
    assert.equal(got, MIB);
    const deaf = ask();
    deaf.on('error', () => undefined);
    await once(deaf, 'response');
    for (let second = 0; second < 60; second++) clock.advance(1000);
    await until('its end', () => deaf.destroyed);
    assert.notEqual(deaf.rstCode, 0);
  });

  test('an upstream that reads slowly stops its client, and nobody else', async () => {
    await using gateway = await startH2([]);
    let release = (): void => undefined;
    const slow = await startApp(gateway, (request, response) => {
      let got = 0;
      release = () => {
        request.on('data', (chunk: Buffer) => {
          got += chunk.length;
        });
        request.on('end', () => response.end(String(got)));
      };
    });
    await gateway.route(route('/', slow), route('/quick', await quickApp(gateway)));
    const client = new H2Client(gateway);
    const stream = client.session.request({
      ':method': 'POST',
      ':path': '/',
      ':authority': 'a.example',
    });
    const total = 64 * MIB;
    let taken = 0;
    const piece = Buffer.alloc(MIB / 16, 'x');
    const push = (): void => {
      stream.write(piece, () => {
        taken += piece.length;
        if (taken < total) push();
        else stream.end();
      });
    };
    push();
    let before = -1;
    while (before !== taken && taken < total) {
      before = taken;
      await answersOthers(client);
    }
    assert.ok(taken < IN_FLIGHT_MAX, `${taken} bytes left the client`);
    release();
    assert.equal(await textOf(stream), String(total));
  });
});

async function textOf(stream: ClientHttp2Stream): Promise<string> {
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  await once(stream, 'end');
  return text;
}

test('the cache answers both protocols, and many wait for one', async () => {
  await using gateway = await startH2([]);
  gateway.cache = { memoryBytes: 8 * MIB };
  let asked = 0;
  const app = await startApp(gateway, (_request, response) => {
    asked++;
    setTimeout(() => {
      response.writeHead(200, { 'cache-control': 'max-age=60' });
      response.end('x'.repeat(100_000));
    }, 50);
  });
  await gateway.route(route('/', app, { cache: {} }));
  const [one, two] = [new H2Client(gateway), new H2Client(gateway)];
  const answers = await Promise.all([one, two, one, two].map((client) => client.get('/')));
  assert.equal(asked, 1);
  for (const { body } of answers) assert.equal(body.length, 100_000);
  const hit = await one.get('/');
  assert.match(String(hit.headers['cache-status']), /hit/);
  assert.equal(hit.body.length, 100_000);
  assert.equal(asked, 1);
});

test('a client that leaves ends its request at the upstream', async () => {
  await using gateway = await startH2([]);
  await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, () => undefined);
  await gateway.route(proxyRoute([socketUpstream(origin.path)]));
  const client = new H2Client(gateway);
  const stream = client.session.request({ ':path': '/', ':authority': 'a.example' });
  stream.on('error', () => undefined);
  await until('the request', () => origin.seen.endsWith('\r\n\r\n'));
  stream.close();
  await until(
    'the end at the upstream',
    () => origin.connections[0]?.socket.readableEnded === true,
  );
  await until('the log', () => gateway.entries.at(-1)?.status === 499);
  assert.equal(client.session.destroyed, false);
});

describe('WebSocket over extended CONNECT', () => {
  const connect = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws' };

  test('bytes go both ways until both have ended', async () => {
    await using gateway = await startH2([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket, seen }) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(seen)?.[1];
      if (seen.endsWith('\r\n\r\n') && key !== undefined) {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
            `Sec-WebSocket-Accept: ${acceptOf(key)}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
        );
      } else if (seen.endsWith('ping')) socket.write('pong');
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = new H2Client(gateway);
    await once(client.session, 'remoteSettings');
    const stream = client.session.request(
      { ':authority': 'a.example', ...connect, 'sec-websocket-version': '13' },
      { endStream: false },
    );
    const [head] = await once(stream, 'response');
    assert.equal(head[':status'], 200);
    assert.equal(head['sec-websocket-protocol'], 'chat');
    assert.equal(head['sec-websocket-accept'], undefined);
    assert.match(origin.seen, /^GET \/ws HTTP\/1\.1\r\n[^]*Upgrade: websocket\r\n/i);
    stream.write('ping');
    const [pong] = await once(stream, 'data');
    assert.equal(String(pong), 'pong');
    stream.end();
    assert.equal(await textOf(stream), '');
  });

  test('an upstream that did not read the key is not believed', async () => {
    await using gateway = await startH2([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          'Sec-WebSocket-Accept: wrong\r\n\r\n',
      );
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = new H2Client(gateway);
    await once(client.session, 'remoteSettings');
    const answer = await client.ask(connect, '');
    assert.equal(answer.status, 0);
    assert.notEqual(answer.code, 0);
  });
});

test('a drain lets what is under way finish, and closes what is idle', async () => {
  await using gateway = await startH2([]);
  await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, () => undefined);
  await gateway.route(proxyRoute([socketUpstream(origin.path)]));
  const [busy, idle] = [new H2Client(gateway), new H2Client(gateway)];
  const answer = busy.get('/');
  await once(idle.session, 'connect');
  await until('the request', () => origin.seen.endsWith('\r\n\r\n'));
  const drained = gateway.plane.drain(10_000);
  await once(idle.session, 'close');
  assert.equal(busy.session.destroyed, false);
  origin.connections[0]?.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  assert.equal(String((await answer).body), 'ok');
  await drained;
  assert.equal(gateway.plane.stats().connections, 0);
});
