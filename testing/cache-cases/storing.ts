/** What may be stored, by method, status and directives, and which fields of it (RFC 9111 3, 3.1, 5.2.2). */
import { twice, twiceTable, type CacheCase, type CaseTable } from './case.ts';

const HOUR = 'Cache-Control: max-age=3600';
const UNDERSTOOD = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501];
const OTHER = [201, 202, 299, 400, 403, 429, 451, 499, 500, 502, 503, 504, 599];

const byStatus: CacheCase[] = [
  ...UNDERSTOOD.map((status) =>
    twice('RFC 9111 3', `${status} with explicit freshness is reused`, [HOUR], 'reused', {
      status,
    }),
  ),
  ...OTHER.map((status) =>
    twice('RFC 9111 3', `${status} with explicit freshness is reused`, [HOUR], 'reused', {
      status,
    }),
  ),
  ...UNDERSTOOD.map((status) =>
    twice(
      'RFC 9111 4.2',
      `${status} that has become stale is asked for again`,
      ['Cache-Control: max-age=1'],
      'asked again',
      { status },
    ),
  ),
  ...[200, 203, 204, 301, 404, 410, 302, 451].map((status) =>
    twice(
      'RFC 9111 5.2.2.3',
      `must-understand overrides no-store for ${status}`,
      ['Cache-Control: max-age=3600, no-store, must-understand'],
      'reused',
      { status },
    ),
  ),
  ...[299, 499, 599].map((status) =>
    twice(
      'RFC 9111 5.2.2.3',
      `must-understand forbids to store ${status}`,
      ['Cache-Control: max-age=3600, must-understand'],
      'asked again',
      { status },
    ),
  ),
  ...[412, 416].map((status) =>
    twice(
      'RFC 9110 15.5',
      `${status} is about one request and never reused`,
      [HOUR],
      'asked again',
      { status },
    ),
  ),
];

const stored = (name: string, line: string, wanted: string | null): CacheCase =>
  twice('RFC 9111 3.1', name, [HOUR, line], 'reused', {
    fields: { [line.slice(0, line.indexOf(':'))]: wanted },
  });

export const STORING: CaseTable = {
  theme: 'storing',
  cases: [
    ...byStatus,
    ...twiceTable('RFC 9111 5.2.2.5', [
      ['no-store is not stored', ['Cache-Control: no-store'], 'asked again'],
      [
        'no-store with a lifetime is not stored',
        ['Cache-Control: no-store, max-age=3600'],
        'asked again',
      ],
      [
        'no-store with a validator is not stored',
        ['Cache-Control: no-store', 'ETag: "a"'],
        'asked again',
        { fields: { 'Cache-Status': '/fwd=uri-miss/' } },
      ],
    ]),
    ...twiceTable('RFC 9111 5.2.2.7', [
      ['private is not stored', ['Cache-Control: private, max-age=3600'], 'asked again'],
      [
        'private with s-maxage is not stored',
        ['Cache-Control: private, s-maxage=3600'],
        'asked again',
      ],
      [
        'private with a name leaves that field out',
        ['Cache-Control: max-age=3600, private="x-a"', 'X-A: 1', 'X-B: 2'],
        'reused',
        { fields: { 'X-A': null, 'X-B': '2' } },
      ],
      [
        'private with names leaves them all out',
        ['Cache-Control: max-age=3600, private="X-A , x-c"', 'X-A: 1', 'X-B: 2', 'X-C: 3'],
        'reused',
        { fields: { 'X-A': null, 'X-B': '2', 'X-C': null } },
      ],
      [
        'private with an empty list of names is private',
        ['Cache-Control: max-age=3600, private=""'],
        'asked again',
      ],
      [
        'private with the name of what cannot be left out is private',
        ['Cache-Control: max-age=3600, private="content-type"', 'Content-Type: text/html'],
        'asked again',
      ],
      [
        'private with and without names is private',
        ['Cache-Control: max-age=3600, private="x-a", private'],
        'asked again',
      ],
    ]),
    ...twiceTable('RFC 9111 5.2.2.4', [
      ['no-cache is stored and validated', ['Cache-Control: no-cache', 'ETag: "a"'], 'validated'],
      [
        'no-cache is validated by date too',
        ['Cache-Control: no-cache', 'Last-Modified: {-3600}'],
        'validated',
      ],
      [
        'no-cache without a validator is of no use',
        ['Cache-Control: no-cache, max-age=3600'],
        'asked again',
      ],
      [
        'no-cache with a name leaves that field out',
        ['Cache-Control: max-age=3600, no-cache="x-a"', 'X-A: 1', 'X-B: 2'],
        'reused',
        { fields: { 'X-A': null, 'X-B': '2' } },
      ],
      [
        'no-cache with a name as a token',
        ['Cache-Control: max-age=3600, no-cache=x-a', 'X-A: 1'],
        'reused',
        { fields: { 'X-A': null } },
      ],
      [
        'no-cache with the name of a validator is no-cache',
        ['Cache-Control: max-age=3600, no-cache="etag"', 'ETag: "a"'],
        'validated',
      ],
    ]),
    ...twiceTable('RFC 9111 5.2.2.9', [
      ['public alone is no lifetime', ['Cache-Control: public'], 'asked again'],
      [
        'public makes an unusual status cacheable by a guess',
        ['Cache-Control: public', 'Last-Modified: {-360000}'],
        'reused',
        { status: 418 },
      ],
      ['without public it is not', ['Last-Modified: {-360000}'], 'asked again', { status: 418 }],
    ]),
    ...twiceTable('RFC 9111 3, no freshness', [
      ['an answer that says nothing is not reused', [], 'asked again'],
      ['an answer with a tag is validated', ['ETag: "a"'], 'validated'],
      [
        'a redirect that says nothing is not stored',
        ['ETag: "a"', 'Location: /x'],
        'asked again',
        { status: 302 },
      ],
      [
        'an unusual status with a validator alone is not stored',
        ['ETag: "a"'],
        'asked again',
        { status: 418 },
      ],
    ]),
    ...twiceTable('RFC 9111 7.3, departure', [
      [
        'a cookie that nobody declared fit for sharing is not stored',
        [HOUR, 'Set-Cookie: a=b'],
        'asked again',
      ],
      [
        'one that is declared public is',
        [`${HOUR}, public`, 'Set-Cookie: a=b'],
        'reused',
        { fields: { 'Set-Cookie': 'a=b' } },
      ],
      ['one with s-maxage is', ['Cache-Control: s-maxage=3600', 'Set-Cookie: a=b'], 'reused'],
      [
        'one with CDN-Cache-Control is',
        ['CDN-Cache-Control: max-age=3600', 'Set-Cookie: a=b'],
        'reused',
      ],
      [
        'without the cookie the rest is stored',
        [`${HOUR}, no-cache="set-cookie"`, 'Set-Cookie: a=b', 'X-A: 1'],
        'reused',
        { fields: { 'Set-Cookie': null, 'X-A': '1' } },
      ],
      [
        'when told so, any cookie is stored',
        [HOUR, 'Set-Cookie: a=b', 'Set-Cookie: c=d'],
        'reused',
        { settings: { setCookie: 'always' }, fields: { 'Set-Cookie': 'a=b, c=d' } },
      ],
    ]),
    stored('an unknown field is stored', 'X-Test: abc', 'abc'),
    stored(
      'Content-Type is stored',
      'Content-Type: text/plain;charset=utf-8',
      'text/plain;charset=utf-8',
    ),
    stored('Content-Encoding is stored', 'Content-Encoding: gzip', 'gzip'),
    stored('Content-Language is stored', 'Content-Language: en', 'en'),
    stored('Content-Location is stored', 'Content-Location: /x', '/x'),
    stored('Server is stored', 'Server: abc', 'abc'),
    stored('Clear-Site-Data is stored', 'Clear-Site-Data: "cache"', '"cache"'),
    stored(
      'Content-Security-Policy is stored',
      "Content-Security-Policy: default-src 'self'",
      "default-src 'self'",
    ),
    stored('Via is stored', 'Via: 1.1 origin', '1.1 origin'),
    stored('Keep-Alive is not stored', 'Keep-Alive: timeout=5', null),
    stored('Transfer-Encoding is not stored', 'Transfer-Encoding: chunked', null),
    stored('Upgrade is not stored', 'Upgrade: h2c', null),
    stored('TE is not stored', 'TE: trailers', null),
    stored('Proxy-Authenticate is not stored', 'Proxy-Authenticate: Basic', null),
    stored('Proxy-Connection is not stored', 'Proxy-Connection: close', null),
    stored('Connection is not stored', 'Connection: close', null),
    twice(
      'RFC 9111 3.1',
      'what Connection lists is not stored',
      [HOUR, 'Connection: X-A, close', 'X-A: 1', 'X-B: 2'],
      'reused',
      {
        fields: { 'X-A': null, 'X-B': '2', Connection: null },
      },
    ),
    twice(
      'RFC 9111 3.1',
      'what several Connection lines list is not stored',
      [HOUR, 'Connection: X-A', 'connection: x-b', 'X-A: 1', 'X-B: 2'],
      'reused',
      {
        fields: { 'X-A': null, 'X-B': null },
      },
    ),
    twice(
      'RFC 9110 5.2',
      'several lines of a field stay several values',
      [HOUR, 'X-A: 1', 'X-A: 2'],
      'reused',
      {
        fields: { 'X-A': '1, 2' },
      },
    ),
    twice('RFC 9110 8.6', 'a hit has the length of its body', [HOUR], 'reused', {
      fields: { 'Content-Length': '14' },
    }),
    twice(
      'settings',
      'an answer larger than the largest body is not stored',
      [HOUR, 'Content-Length: 14'],
      'asked again',
      {
        settings: { bodyBytesMax: 13 },
      },
    ),
    twice('settings', 'one that is as large is', [HOUR, 'Content-Length: 14'], 'reused', {
      settings: { bodyBytesMax: 14 },
    }),
    {
      rule: 'RFC 9111 3',
      name: 'the answer to a GET with a body is not stored',
      steps: [
        { body: 'x', origin: { lines: [HOUR] }, expect: { from: 'origin' } },
        { expect: { from: 'origin' } },
      ],
    },
    {
      rule: 'RFC 9111 4',
      name: 'a GET with a body is not answered from the store',
      steps: [
        { origin: { lines: [HOUR] }, expect: { from: 'origin' } },
        { body: 'x', expect: { from: 'origin' } },
        { expect: { from: 'cache' } },
      ],
    },
    {
      rule: 'RFC 9111 3',
      name: 'a newer answer takes the place of the stale one',
      steps: [
        { origin: { lines: ['Cache-Control: max-age=1'] }, expect: { from: 'origin' } },
        {
          afterS: 2,
          origin: { lines: [HOUR], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
        { expect: { from: 'cache', body: 'new' } },
      ],
    },
    {
      rule: 'RFC 9111 2',
      name: 'another path is another answer',
      steps: [
        { path: '/a', origin: { lines: [HOUR], body: 'a' }, expect: { from: 'origin' } },
        { path: '/b', origin: { lines: [HOUR], body: 'b' }, expect: { from: 'origin' } },
        { path: '/a', expect: { from: 'cache', body: 'a' } },
        { path: '/a?', expect: { from: 'origin' } },
        { path: '/a?x=1', expect: { from: 'origin' } },
        { path: '/A', expect: { from: 'origin' } },
      ],
    },
    {
      rule: 'RFC 9111 2',
      name: 'a query is part of the key',
      steps: [
        { path: '/a?x=1', origin: { lines: [HOUR] }, expect: { from: 'origin' } },
        { path: '/a?x=1', expect: { from: 'cache' } },
        { path: '/a?x=2', expect: { from: 'origin' } },
      ],
    },
  ],
};
