/** What a cache says about itself on every answer (RFC 9211). */
import type { CacheCase, CaseTable, Line, Step } from './case.ts';

const LONG = 'Cache-Control: max-age=60';

function says(name: string, steps: readonly Step[]): CacheCase {
  return { rule: 'RFC 9211 2', name, steps };
}

const status = (value: string): Readonly<Record<string, string>> => ({ 'Cache-Status': value });

/** What is said about the answer to a first request. */
function first(
  name: string,
  lines: readonly Line[],
  value: string,
  step: Partial<Step> = {},
): CacheCase {
  return says(name, [
    { origin: { lines }, ...step, expect: { from: 'origin', fields: status(value) } },
  ]);
}

const stored: Step = { origin: { lines: [LONG, 'ETag: "a"'] }, expect: { from: 'origin' } };

export const CACHE_STATUS: CaseTable = {
  theme: 'cache-status',
  cases: [
    first('a first answer that is stored', [LONG], 'Moln; fwd=uri-miss; fwd-status=200; stored'),
    first(
      'no-store',
      ['Cache-Control: no-store'],
      'Moln; fwd=uri-miss; fwd-status=200; detail=no-store',
    ),
    first(
      'private',
      ['Cache-Control: private'],
      'Moln; fwd=uri-miss; fwd-status=200; detail=private',
    ),
    first(
      'nothing said about freshness',
      [],
      'Moln; fwd=uri-miss; fwd-status=200; detail=no-freshness',
    ),
    first('Vary: *', [LONG, 'Vary: *'], 'Moln; fwd=uri-miss; fwd-status=200; detail=vary'),
    first(
      'a cookie',
      [LONG, 'Set-Cookie: a=b'],
      'Moln; fwd=uri-miss; fwd-status=200; detail=set-cookie',
    ),
    first(
      'an authorized request',
      [LONG],
      'Moln; fwd=uri-miss; fwd-status=200; detail=authorization',
      { lines: ['Authorization: a'] },
    ),
    first(
      'a client that wants nothing stored',
      [LONG],
      'Moln; fwd=uri-miss; fwd-status=200; detail=request-no-store',
      { lines: ['Cache-Control: no-store'] },
    ),
    first('a GET with a body', [LONG], 'Moln; fwd=bypass; fwd-status=200; detail=request-body', {
      body: 'x',
    }),
    first('another method', [LONG], 'Moln; fwd=method; fwd-status=200', { method: 'POST' }),
    first(
      'what other caches said comes first',
      [LONG, 'Cache-Status: Origin; hit'],
      'Origin; hit, Moln; fwd=uri-miss; fwd-status=200; stored',
    ),
    says('a hit', [
      stored,
      { afterS: 2, expect: { from: 'cache', fields: status('Moln; hit; ttl=58') } },
    ]),
    says('a hit repeats what other caches said', [
      { origin: { lines: [LONG, 'Cache-Status: Origin; hit'] }, expect: { from: 'origin' } },
      { expect: { from: 'cache', fields: status('Origin; hit, Moln; hit; ttl=60') } },
    ]),
    says('a validation', [
      stored,
      {
        afterS: 61,
        origin: { status: 304, lines: [LONG], body: null },
        expect: { from: 'validated', fields: status('Moln; fwd=stale; fwd-status=304; ttl=60') },
      },
    ]),
    says('a replacement', [
      stored,
      {
        afterS: 61,
        origin: { lines: [LONG] },
        expect: { from: 'origin', fields: status('Moln; fwd=stale; fwd-status=200; stored') },
      },
    ]),
    says('another variant', [
      { lines: ['Foo: 1'], origin: { lines: [LONG, 'Vary: Foo'] }, expect: { from: 'origin' } },
      {
        lines: ['Foo: 2'],
        origin: { lines: [LONG, 'Vary: Foo'] },
        expect: { from: 'origin', fields: status('Moln; fwd=vary-miss; fwd-status=200; stored') },
      },
    ]),
    says('a client that wants it fresh', [
      stored,
      {
        lines: ['Cache-Control: no-cache'],
        origin: { lines: [LONG] },
        expect: { from: 'origin', fields: status('Moln; fwd=request; fwd-status=200; stored') },
      },
    ]),
    says('no-cache', [
      { origin: { lines: ['Cache-Control: no-cache', 'ETag: "a"'] }, expect: { from: 'origin' } },
      {
        origin: { status: 304, lines: [], body: null },
        expect: {
          from: 'validated',
          fields: status('Moln; fwd=stale; fwd-status=304; ttl=0; detail=no-cache'),
        },
      },
    ]),
    says('a part', [
      {
        lines: ['Range: bytes=0-1'],
        origin: {
          status: 206,
          lines: [LONG, 'ETag: "a"', 'Content-Range: bytes 0-1/4'],
          body: 'ab',
        },
        expect: { from: 'origin', status: 206 },
      },
      {
        origin: {
          status: 206,
          lines: [LONG, 'ETag: "a"', 'Content-Range: bytes 2-3/4'],
          body: 'cd',
        },
        expect: {
          from: 'joined',
          body: 'abcd',
          fields: status('Moln; fwd=partial; fwd-status=206; stored'),
        },
      },
    ]),
    says('an origin that is down', [
      {
        origin: { lines: ['Cache-Control: max-age=1, stale-if-error=60'] },
        expect: { from: 'origin' },
      },
      {
        afterS: 2,
        origin: 'down',
        expect: { from: 'cache', fields: status('Moln; hit; ttl=-1; detail=unreachable') },
      },
    ]),
    says('an authorized request that may not use what is stored', [
      stored,
      {
        lines: ['Authorization: a'],
        origin: { lines: [] },
        expect: {
          from: 'origin',
          fields: status('Moln; fwd=request; fwd-status=200; detail=authorization'),
        },
      },
    ]),
    says('If-Match', [
      stored,
      {
        lines: ['If-Match: "a"'],
        origin: { lines: ['Cache-Control: no-store'] },
        expect: {
          from: 'origin',
          fields: status('Moln; fwd=request; fwd-status=200; detail=no-store'),
        },
      },
    ]),
  ],
};
