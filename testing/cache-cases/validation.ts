/** Asking the origin whether a stored answer still holds, and what its 304 changes (RFC 9111 4.3, 3.2). */
import type { CacheCase, CaseTable, Line, OriginAnswer, Step } from './case.ts';

const SHORT = 'Cache-Control: max-age=1';
const LONG = 'Cache-Control: max-age=60';
const LAST = 'Last-Modified: Fri, 20 Nov 2026 08:00:00 GMT';
const EARLIER = 'Last-Modified: Fri, 20 Nov 2026 07:00:00 GMT';

const not = (...lines: Line[]): OriginAnswer => ({ status: 304, lines, body: null });

/** Stored stale, confirmed by `confirmation`, then used again. */
function confirmed(
  rule: string,
  name: string,
  stored: readonly Line[],
  confirmation: OriginAnswer,
  fields: Readonly<Record<string, string | null>>,
): CacheCase {
  return {
    rule,
    name,
    steps: [
      { origin: { lines: [SHORT, ...stored], body: 'kept' }, expect: { from: 'origin' } },
      { afterS: 2, origin: confirmation, expect: { from: 'validated', body: 'kept', fields } },
      { expect: { from: 'cache', body: 'kept', fields } },
    ],
  };
}

/** RFC 9111 3.2: a field of the 304 takes the place of the stored one, in what is sent and in what is kept. */
function updates(line: string, to: string): CacheCase {
  const name = line.slice(0, line.indexOf(':'));
  return confirmed(
    'RFC 9111 3.2',
    `a 304 updates ${name}`,
    ['ETag: "a"', line],
    not(LONG, 'ETag: "a"', `${name}: ${to}`),
    { [name]: to },
  );
}

/** What the origin is asked about a stale stored answer. */
function asks(
  rule: string,
  name: string,
  stored: readonly Line[],
  asked: Readonly<Record<string, string | null>>,
  request: Pick<Step, 'lines'> = {},
): CacheCase {
  return {
    rule,
    name,
    steps: [
      { origin: { lines: [SHORT, ...stored] }, expect: { from: 'origin' } },
      { afterS: 2, ...request, origin: not(LONG, ...stored), expect: { from: 'validated', asked } },
    ],
  };
}

export const VALIDATION: CaseTable = {
  theme: 'validation',
  cases: [
    asks('RFC 9111 4.3.1', 'a tag is sent in If-None-Match', ['ETag: "abc"'], {
      'If-None-Match': '"abc"',
      'If-Modified-Since': null,
    }),
    asks('RFC 9111 4.3.1', 'a weak tag is sent as it is', ['ETag: W/"abc"'], {
      'If-None-Match': 'W/"abc"',
    }),
    asks('RFC 9111 4.3.1', 'an empty tag is a tag', ['ETag: ""'], { 'If-None-Match': '""' }),
    asks('RFC 9111 4.3.1', 'a date is sent in If-Modified-Since', [LAST], {
      'If-Modified-Since': 'Fri, 20 Nov 2026 08:00:00 GMT',
      'If-None-Match': null,
    }),
    asks('RFC 9110 13.1.3', 'a tag and a date are both sent', ['ETag: "abc"', LAST], {
      'If-None-Match': '"abc"',
      'If-Modified-Since': 'Fri, 20 Nov 2026 08:00:00 GMT',
    }),
    asks('RFC 9110 8.8.3', 'a tag without quotes is none', ['ETag: abc', LAST], {
      'If-None-Match': null,
      'If-Modified-Since': '/GMT/',
    }),
    asks(
      'RFC 9111 4.3.1',
      'conditions of the client give way to those of the store',
      ['ETag: "abc"'],
      { 'If-None-Match': '"abc"', Range: null },
      { lines: ['If-None-Match: "old"'] },
    ),
    confirmed(
      'RFC 9111 4.3.4',
      'a 304 makes the stored answer fresh again',
      ['ETag: "a"'],
      not(LONG, 'ETag: "a"'),
      { Age: '0' },
    ),
    confirmed(
      'RFC 9111 4.3.4',
      'a 304 confirms by weak tags too',
      ['ETag: W/"a"'],
      not(LONG, 'ETag: W/"a"'),
      {},
    ),
    confirmed(
      'RFC 9110 8.8.3.2',
      'a weak tag of a 304 confirms a strong one',
      ['ETag: "a"'],
      not(LONG, 'ETag: W/"a"'),
      { ETag: 'W/"a"' },
    ),
    confirmed('RFC 9111 4.3.4', 'a 304 confirms by date', [LAST], not(LONG, LAST), {}),
    confirmed(
      'RFC 9111 4.3.4',
      'a 304 without validators confirms what was asked about',
      ['ETag: "a"'],
      not(LONG),
      { ETag: '"a"' },
    ),
    confirmed(
      'RFC 9111 4.3.4',
      'a tag counts before a date',
      ['ETag: "a"', LAST],
      not(LONG, 'ETag: "a"', EARLIER),
      { 'Last-Modified': 'Fri, 20 Nov 2026 07:00:00 GMT' },
    ),
    confirmed(
      'RFC 9111 3.2',
      'what a 304 does not say stays',
      ['ETag: "a"', 'X-A: 1'],
      not(LONG, 'ETag: "a"'),
      { 'X-A': '1' },
    ),
    confirmed(
      'RFC 9111 3.2',
      'what a 304 says for the first time is added',
      ['ETag: "a"'],
      not(LONG, 'ETag: "a"', 'X-A: 1'),
      { 'X-A': '1' },
    ),
    confirmed(
      'RFC 9111 3.2',
      'all stored lines of a field give way',
      ['ETag: "a"', 'X-A: 1', 'x-a: 2'],
      not(LONG, 'ETag: "a"', 'X-A: 3', 'X-A: 4'),
      { 'X-A': '3, 4' },
    ),
    confirmed(
      'RFC 9111 3.2',
      'Content-Length is not updated',
      ['ETag: "a"'],
      not(LONG, 'ETag: "a"', 'Content-Length: 999'),
      { 'Content-Length': '4' },
    ),
    confirmed(
      'RFC 9111 3.2',
      'Content-Range is not updated',
      ['ETag: "a"'],
      not(LONG, 'ETag: "a"', 'Content-Range: bytes 0-1/2'),
      { 'Content-Range': null },
    ),
    confirmed(
      'RFC 9111 3.1',
      'what Connection of a 304 lists is not stored',
      ['ETag: "a"', 'X-A: 1'],
      not(LONG, 'ETag: "a"', 'Connection: x-a', 'X-A: 2'),
      { 'X-A': '1' },
    ),
    updates('X-Test: 1', '2'),
    updates('X-XSS-Protection: 1', '0'),
    updates('Public-Key-Pins: max-age=1', 'max-age=2'),
    updates('Cache-Tag: a', 'b'),
    confirmed(
      'RFC 9111 3.2',
      'a weak tag of a 304 takes the place of the strong one',
      ['ETag: "a"'],
      not(LONG, 'ETag: W/"a"'),
      { ETag: 'W/"a"' },
    ),
    confirmed(
      'RFC 9111 3.2',
      'a cookie of a 304 is stored where it is declared fit for sharing',
      ['ETag: "a"', 'Cache-Control: public', 'Set-Cookie: a=1'],
      not(`${LONG}, public`, 'ETag: "a"', 'Set-Cookie: a=2'),
      { 'Set-Cookie': 'a=2' },
    ),
    confirmed(
      'RFC 9111 3.2',
      'a Vary of a 304 is told, and the stored values stay',
      ['ETag: "a"', 'Vary: Accept'],
      not(LONG, 'ETag: "a"', 'Vary: Accept'),
      { Vary: 'Accept' },
    ),
    updates('Test-Header: 1', '2'),
    updates('Content-Foo: 1', '2'),
    updates('X-Content-Foo: 1', '2'),
    updates('Content-Type: text/plain', 'text/plain;charset=utf-8'),
    updates('Content-Encoding: identity', 'identity2'),
    updates('Content-MD5: a', 'b'),
    updates('Content-Location: /foo', '/bar'),
    updates("Content-Security-Policy: default-src 'self'", "default-src 'none'"),
    updates('X-Frame-Options: deny', 'sameorigin'),
    updates('Clear-Site-Data: "cache"', '"cookies"'),
    updates('Link: </a>', '</b>'),
    {
      rule: 'RFC 9111 3.2',
      name: 'a 304 updates Cache-Control, and with it the lifetime',
      steps: [
        { origin: { lines: [SHORT, 'ETag: "a"'] }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: not('Cache-Control: max-age=5', 'ETag: "a"'),
          expect: { from: 'validated', fields: { 'Cache-Control': 'max-age=5' } },
        },
        { afterS: 4, expect: { from: 'cache', fields: { Age: '4' } } },
        { afterS: 1, origin: not('ETag: "a"'), expect: { from: 'validated' } },
      ],
    },
    {
      rule: 'RFC 9111 3.2',
      name: 'a 304 updates Expires, and with it the lifetime',
      steps: [
        { origin: { lines: ['Expires: {+1}', 'ETag: "a"'] }, expect: { from: 'origin' } },
        { afterS: 2, origin: not('Expires: {+60}', 'ETag: "a"'), expect: { from: 'validated' } },
        { afterS: 5, expect: { from: 'cache' } },
      ],
    },
    {
      rule: 'RFC 9111 4.2.3',
      name: 'a 304 without Date is of now',
      steps: [
        {
          origin: { lines: [SHORT, 'ETag: "a"', 'Date: {-0}'.replace('-0', '+0')] },
          expect: { from: 'origin' },
        },
        {
          afterS: 100,
          origin: not('Cache-Control: max-age=50', 'ETag: "a"'),
          expect: { from: 'validated', fields: { Age: '0' } },
        },
        { afterS: 10, expect: { from: 'cache', fields: { Age: '10' } } },
      ],
    },
    {
      rule: 'RFC 9111 4.2.3',
      name: 'the Age of a 304 counts',
      steps: [
        { origin: { lines: [SHORT, 'ETag: "a"'] }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: not('Cache-Control: max-age=50', 'ETag: "a"', 'Age: 40'),
          expect: { from: 'validated', fields: { Age: '40' } },
        },
        { afterS: 10, origin: not('ETag: "a"'), expect: { from: 'validated' } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.3',
      name: 'a full answer replaces the stored one',
      steps: [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'old' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { lines: [LONG, 'ETag: "b"'], body: 'new' },
          expect: { from: 'origin', body: 'new', asked: { 'If-None-Match': '"a"' } },
        },
        { expect: { from: 'cache', body: 'new' } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.3',
      name: 'a full answer that must not be stored ends the stored one',
      steps: [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'old' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { lines: ['Cache-Control: no-store'], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
        { expect: { from: 'origin', asked: { 'If-None-Match': null } } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.3',
      name: 'a 404 that must not be stored ends the stored one',
      steps: [
        { origin: { lines: [SHORT, 'ETag: "a"'] }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { status: 404, lines: ['Cache-Control: no-store'] },
          expect: { from: 'origin', status: 404 },
        },
        { expect: { from: 'origin', asked: { 'If-None-Match': null } } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.3',
      name: 'an error of the server goes to the client and ends nothing',
      steps: [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'kept' }, expect: { from: 'origin' } },
        { afterS: 2, origin: { status: 500 }, expect: { from: 'origin', status: 500 } },
        { origin: not(LONG, 'ETag: "a"'), expect: { from: 'validated', body: 'kept' } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.4',
      name: 'a 304 about something else confirms nothing: the origin is asked for all of it',
      steps: [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'old' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: not(LONG, 'ETag: "b"'),
          originAgain: { lines: [LONG, 'ETag: "b"'], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
        { expect: { from: 'cache', body: 'new' } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.4',
      name: 'a strong tag of a 304 does not confirm an equal weak one',
      steps: [
        { origin: { lines: [SHORT, 'ETag: W/"a"'], body: 'old' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: not(LONG, 'ETag: "a"'),
          originAgain: { lines: [LONG], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
      ],
    },
    {
      rule: 'RFC 9111 4.3.4',
      name: 'another date of a 304 confirms nothing',
      steps: [
        { origin: { lines: [SHORT, LAST], body: 'old' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: not(LONG, EARLIER),
          originAgain: { lines: [LONG], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
      ],
    },
    {
      rule: 'RFC 9111 4.3.4',
      name: 'all variants with the same strong tag are freshened',
      steps: [
        {
          lines: ['Foo: 1'],
          origin: { lines: [SHORT, 'ETag: "a"', 'Vary: Foo'], body: 'one' },
          expect: { from: 'origin' },
        },
        {
          lines: ['Foo: 2'],
          origin: { lines: [SHORT, 'ETag: "a"', 'Vary: Foo'], body: 'two' },
          expect: { from: 'origin' },
        },
        {
          lines: ['Foo: 3'],
          origin: { lines: [SHORT, 'ETag: "b"', 'Vary: Foo'], body: 'three' },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          lines: ['Foo: 1'],
          origin: not(LONG, 'ETag: "a"', 'Vary: Foo'),
          expect: { from: 'validated', body: 'one' },
        },
        { lines: ['Foo: 2'], expect: { from: 'cache', body: 'two' } },
        { lines: ['Foo: 1'], expect: { from: 'cache', body: 'one' } },
        {
          lines: ['Foo: 3'],
          origin: not(LONG, 'ETag: "b"', 'Vary: Foo'),
          expect: { from: 'validated', body: 'three' },
        },
      ],
    },
    {
      rule: 'RFC 9111 4.3.4',
      name: 'of variants with the same weak tag one alone is freshened',
      steps: [
        {
          lines: ['Foo: 1'],
          origin: { lines: [SHORT, 'ETag: W/"a"', 'Vary: Foo', 'Date: {-1}'], body: 'one' },
          expect: { from: 'origin' },
        },
        {
          lines: ['Foo: 2'],
          origin: { lines: [SHORT, 'ETag: W/"a"', 'Vary: Foo'], body: 'two' },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          lines: ['Foo: 2'],
          origin: not(LONG, 'ETag: W/"a"', 'Vary: Foo'),
          expect: { from: 'validated', body: 'two' },
        },
        {
          lines: ['Foo: 1'],
          origin: { lines: [LONG, 'Vary: Foo'], body: 'one again' },
          expect: { from: 'origin' },
        },
      ],
    },
    {
      rule: 'RFC 9111 5.2.2.5',
      name: 'a 304 that says no-store ends the stored answer after this use',
      steps: [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'kept' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: not('Cache-Control: no-store', 'ETag: "a"'),
          expect: { from: 'validated', body: 'kept' },
        },
        { expect: { from: 'origin', asked: { 'If-None-Match': null } } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.2',
      name: "a 304 to conditions that are not the cache's own passes to the client",
      steps: [
        {
          lines: ['If-Match: "x"'],
          origin: not('ETag: "x"'),
          expect: { from: 'origin', status: 304, asked: { 'If-Match': '"x"' } },
        },
      ],
    },
    {
      rule: 'RFC 9111 5.2.1.5',
      name: 'a 304 to a request with no-store confirms, and changes nothing',
      steps: [
        {
          origin: { lines: [SHORT, 'ETag: "a"', 'X-A: 1'], body: 'kept' },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          lines: ['Cache-Control: no-store'],
          origin: not(LONG, 'ETag: "a"', 'X-A: 2'),
          expect: { from: 'validated', body: 'kept', fields: { 'X-A': '2' } },
        },
        {
          origin: not(LONG, 'ETag: "a"'),
          expect: { from: 'validated', body: 'kept', fields: { 'X-A': '1' } },
        },
      ],
    },
    {
      rule: 'RFC 9111 4.3.4',
      name: 'a stored error page can be confirmed too',
      steps: [
        {
          origin: { status: 404, lines: [SHORT, 'ETag: "a"'], body: 'gone' },
          expect: { from: 'origin', status: 404 },
        },
        {
          afterS: 2,
          origin: not(LONG, 'ETag: "a"'),
          expect: { from: 'validated', status: 404, body: 'gone' },
        },
        { expect: { from: 'cache', status: 404, body: 'gone' } },
      ],
    },
  ],
};
