/** What an operator chooses beyond the RFCs: lifetimes, what a key is made of, who goes past the store. */
import { twiceTable, type CacheCase, type CaseTable, type Step } from './case.ts';

const NO_CACHE = 'Cache-Control: no-cache';
const HOUR = 'Cache-Control: max-age=3600';
const TEN = { ttlS: { usual: 10, 302: 10, 404: 5, '5xx': 1 } };
const BY_COUNTRY = { keyFields: ['x-country', 'cookie:lang'] };
const BYPASS = { bypass: { headers: ['x-preview'], cookies: ['session', 'wp_*'] } };

const asked = (path: string, lines: readonly string[] = []): Step => ({
  path,
  lines,
  origin: { lines: [HOUR] },
  expect: { from: 'origin' },
});
const reused = (path: string, lines: readonly string[] = []): Step => ({
  path,
  lines,
  expect: { from: 'cache' },
});

const keys: CacheCase[] = [
  {
    rule: 'query',
    name: 'parameters that are left out tell no answers apart, and the order neither',
    settings: { query: { without: ['utm_*', 'gclid'] } },
    steps: [
      asked('/a?b=1&utm_source=x&c=2'),
      reused('/a?c=2&b=1&gclid=7'),
      reused('/a?utm_medium=y&b=1&c=2'),
      asked('/a?b=2&c=2'),
      asked('/a?b=1&c=2&utm=1'),
      asked('/a'),
      reused('/a?utm_source=x'),
    ],
  },
  {
    rule: 'query',
    name: 'of parameters the named ones alone tell answers apart',
    settings: { query: { only: ['id', 'page*'] } },
    steps: [
      asked('/a?id=1&x=2'),
      reused('/a?x=3&id=1'),
      asked('/a?id=1&page=2'),
      reused('/a?page=2&id=1&y'),
      asked('/a?id=2&id=1'),
      asked('/a?id=1&id=2'),
    ],
  },
  {
    rule: 'query',
    name: 'a parameter that apps may take for a named one tells answers apart',
    settings: { query: { only: ['id'] } },
    steps: [
      asked('/a?x=1'),
      asked('/a?%69d=2'),
      asked('/a?x=1;id=2'),
      asked('/a?id[0]=2'),
      reused('/a?x=2'),
    ],
  },
  {
    rule: 'query',
    name: 'a parameter that is left out hides no other',
    settings: { query: { without: ['utm_*'] } },
    steps: [asked('/a?id=1'), asked('/a?id=1&utm_x=1;id=2'), reused('/a?id=1&utm_x=2')],
  },
  {
    rule: 'query',
    name: 'none of a query tells answers apart',
    settings: { query: 'none' },
    steps: [asked('/a?x=1'), reused('/a?y=2'), reused('/a'), asked('/b')],
  },
  {
    rule: 'query',
    name: 'what a request changes is forgotten by the same key',
    settings: { query: { without: ['utm_*'] } },
    steps: [
      asked('/a?b=1'),
      { method: 'POST', path: '/a?utm_x=1&b=1', body: 'x', expect: { from: 'origin' } },
      asked('/a?b=1'),
      {
        method: 'POST',
        path: '/other',
        body: 'x',
        origin: { lines: ['Location: /a?utm_y=2&b=1'] },
        expect: { from: 'origin' },
      },
      asked('/a?b=1'),
    ],
  },
  {
    rule: 'key',
    name: 'a field and a cookie tell answers apart without a Vary',
    settings: BY_COUNTRY,
    steps: [
      asked('/a', ['X-Country: se', 'Cookie: lang=sv; other=1']),
      reused('/a', ['X-Country: se', 'Cookie: other=2; lang=sv']),
      asked('/a', ['X-Country: no', 'Cookie: lang=sv']),
      asked('/a', ['X-Country: se', 'Cookie: lang=en']),
      asked('/a', ['X-Country: se', 'Cookie: language=sv']),
      reused('/a', ['X-Country: se']),
      asked('/a'),
      reused('/a', ['X-Country: se', 'Cookie: lang=sv']),
    ],
  },
  {
    rule: 'key',
    name: 'a cookie that comes twice, or in a line of its own, is another one',
    settings: BY_COUNTRY,
    steps: [
      asked('/a', ['Cookie: lang=sv']),
      asked('/a', ['Cookie: lang=sv; lang=en']),
      asked('/a', ['Cookie: other=1', 'Cookie: lang=en']),
      reused('/a', ['Cookie: other=1', 'Cookie: lang=sv']),
    ],
  },
  {
    rule: 'key',
    name: 'beside what Vary names',
    settings: BY_COUNTRY,
    steps: [
      {
        lines: ['X-Country: se', 'Accept-Language: sv'],
        origin: { lines: [HOUR, 'Vary: Accept-Language'] },
        expect: { from: 'origin' },
      },
      { lines: ['X-Country: se', 'Accept-Language: sv'], expect: { from: 'cache' } },
      { lines: ['X-Country: no', 'Accept-Language: sv'], expect: { from: 'origin' } },
      { lines: ['X-Country: se', 'Accept-Language: en'], expect: { from: 'origin' } },
    ],
  },
  {
    rule: 'key',
    name: 'a validation keeps what the answer depends on',
    settings: BY_COUNTRY,
    steps: [
      {
        lines: ['X-Country: se'],
        origin: { lines: ['Cache-Control: max-age=1', 'ETag: "se"'] },
        expect: { from: 'origin' },
      },
      {
        afterS: 2,
        lines: ['X-Country: se'],
        origin: { status: 304, lines: [HOUR, 'ETag: "se"'] },
        expect: { from: 'validated' },
      },
      { lines: ['X-Country: no'], expect: { from: 'origin' } },
      { lines: ['X-Country: se'], expect: { from: 'cache' } },
    ],
  },
  {
    rule: 'bypass',
    name: 'requests that are let past get their own answer, and nobody else gets it',
    settings: BYPASS,
    steps: [
      {
        lines: ['Cookie: a=b; session=1'],
        origin: { lines: [HOUR] },
        expect: {
          from: 'origin',
          fields: { 'Cache-Status': '/fwd=bypass.*/' },
        },
      },
      asked('/'),
      reused('/', ['Cookie: sessions=1; xwp_a=2']),
      asked('/', ['X-Preview: 1']),
      asked('/', ['Cookie: wp_logged_in=me']),
      asked('/', ['Cookie: a=b', 'Cookie: session=1']),
      reused('/'),
    ],
  },
  {
    rule: 'bypass',
    name: 'what is answered to their POST is not for a later GET either',
    settings: BYPASS,
    steps: [
      {
        method: 'POST',
        path: '/a',
        lines: ['Cookie: session=1'],
        body: 'x',
        origin: { lines: [HOUR, 'Content-Location: /a'] },
        expect: { from: 'origin' },
      },
      asked('/a'),
    ],
  },
];

export const CHOICES: CaseTable = {
  theme: 'what an operator chooses',
  cases: [
    ...twiceTable('ttl', [
      ['an answer that says nothing lasts as long as was chosen', [], 'reused', { settings: TEN }],
      ['and not longer', [], 'asked again', { settings: TEN, afterS: 10 }],
      [
        'also for requests with cookies',
        [],
        'reused',
        { settings: TEN, first: ['Cookie: a=1'], second: ['Cookie: a=2'] },
      ],
      ['what it says counts first', [HOUR], 'reused', { settings: TEN, afterS: 3000 }],
      [
        'also when it says that it is stale',
        ['Cache-Control: max-age=0'],
        'asked again',
        { settings: TEN },
      ],
      ['no-store stays no-store', ['Cache-Control: no-store'], 'asked again', { settings: TEN }],
      ['private stays private', ['Cache-Control: private'], 'asked again', { settings: TEN }],
      ['no-cache stays no-cache', [NO_CACHE, 'ETag: "a"'], 'validated', { settings: TEN }],
      ['a cookie that is set is not stored', ['Set-Cookie: a=1'], 'asked again', { settings: TEN }],
      ['Vary: * stays what it is', ['Vary: *'], 'asked again', { settings: TEN }],
      [
        'a request with credentials gets its own',
        [],
        'asked again',
        { settings: TEN, first: ['Authorization: a'], second: ['Authorization: b'] },
      ],
      ['by status', [], 'reused', { settings: TEN, status: 404, afterS: 4 }],
      ['by status, and not longer', [], 'asked again', { settings: TEN, status: 404, afterS: 5 }],
      [
        'by a status that is not cacheable by default',
        [],
        'reused',
        { settings: TEN, status: 302 },
      ],
      ['by class', [], 'reused', { settings: TEN, status: 503, afterS: 0 }],
      [
        'a status that is not named is as it was',
        [],
        'asked again',
        { settings: TEN, status: 303 },
      ],
      ['the usual is for no errors', [], 'asked again', { settings: TEN, status: 410 }],
      [
        'a time of zero is none',
        ['Last-Modified: {-36000}'],
        'validated',
        { settings: { ttlS: { 200: 0 } } },
      ],
    ]),
    ...twiceTable('ttlMin, ttlMax', [
      ['at least so long', ['Cache-Control: max-age=1'], 'reused', { settings: { ttlMinS: 10 } }],
      [
        'and not longer',
        ['Cache-Control: max-age=1'],
        'asked again',
        { settings: { ttlMinS: 10 }, afterS: 10 },
      ],
      ['in place of no-cache', [NO_CACHE, 'ETag: "a"'], 'reused', { settings: { ttlMinS: 10 } }],
      [
        'in place of an Expires that is over',
        ['Expires: 0'],
        'reused',
        { settings: { ttlMinS: 10 } },
      ],
      ['in place of nothing', [], 'reused', { settings: { ttlMinS: 10 } }],
      [
        'not in place of no-store',
        ['Cache-Control: no-store'],
        'asked again',
        { settings: { ttlMinS: 10 } },
      ],
      [
        'not in place of private',
        ['Cache-Control: private'],
        'asked again',
        { settings: { ttlMinS: 10 } },
      ],
      [
        'an error that says nothing is none that lasts',
        [],
        'asked again',
        { settings: { ttlMinS: 10 }, status: 404 },
      ],
      [
        'an error that says that it is over neither',
        ['Cache-Control: max-age=0'],
        'asked again',
        { settings: { ttlMinS: 10 }, status: 503 },
      ],
      [
        'a redirect that says nothing neither',
        [],
        'asked again',
        { settings: { ttlMinS: 10 }, status: 302 },
      ],
      ['counted from the origin', [HOUR, 'Age: 8'], 'asked again', { settings: { ttlMaxS: 10 } }],
      ['at most so long', [HOUR], 'reused', { settings: { ttlMaxS: 10 }, afterS: 9 }],
      [
        'at most so long, and not longer',
        [HOUR],
        'asked again',
        { settings: { ttlMaxS: 10 }, afterS: 10 },
      ],
      [
        'a guess too',
        ['Last-Modified: {-36000}'],
        'validated',
        { settings: { ttlMaxS: 10 }, afterS: 10 },
      ],
      [
        'a client that wants a fresher one gets it',
        [NO_CACHE],
        'asked again',
        { settings: { ttlMinS: 10 }, second: ['Cache-Control: no-cache'] },
      ],
    ]),
    ...keys,
  ],
};
