/** Requests over HTTP/2: everything that holds for HTTP/1.1. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Gateway } from './gateway-kit.ts';
import { proxyRoute, RawOrigin, socketUpstream, startApp } from './gateway-kit.ts';
import { H2Client, startH2 } from './gateway-h2-kit.ts';

async function withSite(gateway: Gateway): Promise<string> {
  const root = join(gateway.folder, 'site');
  await mkdir(root);
  await writeFile(join(root, 'small.txt'), 'small');
  await writeFile(join(root, 'large.bin'), Buffer.alloc(3_000_000, 'moln'));
  await gateway.route({
    id: 'site',
    hosts: ['a.example'],
    path: '/',
    target: { kind: 'static', root },
  });
  return root;
}

describe('files', () => {
  test('small and large ones, HEAD, ranges and conditions', async () => {
    await using gateway = await startH2([]);
    await withSite(gateway);
    const client = new H2Client(gateway);
    for (let round = 0; round < 3; round++) {
      const small = await client.get('/small.txt');
      assert.equal(small.status, 200);
      assert.equal(small.headers['content-length'], '5');
      assert.equal(small.headers.connection, undefined);
      assert.equal(String(small.body), 'small');
    }
    const { headers } = await client.get('/small.txt');
    const same = await client.get('/small.txt', { 'if-none-match': headers.etag ?? '' });
    assert.equal(same.status, 304);
    const part = await client.get('/small.txt', { range: 'bytes=1-2' });
    assert.deepEqual([part.status, String(part.body)], [206, 'ma']);
    const head = await client.ask({ ':method': 'HEAD', ':path': '/large.bin' });
    assert.deepEqual([head.status, head.headers['content-length']], [200, '3000000']);
    assert.equal(head.body.length, 0);
    const large = await client.get('/large.bin');
    assert.deepEqual(large.body, Buffer.alloc(3_000_000, 'moln'));
    assert.equal(gateway.entries.at(-1)?.protocol, 'h2');
    assert.equal(gateway.entries.at(-1)?.status, 200);
  });

  test('a path that can be read in two ways is refused', async () => {
    await using gateway = await startH2([]);
    const root = await withSite(gateway);
    const target = { kind: 'static', root } as const;
    await gateway.route(
      ...['/', '/closed'].map((path) => ({ id: path, hosts: ['*'], path, target })),
    );
    const client = new H2Client(gateway);
    for (const path of ['/%63losed/x', '//closed', '/a;/../closed']) {
      assert.equal((await client.get(path)).status, 400, path);
    }
    assert.equal((await client.get('/small.txt')).status, 200);
  });

  test('many at once', async () => {
    await using gateway = await startH2([]);
    await withSite(gateway);
    const client = new H2Client(gateway);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_none, at) =>
        client.get(at % 10 === 0 ? '/large.bin' : '/small.txt'),
      ),
    );
    for (const [at, { body }] of answers.entries()) {
      assert.equal(body.length, at % 10 === 0 ? 3_000_000 : 5);
    }
  });
});

describe('upstreams', () => {
  test('head, body and trailers go both ways', async () => {
    await using gateway = await startH2([]);
    const path = await startApp(gateway, (request, response) => {
      const seen: Buffer[] = [];
      request.on('data', (chunk: Buffer) => seen.push(chunk));
      request.on('end', () => {
        response.writeHead(201, {
          trailer: 'x-end',
          'x-seen': 'Yes',
          connection: 'x-hop',
          'x-hop': '1',
        });
        response.write(JSON.stringify({ headers: request.headers, trailers: request.trailers }));
        response.addTrailers({ 'x-end': String(Buffer.concat(seen).length) });
        response.end();
      });
    });
    await gateway.route(proxyRoute([socketUpstream(path)]));
    const client = new H2Client(gateway);
    const body = Buffer.alloc(2_000_000, 'x');
    const answer = await client.ask(
      { ':method': 'POST', ':path': '/x?y', cookie: ['a=1', 'b=2'], te: 'trailers' },
      body,
      { 'x-sum': '7' },
    );
    assert.equal(answer.status, 201);
    assert.equal(answer.trailers['x-end'], '2000000');
    assert.equal(answer.headers['x-seen'], 'Yes');
    assert.equal(answer.headers['x-hop'], undefined);
    assert.equal(answer.headers['transfer-encoding'], undefined);
    const { headers, trailers } = JSON.parse(String(answer.body));
    assert.equal(headers.host, 'a.example');
    assert.equal(headers.cookie, 'a=1; b=2');
    assert.equal(headers['x-forwarded-proto'], 'https');
    assert.equal(headers['transfer-encoding'], 'chunked');
    assert.deepEqual(trailers, { 'x-sum': '7' });
    const sized = await client.ask(
      { ':method': 'PUT', ':path': '/', 'content-length': '3' },
      'abc',
    );
    assert.equal(JSON.parse(String(sized.body)).headers['content-length'], '3');
    assert.equal(sized.trailers['x-end'], '3');
  });

  test('an interim answer, no answer, and one that breaks off', async () => {
    await using gateway = await startH2([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket, seen }) => {
      const last = seen.slice(seen.lastIndexOf('GET '));
      if (/ \/hints /.test(last)) {
        socket.write(
          'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
        );
      } else if (/ \/breaks /.test(last)) {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      } else socket.destroy();
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = new H2Client(gateway);
    const hints = await client.get('/hints');
    assert.deepEqual([hints.interim, hints.status], [[103], 204]);
    const none = await client.get('/none', { accept: 'text/html' });
    assert.equal(none.status, 502);
    assert.match(String(none.body), /<h1>/);
    const broken = await client.get('/breaks');
    assert.deepEqual([broken.status, String(broken.body)], [200, 'half']);
    assert.notEqual(broken.code, 0);
    assert.equal((await client.get('/hints')).status, 204);
  });

  for (const [what, lines, seen] of [
    ['one that stands alone, twice', 'Content-Type: a/b\r\nContent-Type: c/d\r\n', 'content-type'],
    ['the date twice', 'Date: a\r\nDate: b\r\n', 'date'],
    ['of another protocol', 'HTTP2-Settings: x\r\nTE: gzip\r\nX-A: b\r\n', 'x-a'],
    ['of an object', '__proto__: 1\r\nconstructor: 2\r\n', 'constructor'],
  ] as const) {
    test(`a field of an upstream, ${what}, harms nobody`, async () => {
      await using gateway = await startH2([]);
      await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
        socket.end(
          `HTTP/1.1 200 OK\r\n${lines}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n` +
            'X-End: 1\r\nX-End: 2\r\nHTTP2-Settings: x\r\n\r\n',
        );
      });
      await gateway.route(proxyRoute([socketUpstream(origin.path)]));
      const answer = await new H2Client(gateway).get('/');
      assert.deepEqual([answer.status, String(answer.body)], [200, 'ok']);
      assert.ok(seen in answer.headers);
      assert.equal(answer.headers['http2-settings'], undefined);
      assert.equal(answer.trailers['x-end'], '1, 2');
    });
  }

  test('a limit of the route refuses, and the connection goes on', async () => {
    await using gateway = await startH2([]);
    const path = await startApp(gateway, (_request, response) => response.end('ok'));
    await gateway.route(proxyRoute([socketUpstream(path)], { requestBodyBytesMax: 10 }));
    const client = new H2Client(gateway);
    const long = await client.ask(
      { ':method': 'POST', ':path': '/', 'content-length': '200000' },
      Buffer.alloc(200_000),
    );
    assert.equal(long.status, 413);
    const unknown = await client.ask({ ':method': 'POST', ':path': '/' }, Buffer.alloc(200_000));
    assert.equal(unknown.status, 413);
    assert.equal((await client.get('/')).status, 200);
    const many = Object.fromEntries(Array.from({ length: 140 }, (_none, at) => [`x-${at}`, 'v']));
    assert.equal((await client.get('/', many)).status, 431);
    assert.equal((await client.get(`/${'x'.repeat(9000)}`)).status, 414);
  });
});
