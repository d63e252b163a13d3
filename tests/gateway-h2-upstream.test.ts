/** Upstreams over HTTP/2: one connection for many requests, trailers both ways, streams in both directions. gRPC is all of that. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { RouteConfig, UpstreamTlsConfig } from '../src/gateway/config.ts';
import { H2_UPSTREAM } from '../src/gateway/limits.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { startTcpProxy } from '../testing/tcp-proxy.ts';
import {
  acceptOf,
  AUTHORITY,
  dialTls,
  H2Client,
  httpsListener,
  issue,
  startH2,
} from './gateway-h2-kit.ts';
import { Gateway, proxyRoute, until } from './gateway-kit.ts';

interface App {
  readonly port: number;
  readonly server: Http2Server;
  readonly asked: IncomingHttpHeaders[];
  /** Connections that it took. */
  connections: number;
}

type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

async function startGrpc(
  t: TestContext,
  serve: Serve,
  server: Http2Server = createServer(),
): Promise<App> {
  const app: App = { port: 0, server, asked: [], connections: 0 };
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    app.connections++;
    sessions.add(session);
  });
  server.on('stream', (stream, headers) => {
    app.asked.push(headers);
    stream.on('error', () => undefined);
    serve(stream, headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return Object.assign(app, { port: (server.address() as AddressInfo).port });
}

async function before(
  t: TestContext,
  app: App,
  more: Partial<RouteConfig> & { readonly tls?: UpstreamTlsConfig } = {},
): Promise<Gateway> {
  const { tls, ...route } = more;
  const address = {
    kind: 'tcp',
    host: '127.0.0.1',
    port: app.port,
    http2: true,
    ...(tls === undefined ? {} : { tls }),
  } as const;
  const gateway = await startH2([{ ...proxyRoute([{ id: 'grpc', address }]), ...route }]);
  t.after(() => gateway[Symbol.asyncDispose]());
  return gateway;
}

const CALL = {
  ':method': 'POST',
  ':path': '/pkg.Greeter/Hello',
  'content-type': 'application/grpc',
  te: 'trailers',
};
/** A message of gRPC: not compressed, its length, its bytes. */
function message(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** Answers each message with its own, and says that all went well. */
const echo: Serve = (stream) => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () =>
    stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'ok' }),
  );
  stream.on('data', (bytes: Buffer) => stream.write(bytes));
  stream.on('end', () => stream.end());
};

test('a call of gRPC goes through with its trailers, many over one connection', async (t) => {
  const app = await startGrpc(t, echo);
  const gateway = await before(t, app);
  const client = new H2Client(gateway);
  const calls = Array.from({ length: 50 }, (_, at) => client.ask(CALL, message(`hello ${at}`)));
  for (const [at, answer] of (await Promise.all(calls)).entries()) {
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, message(`hello ${at}`));
    assert.deepEqual(
      [answer.trailers['grpc-status'], answer.trailers['grpc-message']],
      ['0', 'ok'],
    );
  }
  assert.equal(app.connections, 1);
  const [seen] = app.asked;
  assert.deepEqual(
    [seen?.te, seen?.[':authority'], seen?.[':path'], seen?.['x-forwarded-proto']],
    ['trailers', 'a.example', '/pkg.Greeter/Hello', 'https'],
  );
});

test('a call that fails at once has its status in the head', async (t) => {
  const app = await startGrpc(t, (stream) => {
    stream.respond(
      { ':status': 200, 'grpc-status': '12', 'content-type': 'application/grpc' },
      { endStream: true },
    );
  });
  const client = new H2Client(await before(t, app));
  const answer = await client.ask(CALL, message('hello'));
  assert.deepEqual(
    [answer.status, answer.headers['grpc-status'], answer.body.length],
    [200, '12', 0],
  );
});

test('both sides may talk at once', async (t) => {
  const app = await startGrpc(t, echo);
  const gateway = await before(t, app);
  const { session } = new H2Client(gateway);
  const stream = session.request({ ':authority': 'a.example', ...CALL }, { endStream: false });
  stream.on('error', () => undefined);
  let seen = '';
  stream.on('data', (bytes: Buffer) => {
    seen += bytes.toString('latin1').slice(5);
  });
  let status: unknown;
  stream.on('trailers', (fields) => {
    status = fields['grpc-status'];
  });
  for (const word of ['one', 'two', 'three']) {
    stream.write(message(word));
    await until(`the echo of ${word}`, () => seen.endsWith(word));
  }
  stream.end();
  await once(stream, 'end');
  assert.deepEqual([seen, status], ['onetwothree', '0']);
});

test('large bodies go both ways at the pace of their reader', async (t) => {
  const app = await startGrpc(t, echo);
  const client = new H2Client(await before(t, app));
  const body = Buffer.alloc(3_000_000, 'x');
  const answer = await client.ask(CALL, body);
  assert.equal(Buffer.compare(answer.body, body), 0);
  const sized = await client.ask({ ...CALL, 'content-length': String(body.length) }, body);
  assert.equal(sized.body.length, body.length);
});

test('who takes his call back takes it back at the upstream', async (t) => {
  let code: number | undefined;
  let isOpen = false;
  const app = await startGrpc(t, (stream) => {
    isOpen = true;
    stream.respond({ ':status': 200 });
    stream.on('close', () => {
      code = stream.rstCode;
    });
  });
  const { session } = new H2Client(await before(t, app));
  const stream = session.request({ ':authority': 'a.example', ...CALL }, { endStream: false });
  stream.on('error', () => undefined);
  await until('the call', () => isOpen);
  stream.close(8);
  await until('its end at the upstream', () => code === 8);
});

test('plain requests, interim answers, heads alone and the cache are as over HTTP/1.1', async (t) => {
  const app = await startGrpc(t, (stream, headers) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
    stream.respond(
      {
        ':status': headers[':path'] === '/none' ? 204 : 200,
        'cache-control': 'max-age=60',
        'set-cookie': ['a=1', 'b=2'],
        ...(headers[':path'] === '/none' ? {} : { 'content-length': 5 }),
      },
      { endStream: headers[':path'] === '/none' || headers[':method'] === 'HEAD' },
    );
    if (!stream.writableEnded) stream.end('hello');
  });
  const gateway = await before(t, app);
  const client = new H2Client(gateway);
  const answer = await client.get('/', { cookie: ['x=1', 'y=2'] });
  assert.deepEqual([answer.status, answer.body.toString(), answer.interim], [200, 'hello', [103]]);
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(app.asked[0]?.cookie, 'x=1; y=2');
  const head = await client.ask({ ':path': '/', ':method': 'HEAD' });
  assert.deepEqual([head.headers['content-length'], head.body.length], ['5', 0]);
  assert.equal((await client.get('/none')).status, 204);
  assert.equal(app.connections, 1);
});

test('an upstream that dies is asked anew, and one that resets a stream is a bad one', async (t) => {
  let resets = 0;
  const app = await startGrpc(t, (stream, headers) => {
    if (headers[':path'] === '/reset') {
      resets++;
      stream.close(2);
    } else if (headers[':path'] === '/last') {
      stream.session?.goaway();
      stream.respond({ ':status': 200 });
      stream.end('last');
    } else {
      stream.respond({ ':status': 200 });
      stream.end('well');
    }
  });
  const gateway = await before(t, app);
  const client = new H2Client(gateway);
  assert.equal((await client.ask({ ...CALL, ':path': '/reset' }, message('x'))).status, 502);
  assert.equal(resets, 1);
  assert.equal((await client.get('/')).body.toString(), 'well');
  assert.equal((await client.get('/last')).body.toString(), 'last');
  assert.equal((await client.get('/')).body.toString(), 'well');
  assert.equal(app.connections, 2);
});

test('over TLS, and refused where it is not spoken', async (t) => {
  const pair = await issue(['grpc.test']);
  const tls = { ca: AUTHORITY.certificatePem, name: 'grpc.test' };
  const app = await startGrpc(t, echo, createSecureServer(pair));
  const client = new H2Client(await before(t, app, { tls }));
  const answer = await client.ask(CALL, message('hello'));
  assert.equal(answer.trailers['grpc-status'], '0');
  assert.equal(app.asked[0]?.[':scheme'], 'https');
  const { createServer: createHttps } = await import('node:https');
  const old = createHttps(pair, (_request, response) => response.end());
  old.listen(0, '127.0.0.1');
  await once(old, 'listening');
  t.after(() => old.close());
  const { port } = old.address() as AddressInfo;
  const gateway = await before(t, { ...app, port }, { tls });
  assert.equal((await new H2Client(gateway).get('/')).status, 503);
  assert.match(gateway.entries.at(-1)?.error ?? '', /No upstream takes connections: .+/);
});

test('who is not there is passed over for one that is', async (t) => {
  const app = await startGrpc(t, echo);
  const gateway = await before(t, app);
  const away = { kind: 'tcp', host: '127.0.0.1', port: 1, http2: true } as const;
  const here = { ...away, port: app.port };
  await gateway.route(
    proxyRoute([
      { id: 'away', address: away },
      { id: 'here', address: here },
    ]),
  );
  const client = new H2Client(gateway);
  for (let call = 0; call < 10; call++) {
    assert.equal((await client.ask(CALL, message('x'))).trailers['grpc-status'], '0');
  }
});

test('a connection that says nothing any more is left, and so is one without requests', async (t) => {
  const app = await startGrpc(t, echo);
  await using proxy = await startTcpProxy(app);
  const clock = new ManualClock();
  const address = { kind: 'tcp', host: '127.0.0.1', port: proxy.port, http2: true } as const;
  const limits = { responseTimeoutMs: 1000 };
  const gateway = await Gateway.start([{ ...proxyRoute([{ id: 'grpc', address }]), limits }], {
    listeners: [httpsListener(await issue(['a.example']))],
    clock,
  });
  t.after(() => gateway[Symbol.asyncDispose]());
  const call = async (): Promise<number> =>
    (await new H2Client(gateway).ask(CALL, message('x'))).status;
  assert.equal(await call(), 200);
  proxy.hold('both');
  const asked = proxy.bytesAsked;
  const lost = call();
  await until('the request', () => proxy.bytesAsked > asked);
  const known = proxy.bytesAsked;
  clock.advance(3000);
  assert.equal(await lost, 504);
  await until('the question whether somebody is there', () => proxy.bytesAsked >= known + 17);
  clock.advance(H2_UPSTREAM.pongMs + 1000);
  proxy.release();
  assert.equal(await call(), 200);
  assert.equal(app.connections, 2);
  // Each sweep sees the time that the last one has left: the first of them notes that nobody asks.
  clock.advance(1000);
  clock.advance(H2_UPSTREAM.idleMs + 1000);
  assert.equal(await call(), 200);
  assert.equal(app.connections, 3);
});

test('a slow client gets all of an answer that came whole before its connection ended', async (t) => {
  const body = Buffer.alloc(H2_UPSTREAM.streamWindowBytes, 'x');
  let leaving: ServerHttp2Stream['session'];
  const app = await startGrpc(t, (stream, headers) => {
    leaving = stream.session;
    const isSized = headers[':path'] === '/sized';
    stream.respond({ ':status': 200, ...(isSized ? { 'content-length': body.length } : {}) });
    stream.end(body);
  });
  const gateway = await before(t, app);
  const { session } = new H2Client(gateway);
  for (const path of ['/sized', '/']) {
    const stream = session.request({ ':authority': 'a.example', ':path': path });
    await once(stream, 'response');
    const left = leaving;
    left?.close();
    await until('the end of the connection', () => left?.destroyed === true);
    // It goes over another one, so that one has ended here too.
    assert.equal((await new H2Client(gateway).get('/')).status, 200);
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await once(stream, 'close');
    assert.deepEqual([bytes, stream.rstCode], [body.length, 0]);
  }
});

test('a connection that is too old ends with its last request, and others go over a new one', async (t) => {
  let asked: ServerHttp2Stream | undefined;
  const app = await startGrpc(t, (stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/long') asked = stream;
    else stream.end('well');
  });
  const clock = new ManualClock();
  const address = { kind: 'tcp', host: '127.0.0.1', port: app.port, http2: true } as const;
  const gateway = await Gateway.start([proxyRoute([{ id: 'grpc', address }])], {
    listeners: [httpsListener(await issue(['a.example']))],
    clock,
  });
  t.after(() => gateway[Symbol.asyncDispose]());
  const client = new H2Client(gateway);
  assert.equal((await client.get('/')).status, 200);
  clock.advance(1000);
  // Never idle for long.
  const stepMs = H2_UPSTREAM.idleMs / 2;
  for (let ageMs = 0; ageMs < H2_UPSTREAM.ageMs - stepMs; ageMs += stepMs) {
    clock.advance(stepMs);
    assert.equal((await new H2Client(gateway).get('/')).status, 200);
  }
  assert.equal(app.connections, 1);
  const late = new H2Client(gateway);
  const long = late.get('/long');
  await until('the long one', () => asked !== undefined);
  clock.advance(stepMs);
  clock.advance(stepMs);
  assert.equal((await late.get('/')).status, 200);
  assert.equal(app.connections, 2);
  asked?.end('long');
  assert.equal((await long).body.toString(), 'long');
  await until('the end of the old one', () => asked?.session?.destroyed !== false);
});

test('a WebSocket is extended CONNECT where the upstream takes that, from clients of both versions', async (t) => {
  const server = createServer({ settings: { enableConnectProtocol: true } });
  const app = await startGrpc(
    t,
    (stream, headers) => {
      if (headers[':path'] === '/no') {
        stream.respond({ ':status': 403, 'content-length': 2 });
        stream.end('no');
        return;
      }
      stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
      stream.on('data', (bytes: Buffer) => stream.write(bytes.toString().toUpperCase()));
      stream.on('end', () => stream.end('bye'));
    },
    server,
  );
  const gateway = await before(t, app);
  const key = 'dGhlIHNhbXBsZSBub25jZQ==';
  const old = dialTls(gateway, ['http/1.1']);
  let seen = '';
  old.on('data', (bytes: Buffer) => {
    seen += bytes.toString('latin1');
  });
  const ask = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`;
  old.write(ask('/no'));
  await until('the refusal', () => /^HTTP\/1.1 403 [^]*\r\n\r\nno$/.test(seen));
  seen = '';
  old.write(ask('/chat'));
  await until('the change', () => seen.endsWith('\r\n\r\n'));
  assert.match(seen, /^HTTP\/1.1 101 /);
  assert.match(seen, /upgrade: websocket\r\n/i);
  assert.match(
    seen,
    new RegExp(`sec-websocket-accept: ${acceptOf(key).replace('+', '\\+')}\r\n`, 'i'),
  );
  assert.match(seen, /sec-websocket-protocol: chat\r\n/);
  const [, asked] = app.asked;
  assert.deepEqual(
    [asked?.[':method'], asked?.[':protocol'], asked?.[':path'], asked?.['sec-websocket-key']],
    ['CONNECT', 'websocket', '/chat', undefined],
  );
  assert.equal(asked?.['sec-websocket-version'], '13');
  seen = '';
  old.write('hello');
  await until('an echo', () => seen === 'HELLO');
  old.end();
  await until('the end', () => seen === 'HELLObye' && old.readableEnded);
  const { session } = new H2Client(gateway);
  await once(session, 'remoteSettings');
  const fields = { ':authority': 'a.example', ':scheme': 'https', ':path': '/chat' };
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ...fields, 'sec-websocket-version': '13' },
    { endStream: false },
  );
  const [head] = await once(stream, 'response');
  assert.deepEqual([head[':status'], head['sec-websocket-protocol']], [200, 'chat']);
  stream.write('again');
  const [bytes] = await once(stream, 'data');
  assert.equal(String(bytes), 'AGAIN');
  stream.close();
  assert.equal(app.connections, 1);
});

test('what a WebSocket still says to an upstream that has ended its side arrives', async (t) => {
  let bytes = 0;
  let isOver = false;
  const app = await startGrpc(
    t,
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.end('bye');
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('end', () => {
        isOver = true;
      });
    },
    createServer({ settings: { enableConnectProtocol: true } }),
  );
  const { session } = new H2Client(await before(t, app));
  await once(session, 'remoteSettings');
  const fields = { ':authority': 'a.example', ':scheme': 'https', ':path': '/' };
  const stream = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ...fields },
    { endStream: false },
  );
  assert.equal(String(await once(stream, 'data')), 'bye');
  stream.end(Buffer.alloc(60_000));
  await until('the end', () => isOver);
  assert.equal(bytes, 60_000);
});

test('checks go over the same connection, and who fails them is left out', async (t) => {
  const ill = new Set<string>();
  const apps = await Promise.all(
    ['a', 'b'].map((name) =>
      startGrpc(t, (stream, headers) => {
        const isIll = headers[':path'] === '/health' && ill.has(name);
        stream.respond({ ':status': isIll ? 503 : 200, 'x-from': name });
        stream.end();
      }),
    ),
  );
  const health = { path: '/health', intervalMs: 50, timeoutMs: 1000, rise: 1, fall: 1 };
  const upstreams = apps.map(({ port }, at) => ({
    id: `app-${at}`,
    address: { kind: 'tcp', host: '127.0.0.1', port, http2: true } as const,
  }));
  const gateway = await startH2([
    { ...proxyRoute(upstreams), balance: { algorithm: 'round-robin', health } },
  ]);
  t.after(() => gateway[Symbol.asyncDispose]());
  const client = new H2Client(gateway);
  const from = async (): Promise<string> => {
    const names = [await client.get('/'), await client.get('/')];
    return names.map(({ headers }) => headers['x-from']).join();
  };
  await until('both', async () => /a,b|b,a/.test(await from()));
  ill.add('a');
  await until('b alone', async () => (await from()) === 'b,b');
  ill.clear();
  await until('both again', async () => /a,b|b,a/.test(await from()));
  for (const app of apps) assert.equal(app.connections, 1);
});
