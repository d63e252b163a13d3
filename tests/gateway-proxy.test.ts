/** The proxying part of the data plane, against real node:http apps and origins that see bytes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Gateway,
  proxyRoute,
  RawOrigin,
  socketUpstream,
  startApp,
  startWithApp,
  until,
} from './gateway-kit.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('requests and answers', () => {
  test('keep their order in a pipeline', async () => {
    await using gateway = await startWithApp((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.end(`${request.method} ${request.url} ${body};`));
    });
    const client = gateway.connect();
    const chunked = 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    client.send(
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz' +
        `POST /3 HTTP/1.1\r\nHost: a\r\n${chunked}GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    await client.closed();
    assert.deepEqual(client.text.match(/[A-Z]+ \/\d \w*;/g), [
      'GET /1 ;',
      'POST /2 xyz;',
      'POST /3 abc;',
      'GET /4 ;',
    ]);
    assert.equal(client.text.match(/Connection: close/g)?.length, 1);
  });

  test('pass at every cut of the bytes', async () => {
    await using gateway = await startWithApp((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.end(`${request.url} ${body};`));
    });
    const text =
      'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n' +
      'GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    for (let cut = 1; cut < text.length; cut += 3) {
      const client = gateway.connect();
      client.send(text.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      client.send(text.slice(cut));
      await client.closed();
      assert.deepEqual(client.text.match(/\/\w \w*;/g), ['/a abc;', '/b ;'], `cut at ${cut}`);
    }
  });

  test('HEAD, 204 and 304 have no body, and the connection goes on', async () => {
    await using gateway = await startWithApp((request, response) => {
      response.statusCode = Number(request.url?.slice(1));
      response.setHeader('X-Method', request.method ?? '');
      response.end(response.statusCode === 200 ? 'body' : undefined);
    });
    const client = gateway.connect();
    for (const line of ['HEAD /200', 'GET /204', 'GET /304']) {
      client.clear();
      client.send(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await client.see(/\r\n\r\n$/);
    }
    client.clear();
    client.send('GET /200 HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.see(/\r\n\r\nbody$/);
  });

  test('an answer ended by closing is chunked to HTTP/1.1 and closed to HTTP/1.0', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket, seen }) => {
      if (seen.endsWith('\r\n\r\n')) socket.end('HTTP/1.0 200 OK\r\nX: y\r\n\r\nall there is');
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const modern = gateway.connect();
    modern.send(GET);
    await modern.see(/\r\n0\r\n\r\n$/);
    assert.match(modern.text, /^HTTP\/1\.1 200 OK\r\n.*Transfer-Encoding: chunked\r\n/s);
    assert.match(modern.text, /\r\n\r\nc\r\nall there is\r\n0\r\n\r\n$/);
    const old = await gateway.exchange('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
    assert.match(old, /Connection: close\r\n\r\nall there is$/);
    assert.doesNotMatch(old, /Transfer-Encoding/);
  });

  test('HTTP/1.0 clients that want it are kept', async () => {
    await using gateway = await startWithApp((_request, response) => response.end('hi'));
    const client = gateway.connect();
    for (let index = 0; index < 2; index++) {
      client.clear();
      client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      await client.see(/Connection: keep-alive\r\n\r\nhi$/);
    }
  });

  test('trailers and interim answers pass', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket, seen }) => {
      if (!seen.endsWith('\r\n\r\n')) return;
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n',
      );
      socket.write(
        'Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2;e=1\r\nok\r\n0\r\nX-Sum: 9\r\n',
      );
      socket.write('Content-Length: 5\r\n\r\n');
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    client.send(GET);
    await client.see(/\r\n0\r\nX-Sum: 9\r\n\r\n$/);
    assert.match(
      client.text,
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP/,
    );
    assert.match(client.text, /\r\n\r\n2\r\nok\r\n0\r\n/);
  });

  test('Expect: 100-continue is asked of the app', async () => {
    await using gateway = await startWithApp((request, response) => {
      request.resume().on('end', () => response.end('got it'));
    });
    const client = gateway.connect();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
    await client.see(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    client.send('body');
    await client.see(/got it$/);
  });

  test('an early answer ends the request', async () => {
    await using gateway = await startWithApp((_request, response) => {
      response.statusCode = 401;
      response.end('no');
    });
    const client = gateway.connect();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nstart');
    await client.see(/^HTTP\/1\.1 401 [^]*\r\n\r\nno$/);
    await client.closed();
  });

  test('a client that closes its side still gets its answer', async () => {
    await using gateway = await startWithApp((_request, response) => {
      setImmediate(() => response.end('late'));
    });
    const client = gateway.connect();
    client.socket.end(GET);
    await client.closed();
    assert.match(client.text, /late$/);
  });

  test('a broken answer is broken for the client too', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    client.send(GET);
    await client.closed();
    assert.match(client.text, /half$/);
    assert.equal(gateway.entries[0]?.error, 'The upstream closed the connection');
  });

  test('errors have a page with an id that is in the log', async () => {
    await using gateway = await Gateway.start([
      proxyRoute([socketUpstream('/nonexistent/x.sock')]),
    ]);
    const text = await gateway.exchange(
      'GET /p HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n',
    );
    assert.match(text, /^HTTP\/1\.1 503 /);
    assert.match(text, /Retry-After: 1\r\n/);
    const id = /<code>(\w+)<\/code>/.exec(text)?.[1];
    assert.equal(gateway.entries[0]?.errorId, id);
    assert.equal(gateway.entries[0]?.status, 503);
    assert.equal(gateway.entries[0]?.target, '/p');
  });
});

describe('upstreams', () => {
  test('keep their connections', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
      socket.write(OK);
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    for (let index = 0; index < 5; index++) {
      client.clear();
      client.send(GET);
      await client.see(/ok$/);
    }
    assert.equal(origin.connections.length, 1);
  });

  test('that die while idle cost no request', async () => {
    await using gateway = await Gateway.start([]);
    // Each connection answers once, and breaks when it is used a second time.
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, (connection) => {
      if (connection.seen.split('\r\n\r\n').length > 2) connection.socket.destroy();
      else connection.socket.write(OK);
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    for (let index = 0; index < 6; index++) {
      client.clear();
      client.send(GET);
      await client.see(/^HTTP\/1\.1 200 [^]*ok$/);
    }
    assert.equal(origin.connections.length, 6);
  });

  test('a repeated request is complete, its empty chunked body too', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, (connection) => {
      const { socket, seen } = connection;
      if (seen.split('HTTP/1.1').length > 2) socket.destroy();
      else if (/\r\n\r\n(?:0\r\n\r\n)?$/.test(seen) && !seen.endsWith('chunked\r\n\r\n'))
        socket.write(OK);
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    client.send(GET);
    await client.see(/ok$/);
    client.clear();
    client.send('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    await client.see(/^HTTP\/1\.1 200 [^]*ok$/);
    assert.equal(origin.connections.length, 2);
  });

  test('a request that may have been acted on is not repeated', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, (connection) => {
      if (connection.seen.includes('POST')) connection.socket.destroy();
      else connection.socket.write(OK);
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    client.send(GET);
    await client.see(/ok$/);
    client.clear();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx');
    await client.see(/^HTTP\/1\.1 502 /);
    assert.equal(origin.seen.match(/POST/g)?.length, 1);
  });

  test('that take no connection are passed over', async () => {
    await using gateway = await Gateway.start([]);
    const path = await startApp(gateway, (_request, response) => response.end('alive'));
    await gateway.route(
      proxyRoute([
        socketUpstream('/nonexistent/1.sock', 'one'),
        { id: 'two', address: { kind: 'tcp', host: '127.0.0.1', port: 1 } },
        socketUpstream(path, 'three'),
      ]),
    );
    for (let index = 0; index < 10; index++) {
      const body = index % 2 === 0 ? '' : 'Content-Length: 2\r\n';
      const text = await gateway.exchange(
        `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${body}\r\n${body === '' ? '' : 'xy'}`,
      );
      assert.match(text, /alive$/);
    }
    assert.ok(gateway.entries.every((entry) => entry.upstream === 'three'));
  });

  test('share the load', async () => {
    await using gateway = await Gateway.start([]);
    const counts = new Map<string, number>();
    const upstreams = await Promise.all(
      ['a', 'b', 'c'].map(async (name) =>
        socketUpstream(
          await startApp(
            gateway,
            (_request, response) => {
              counts.set(name, (counts.get(name) ?? 0) + 1);
              response.end('ok');
            },
            name,
          ),
          name,
        ),
      ),
    );
    await gateway.route(proxyRoute(upstreams));
    await Promise.all(
      Array.from({ length: 60 }, () =>
        gateway.exchange('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
      ),
    );
    assert.equal(counts.size, 3);
    assert.ok(
      [...counts.values()].every((count) => count >= 5),
      JSON.stringify([...counts]),
    );
    assert.deepEqual(gateway.plane.stats().upstreams, {});
  });

  test('a config change fails no request, and retired upstreams are left', async () => {
    await using gateway = await Gateway.start([]);
    const release = Promise.withResolvers<void>();
    const old = await startApp(
      gateway,
      (request, response) => {
        if (request.url !== '/slow') response.end('old');
        else void release.promise.then(() => response.end('slow old'));
      },
      'old',
    );
    const fresh = await startApp(gateway, (_request, response) => response.end('new'), 'new');
    await gateway.route(proxyRoute([socketUpstream(old, 'old')]));
    const slow = gateway.connect();
    slow.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(
      'the request is under way',
      () => gateway.plane.stats().upstreams['old'] !== undefined,
    );
    let failures = 0;
    let stop = false;
    const load = Array.from({ length: 4 }, async () => {
      const client = gateway.connect();
      while (!stop) {
        client.clear();
        client.send(GET);
        await client.see(/\r\n\r\n(?:old|new)$/);
        if (!client.text.startsWith('HTTP/1.1 200')) failures++;
      }
    });
    for (let change = 0; change < 50; change++) {
      const path = change % 2 === 0 ? fresh : old;
      await gateway.route(proxyRoute([socketUpstream(path, `gen${change % 2}`)]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop = true;
    await Promise.all(load);
    assert.equal(failures, 0);
    release.resolve();
    await slow.see(/slow old$/);
    await until(
      'nothing is under way',
      () => Object.keys(gateway.plane.stats().upstreams).length === 0,
    );
  });
});
