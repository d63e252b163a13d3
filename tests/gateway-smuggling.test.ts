/**
 * Requests that try to mean one thing to the gateway and another to an origin, judged by the raw bytes that the
 * origin sees: none at all, or exactly the one request that was meant.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Gateway, proxyRoute, RawOrigin, socketUpstream } from './gateway-kit.ts';

const H = 'Host: a\r\n';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

/** Refused before a byte reaches the origin: name, bytes, status of the answer. */
const REFUSED: readonly (readonly [string, string, number])[] = [
  [
    'CL and TE',
    `POST / HTTP/1.1\r\n${H}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`,
    400,
  ],
  [
    'TE and CL',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nG`,
    400,
  ],
  [
    'CL twice, equal',
    `POST / HTTP/1.1\r\n${H}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    400,
  ],
  [
    'CL twice, unequal',
    `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\nContent-Length: 44\r\n\r\n${SMUGGLED}`,
    400,
  ],
  ['CL list, equal', `POST / HTTP/1.1\r\n${H}Content-Length: 3, 3\r\n\r\nabc`, 400],
  ['CL list, unequal', `POST / HTTP/1.1\r\n${H}Content-Length: 3,0\r\n\r\nabc`, 400],
  ['CL with plus', `POST / HTTP/1.1\r\n${H}Content-Length: +3\r\n\r\nabc`, 400],
  ['CL with minus', `POST / HTTP/1.1\r\n${H}Content-Length: -1\r\n\r\nabc`, 400],
  ['CL in hexadecimal', `POST / HTTP/1.1\r\n${H}Content-Length: 0x3\r\n\r\nabc`, 400],
  ['CL with underscore', `POST / HTTP/1.1\r\n${H}Content-Length: 1_0\r\n\r\n0123456789`, 400],
  ['CL with a space inside', `POST / HTTP/1.1\r\n${H}Content-Length: 1 0\r\n\r\n0123456789`, 400],
  ['CL with a fraction', `POST / HTTP/1.1\r\n${H}Content-Length: 3.0\r\n\r\nabc`, 400],
  ['CL with an exponent', `POST / HTTP/1.1\r\n${H}Content-Length: 1e1\r\n\r\n0123456789`, 400],
  ['CL empty', `POST / HTTP/1.1\r\n${H}Content-Length:\r\n\r\nabc`, 400],
  ['CL quoted', `POST / HTTP/1.1\r\n${H}Content-Length: "3"\r\n\r\nabc`, 400],
  ['CL beyond 2^53', `POST / HTTP/1.1\r\n${H}Content-Length: 9007199254740993\r\n\r\n`, 400],
  ['CL beyond 2^64', `POST / HTTP/1.1\r\n${H}Content-Length: 18446744073709551617\r\n\r\nX`, 400],
  [
    'CL with a full-width digit',
    `POST / HTTP/1.1\r\n${H}Content-Length: \xef\xbc\x93\r\n\r\nabc`,
    400,
  ],
  ['CL with a tab-hidden letter', `POST / HTTP/1.1\r\n${H}Content-Length: 3\tx\r\n\r\nabc`, 400],
  ['Content_Length', `POST / HTTP/1.1\r\n${H}Content_Length: 44\r\n\r\n${SMUGGLED}`, 400],
  [
    'CONTENT_length beside CL',
    `POST / HTTP/1.1\r\n${H}Content-Length: 0\r\nCONTENT_length: 44\r\n\r\n`,
    400,
  ],
  ['Transfer_Encoding', `POST / HTTP/1.1\r\n${H}Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['space before the colon of CL', `POST / HTTP/1.1\r\n${H}Content-Length : 3\r\n\r\nabc`, 400],
  [
    'tab before the colon of TE',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['space before TE', `POST / HTTP/1.1\r\n${H} Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['TE folded', `POST / HTTP/1.1\r\n${H}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`, 400],
  [
    'TE behind a bare LF',
    `POST / HTTP/1.1\r\n${H}X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'TE behind a bare CR',
    `POST / HTTP/1.1\r\n${H}X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['TE with NUL', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n`, 400],
  [
    'TE with vertical tab',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['TE xchunked', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
  ['TE chunkedx', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n`, 400],
  ['TE quoted', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`, 400],
  [
    'TE with parameter',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['TE empty', `POST / HTTP/1.1\r\n${H}Transfer-Encoding:\r\n\r\n0\r\n\r\n`, 400],
  ['TE identity', `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n`, 400],
  [
    'TE identity, chunked',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  [
    'TE gzip, chunked',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  [
    'TE cow, chunked',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: cow, chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  [
    'chunked not last',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'chunked twice in one field',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'two TE fields',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'two TE fields, equal',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['TE on HTTP/1.0', `POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  [
    'TE on HTTP/1.0 kept alive',
    `POST / HTTP/1.0\r\n${H}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['no Host with absolute form', 'GET http://a/ HTTP/1.1\r\n\r\n', 400],
  ['two Hosts', `GET / HTTP/1.1\r\n${H}Host: b\r\n\r\n`, 400],
  ['two Hosts, equal', `GET / HTTP/1.1\r\n${H}${H}\r\n`, 400],
  ['Host empty', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['Host with user information', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n', 400],
  ['Host with path and user', 'GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n', 400],
  ['Host as a list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400],
  ['Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['Host with a bad port', 'GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n', 400],
  ['Host with a port too large', 'GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n', 400],
  ['Host with 8-bit bytes', 'GET / HTTP/1.1\r\nHost: \xe9.example\r\n\r\n', 400],
  ['Host with an escape', 'GET / HTTP/1.1\r\nHost: %61\r\n\r\n', 400],
  ['absolute form with user information', `GET http://a@b/ HTTP/1.1\r\n${H}\r\n`, 400],
  ['absolute form without a host', `GET http:///x HTTP/1.1\r\n${H}\r\n`, 400],
  ['another scheme', `GET file:///etc/passwd HTTP/1.1\r\n${H}\r\n`, 400],
  ['target without a slash', `GET x HTTP/1.1\r\n${H}\r\n`, 400],
  ['asterisk with GET', `GET * HTTP/1.1\r\n${H}\r\n`, 400],
  ['# in the target', `GET /#a HTTP/1.1\r\n${H}\r\n`, 400],
  ['space in the target', `GET /a HTTP/1.1 HTTP/1.1\r\n${H}\r\n`, 400],
  ['control byte in the target', `GET /\x1f HTTP/1.1\r\n${H}\r\n`, 400],
  ['8-bit byte in the target', `GET /\xe9 HTTP/1.1\r\n${H}\r\n`, 400],
  ['bare LF in the request line', `GET / HTTP/1.1\n${H}\r\n`, 400],
  ['bare CR before the version', `GET /\rHTTP/1.1\r\n${H}\r\n`, 400],
  ['tab as separator', `GET\t/ HTTP/1.1\r\n${H}\r\n`, 400],
  ['HTTP/0.9', 'GET /\r\n', 400],
  ['lower-case version', `GET / http/1.1\r\n${H}\r\n`, 400],
  ['version 1.10', `GET / HTTP/1.10\r\n${H}\r\n`, 400],
  ['version 1.2', `GET / HTTP/1.2\r\n${H}\r\n`, 505],
  ['preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['lower-case method', `get / HTTP/1.1\r\n${H}\r\n`, 400],
  ['method with a colon', `GET: / HTTP/1.1\r\n${H}\r\n`, 400],
  ['CONNECT', `CONNECT a:443 HTTP/1.1\r\n${H}\r\n`, 501],
  ['TRACE', `TRACE / HTTP/1.1\r\n${H}\r\n`, 501],
  ['empty field name', `GET / HTTP/1.1\r\n${H}: x\r\n\r\n`, 400],
  ['field without a colon', `GET / HTTP/1.1\r\n${H}Oops\r\n\r\n`, 400],
  ['NUL in a field value', `GET / HTTP/1.1\r\n${H}X: a\0b\r\n\r\n`, 400],
  ['field folded', `GET / HTTP/1.1\r\n${H}X: a\r\n b\r\n\r\n`, 400],
  ['bare CR LF CR', `GET / HTTP/1.1\r\n${H}X: a\r\r\n\r\n`, 400],
  ['X_Forwarded_For', `GET / HTTP/1.1\r\n${H}X_Forwarded_For: 127.0.0.1\r\n\r\n`, 400],
  ['X_Real_IP', `GET / HTTP/1.1\r\n${H}X_Real_IP: 127.0.0.1\r\n\r\n`, 400],
  ['Connection: Host', `GET / HTTP/1.1\r\n${H}Connection: close, Host\r\n\r\n`, 400],
  ['Connection: Cookie', `GET / HTTP/1.1\r\n${H}Connection: Cookie\r\nCookie: a\r\n\r\n`, 400],
  [
    'an unknown expectation',
    `POST / HTTP/1.1\r\n${H}Expect: magic\r\nContent-Length: 1\r\n\r\nx`,
    417,
  ],
  ['a huge target', `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${H}\r\n`, 414],
  ['a huge field', `GET / HTTP/1.1\r\n${H}X: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
  ['too many fields', `GET / HTTP/1.1\r\n${H}${'A: b\r\n'.repeat(200)}\r\n`, 431],
];

/** Broken inside the body: the origin may see the head and what came before the fault, and nothing after it. */
const BROKEN_CHUNKS: readonly (readonly [string, string])[] = [
  ['size in hexadecimal notation', `0x5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['size with underscore', `1_0\r\n0123456789\r\n0\r\n\r\n${SMUGGLED}`],
  ['size with plus', `+5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['size with a space first', ` 5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['size with a space behind', `5 \r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['size with a space before the extension', `5 ;a\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['size overflow', `ffffffffffffffff1\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['size empty', `\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['size line with bare LF', `5\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['bare LF in an extension', `5;a\nb\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['bare CR in an extension', `5;a\rb\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
  ['data too long', `5\r\nhello!\r\n0\r\n\r\n${SMUGGLED}`],
  ['data ends in bare LF', `5\r\nhello\n0\r\n\r\n${SMUGGLED}`],
  ['trailer folded', `0\r\nA: b\r\n c\r\n\r\n${SMUGGLED}`],
  ['trailer with bare LF', `0\r\nA: b\n\r\n${SMUGGLED}`],
  ['trailer with space before the colon', `0\r\nA : b\r\n\r\n${SMUGGLED}`],
  ['last chunk with bare LF', `0\r\n\n${SMUGGLED}`],
];

const CLIENT =
  'Via: 1.1 moln\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: http\r\n' +
  'Forwarded: for=127.0.0.1;host=a;proto=http\r\n';

/** Passed on as exactly these bytes; `{c}` stands for the lines about the client, `{c10}` for those about one of HTTP/1.0. */
const PASSED: readonly (readonly [string, string, string])[] = [
  ['plain', `GET /x?y HTTP/1.1\r\n${H}\r\n`, `GET /x?y HTTP/1.1\r\n${H}{c}\r\n`],
  ['one empty line first', `\r\nGET / HTTP/1.1\r\n${H}\r\n`, `GET / HTTP/1.1\r\n${H}{c}\r\n`],
  ['HTTP/1.0', `GET / HTTP/1.0\r\n${H}\r\n`, `GET / HTTP/1.1\r\n${H}{c10}\r\n`],
  [
    'absolute form with another Host: the authority wins',
    'GET http://a/x HTTP/1.1\r\nHost: evil\r\nX: y\r\n\r\n',
    'GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\n{c}\r\n',
  ],
  [
    'hop-by-hop fields go',
    `GET / HTTP/1.1\r\n${H}Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n` +
      'Proxy-Connection: keep-alive\r\nTE: gzip\r\nProxy-Authorization: x\r\nX-End: 2\r\n\r\n',
    `GET / HTTP/1.1\r\n${H}X-End: 2\r\n{c}\r\n`,
  ],
  [
    'Connection naming framing fields changes nothing',
    `POST / HTTP/1.1\r\n${H}Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc`,
    `POST / HTTP/1.1\r\n${H}{c}Content-Length: 3\r\n\r\nabc`,
  ],
  [
    'what a client says about itself goes',
    `GET / HTTP/1.1\r\n${H}X-Forwarded-For: 1.2.3.4\r\nx-forwarded-proto: https\r\nForwarded: for=x\r\n` +
      'X-Real-IP: 1.2.3.4\r\nX-Forwarded-Prefix: /y\r\n\r\n',
    `GET / HTTP/1.1\r\n${H}{c}\r\n`,
  ],
  [
    'an upgrade to h2c goes',
    `GET / HTTP/1.1\r\n${H}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n`,
    `GET / HTTP/1.1\r\n${H}{c}\r\n`,
  ],
  [
    'Upgrade without Connection goes',
    `GET / HTTP/1.1\r\n${H}Upgrade: websocket\r\n\r\n`,
    `GET / HTTP/1.1\r\n${H}{c}\r\n`,
  ],
  [
    'a length with zeros in front is written anew',
    `POST / HTTP/1.1\r\n${H}Content-Length: 0003\r\n\r\nabc`,
    `POST / HTTP/1.1\r\n${H}{c}Content-Length: 3\r\n\r\nabc`,
  ],
  [
    'GET with a body is framed anew',
    `GET / HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`,
    `GET / HTTP/1.1\r\n${H}{c}Content-Length: 3\r\n\r\nabc`,
  ],
  [
    'chunk extensions go, trailers that frame or route go',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: Chunked\r\n\r\n5;a="\x41"\r\nhello\r\n0;z\r\n` +
      'X-T: 1\r\nContent-Length: 9\r\nHost: b\r\n\r\n',
    `POST / HTTP/1.1\r\n${H}{c}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
  ],
  [
    'trailers that decide, or say who asks, go',
    `POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Basic QTpC\r\nx-t: 1\r\n` +
      'Cookie: a=b\r\nX-Real-IP: 10.0.0.1\r\nif-match: "a"\r\nMAX-FORWARDS: 0\r\nETag: "e"\r\n\r\n',
    `POST / HTTP/1.1\r\n${H}{c}Transfer-Encoding: chunked\r\n\r\n0\r\nx-t: 1\r\nETag: "e"\r\n\r\n`,
  ],
  [
    'trailers that Connection names go',
    `POST / HTTP/1.1\r\n${H}Connection: X-Plan\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx-plan: gold\r\nX-T: 1\r\n\r\n`,
    `POST / HTTP/1.1\r\n${H}{c}Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\n\r\n`,
  ],
  [
    'a body that looks like a request stays a body',
    `POST / HTTP/1.1\r\n${H}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    `POST / HTTP/1.1\r\n${H}{c}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  ],
  [
    'TE: trailers is kept for what it is',
    `GET / HTTP/1.1\r\n${H}TE: trailers\r\n\r\n`,
    `GET / HTTP/1.1\r\n${H}{c}TE: trailers\r\nConnection: TE\r\n\r\n`,
  ],
];

/** Whether the text holds a whole request, by the rules of this file's answers. */
function isComplete(seen: string): boolean {
  const end = seen.indexOf('\r\n\r\n');
  if (end < 0) return false;
  if (/^transfer-encoding: chunked\r$/im.test(seen))
    return /\r\n0\r\n(?:[^\r]+\r\n)*\r\n$/.test(seen);
  const length = Number(/^content-length: (\d+)\r$/im.exec(seen)?.[1] ?? 0);
  return seen.length >= end + 4 + length;
}

describe('smuggling', () => {
  let gateway: Gateway;
  let origin: RawOrigin;

  before(async () => {
    gateway = await Gateway.start([]);
    origin = await RawOrigin.start(`${gateway.folder}/origin.sock`, (connection) => {
      if (!isComplete(connection.seen)) return;
      connection.socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
  });

  after(async () => {
    await gateway[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  for (const [name, bytes, status] of REFUSED) {
    test(`refused: ${name}`, async () => {
      origin.connections.length = 0;
      const client = gateway.connect();
      // What follows must not be taken for a request of its own.
      client.send(bytes + SMUGGLED);
      await client.closed();
      assert.match(client.text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(client.text.match(/^HTTP\/1\.1 /gm)?.length, 1, client.text);
      assert.match(client.text, /\r\nConnection: close\r\n/);
      assert.equal(origin.seen, '');
    });
  }

  for (const [name, chunks] of BROKEN_CHUNKS) {
    test(`broken off: chunk ${name}`, async () => {
      origin.connections.length = 0;
      const client = gateway.connect();
      client.send(`POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n${chunks}`);
      await client.closed();
      assert.match(client.text, /^HTTP\/1\.1 400 /);
      assert.equal(client.text.match(/^HTTP\/1\.1 /gm)?.length, 1, client.text);
      assert.doesNotMatch(origin.seen, /smuggled/);
      assert.equal(isComplete(origin.seen), false, origin.seen);
    });
  }

  for (const [name, bytes, wanted] of PASSED) {
    test(`passed on: ${name}`, async () => {
      origin.connections.length = 0;
      const client = gateway.connect();
      client.send(bytes);
      await client.see(/\r\n\r\nok$/);
      client.socket.destroy();
      assert.equal(
        origin.seen,
        wanted.replace('{c}', CLIENT).replace('{c10}', CLIENT.replace('1.1', '1.0')),
      );
    });
  }

  test('there are enough classes', () => {
    assert.ok(REFUSED.length + BROKEN_CHUNKS.length + PASSED.length >= 80);
  });
});

/** Answers of an origin that may not be passed on. */
const BAD_ANSWERS: readonly (readonly [string, string])[] = [
  [
    'CL and TE',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['CL twice', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk'],
  ['CL bad', 'HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok'],
  ['TE unknown', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok'],
  ['TE on HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['no status line', '<html>this is not HTTP at all</html>'],
  ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
  ['folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n'],
  ['NUL in a field', 'HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n'],
  ['101 unasked', 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
  ['head without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}`],
  ['closed at once', ''],
];

describe('answers of an origin', () => {
  for (const [name, answer] of BAD_ANSWERS) {
    test(`502: ${name}`, async () => {
      await using gateway = await Gateway.start([]);
      await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
        socket.end(answer, 'latin1');
      });
      await gateway.route(proxyRoute([socketUpstream(origin.path)]));
      const client = gateway.connect();
      client.send(`GET / HTTP/1.1\r\n${H}Connection: close\r\n\r\n`);
      await client.closed();
      assert.match(client.text, /^HTTP\/1\.1 502 /);
    });
  }

  test('surplus bytes after an answer reach nobody', async () => {
    await using gateway = await Gateway.start([]);
    await using origin = await RawOrigin.start(`${gateway.folder}/o.sock`, ({ socket }) => {
      const first = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
      socket.write(`${first}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
    });
    await gateway.route(proxyRoute([socketUpstream(origin.path)]));
    const client = gateway.connect();
    for (let index = 0; index < 3; index++) {
      client.clear();
      client.send(`GET / HTTP/1.1\r\n${H}\r\n`);
      await client.see(/\r\n\r\nok$/);
    }
    assert.equal(origin.connections.length, 3);
  });
});
