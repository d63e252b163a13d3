/** Ranges out of what is stored whole (RFC 9110 14), and If-Range (13.1.5). */
import type { CacheCase, CaseTable, Expected, Line } from './case.ts';

const BODY = 'abcdefghij';
const LONG = 'Cache-Control: max-age=60';
const AT = 'Fri, 20 Nov 2026 08:00:00 GMT';
const TAGGED = [LONG, 'ETag: "a"', 'Content-Type: text/plain'];

function range(
  rule: string,
  name: string,
  lines: readonly Line[],
  expect: Omit<Expected, 'from'>,
  stored: readonly Line[] = TAGGED,
): CacheCase {
  return {
    rule,
    name,
    steps: [
      { origin: { lines: stored, body: BODY }, expect: { from: 'origin' } },
      { lines, expect: { from: 'cache', ...expect } },
    ],
  };
}

const part = (body: string, contentRange: string): Omit<Expected, 'from'> => ({
  status: 206,
  body,
  fields: {
    'Content-Range': `bytes ${contentRange}/10`,
    'Content-Length': String(body.length),
    ETag: '"a"',
  },
});
const WHOLE: Omit<Expected, 'from'> = {
  status: 200,
  body: BODY,
  fields: { 'Content-Range': null, 'Content-Length': '10' },
};
const UNSATISFIABLE: Omit<Expected, 'from'> = {
  status: 416,
  body: '',
  fields: { 'Content-Range': 'bytes */10' },
};

/** A body of several parts, as RFC 9110 14.6 frames it. */
export function multipart(...ranges: readonly (readonly [string, string])[]): string {
  const parts = ranges.map(
    ([span, bytes]) =>
      `--SEPARATOR\r\nContent-Type: text/plain\r\nContent-Range: bytes ${span}/10\r\n\r\n${bytes}`,
  );
  return `${parts.join('\r\n')}\r\n--SEPARATOR--\r\n`;
}

export const RANGES: CaseTable = {
  theme: 'ranges',
  cases: [
    range('RFC 9110 14.1.2', 'the first bytes', ['Range: bytes=0-1'], part('ab', '0-1')),
    range('RFC 9110 14.1.2', 'one byte', ['Range: bytes=0-0'], part('a', '0-0')),
    range('RFC 9110 14.1.2', 'bytes in the middle', ['Range: bytes=3-5'], part('def', '3-5')),
    range('RFC 9110 14.1.2', 'from a byte to the end', ['Range: bytes=7-'], part('hij', '7-9')),
    range(
      'RFC 9110 14.1.2',
      'everything from the first byte',
      ['Range: bytes=0-'],
      part(BODY, '0-9'),
    ),
    range(
      'RFC 9110 14.1.2',
      'beyond the end is to the end',
      ['Range: bytes=7-999'],
      part('hij', '7-9'),
    ),
    range('RFC 9110 14.1.2', 'the last bytes', ['Range: bytes=-3'], part('hij', '7-9')),
    range(
      'RFC 9110 14.1.2',
      'more last bytes than there are',
      ['Range: bytes=-30'],
      part(BODY, '0-9'),
    ),
    range(
      'RFC 9110 14.1.2',
      'numbers that no machine holds',
      ['Range: bytes=7-99999999999999999999'],
      part('hij', '7-9'),
    ),
    range('RFC 9110 14.2', 'the unit in another case', ['Range: BYTES=0-1'], part('ab', '0-1')),
    range('RFC 9110 14.2', 'another unit is ignored', ['Range: lines=0-1'], WHOLE),
    range(
      'RFC 9110 14.2',
      'a range that ends before it starts is ignored',
      ['Range: bytes=5-3'],
      WHOLE,
    ),
    range('RFC 9110 14.2', 'rubbish is ignored', ['Range: bytes=a-b'], WHOLE),
    range('RFC 9110 14.2', 'an empty list is ignored', ['Range: bytes='], WHOLE),
    range('RFC 9110 14.2', 'a lone dash is ignored', ['Range: bytes=-'], WHOLE),
    range('RFC 9110 15.5.17', 'a start behind the end is 416', ['Range: bytes=10-'], UNSATISFIABLE),
    range('RFC 9110 15.5.17', 'no last bytes is 416', ['Range: bytes=-0'], UNSATISFIABLE),
    range('RFC 9110 14.6', 'two ranges are two parts', ['Range: bytes=0-1,8-9'], {
      status: 206,
      body: multipart(['0-1', 'ab'], ['8-9', 'ij']),
      fields: {
        'Content-Type': 'multipart/byteranges; boundary=SEPARATOR',
        'Content-Range': null,
        'Content-Length': String(multipart(['0-1', 'ab'], ['8-9', 'ij']).length),
      },
    }),
    range(
      'RFC 9110 14.6',
      'parts come in the order in which they were asked for',
      ['Range: bytes=-1, 0-0'],
      {
        status: 206,
        body: multipart(['9-9', 'j'], ['0-0', 'a']),
      },
    ),
    range(
      'RFC 9110 14.6',
      'what cannot be satisfied is left out of several',
      ['Range: bytes=0-1, 20-30'],
      part('ab', '0-1'),
    ),
    range(
      'RFC 9110 14.2',
      'many ranges are answered with everything',
      [`Range: bytes=${Array.from({ length: 17 }, () => '0-0').join()}`],
      WHOLE,
    ),
    range(
      'RFC 9110 14.2',
      'ranges larger than the whole are answered with everything',
      ['Range: bytes=0-8,1-9'],
      WHOLE,
    ),
    range('RFC 9110 15.3.7', 'a part has the fields of the whole', ['Range: bytes=0-1'], {
      status: 206,
      body: 'ab',
      fields: {
        'Content-Type': 'text/plain',
        'Cache-Control': 'max-age=60',
        Date: '/GMT/',
        Age: '0',
      },
    }),
    range(
      'RFC 9110 13.1.5',
      'If-Range with the tag',
      ['Range: bytes=0-1', 'If-Range: "a"'],
      part('ab', '0-1'),
    ),
    range(
      'RFC 9110 13.1.5',
      'If-Range with another tag',
      ['Range: bytes=0-1', 'If-Range: "b"'],
      WHOLE,
    ),
    range(
      'RFC 9110 13.1.5',
      'If-Range with a weak tag',
      ['Range: bytes=0-1', 'If-Range: W/"a"'],
      WHOLE,
    ),
    range(
      'RFC 9110 13.1.5',
      'If-Range with a weak tag of the store',
      ['Range: bytes=0-1', 'If-Range: W/"a"'],
      { status: 200, body: BODY },
      [LONG, 'ETag: W/"a"'],
    ),
    range(
      'RFC 9110 13.1.5',
      'If-Range with the date',
      ['Range: bytes=0-1', `If-Range: ${AT}`],
      { status: 206, body: 'ab' },
      [LONG, `Last-Modified: ${AT}`],
    ),
    range(
      'RFC 9110 13.1.5',
      'If-Range with a later date',
      ['Range: bytes=0-1', 'If-Range: Fri, 20 Nov 2026 09:00:00 GMT'],
      { status: 200, body: BODY },
      [LONG, `Last-Modified: ${AT}`],
    ),
    range(
      'RFC 9110 8.8.2.2',
      'If-Range with a date of the same second as the answer',
      ['Range: bytes=0-1', 'If-Range: {+0}'],
      { status: 200, body: BODY },
      [LONG, 'Last-Modified: {+0}'],
    ),
    range('RFC 9110 13.1.5', 'If-Range with rubbish', ['Range: bytes=0-1', 'If-Range: a'], WHOLE),
    range('RFC 9110 13.1.5', 'If-Range without Range', ['If-Range: "b"'], WHOLE),
    range(
      'RFC 9110 13.2.2',
      'a copy that is good goes before a range',
      ['Range: bytes=0-1', 'If-None-Match: "a"'],
      { status: 304, body: '' },
    ),
    range(
      'RFC 9110 13.2.2',
      'a copy that is not good leaves the range',
      ['Range: bytes=0-1', 'If-None-Match: "b"'],
      part('ab', '0-1'),
    ),
    {
      rule: 'RFC 9110 14.2',
      name: 'ranges are not for what is no 200',
      steps: [
        {
          origin: { status: 404, lines: [LONG], body: BODY },
          expect: { from: 'origin', status: 404 },
        },
        { lines: ['Range: bytes=0-1'], expect: { from: 'cache', status: 404, body: BODY } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.1',
      name: 'a stale whole is validated as a whole, and the range answered from it',
      steps: [
        {
          origin: { lines: ['Cache-Control: max-age=1', 'ETag: "a"'], body: BODY },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          lines: ['Range: bytes=0-1'],
          origin: { status: 304, lines: [LONG], body: null },
          expect: {
            from: 'validated',
            status: 206,
            body: 'ab',
            asked: { Range: null, 'If-None-Match': '"a"' },
          },
        },
      ],
    },
    {
      rule: 'RFC 9110 14.2',
      name: 'an origin that answers a range with everything fills the store, and the client gets its range',
      steps: [
        {
          lines: ['Range: bytes=0-1'],
          origin: { lines: TAGGED, body: BODY },
          expect: { from: 'origin', status: 206, body: 'ab', asked: { Range: 'bytes=0-1' } },
        },
        { expect: { from: 'cache', body: BODY } },
      ],
    },
  ],
};
