import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FIELD } from './field-names.ts';
import { RequestHead, ResponseHead } from './head.ts';
import { isHttpError } from './http-error.ts';
import type { HeadLimits } from './limits.ts';

const LIMITS: HeadLimits = { headBytesMax: 512, headersMax: 6, targetBytesMax: 64 };

interface Seen {
  readonly start: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly end: number;
}

function seenRequest(head: RequestHead): Seen {
  return {
    start: `${head.method} ${head.target} 1.${head.minor}`,
    fields: Array.from({ length: head.count }, (_v, at) => [head.nameAt(at), head.valueAt(at)]),
    end: head.end,
  };
}

function seenResponse(head: ResponseHead): Seen {
  return {
    start: `${head.status} 1.${head.minor}`,
    fields: Array.from({ length: head.count }, (_v, at) => [head.nameAt(at), head.valueAt(at)]),
    end: head.end,
  };
}

/** Text of an outcome, to compare or to show. */
function textOf(outcome: Outcome): string {
  return typeof outcome === 'string' ? outcome : JSON.stringify(outcome);
}

type Outcome = Seen | 'more' | `${number} ${string}`;

/** The outcome of scanning `text` when it arrives cut at the given places. */
function scanRequest(text: string, cuts: readonly number[] = [], limits = LIMITS): Outcome {
  const head = new RequestHead(limits);
  head.reset(0);
  return scanCut(text, cuts, (bytes) =>
    head.scan(bytes, bytes.length) ? seenRequest(head) : 'more',
  );
}

function scanResponse(text: string, cuts: readonly number[] = []): Outcome {
  const head = new ResponseHead(LIMITS);
  head.reset(0);
  return scanCut(text, cuts, (bytes) =>
    head.scan(bytes, bytes.length) ? seenResponse(head) : 'more',
  );
}

function scanCut(text: string, cuts: readonly number[], scan: (bytes: Buffer) => Outcome): Outcome {
  const all = Buffer.from(text, 'latin1');
  try {
    for (const cut of [...cuts, all.length]) {
      // Each time in other memory: nothing may hold on to the bytes before.
      const outcome = scan(Buffer.from(all.subarray(0, cut)));
      if (outcome !== 'more') return outcome;
    }
    return 'more';
  } catch (error) {
    if (!isHttpError(error)) throw error;
    return `${error.status} ${error.code}`;
  }
}

const HOST = 'Host: a\r\n';

const GOOD: readonly (readonly [string, string])[] = [
  ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'GET / 1.1'],
  ['GET / HTTP/1.0\r\n\r\n', 'GET / 1.0'],
  ['\r\nPOST /a?b=c%20d HTTP/1.1\r\nHost:a\r\nX:\t y z \t\r\n\r\nbody', 'POST /a?b=c%20d 1.1'],
  ['PROPFIND /\\"{|}[]^` HTTP/1.1\r\nHost: a\r\nEmpty:\r\n\r\n', 'PROPFIND /\\"{|}[]^` 1.1'],
  ['M-SEARCH * HTTP/1.1\r\nHost: a\r\n\r\n', 'M-SEARCH * 1.1'],
  ['GET http://b/x HTTP/1.1\r\nHost: a\r\nV: \xe9\xff\r\n\r\n', 'GET http://b/x 1.1'],
];

const BAD: readonly (readonly [name: string, text: string, outcome: string])[] = [
  ['bare LF after the request line', `GET / HTTP/1.1\n${HOST}\r\n`, '400'],
  ['bare LF after a field', 'GET / HTTP/1.1\r\nHost: a\n\r\n', '400'],
  ['bare LF as the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\n', '400'],
  ['bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n', '400'],
  ['bare CR in the target', 'GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n', '400'],
  ['NUL in a value', 'GET / HTTP/1.1\r\nHost: a\0\r\n\r\n', '400'],
  ['DEL in a value', 'GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n', '400'],
  ['NUL in a name', 'GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n', '400'],
  ['space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', '400'],
  ['tab before the colon', 'GET / HTTP/1.1\r\nHost\t: a\r\n\r\n', '400'],
  ['space inside a name', 'GET / HTTP/1.1\r\nHo st: a\r\n\r\n', '400'],
  ['empty name', `GET / HTTP/1.1\r\n${HOST}: x\r\n\r\n`, '400'],
  ['no colon', `GET / HTTP/1.1\r\n${HOST}Broken\r\n\r\n`, '400'],
  ['8-bit byte in a name', `GET / HTTP/1.1\r\n${HOST}X\xe9: x\r\n\r\n`, '400'],
  ['fold with a space', `GET / HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`, '400'],
  ['fold with a tab', `GET / HTTP/1.1\r\n${HOST}X: a\r\n\tb\r\n\r\n`, '400'],
  ['space before the first field', `GET / HTTP/1.1\r\n X: a\r\n${HOST}\r\n`, '400'],
  ['HTTP/0.9', 'GET /\r\n', '400'],
  ['no target', 'GET HTTP/1.1\r\n\r\n', '400'],
  ['two spaces', 'GET  / HTTP/1.1\r\n\r\n', '400'],
  ['tab between the parts', 'GET\t/ HTTP/1.1\r\n\r\n', '400'],
  ['space at the end of the line', 'GET / HTTP/1.1 \r\n\r\n', '400'],
  ['space in the target', 'GET /a b HTTP/1.1\r\n\r\n', '400'],
  ['space first', ' GET / HTTP/1.1\r\n\r\n', '400'],
  ['two empty lines first', '\r\n\r\nGET / HTTP/1.1\r\n\r\n', '400'],
  ['bare LF first', '\nGET / HTTP/1.1\r\n\r\n', '400'],
  ['# in the target', 'GET /a#b HTTP/1.1\r\n\r\n', '400'],
  ['control byte in the target', 'GET /\x01 HTTP/1.1\r\n\r\n', '400'],
  ['DEL in the target', 'GET /\x7f HTTP/1.1\r\n\r\n', '400'],
  ['8-bit byte in the target', 'GET /\xe9 HTTP/1.1\r\n\r\n', '400'],
  ['lower-case method', 'get / HTTP/1.1\r\n\r\n', '400'],
  ['method with an underscore', 'GE_T / HTTP/1.1\r\n\r\n', '400'],
  ['lower-case version', 'GET / http/1.1\r\n\r\n', '400'],
  ['no such protocol', 'GET / HTTQ/1.1\r\n\r\n', '400'],
  ['two digits', 'GET / HTTP/1.10\r\n\r\n', '400'],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\n\r\n', '505'],
  ['HTTP/2.0, the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '505'],
  ['HTTP/0.9 by name', 'GET / HTTP/0.9\r\n\r\n', '505'],
  ['TLS on a plain port', '\x16\x03\x01\x02\x00\x01\x00', '400'],
  ['Content_Length', `GET / HTTP/1.1\r\n${HOST}Content_Length: 5\r\n\r\n`, '400'],
  ['TRANSFER_ENCODING', `GET / HTTP/1.1\r\n${HOST}TRANSFER_ENCODING: chunked\r\n\r\n`, '400'],
  ['X_Forwarded_For', `GET / HTTP/1.1\r\n${HOST}X_Forwarded_For: 1.2.3.4\r\n\r\n`, '400'],
  ['x-forwarded_proto', `GET / HTTP/1.1\r\n${HOST}x-forwarded_proto: https\r\n\r\n`, '400'],
  ['target too long', `GET /${'a'.repeat(64)} HTTP/1.1\r\n\r\n`, '414'],
  ['target too long and no end yet', `GET /${'a'.repeat(100)}`, '414'],
  ['too many fields', `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(7)}\r\n`, '431'],
  ['head too large', `GET / HTTP/1.1\r\n${`A: ${'b'.repeat(120)}\r\n`.repeat(5)}\r\n`, '431'],
  ['head too large and no end yet', `GET / HTTP/1.1\r\nA: ${'b'.repeat(600)}`, '431'],
  ['method without end', 'A'.repeat(100), '501'],
];

describe('a request head', () => {
  for (const [text, start] of GOOD) {
    test(`is read: ${JSON.stringify(text)}`, () => {
      const seen = scanRequest(text);
      assert.ok(typeof seen === 'object', textOf(seen));
      assert.equal(seen.start, start);
      assert.equal(text.slice(seen.end - 4, seen.end), '\r\n\r\n');
    });
  }

  for (const [name, text, status] of BAD) {
    test(`is refused: ${name}`, () => {
      assert.equal(textOf(scanRequest(text)).slice(0, 3), status);
    });
  }

  test('means the same however it is cut', () => {
    for (const text of [...GOOD.map(([good]) => good), ...BAD.map(([, bad]) => bad)]) {
      const whole = scanRequest(text);
      for (let cut = 0; cut <= text.length; cut++) {
        assert.deepEqual(scanRequest(text, [cut]), whole, `${JSON.stringify(text)} cut at ${cut}`);
      }
      const everywhere = Array.from(text, (_character, index) => index);
      assert.deepEqual(scanRequest(text, everywhere), whole, JSON.stringify(text));
    }
  });

  test('finds what comes behind other bytes', () => {
    const text = 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\nX: y\r\n\r\nrest';
    const bytes = Buffer.from(text, 'latin1');
    const head = new RequestHead(LIMITS);
    head.reset(0);
    assert.ok(head.scan(bytes, bytes.length));
    head.reset(head.end);
    assert.ok(head.scan(bytes, bytes.length));
    assert.equal(head.target, '/2');
    assert.equal(head.value(FIELD.host), 'b');
    assert.equal(text.slice(head.end), 'rest');
  });

  test('knows fields in any case, and which are repeated', () => {
    const text =
      'GET / HTTP/1.1\r\nhOST: a\r\nCOOKIE: x\r\ncookie: y\r\nx-FORWARDED-whatever: z\r\nHost2: q\r\n\r\n';
    const bytes = Buffer.from(text, 'latin1');
    const head = new RequestHead(LIMITS);
    head.reset(0);
    assert.ok(head.scan(bytes, bytes.length));
    assert.equal(head.value(FIELD.host), 'a');
    assert.equal(head.joined(FIELD.cookie), 'x; y');
    assert.equal(head.repeated, 1 << FIELD.cookie);
    assert.equal(head.value(FIELD.xForwarded), 'z');
    assert.equal(head.indexOf(FIELD.accept), -1);
    assert.equal(head.ids[4], FIELD.other);
  });
});

const GOOD_ANSWERS = [
  ['HTTP/1.1 200 OK\r\nA: b\r\n\r\n', '200 1.1'],
  ['HTTP/1.0 404 Not Found\r\n\r\n', '404 1.0'],
  ['HTTP/1.1 204 \r\n\r\n', '204 1.1'],
  ['HTTP/1.1 200\r\nA: b\r\n\r\n', '200 1.1'],
  ['HTTP/1.1 599 \xe9\r\n\r\n', '599 1.1'],
] as const;

const BAD_ANSWERS = [
  'HTTP/2.0 200 OK\r\n\r\n',
  'HTTP/1.2 200 OK\r\n\r\n',
  'http/1.1 200 OK\r\n\r\n',
  'HTTP/1.1 20 OK\r\n\r\nxx',
  'HTTP/1.1 2000 OK\r\n\r\n',
  'HTTP/1.1 099 OK\r\n\r\n',
  'HTTP/1.1 600 OK\r\n\r\n',
  'HTTP/1.1  200 OK\r\n\r\n',
  'HTTP/1.1 200 OK\nA: b\r\n\r\n',
  'HTTP/1.1 200 OK\r\nA : b\r\n\r\n',
  'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n',
  'HTTP/1.1 200 O\0K\r\n\r\n',
  'ICY 200 OK\r\n\r\n.........',
  '<html>hello there</html>',
] as const;

describe('the head of an answer', () => {
  test('is read', () => {
    for (const [text, start] of GOOD_ANSWERS) {
      const seen = scanResponse(text);
      assert.ok(typeof seen === 'object', `${JSON.stringify(text)}: ${textOf(seen)}`);
      assert.equal(seen.start, start);
    }
  });

  test('is refused', () => {
    for (const text of BAD_ANSWERS) {
      assert.match(textOf(scanResponse(text)), /^4\d\d HTTP_/, JSON.stringify(text));
    }
  });

  test('means the same however it is cut', () => {
    for (const text of [...GOOD_ANSWERS.map(([good]) => good), ...BAD_ANSWERS]) {
      const whole = scanResponse(text);
      for (let cut = 0; cut <= text.length; cut++) {
        assert.deepEqual(scanResponse(text, [cut]), whole, `${JSON.stringify(text)} cut at ${cut}`);
      }
    }
  });
});
