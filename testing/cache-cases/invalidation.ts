/** Unsafe methods make stored answers untrue (RFC 9111 4.4); a POST may leave one of its own (RFC 9110 9.3.3). */
import type { CacheCase, CaseTable, Line, Step } from './case.ts';

const LONG = 'Cache-Control: max-age=60';
const fill = (path: string): Step => ({
  path,
  origin: { lines: [LONG] },
  expect: { from: 'origin' },
});

/** Fill `/a`, do something, and see whether `/a` is still there. */
function then(rule: string, name: string, deed: Step, left: boolean): CacheCase {
  return {
    rule,
    name,
    steps: [fill('/a'), deed, { path: '/a', expect: { from: left ? 'cache' : 'origin' } }],
  };
}

function unsafe(method: string, status = 200, path = '/a', lines: readonly Line[] = []): Step {
  return {
    method,
    path,
    origin: { status, lines, ...(status === 204 ? { body: null } : {}) },
    expect: { from: 'origin', status },
  };
}

export const INVALIDATION: CaseTable = {
  theme: 'invalidation',
  cases: [
    ...['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH', 'FOO', 'LOCK'].map((method) =>
      then('RFC 9111 4.4', `${method} makes the stored answer untrue`, unsafe(method), false),
    ),
    ...['OPTIONS', 'PROPFIND', 'QUERY', 'REPORT', 'SEARCH'].map((method) =>
      then('RFC 9110 9.2.1', `${method} is safe`, unsafe(method), true),
    ),
    ...[200, 201, 204, 301, 303, 307].map((status) =>
      then('RFC 9111 4.4', `a POST answered with ${status} does`, unsafe('POST', status), false),
    ),
    ...[400, 403, 404, 409, 500, 503].map((status) =>
      then('RFC 9111 4.4', `a POST answered with ${status} does not`, unsafe('POST', status), true),
    ),
    then('RFC 9111 4.4', 'another path is left alone', unsafe('POST', 200, '/b'), true),
    then(
      'RFC 9111 4.4',
      'Location is made untrue',
      unsafe('POST', 201, '/b', ['Location: /a']),
      false,
    ),
    then(
      'RFC 9111 4.4',
      'a complete URL in Location',
      unsafe('POST', 201, '/b', ['Location: http://example.test/a']),
      false,
    ),
    then(
      'RFC 9111 4.4',
      'the default port in Location',
      unsafe('POST', 201, '/b', ['Location: http://example.test:80/a']),
      false,
    ),
    then(
      'RFC 9111 4.4',
      'another case of the host in Location',
      unsafe('POST', 201, '/b', ['Location: http://EXAMPLE.test/a']),
      false,
    ),
    then(
      'RFC 9111 4.4',
      'a relative path in Location',
      unsafe('POST', 201, '/b', ['Location: ./x/../a']),
      false,
    ),
    then(
      'RFC 9111 4.4',
      'a fragment in Location',
      unsafe('POST', 201, '/b', ['Location: /a#x']),
      false,
    ),
    then(
      'RFC 9111 4.4',
      'Content-Location is made untrue',
      unsafe('POST', 200, '/b', ['Content-Location: /a']),
      false,
    ),
    then(
      'RFC 9111 4.4',
      'another host in Location is left alone',
      unsafe('POST', 201, '/b', ['Location: http://other.test/a']),
      true,
    ),
    then(
      'RFC 9111 4.4',
      'another scheme in Location is left alone',
      unsafe('POST', 201, '/b', ['Location: https://example.test/a']),
      true,
    ),
    then(
      'RFC 9111 4.4',
      'another port in Location is left alone',
      unsafe('POST', 201, '/b', ['Location: http://example.test:8080/a']),
      true,
    ),
    then(
      'RFC 9111 4.4',
      'another host in Content-Location is left alone',
      unsafe('POST', 200, '/b', ['Content-Location: //other.test/a']),
      true,
    ),
    then(
      'RFC 9111 4.4',
      'Location of a failed POST is left alone',
      unsafe('POST', 404, '/b', ['Location: /a']),
      true,
    ),
    then(
      'RFC 9111 4.4',
      'Location of a GET is left alone',
      { ...unsafe('GET', 301, '/b', ['Location: /a']) },
      true,
    ),
    then(
      'RFC 9111 4.4',
      'a Location that is no reference does no harm',
      unsafe('POST', 201, '/b', ['Location: http://[']),
      true,
    ),
    {
      rule: 'RFC 9111 4.4',
      name: 'all variants are made untrue',
      steps: [
        { lines: ['Foo: 1'], origin: { lines: [LONG, 'Vary: Foo'] }, expect: { from: 'origin' } },
        { lines: ['Foo: 2'], origin: { lines: [LONG, 'Vary: Foo'] }, expect: { from: 'origin' } },
        { method: 'POST', lines: ['Foo: 1'], expect: { from: 'origin' } },
        { lines: ['Foo: 1'], expect: { from: 'origin' } },
        { lines: ['Foo: 2'], expect: { from: 'origin' } },
      ],
    },
    {
      rule: 'RFC 9111 4.4',
      name: 'a POST that never reached the origin changes nothing',
      steps: [
        fill('/a'),
        { method: 'POST', path: '/a', origin: 'down', expect: { from: 'nobody' } },
        { path: '/a', expect: { from: 'cache' } },
      ],
    },
    {
      rule: 'RFC 9111 4',
      name: 'a POST is never answered from the store',
      steps: [
        fill('/a'),
        { method: 'POST', path: '/a', origin: { lines: [LONG] }, expect: { from: 'origin' } },
      ],
    },
    ...(
      [
        [
          'with its own Content-Location and a lifetime answers a later GET',
          [LONG, 'Content-Location: /a'],
          'cache',
        ],
        [
          'with its own URL in full does too',
          [LONG, 'Content-Location: http://example.test/a'],
          'cache',
        ],
        ['without Content-Location does not', [LONG], 'origin'],
        ['with another Content-Location does not', [LONG, 'Content-Location: /b'], 'origin'],
        [
          'without a lifetime does not',
          ['Content-Location: /a', 'Last-Modified: {-36000}'],
          'origin',
        ],
        [
          'with no-store does not',
          ['Cache-Control: no-store, max-age=60', 'Content-Location: /a'],
          'origin',
        ],
      ] as const
    ).map(([name, lines, from]): CacheCase => ({
      rule: 'RFC 9110 9.3.3',
      name: `a POST ${name}`,
      steps: [
        {
          method: 'POST',
          path: '/a',
          body: 'x',
          origin: { lines, body: 'made' },
          expect: { from: 'origin', body: 'made' },
        },
        { path: '/a', expect: from === 'cache' ? { from, body: 'made' } : { from } },
      ],
    })),
    {
      rule: 'RFC 9110 9.3.3',
      name: 'the stored answer to a POST does not answer a POST',
      steps: [
        {
          method: 'POST',
          path: '/a',
          origin: { lines: [LONG, 'Content-Location: /a'] },
          expect: { from: 'origin' },
        },
        { method: 'POST', path: '/a', expect: { from: 'origin' } },
      ],
    },
  ],
};
