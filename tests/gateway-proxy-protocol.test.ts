/** The PROXY protocol before HTTP, HTTPS and TCP, and towards upstreams. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { createAuthority, issueCertificate } from '../src/cluster/x509.ts';
import type { ListenerConfig } from '../src/gateway/config.ts';
import { readProxyHeader } from '../src/net/net.ts';
import { ask, balancer, dial, echo, startBalancer, TcpUpstream } from './gateway-balancer-kit.ts';
import { AUTHORITY, issue } from './gateway-h2-kit.ts';
import { Client, Gateway, proxyRoute, RawOrigin, socketUpstream, until } from './gateway-kit.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const LINE = 'PROXY TCP4 192.0.2.9 198.51.100.1 4000 80\r\n';
const BINARY: Buffer = Buffer.from(
  '0d0a0d0a000d0a515549540a2121002a' +
    '20010db8000000000000000000000009' +
    '20010db8000000000000000000000001' +
    '0fa00050' +
    'ee0003616263',
  'hex',
);
const LOCAL: Buffer = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

function http(trust: readonly string[]): ListenerConfig {
  return { id: 'http', address: '127.0.0.1', port: 0, protocol: 'http', proxyProtocol: { trust } };
}

/** A gateway before an origin that tells the head that it got. */
async function startHttp(listener: ListenerConfig): Promise<Gateway> {
  const gateway = await Gateway.start([], { listeners: [listener] });
  const origin = await RawOrigin.start(`${gateway.folder}/o.sock`, (connection) => {
    if (!connection.seen.endsWith('\r\n\r\n')) return;
    const { seen } = connection;
    connection.seen = '';
    connection.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${seen.length}\r\n\r\n${seen}`);
  });
  gateway.onDispose(() => origin[Symbol.asyncDispose]());
  await gateway.route(proxyRoute([socketUpstream(origin.path)]));
  return gateway;
}

describe('the PROXY protocol before HTTP', () => {
  test('says who the client is, to upstreams and in the log, for each request', async () => {
    await using gateway = await startHttp(http(['127.0.0.0/8']));
    const client = gateway.connect();
    client.send(LINE + GET);
    await client.see(/X-Forwarded-For: 192\.0\.2\.9\r\n[^]*\r\n\r\n$/);
    client.clear();
    client.send(GET);
    await client.see(/X-Forwarded-For: 192\.0\.2\.9\r\n[^]*\r\n\r\n$/);
    const other = gateway.connect();
    other.send(Buffer.concat([BINARY, Buffer.from(GET)]));
    await other.see(/X-Forwarded-For: 2001:db8::9\r\n/);
    const check = gateway.connect();
    check.send(Buffer.concat([LOCAL, Buffer.from(GET)]));
    await check.see(/X-Forwarded-For: 127\.0\.0\.1\r\n/);
    await until('four lines of the log', () => gateway.entries.length === 4);
    const clients = gateway.entries.map((entry) => entry.client);
    assert.deepEqual(clients, ['192.0.2.9', '192.0.2.9', '2001:db8::9', '127.0.0.1']);
  });

  test('may come byte by byte, the request behind it too', async () => {
    await using gateway = await startHttp(http(['127.0.0.1']));
    const client = gateway.connect();
    for (const letter of LINE + GET) {
      client.send(letter);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.see(/X-Forwarded-For: 192\.0\.2\.9\r\n/);
  });

  test('is believed of nobody else: without trust a header is a bad request', async () => {
    await using gateway = await startHttp(http(['192.0.2.0/24']));
    const client = gateway.connect();
    client.send(LINE + GET);
    await client.see(/^HTTP\/1\.1 400 /);
    const plain = gateway.connect();
    plain.send(GET);
    await plain.see(/X-Forwarded-For: 127\.0\.0\.1\r\n/);
  });

  test('has to come from who is trusted: nothing else is answered', async () => {
    await using gateway = await startHttp(http(['127.0.0.1']));
    assert.equal(await gateway.exchange(GET), '');
    assert.equal(await gateway.exchange('PROXY TCP4 a b c d\r\n'), '');
    const leaving = gateway.connect();
    leaving.socket.end('PROXY TCP4');
    await leaving.closed();
    await until('no connection', () => gateway.plane.stats().connections === 0);
    assert.deepEqual(gateway.entries, []);
  });

  test('has to come in time', async () => {
    await using gateway = await Gateway.start([], {
      listeners: [http(['127.0.0.1'])],
      limits: { requestHeadTimeoutMs: 60 },
    });
    const client = gateway.connect();
    client.send('PROXY ');
    await client.closed();
    assert.equal(client.text, '');
  });

  test('is begun and left by a change of the config, and ranges change in place', async () => {
    await using gateway = await startHttp(http(['192.0.2.0/24']));
    const { port } = gateway;
    gateway.listeners = [{ ...http(['127.0.0.1']), port: 0 }];
    await gateway.route();
    assert.equal(gateway.port, port);
    assert.match(await gateway.exchange(`${LINE}GET / HTTP/1.0\r\nHost: a\r\n\r\n`), / 404 /);
    gateway.listeners = [{ id: 'http', address: '127.0.0.1', port: 0, protocol: 'http' }];
    await gateway.route();
    assert.match(await gateway.exchange('GET / HTTP/1.0\r\nHost: a\r\n\r\n'), / 404 /);
  });
});

test('the PROXY protocol before HTTPS says who the client is', async () => {
  const day = 86_400_000;
  const validity = { notBefore: Date.now() - day, notAfter: Date.now() + day };
  const authority = await createAuthority({ commonName: 'Test', validity });
  const pair = await issueCertificate({
    authority,
    commonName: 'a.example',
    validity,
    dnsNames: ['a.example'],
    addresses: [],
    uris: [],
    asClient: false,
  });
  const tls = { cert: pair.certificatePem, key: pair.keyPem };
  await using gateway = await startHttp({ ...http(['127.0.0.1']), protocol: 'https', tls });
  const below = connectTcp({ port: gateway.port, host: '127.0.0.1' });
  gateway.onDispose(() => below.destroy());
  below.write(LINE);
  const ca = authority.certificatePem;
  const client = new Client(connectTls({ socket: below, servername: 'a.example', ca }));
  client.send(GET);
  await client.see(/X-Forwarded-For: 192\.0\.2\.9\r\n/);
  await client.see(/X-Forwarded-Proto: https\r\n/);
});

test('the PROXY protocol before HTTP/2, in both versions, says who the client of each stream is', async () => {
  const tls = await issue(['a.example']);
  await using gateway = await startHttp({ ...http(['127.0.0.1']), protocol: 'https', tls });
  const cases = [
    [LINE, '192.0.2.9'],
    [BINARY, '2001:db8::9'],
  ] as const;
  for (const [at, [header, address]] of cases.entries()) {
    const below = connectTcp({ port: gateway.port, host: '127.0.0.1' });
    below.write(header);
    const session = connectH2('https://a.example', {
      createConnection: () =>
        connectTls({
          socket: below,
          servername: 'a.example',
          ca: AUTHORITY.certificatePem,
          ALPNProtocols: ['h2'],
        }),
    });
    gateway.onDispose(() => session.destroy());
    for (const path of ['/1', '/2']) {
      const stream = session.request({ ':path': path, ':authority': 'a.example' });
      let text = '';
      stream.setEncoding('utf8').on('data', (part: string) => (text += part));
      await once(stream, 'end');
      assert.ok(text.includes(`GET ${path} HTTP/1.1\r\n`), text);
      assert.ok(text.includes(`X-Forwarded-For: ${address}\r\n`), text);
    }
    await until('two more lines of the log', () => gateway.entries.length === 2 * (at + 1));
    assert.deepEqual(
      gateway.entries.slice(-2).map(({ client }) => client),
      [address, address],
    );
  }
});

describe('the PROXY protocol and balancers', () => {
  test('what comes in goes out, in either version', async () => {
    await using upstream = await echo();
    for (const out of ['v1', 'v2'] as const) {
      const proxyProtocol = { trust: ['127.0.0.1'], out };
      await using gateway = await startBalancer(balancer([upstream.config()], { proxyProtocol }));
      const client = dial(gateway);
      client.socket.end(Buffer.concat([BINARY, Buffer.from('hello')]));
      await client.closed();
      const bytes = Buffer.from(client.text, 'latin1');
      const header = readProxyHeader(bytes);
      assert.ok(header.kind === 'read');
      assert.deepEqual(header.ends, {
        source: { address: '2001:db8::9', port: 4000 },
        destination: { address: '2001:db8::1', port: 80 },
      });
      assert.equal(String(bytes.subarray(header.bytes)), 'hello');
      await until('its line of the log', () => gateway.entries.length > 0);
      assert.equal(gateway.entries[0]?.client, '2001:db8::9');
    }
  });

  test('upstreams are told of clients themselves, and of checks that they are none', async () => {
    const seen: string[] = [];
    await using upstream = await TcpUpstream.start((socket) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += String(chunk)));
      socket.on('end', () => {
        seen.push(text);
        socket.end('done');
      });
    });
    const config = balancer([upstream.config()], {
      proxyProtocol: { out: 'v1' },
      health: { intervalMs: 60_000, timeoutMs: 5000 },
    });
    await using gateway = await startBalancer(config);
    const client = dial(gateway);
    await until('a connection', () => client.socket.localPort !== undefined);
    const { localPort } = client.socket;
    client.socket.end('hello');
    await client.see(/^done$/);
    const port = gateway.plane.port('balancer');
    await until('both', () => seen.length === 2);
    assert.deepEqual(seen.toSorted(), [
      `PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${port}\r\nhello`,
      'PROXY UNKNOWN\r\n',
    ]);
  });

  test('who is trusted and sends none is reset; a header of others is theirs', async () => {
    await using upstream = await echo();
    const trusting = balancer([upstream.config()], { proxyProtocol: { trust: ['127.0.0.1'] } });
    await using gateway = await startBalancer(trusting);
    const client = dial(gateway);
    client.send('hello');
    await client.closed();
    assert.equal(upstream.sockets.length, 0);
    await until('its line of the log', () => gateway.entries.length > 0);
    assert.match(gateway.entries[0]?.error ?? '', /does not begin with a PROXY header/);
    const other = balancer([upstream.config()], { proxyProtocol: { trust: ['192.0.2.1'] } });
    await using open = await startBalancer(other);
    const through = dial(open);
    through.send(LINE);
    await through.see(/^PROXY TCP4 192\.0\.2\.9/);
  });

  test('a name is read behind a header', async () => {
    await using upstream = await TcpUpstream.start((socket) => socket.resume().end('usual'));
    const own = { sni: { a: [upstream.config()] }, proxyProtocol: { trust: ['127.0.0.1'] } };
    await using gateway = await startBalancer(balancer([upstream.config()], own));
    assert.equal(await ask(gateway, `${LINE}EHLO a\r\n`), 'usual');
    await until('its line of the log', () => gateway.entries.length > 0);
    assert.equal(gateway.entries[0]?.client, '192.0.2.9');
  });
});
