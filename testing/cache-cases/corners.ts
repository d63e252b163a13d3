/** Where several rules meet, and what origins seldom send: several requests to see it (RFC 9110, RFC 9111). */
import {
  twice,
  twiceTable,
  type CacheCase,
  type CaseTable,
  type Fate,
  type Line,
  type Step,
} from './case.ts';

const LONG = 'Cache-Control: max-age=60';
const SHORT = 'Cache-Control: max-age=1';
const LAST = 'Fri, 20 Nov 2026 08:00:00 GMT';

function rows(rule: string, table: Readonly<Record<string, readonly Step[]>>): CacheCase[] {
  return Object.entries(table).map(([name, steps]) => ({ rule, name, steps }));
}

/** Stored and stale; what the origin is asked, and that its 304 confirms it. */
function asks(
  stored: readonly Line[],
  asked: Readonly<Record<string, string | null>>,
): readonly Step[] {
  return [
    { origin: { lines: [SHORT, ...stored], body: 'kept' }, expect: { from: 'origin' } },
    {
      afterS: 2,
      origin: { status: 304, lines: [LONG, ...stored], body: null },
      expect: { from: 'validated', body: 'kept', asked },
    },
  ];
}

const statuses = [201, 299, 418, 451, 499, 500, 599].flatMap((status) =>
  (
    [
      ['Expires', 'Expires: {+60}'],
      ['s-maxage', 'Cache-Control: s-maxage=60'],
      ['CDN-Cache-Control', 'CDN-Cache-Control: max-age=60'],
    ] as const
  ).map(([name, line]) =>
    twice('RFC 9111 3', `${status} with ${name} is reused`, [line], 'reused', { status }),
  ),
);

/** An answer of a method that nobody stores, then a GET. */
function notStored(method: string): readonly Step[] {
  return [
    { method, origin: { lines: [LONG] }, expect: { from: 'origin' } },
    { method, origin: { lines: [LONG] }, expect: { from: 'origin' } },
    { expect: { from: 'origin' } },
  ];
}

const hop: readonly CacheCase[] = [
  'Proxy-Authentication-Info: a=b',
  'Proxy-Authorization: Basic YTpi',
  'Trailer: X-A',
].map((line) =>
  twice(
    'RFC 9111 3.1',
    `${line.slice(0, line.indexOf(':'))} is not stored`,
    [LONG, line],
    'reused',
    { fields: { [line.slice(0, line.indexOf(':'))]: null } },
  ),
);

const dates: readonly (readonly [name: string, lines: readonly Line[], fate: Fate])[] = [
  ['RFC 850 in lower case', ['Expires: sunday, 20-nov-39 12:00:00 gmt'], 'reused'],
  ['asctime in upper case', ['Expires: SUN NOV 20 12:00:00 2039'], 'reused'],
  ['asctime with a zone', ['Expires: Sun Nov 20 12:00:00 2039 GMT'], 'asked again'],
  ['RFC 850 with the wrong day', ['Expires: Monday, 20-Nov-39 12:00:00 GMT'], 'asked again'],
  ['RFC 850 with a short day', ['Expires: Sun, 20-Nov-39 12:00:00 GMT'], 'asked again'],
  ['RFC 850 in another zone', ['Expires: Sunday, 20-Nov-39 12:00:00 CET'], 'asked again'],
  ['a second of 2038', ['Expires: Tue, 19 Jan 2038 03:14:08 GMT'], 'reused'],
  [
    'the 29th of February of no leap year',
    ['Expires: Mon, 29 Feb 2055 12:00:00 GMT'],
    'asked again',
  ],
  ['the 29th of February', ['Expires: Tue, 29 Feb 2056 12:00:00 GMT'], 'reused'],
  ['24 hours', ['Expires: Fri, 20 Nov 2054 24:00:00 GMT'], 'asked again'],
  ['60 minutes', ['Expires: Fri, 20 Nov 2054 12:60:00 GMT'], 'asked again'],
  ['a thirteenth month', ['Expires: Fri, 20 Foo 2054 12:00:00 GMT'], 'asked again'],
  ['a year of five digits', ['Expires: Fri, 20 Nov 12054 12:00:00 GMT'], 'asked again'],
  ['quotes', ['Expires: "Fri, 20 Nov 2054 12:00:00 GMT"'], 'asked again'],
  ['a date of ISO 8601', ['Expires: 2054-11-20T12:00:00Z'], 'asked again'],
  ['two equal lines', ['Expires: {+60}', 'Expires: {+60}', 'ETag: "a"'], 'validated'],
];

export const CORNERS: CaseTable = {
  theme: 'corners',
  cases: [
    ...statuses,
    ...hop,
    ...twiceTable('RFC 9110 5.6.7, Expires', dates),
    ...twiceTable('RFC 9111 4.2.3, Date', [
      ['a Date that is none counts as now', ['Date: 0', 'Expires: {+60}'], 'reused'],
      ['so does an empty one', ['Date: ', 'Expires: {+60}'], 'reused'],
      ['two Dates are none', ['Date: {-7200}', 'Date: {-7200}', LONG], 'reused'],
      [
        'a Date of long ago is apparent age whatever Age says',
        [LONG, 'Date: {-7200}', 'Age: 0'],
        'asked again',
      ],
      [
        'a Date in the form of RFC 850 is apparent age',
        [LONG, 'Date: {-7200 rfc850}'],
        'asked again',
      ],
      ['so is one in the form of asctime', [LONG, 'Date: {-7200 asctime}'], 'asked again'],
    ]),
    ...twiceTable('RFC 9111 5.2.2, several of them', [
      [
        's-maxage and must-revalidate, fresh',
        ['Cache-Control: s-maxage=60, must-revalidate, max-age=0'],
        'reused',
      ],
      ['max-age in quotes with spaces is none', ['Cache-Control: max-age=" 60 "'], 'asked again'],
      ['s-maxage in quotes', ['Cache-Control: max-age=0, s-maxage="60"'], 'reused'],
      ['S-MaxAge in capitals', ['Cache-Control: max-age=0, S-MAXAGE=60'], 'reused'],
      ['private=x in one token', ['Cache-Control: max-age=60, private=x-a', 'X-A: 1'], 'reused'],
      [
        'no-cache in names and alone is no-cache',
        ['Cache-Control: max-age=60, no-cache="x-a", no-cache', 'ETag: "a"'],
        'validated',
      ],
      ['no-cache on its own line', [LONG, 'Cache-Control: no-cache', 'ETag: "a"'], 'validated'],
      ['must-understand alone grants nothing', ['Cache-Control: must-understand'], 'asked again'],
      [
        'must-understand leaves private alone',
        ['Cache-Control: must-understand, private, max-age=60'],
        'asked again',
      ],
      [
        'no-transform is about something else',
        ['Cache-Control: no-transform, max-age=60'],
        'reused',
      ],
      [
        'only-if-cached of an answer means nothing',
        ['Cache-Control: only-if-cached, max-age=60'],
        'reused',
      ],
      [
        'min-fresh of an answer means nothing',
        ['Cache-Control: min-fresh=99, max-age=60'],
        'reused',
      ],
      [
        'max-stale of an answer makes nothing fresh',
        ['Cache-Control: max-stale, max-age=1'],
        'asked again',
      ],
    ]),
    ...twiceTable('RFC 9110 8.8.3', [
      ['two tags are none', [SHORT, 'ETag: "a"', 'ETag: "b"'], 'asked again'],
      ['a tag with a small w is none', [SHORT, 'ETag: w/"a"'], 'asked again'],
      ['a tag without end is none', [SHORT, 'ETag: "a'], 'asked again'],
      ['a tag with a space is none', [SHORT, 'ETag: "a b"'], 'asked again'],
    ]),
    ...rows('RFC 9110 13.1.3', {
      'the date is asked about as it was sent, in an obsolete form too': asks(
        ['Last-Modified: Friday, 20-Nov-26 08:00:00 GMT'],
        { 'If-Modified-Since': '/2026|20-Nov-26/' },
      ),
      'a Last-Modified that is none is not asked about': asks(
        ['Last-Modified: yesterday', 'ETag: "a"'],
        { 'If-Modified-Since': null, 'If-None-Match': '"a"' },
      ),
    }),
    ...rows('RFC 9111 4.3.1', {
      'what a client wants of the cache goes on to the next one': [
        { origin: { lines: [LONG] }, expect: { from: 'origin' } },
        {
          lines: ['Cache-Control: no-cache, x=y', 'Pragma: no-cache'],
          expect: {
            from: 'origin',
            asked: { 'Cache-Control': 'no-cache, x=y', Pragma: 'no-cache' },
          },
        },
      ],
      "a client's tags do not join the cache's": [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'kept' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          lines: ['If-None-Match: "x", "a"', `If-Modified-Since: ${LAST}`],
          origin: { status: 304, lines: [LONG, 'ETag: "a"'], body: null },
          expect: {
            from: 'validated',
            status: 304,
            body: '',
            asked: { 'If-None-Match': '"a"', 'If-Modified-Since': null },
          },
        },
      ],
    }),
    ...rows('RFC 9111 4.3.3', {
      'a redirect in place of a confirmation is passed on and stored': [
        { origin: { lines: [SHORT, 'ETag: "a"'] }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { status: 301, lines: [LONG, 'Location: /b'] },
          expect: { from: 'origin', status: 301 },
        },
        { expect: { from: 'cache', status: 301, fields: { Location: '/b' } } },
      ],
      'a 410 ends what it answers about': [
        { origin: { lines: [SHORT, 'ETag: "a"'] }, expect: { from: 'origin' } },
        { afterS: 2, origin: { status: 410, lines: [] }, expect: { from: 'origin', status: 410 } },
        { expect: { from: 'origin', asked: { 'If-None-Match': null } } },
      ],
      'a second confirmation counts from itself': [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'kept' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { status: 304, lines: ['Cache-Control: max-age=5'], body: null },
          expect: { from: 'validated', body: 'kept' },
        },
        {
          afterS: 6,
          origin: { status: 304, lines: [], body: null },
          expect: { from: 'validated', body: 'kept', fields: { Age: '0' } },
        },
        { afterS: 4, expect: { from: 'cache', body: 'kept', fields: { Age: '4' } } },
      ],
    }),
    ...rows('RFC 9111 3.2', {
      'a 304 that becomes private ends what is stored': [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'kept' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { status: 304, lines: ['Cache-Control: private, max-age=60'], body: null },
          expect: { from: 'validated', body: 'kept' },
        },
        { expect: { from: 'origin', asked: { 'If-None-Match': null } } },
      ],
      'a 304 that asks for validation is believed': [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'kept' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { status: 304, lines: ['Cache-Control: no-cache'], body: null },
          expect: { from: 'validated', body: 'kept' },
        },
        {
          origin: { status: 304, lines: [], body: null },
          expect: { from: 'validated', body: 'kept' },
        },
      ],
      'a CDN-Cache-Control of a 304 decides from then on': [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'kept' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { status: 304, lines: [SHORT, 'CDN-Cache-Control: max-age=60'], body: null },
          expect: { from: 'validated', body: 'kept' },
        },
        { afterS: 30, expect: { from: 'cache', body: 'kept' } },
      ],
      'hop-by-hop fields of a 304 are not stored': [
        { origin: { lines: [SHORT, 'ETag: "a"'], body: 'kept' }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: {
            status: 304,
            lines: [LONG, 'Keep-Alive: timeout=5', 'Proxy-Authenticate: Basic', 'Upgrade: h2c'],
            body: null,
          },
          expect: { from: 'validated', body: 'kept' },
        },
        {
          expect: {
            from: 'cache',
            fields: { 'Keep-Alive': null, 'Proxy-Authenticate': null, Upgrade: null },
          },
        },
      ],
    }),
    ...rows('RFC 9111 4.3.5', {
      'the variant that the HEAD selects is freshened, and no other': [
        ...['1', '2'].map((foo): Step => ({
          lines: [`Foo: ${foo}`],
          origin: { lines: [LONG, `ETag: "${foo}"`, 'Vary: Foo'], body: `f${foo}` },
          expect: { from: 'origin' },
        })),
        {
          method: 'HEAD',
          lines: ['Foo: 1', 'Cache-Control: no-cache'],
          origin: { lines: [LONG, 'ETag: "3"', 'Vary: Foo'], body: null },
          expect: { from: 'origin', body: '' },
        },
        { lines: ['Foo: 2'], expect: { from: 'cache', body: 'f2' } },
        {
          lines: ['Foo: 1'],
          origin: { lines: [LONG, 'ETag: "3"', 'Vary: Foo'], body: 'f3' },
          expect: { from: 'origin', body: 'f3' },
        },
      ],
      'each stored answer that the request could have got is made stale': [
        {
          lines: ['Foo: 1', 'Bar: 1'],
          origin: { lines: [LONG, 'ETag: "a"', 'Vary: Foo', 'Date: {-5}'], body: 'by foo' },
          expect: { from: 'origin' },
        },
        {
          lines: ['Foo: 2', 'Bar: 1'],
          origin: { lines: [LONG, 'ETag: "b"', 'Vary: Bar'], body: 'by bar' },
          expect: { from: 'origin' },
        },
        {
          method: 'HEAD',
          lines: ['Foo: 1', 'Bar: 1', 'Cache-Control: no-cache'],
          origin: { lines: [LONG, 'ETag: "c"'], body: null },
          expect: { from: 'origin', body: '' },
        },
        {
          lines: ['Foo: 3', 'Bar: 1'],
          expect: { from: 'origin', asked: { 'If-None-Match': '"b"' } },
        },
        {
          lines: ['Foo: 1', 'Bar: 2'],
          expect: { from: 'origin', asked: { 'If-None-Match': '"a"' } },
        },
      ],
    }),
    ...rows('RFC 9110 9.2.3', {
      'an answer to OPTIONS is not stored': notStored('OPTIONS'),
      'an answer to PUT is not stored': notStored('PUT'),
      'an answer to DELETE is not stored': notStored('DELETE'),
      'an answer to an unknown method is not stored': notStored('FOO'),
      'the answer to a POST with Content-Location answers a HEAD too': [
        {
          method: 'POST',
          path: '/a',
          origin: { lines: [LONG, 'Content-Location: /a'], body: 'made' },
          expect: { from: 'origin', body: 'made' },
        },
        {
          method: 'HEAD',
          path: '/a',
          expect: { from: 'cache', body: '', fields: { 'Content-Length': '4' } },
        },
      ],
    }),
    ...rows('RFC 9111 4.4', {
      'a DELETE that failed leaves all as it was': [
        { origin: { lines: [LONG], body: 'kept' }, expect: { from: 'origin' } },
        { method: 'DELETE', origin: { status: 405 }, expect: { from: 'origin', status: 405 } },
        { expect: { from: 'cache', body: 'kept' } },
      ],
      'parts are made untrue too': [
        {
          lines: ['Range: bytes=0-1'],
          origin: { status: 206, lines: [LONG, 'Content-Range: bytes 0-1/4'], body: 'ab' },
          expect: { from: 'origin', status: 206 },
        },
        { method: 'PUT', body: 'x', expect: { from: 'origin' } },
        {
          lines: ['Range: bytes=0-1'],
          origin: { status: 206, lines: [LONG, 'Content-Range: bytes 0-1/4'], body: 'cd' },
          expect: { from: 'origin', status: 206, body: 'cd' },
        },
      ],
      'a query is another answer, which stays': [
        { path: '/a?x=1', origin: { lines: [LONG] }, expect: { from: 'origin' } },
        { method: 'POST', path: '/a', expect: { from: 'origin' } },
        { path: '/a?x=1', expect: { from: 'cache' } },
      ],
      'a Location with a query names that one': [
        { path: '/a?x=1', origin: { lines: [LONG] }, expect: { from: 'origin' } },
        {
          method: 'POST',
          path: '/b',
          origin: { status: 303, lines: ['Location: a?x=1'] },
          expect: { from: 'origin', status: 303 },
        },
        { path: '/a?x=1', expect: { from: 'origin' } },
      ],
    }),
    ...rows('RFC 9111 5.2.2.2', {
      'must-revalidate with an origin that fails is its error': [
        {
          origin: { lines: ['Cache-Control: max-age=1, must-revalidate', 'ETag: "a"'] },
          expect: { from: 'origin' },
        },
        { afterS: 2, origin: { status: 503 }, expect: { from: 'origin', status: 503 } },
        {
          origin: { status: 304, lines: [LONG], body: null },
          expect: { from: 'validated' },
        },
      ],
    }),
    ...rows('RFC 9110 14.2', {
      'a range of a stored answer that is encoded is of the encoded bytes': [
        {
          origin: { lines: [LONG, 'Content-Encoding: gzip', 'ETag: "a"'], body: 'abcdef' },
          expect: { from: 'origin' },
        },
        {
          lines: ['Range: bytes=2-3'],
          expect: {
            from: 'cache',
            status: 206,
            body: 'cd',
            fields: { 'Content-Encoding': 'gzip' },
          },
        },
      ],
      'a Range of a request with If-Range without anything stored goes on as it is': [
        {
          lines: ['Range: bytes=0-1', 'If-Range: "a"'],
          origin: {
            status: 206,
            lines: [LONG, 'ETag: "a"', 'Content-Range: bytes 0-1/4'],
            body: 'ab',
          },
          expect: {
            from: 'origin',
            status: 206,
            asked: { Range: 'bytes=0-1', 'If-Range': '"a"' },
          },
        },
      ],
      'an empty body has no ranges': [
        { origin: { lines: [LONG, 'ETag: "a"'], body: '' }, expect: { from: 'origin', body: '' } },
        {
          lines: ['Range: bytes=0-1'],
          expect: { from: 'cache', status: 416, fields: { 'Content-Range': 'bytes */0' } },
        },
        { expect: { from: 'cache', body: '', fields: { 'Content-Length': '0' } } },
      ],
    }),
  ],
};
