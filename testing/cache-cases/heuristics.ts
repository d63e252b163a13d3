/** Freshness that nobody stated (RFC 9111 4.2.2), and negative caching. */
import { twice, twiceTable, type CacheCase, type CaseTable } from './case.ts';

/** A tenth of it is an hour. */
const TEN_HOURS_AGO = 'Last-Modified: {-36000}';
const GUESSABLE = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
const NOT_GUESSABLE = [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 418, 599];

const byStatus: CacheCase[] = [
  ...GUESSABLE.map((status) =>
    twice('RFC 9110 15.1', `${status} may be reused by a guess`, [TEN_HOURS_AGO], 'reused', {
      status,
    }),
  ),
  ...NOT_GUESSABLE.map((status) =>
    twice(
      'RFC 9110 15.1',
      `${status} may not be reused by a guess`,
      [TEN_HOURS_AGO],
      'asked again',
      { status },
    ),
  ),
  ...[404, 405, 410, 414, 501].map((status) =>
    twice('negative caching', `${status} is kept for a moment when that is wanted`, [], 'reused', {
      status,
      settings: { negativeS: 5 },
    }),
  ),
];

export const HEURISTICS: CaseTable = {
  theme: 'heuristics',
  cases: [
    ...byStatus,
    ...twiceTable('RFC 9111 4.2.2', [
      [
        'a tenth of the age at arrival is the lifetime',
        ['Last-Modified: {-36000}'],
        'reused',
        { afterS: 3599 },
      ],
      [
        'after that tenth it is validated',
        ['Last-Modified: {-36000}'],
        'validated',
        { afterS: 3600 },
      ],
      [
        'the guess is measured by the Date of the origin',
        ['Date: {-100}', 'Last-Modified: {-200}'],
        'validated',
        { afterS: 0 },
      ],
      [
        'a guess ends after a day',
        ['Last-Modified: {-360000000}'],
        'validated',
        { afterS: 86_400 },
      ],
      ['within a day it holds', ['Last-Modified: {-360000000}'], 'reused', { afterS: 86_399 }],
      [
        'a Last-Modified in the future gives no lifetime',
        ['Last-Modified: {+3600}'],
        'validated',
        { afterS: 0 },
      ],
      [
        'a Last-Modified that is none gives no lifetime',
        ['Last-Modified: long ago'],
        'asked again',
        { afterS: 0 },
      ],
      [
        'Expires in the past forbids to guess',
        ['Last-Modified: {-36000}', 'Expires: {-1}'],
        'validated',
        { afterS: 0 },
      ],
      [
        'max-age=0 forbids to guess',
        ['Last-Modified: {-36000}', 'Cache-Control: max-age=0'],
        'validated',
        { afterS: 0 },
      ],
      [
        'an invalid Expires forbids to guess',
        ['Last-Modified: {-36000}', 'Expires: 0'],
        'validated',
        { afterS: 0 },
      ],
      [
        'no-cache forbids to guess',
        ['Last-Modified: {-36000}', 'Cache-Control: no-cache'],
        'validated',
        { afterS: 0 },
      ],
      [
        'a guess of nothing when told so',
        ['Last-Modified: {-36000}'],
        'validated',
        { afterS: 0, settings: { heuristicShare: 0 } },
      ],
      [
        'Age counts against a guess',
        ['Last-Modified: {-36000}', 'Age: 3600'],
        'validated',
        { afterS: 0 },
      ],
      ['a query forbids no guess', ['Last-Modified: {-36000}'], 'reused'],
    ]),
    ...twiceTable('departure from RFC 9111 4.2.2', [
      [
        'no guess for a request with cookies',
        [TEN_HOURS_AGO],
        'validated',
        { first: ['Cookie: a=b'] },
      ],
      [
        'stated freshness counts with cookies too',
        ['Cache-Control: max-age=60'],
        'reused',
        { first: ['Cookie: a=b'] },
      ],
      [
        'no negative caching for a request with cookies',
        [],
        'asked again',
        { status: 404, first: ['Cookie: a=b'], settings: { negativeS: 5 } },
      ],
    ]),
    ...twiceTable('negative caching', [
      ['it ends', [], 'asked again', { status: 404, afterS: 5, settings: { negativeS: 5 } }],
      ['it is off unless wanted', [], 'asked again', { status: 404 }],
      ['it is not for good answers', [], 'asked again', { settings: { negativeS: 5 } }],
      [
        'it is not for errors of the server',
        [],
        'asked again',
        { status: 500, settings: { negativeS: 5 } },
      ],
      [
        'what the origin says wins',
        ['Cache-Control: no-store'],
        'asked again',
        { status: 404, settings: { negativeS: 5 } },
      ],
      [
        'what the origin says about freshness wins',
        ['Cache-Control: max-age=1'],
        'asked again',
        { status: 404, settings: { negativeS: 60 } },
      ],
    ]),
  ],
};
