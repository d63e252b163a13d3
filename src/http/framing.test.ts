import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BODY, RequestFraming, ResponseFraming } from './framing.ts';
import { RequestHead, ResponseHead } from './head.ts';
import { isHttpError } from './http-error.ts';
import { DEFAULT_HEAD_LIMITS } from './limits.ts';

/** `none`, `length 5 close`, `chunked names a,b`, or the status of the refusal. */
function request(lines: string, minor: 0 | 1 = 1): string {
  const bytes = Buffer.from(`POST / HTTP/1.${minor}\r\nHost: a\r\n${lines}\r\n`, 'latin1');
  const head = new RequestHead(DEFAULT_HEAD_LIMITS);
  head.reset(0);
  assert.ok(head.scan(bytes, bytes.length));
  const framing = new RequestFraming();
  return described(framing, () => framing.read(head));
}

function response(
  lines: string,
  options: { status?: number; toHead?: boolean; minor?: 0 | 1 } = {},
): string {
  const { status = 200, toHead = false, minor = 1 } = options;
  const bytes = Buffer.from(`HTTP/1.${minor} ${status} X\r\n${lines}\r\n`, 'latin1');
  const head = new ResponseHead(DEFAULT_HEAD_LIMITS);
  head.reset(0);
  assert.ok(head.scan(bytes, bytes.length));
  const framing = new ResponseFraming();
  return described(framing, () => framing.read(head, toHead));
}

function described(framing: RequestFraming | ResponseFraming, read: () => void): string {
  try {
    read();
  } catch (error) {
    if (!isHttpError(error)) throw error;
    return String(error.status);
  }
  const kind = Object.entries(BODY).find(([, value]) => value === framing.kind)?.[0] ?? '?';
  return [
    kind,
    ...(framing.kind === BODY.length ? [String(framing.length)] : []),
    ...(framing.keepAlive ? [] : ['close']),
    ...(framing.upgrade ? ['upgrade'] : []),
    ...(framing.names.length === 0 ? [] : [`names ${framing.names.join()}`]),
    ...('expectContinue' in framing && framing.expectContinue ? ['expect'] : []),
  ].join(' ');
}

const REQUESTS: readonly (readonly [string, string])[] = [
  ['', 'none'],
  ['Content-Length: 5\r\n', 'length 5'],
  ['Content-Length: 0\r\n', 'length 0'],
  ['Content-Length: 9007199254740991\r\n', 'length 9007199254740991'],
  ['Content-Length: 9007199254740992\r\n', '400'],
  ['Content-Length: 18446744073709551616\r\n', '400'],
  ['Content-Length: 5\r\nContent-Length: 5\r\n', '400'],
  ['Content-Length: 5\r\nContent-Length: 6\r\n', '400'],
  ['Content-Length: 5, 5\r\n', '400'],
  ['Content-Length: +5\r\n', '400'],
  ['Content-Length: -5\r\n', '400'],
  ['Content-Length: 0x5\r\n', '400'],
  ['Content-Length: 5_0\r\n', '400'],
  ['Content-Length: 5 0\r\n', '400'],
  ['Content-Length: 5.0\r\n', '400'],
  ['Content-Length: 5e1\r\n', '400'],
  ['Content-Length:\r\n', '400'],
  ['Content-Length: "5"\r\n', '400'],
  ['Transfer-Encoding: chunked\r\n', 'chunked'],
  ['Transfer-Encoding: Chunked\r\n', 'chunked'],
  ['Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '400'],
  ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '400'],
  ['Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '400'],
  ['Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', '400'],
  ['Transfer-Encoding: chunked, chunked\r\n', '400'],
  ['Transfer-Encoding: chunked, identity\r\n', '400'],
  ['Transfer-Encoding: identity, chunked\r\n', '501'],
  ['Transfer-Encoding: gzip, chunked\r\n', '501'],
  ['Transfer-Encoding: gzip\r\n', '400'],
  ['Transfer-Encoding: identity\r\n', '400'],
  ['Transfer-Encoding: xchunked\r\n', '400'],
  ['Transfer-Encoding: chunkedx\r\n', '400'],
  ['Transfer-Encoding: chunked;q=1\r\n', '400'],
  ['Transfer-Encoding: "chunked"\r\n', '400'],
  ['Transfer-Encoding: ,chunked\r\n', '501'],
  ['Transfer-Encoding:\r\n', '400'],
  ['Host: a\r\n', '400'],
  ['Host: b\r\n', '400'],
  ['Connection: close\r\n', 'none close'],
  ['Connection: keep-alive, CLOSE\r\n', 'none close'],
  ['Connection: close\r\nConnection: keep-alive\r\n', 'none close'],
  ['Connection: X-One, x-two\r\n', 'none names x-one,x-two'],
  ['Connection: Content-Length, x, Transfer-Encoding\r\n', 'none names x'],
  ['Connection: Host\r\n', '400'],
  ['Connection: x, Authorization\r\n', '400'],
  ['Connection: Upgrade\r\nUpgrade: websocket\r\n', 'none upgrade'],
  ['Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n', 'none upgrade'],
  ['Connection: Upgrade\r\n', 'none'],
  ['Upgrade: websocket\r\n', 'none'],
  ['Connection: Upgrade\r\nUpgrade: a\r\nContent-Length: 5\r\n', 'length 5'],
  ['Expect: 100-Continue\r\nContent-Length: 1\r\n', 'length 1 expect'],
  ['Expect: 200-ok\r\n', '417'],
];

const REQUESTS_1_0: readonly (readonly [string, string])[] = [
  ['', 'none close'],
  ['Connection: keep-alive\r\n', 'none'],
  ['Transfer-Encoding: chunked\r\n', '400'],
  ['Content-Length: 5\r\n', 'length 5 close'],
  ['Connection: Upgrade\r\nUpgrade: a\r\n', 'none close'],
  ['Expect: 100-continue\r\n', 'none close'],
];

test('request framing', () => {
  for (const [lines, wanted] of REQUESTS) assert.equal(request(lines), wanted, lines);
  for (const [lines, wanted] of REQUESTS_1_0) assert.equal(request(lines, 0), wanted, lines);
});

test('a request of HTTP/1.1 without Host is refused, of HTTP/1.0 not', () => {
  for (const [minor, wanted] of [
    [1, '400'],
    [0, 'none close'],
  ] as const) {
    const bytes = Buffer.from(`GET / HTTP/1.${minor}\r\n\r\n`);
    const head = new RequestHead(DEFAULT_HEAD_LIMITS);
    head.reset(0);
    assert.ok(head.scan(bytes, bytes.length));
    const framing = new RequestFraming();
    assert.equal(
      described(framing, () => framing.read(head)),
      wanted,
    );
  }
});

describe('answer framing', () => {
  test('by fields', () => {
    assert.equal(response(''), 'close close');
    assert.equal(response('Content-Length: 7\r\n'), 'length 7');
    assert.equal(response('Transfer-Encoding: chunked\r\n'), 'chunked');
    assert.equal(response('Connection: close\r\nContent-Length: 7\r\n'), 'length 7 close');
    assert.equal(response('Content-Length: 7\r\n', { minor: 0 }), 'length 7 close');
    assert.equal(
      response('Content-Length: 7\r\nConnection: keep-alive\r\n', { minor: 0 }),
      'length 7',
    );
  });

  test('without a body', () => {
    for (const status of [100, 103, 204, 304]) {
      assert.equal(response('Content-Length: 7\r\n', { status }), 'none', String(status));
    }
    assert.equal(response('Content-Length: 7\r\n', { toHead: true }), 'none');
    assert.equal(response('Transfer-Encoding: chunked\r\n', { toHead: true }), 'none');
  });

  test('refused', () => {
    for (const lines of [
      'Content-Length: 7\r\nTransfer-Encoding: chunked\r\n',
      'Content-Length: 7\r\nContent-Length: 7\r\n',
      'Content-Length: x\r\n',
      'Transfer-Encoding: gzip\r\n',
    ]) {
      assert.equal(response(lines), '400', lines);
      assert.equal(
        response(lines, { toHead: true }).startsWith('4') || lines.includes('gzip'),
        true,
      );
    }
    assert.equal(response('Transfer-Encoding: chunked\r\n', { minor: 0 }), '400');
  });
});
