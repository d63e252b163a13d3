/** Serving what is stale: when it is allowed, and when it is forbidden (RFC 9111 4.2.4, RFC 5861). */
import type { CacheCase, CaseTable, Expected, Line, OriginAnswer, Step } from './case.ts';

const CONFIRMED: OriginAnswer = { status: 304, lines: ['Cache-Control: max-age=60'], body: null };

interface LaterOptions {
  readonly afterS?: number;
  readonly origin?: Step['origin'];
  readonly lines?: readonly Line[];
  readonly expect: Expected;
}

/** Stored, and asked for once more after a while. */
function later(
  rule: string,
  name: string,
  stored: readonly Line[],
  options: LaterOptions,
): CacheCase {
  const { afterS = 2, origin, lines = [], expect } = options;
  return {
    rule,
    name,
    steps: [
      { origin: { lines: stored, body: 'kept' }, expect: { from: 'origin' } },
      { afterS, lines, ...(origin === undefined ? {} : { origin }), expect },
    ],
  };
}

const STALE: Expected = { from: 'cache', body: 'kept' };
const fails = (status: number): OriginAnswer => ({ status });

export const STALE_USE: CaseTable = {
  theme: 'stale',
  cases: [
    later(
      'RFC 5861 3',
      'stale-while-revalidate serves at once and asks behind',
      ['Cache-Control: max-age=1, stale-while-revalidate=10', 'ETag: "a"'],
      {
        origin: CONFIRMED,
        expect: {
          ...STALE,
          background: true,
          fields: { Age: '2', 'Cache-Status': '/hit; ttl=-1; detail=stale-while-revalidate/' },
        },
      },
    ),
    later(
      'RFC 5861 3',
      'it does so without a validator too',
      ['Cache-Control: max-age=1, stale-while-revalidate=10'],
      {
        origin: { lines: ['Cache-Control: max-age=60'] },
        expect: { ...STALE, background: true },
      },
    ),
    later(
      'RFC 5861 3',
      'its time ends',
      ['Cache-Control: max-age=1, stale-while-revalidate=1', 'ETag: "a"'],
      {
        origin: CONFIRMED,
        expect: { from: 'validated', body: 'kept' },
      },
    ),
    later(
      'RFC 5861 3',
      'a number that is none is no time',
      ['Cache-Control: max-age=1, stale-while-revalidate=x', 'ETag: "a"'],
      {
        origin: CONFIRMED,
        expect: { from: 'validated' },
      },
    ),
    later(
      'RFC 5861 3',
      'while it is fresh nobody is asked',
      ['Cache-Control: max-age=10, stale-while-revalidate=10'],
      { expect: STALE },
    ),
    later(
      'RFC 5861 3',
      'max-age=0 with it serves stale',
      ['Cache-Control: max-age=0, stale-while-revalidate=10'],
      {
        origin: { lines: ['Cache-Control: no-store'] },
        expect: { ...STALE, background: true },
      },
    ),
    later(
      'RFC 5861 3',
      'the origin may be down behind it',
      ['Cache-Control: max-age=1, stale-while-revalidate=10'],
      {
        origin: 'down',
        expect: { ...STALE, background: true },
      },
    ),
    later(
      'departure from RFC 9111 5.2.2.10',
      's-maxage beside it does not forbid it',
      ['Cache-Control: s-maxage=1, stale-while-revalidate=10', 'ETag: "a"'],
      {
        origin: CONFIRMED,
        expect: { ...STALE, background: true },
      },
    ),
    ...['must-revalidate', 'proxy-revalidate', 'no-cache'].map((directive) =>
      later(
        'RFC 9111 4.2.4',
        `${directive} forbids stale-while-revalidate`,
        [`Cache-Control: max-age=1, stale-while-revalidate=10, ${directive}`, 'ETag: "a"'],
        {
          origin: CONFIRMED,
          expect: { from: 'validated' },
        },
      ),
    ),
    {
      rule: 'RFC 5861 3',
      name: 'what was confirmed behind is fresh for the next one',
      steps: [
        {
          origin: {
            lines: ['Cache-Control: max-age=1, stale-while-revalidate=10', 'ETag: "a"'],
            body: 'kept',
          },
          expect: { from: 'origin' },
        },
        { afterS: 2, origin: CONFIRMED, expect: { ...STALE, background: true } },
        { afterS: 5, expect: { ...STALE, fields: { Age: '5' } } },
      ],
    },
    {
      rule: 'RFC 5861 3',
      name: 'what was replaced behind is there for the next one',
      steps: [
        {
          origin: { lines: ['Cache-Control: max-age=1, stale-while-revalidate=10'], body: 'old' },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          origin: { lines: ['Cache-Control: max-age=60'], body: 'new' },
          expect: { from: 'cache', body: 'old', background: true },
        },
        { expect: { from: 'cache', body: 'new' } },
      ],
    },
    later(
      'RFC 9213 2.2',
      'CDN-Cache-Control may ask for it',
      ['CDN-Cache-Control: max-age=1, stale-while-revalidate=10'],
      {
        origin: { lines: [] },
        expect: { ...STALE, background: true },
      },
    ),
    ...[500, 502, 503, 504].map((status) =>
      later(
        'RFC 5861 4',
        `stale-if-error covers ${status}`,
        ['Cache-Control: max-age=1, stale-if-error=10'],
        {
          origin: fails(status),
          expect: {
            ...STALE,
            fields: { 'Cache-Status': `/fwd=stale; fwd-status=${status}; ttl=-1; detail=error/` },
          },
        },
      ),
    ),
    ...[400, 403, 404, 501].map((status) =>
      later(
        'RFC 5861 4',
        `stale-if-error does not cover ${status}`,
        ['Cache-Control: max-age=1, stale-if-error=10'],
        {
          origin: fails(status),
          expect: { from: 'origin', status },
        },
      ),
    ),
    later(
      'RFC 5861 4',
      'stale-if-error covers an origin that is down',
      ['Cache-Control: max-age=1, stale-if-error=1000'],
      {
        afterS: 900,
        origin: 'down',
        expect: STALE,
      },
    ),
    later('RFC 5861 4', 'its time ends', ['Cache-Control: max-age=1, stale-if-error=1'], {
      origin: fails(500),
      expect: { from: 'origin', status: 500 },
    }),
    later(
      'RFC 5861 4',
      'it covers a failed validation',
      ['Cache-Control: max-age=1, stale-if-error=10', 'ETag: "a"'],
      { origin: fails(503), expect: STALE },
    ),
    later('RFC 5861 4', 'a request may ask for it', ['Cache-Control: max-age=1'], {
      lines: ['Cache-Control: stale-if-error=10'],
      origin: fails(503),
      expect: STALE,
    }),
    later(
      'RFC 5861 4',
      'a request may not ask for it where must-revalidate forbids it',
      ['Cache-Control: max-age=1, must-revalidate'],
      {
        lines: ['Cache-Control: stale-if-error=10'],
        origin: fails(503),
        expect: { from: 'origin', status: 503 },
      },
    ),
    later(
      'departure from RFC 9111 5.2.2.10',
      's-maxage beside stale-if-error does not forbid it',
      ['Cache-Control: s-maxage=1, stale-if-error=10'],
      { origin: fails(503), expect: STALE },
    ),
    ...['must-revalidate', 'proxy-revalidate'].map((directive) =>
      later(
        'RFC 9111 4.2.4',
        `${directive} forbids stale-if-error`,
        [`Cache-Control: max-age=1, stale-if-error=10, ${directive}`],
        {
          origin: fails(503),
          expect: { from: 'origin', status: 503 },
        },
      ),
    ),
    later(
      'RFC 9111 4.2.4',
      'no-cache forbids stale-if-error',
      ['Cache-Control: no-cache, stale-if-error=10', 'ETag: "a"'],
      {
        origin: fails(503),
        expect: { from: 'origin', status: 503 },
      },
    ),
    later(
      'RFC 5861 4',
      'who asked for the origin gets its error',
      ['Cache-Control: max-age=60, stale-if-error=60'],
      {
        lines: ['Cache-Control: no-cache'],
        origin: fails(503),
        expect: { from: 'origin', status: 503 },
      },
    ),
    later(
      'RFC 9111 4.2.4',
      'an error of the origin is passed on without stale-if-error',
      ['Cache-Control: max-age=1'],
      {
        origin: fails(503),
        expect: { from: 'origin', status: 503 },
      },
    ),
    later(
      'RFC 9111 4.2.4',
      'cut off from the origin, what is stale may serve for a while',
      ['Cache-Control: max-age=1'],
      { origin: 'down', expect: STALE },
    ),
    later('RFC 9111 4.2.4', 'that while ends', ['Cache-Control: max-age=1'], {
      afterS: 61,
      origin: 'down',
      expect: { from: 'nobody' },
    }),
    later(
      'RFC 9111 4.2.4',
      'a guess about freshness may serve then too',
      ['Last-Modified: {-20}'],
      { afterS: 3, origin: 'down', expect: STALE },
    ),
    ...['must-revalidate', 'proxy-revalidate', 's-maxage=1', 'no-cache'].map((directive) =>
      later(
        'RFC 9111 4.2.4',
        `${directive} forbids it`,
        [`Cache-Control: max-age=1, ${directive}`, 'ETag: "a"'],
        { origin: 'down', expect: { from: 'nobody' } },
      ),
    ),
    later(
      'RFC 9111 4.2.4',
      'what nobody said to be fresh for any time does not serve',
      ['ETag: "a"'],
      { origin: 'down', expect: { from: 'nobody' } },
    ),
    later(
      'RFC 9111 5.2.2.2',
      'must-revalidate changes nothing while it is fresh',
      ['Cache-Control: max-age=60, must-revalidate'],
      { expect: STALE },
    ),
    later(
      'RFC 9111 5.2.2.8',
      'proxy-revalidate changes nothing while it is fresh',
      ['Cache-Control: max-age=60, proxy-revalidate'],
      { expect: STALE },
    ),
    later(
      'RFC 9111 5.2.2.2',
      'must-revalidate is validated when stale',
      ['Cache-Control: max-age=1, must-revalidate', 'ETag: "a"'],
      { origin: CONFIRMED, expect: { from: 'validated', body: 'kept' } },
    ),
    {
      rule: 'RFC 5861 4',
      name: 'after an error the origin is asked again',
      steps: [
        {
          origin: { lines: ['Cache-Control: max-age=1, stale-if-error=60'], body: 'kept' },
          expect: { from: 'origin' },
        },
        { afterS: 2, origin: fails(503), expect: STALE },
        { origin: { lines: [], body: 'new' }, expect: { from: 'origin', body: 'new' } },
      ],
    },
  ],
};
