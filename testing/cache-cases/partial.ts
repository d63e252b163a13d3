/** Parts that origins send: stored, reused, joined, completed (RFC 9111 3.3, 3.4; RFC 9110 15.3.7). */
import { multipart } from './ranges.ts';
import type { CacheCase, CaseTable, Line, OriginAnswer, Step } from './case.ts';

const BODY = 'abcdefghij';
export const LONG = 'Cache-Control: max-age=60';
export const TAG = 'ETag: "a"';
const TEXT: readonly Line[] = [LONG, TAG, 'Content-Type: text/plain'];

/** The origin sends these bytes of the ten. */
export function part(
  first: number,
  last: number,
  lines: readonly Line[] = [LONG, TAG],
): OriginAnswer {
  return {
    status: 206,
    lines: [...lines, `Content-Range: bytes ${first}-${last}/10`],
    body: BODY.slice(first, last + 1),
  };
}

/** A client asks for a range, and the origin sends it. */
export function fill(first: number, last: number, lines?: readonly Line[]): Step {
  return {
    lines: [`Range: bytes=${first}-${last}`],
    origin: part(first, last, lines),
    expect: { from: 'origin', status: 206 },
  };
}

export const again = (range: string, body: string): Step => ({
  lines: [`Range: bytes=${range}`],
  expect: { from: 'cache', status: 206, body },
});

export function rows(rule: string, table: Readonly<Record<string, readonly Step[]>>): CacheCase[] {
  return Object.entries(table).map(([name, steps]) => ({ rule, name, steps }));
}

export const PARTIAL: CaseTable = {
  theme: 'partial content',
  cases: [
    ...rows('RFC 9111 3.3', {
      'a part is stored and reused': [fill(0, 4), again('0-4', 'abcde')],
      'a part of a part': [fill(2, 7), again('3-4', 'de')],
      'a part of its first bytes': [fill(2, 7), again('2-2', 'c')],
      'from a byte to the end, of a part at the end': [fill(4, 9), again('6-', 'ghij')],
      'the last bytes, of a part at the end': [fill(4, 9), again('-2', 'ij')],
      'the last bytes, asked for and asked for again': [
        {
          lines: ['Range: bytes=-3'],
          origin: part(7, 9),
          expect: { from: 'origin', status: 206, body: 'hij', asked: { Range: 'bytes=-3' } },
        },
        again('-3', 'hij'),
        again('7-', 'hij'),
      ],
      'several ranges out of one part': [
        fill(2, 7, TEXT),
        again('2-2,7-7', multipart(['2-2', 'c'], ['7-7', 'h'])),
      ],
      'several ranges out of several parts': [
        fill(0, 2, TEXT),
        fill(7, 9, TEXT),
        again('8-8,1-2', multipart(['8-8', 'i'], ['1-2', 'bc'])),
      ],
      'a HEAD is answered from a part': [
        fill(0, 4),
        { method: 'HEAD', expect: { from: 'cache', body: '', fields: { 'Content-Length': '10' } } },
      ],
      'a condition is answered from a part': [
        fill(0, 4),
        {
          lines: ['If-None-Match: "a"', 'Range: bytes=0-1'],
          expect: { from: 'cache', status: 304, body: '' },
        },
      ],
      'a start behind the end is 416 from a part too': [
        fill(0, 4),
        { lines: ['Range: bytes=10-'], expect: { from: 'cache', status: 416, body: '' } },
      ],
      'a part of all bytes is the whole': [fill(0, 9), { expect: { from: 'cache', body: BODY } }],
      'a stale part is asked for again': [
        fill(0, 4, ['Cache-Control: max-age=1', TAG]),
        {
          afterS: 2,
          lines: ['Range: bytes=0-4'],
          origin: part(0, 4),
          expect: { from: 'origin', status: 206, body: 'abcde', asked: { Range: 'bytes=0-4' } },
        },
        again('0-4', 'abcde'),
      ],
      'If-Range with the tag of the part': [
        fill(0, 4),
        {
          lines: ['Range: bytes=0-1', 'If-Range: "a"'],
          expect: { from: 'cache', status: 206, body: 'ab' },
        },
      ],
      'If-Range with another tag': [
        fill(0, 4),
        {
          lines: ['Range: bytes=0-1', 'If-Range: "b"'],
          origin: { lines: [LONG, 'ETag: "c"'], body: 'whole' },
          expect: { from: 'origin', asked: { 'If-Range': '"b"' } },
        },
      ],
      'a part with no-store is not stored': [
        fill(0, 4, ['Cache-Control: no-store', TAG]),
        {
          lines: ['Range: bytes=0-1'],
          origin: part(0, 1),
          expect: { from: 'origin', status: 206 },
        },
      ],
      'a part without a tag is stored too': [fill(0, 4, [LONG]), again('1-2', 'bc')],
    }),
    ...rows('RFC 9111 3.4', {
      'two neighbours become one': [
        fill(0, 4),
        fill(5, 9),
        { expect: { from: 'cache', body: BODY } },
      ],
      'two neighbours, the later one first': [
        fill(5, 9),
        fill(0, 4),
        { expect: { from: 'cache', body: BODY } },
      ],
      'parts that overlap become one': [
        fill(0, 5),
        {
          lines: ['Range: bytes=4-8'],
          origin: part(6, 8),
          expect: {
            from: 'joined',
            status: 206,
            body: 'efghi',
            asked: { Range: 'bytes=6-8', 'If-Range': '"a"' },
          },
        },
        again('0-8', 'abcdefghi'),
      ],
      'parts that are apart are both there': [
        fill(0, 1),
        fill(8, 9),
        again('0-1', 'ab'),
        again('8-9', 'ij'),
      ],
      'what lies between two parts joins them': [
        fill(0, 2),
        fill(7, 9),
        fill(3, 6),
        { expect: { from: 'cache', body: BODY } },
      ],
      'a part within a part changes nothing': [
        fill(0, 7),
        {
          lines: ['Cache-Control: no-cache', 'Range: bytes=2-3'],
          origin: part(2, 3),
          expect: { from: 'origin', status: 206, body: 'cd' },
        },
        again('0-7', 'abcdefgh'),
      ],
      'another tag is another thing': [
        fill(0, 4),
        fill(5, 9, [LONG, 'ETag: "b"']),
        again('5-9', 'fghij'),
        {
          lines: ['Range: bytes=0-4'],
          origin: part(0, 4, [LONG, 'ETag: "b"']),
          expect: { from: 'origin', status: 206 },
        },
        { expect: { from: 'cache', body: BODY } },
      ],
      'weak tags join nothing': [
        fill(0, 4, [LONG, 'ETag: W/"a"']),
        fill(5, 9, [LONG, 'ETag: W/"a"']),
        again('5-9', 'fghij'),
        {
          lines: ['Range: bytes=0-4'],
          origin: part(0, 4),
          expect: { from: 'origin', status: 206 },
        },
      ],
      'dates join nothing': [
        fill(0, 4, [LONG, 'Last-Modified: Fri, 20 Nov 2026 08:00:00 GMT']),
        fill(5, 9, [LONG, 'Last-Modified: Fri, 20 Nov 2026 08:00:00 GMT']),
        {
          lines: ['Range: bytes=0-4'],
          origin: part(0, 4),
          expect: { from: 'origin', status: 206 },
        },
      ],
      'the fields of the newer part count': [
        fill(0, 4, [LONG, TAG, 'X-A: 1']),
        fill(5, 9, [LONG, TAG, 'X-A: 2']),
        { expect: { from: 'cache', body: BODY, fields: { 'X-A': '2' } } },
      ],
      'a whole takes the place of parts': [
        fill(0, 4),
        {
          origin: { lines: [LONG, 'ETag: "b"'], body: 'something else' },
          expect: { from: 'origin', body: 'something else' },
        },
        { expect: { from: 'cache', body: 'something else' } },
      ],
    }),
    ...rows('RFC 9111 3.3, completing', {
      'the rest of a first part is fetched for a whole': [
        fill(0, 4),
        {
          origin: part(5, 9),
          expect: {
            from: 'joined',
            status: 200,
            body: BODY,
            asked: { Range: 'bytes=5-', 'If-Range': '"a"' },
          },
        },
        { expect: { from: 'cache', body: BODY } },
      ],
      'the rest before a last part': [
        fill(5, 9),
        {
          origin: part(0, 4),
          expect: { from: 'joined', status: 200, body: BODY, asked: { Range: 'bytes=0-4' } },
        },
      ],
      'the rest of a range': [
        fill(0, 4),
        {
          lines: ['Range: bytes=3-7'],
          origin: part(5, 7),
          expect: { from: 'joined', status: 206, body: 'defgh', asked: { Range: 'bytes=5-7' } },
        },
        again('0-7', 'abcdefgh'),
      ],
      'what is missing in the middle': [
        fill(0, 2),
        fill(7, 9),
        {
          origin: part(3, 6),
          expect: { from: 'joined', status: 200, body: BODY, asked: { Range: 'bytes=3-6' } },
        },
      ],
      'what is missing on both sides is fetched as a whole': [
        fill(3, 4),
        {
          origin: { lines: [LONG, TAG], body: BODY },
          expect: { from: 'origin', body: BODY, asked: { Range: null } },
        },
      ],
      'a range of which nothing is there is asked for as it is': [
        fill(0, 2),
        {
          lines: ['Range: bytes=5-6'],
          origin: part(5, 6),
          expect: {
            from: 'origin',
            status: 206,
            body: 'fg',
            asked: { Range: 'bytes=5-6', 'If-Range': null },
          },
        },
      ],
      'what is missing of several ranges': [
        fill(0, 4, TEXT),
        {
          lines: ['Range: bytes=0-1,3-7'],
          origin: part(5, 7, TEXT),
          expect: {
            from: 'joined',
            status: 206,
            body: multipart(['0-1', 'ab'], ['3-7', 'defgh']),
            asked: { Range: 'bytes=5-7', 'If-Range': '"a"' },
          },
        },
        again('0-7', 'abcdefgh'),
      ],
      'several ranges with too much between them are asked for as they are': [
        fill(4, 5),
        {
          lines: ['Range: bytes=0-0,9-9'],
          origin: part(0, 0),
          expect: { from: 'origin', status: 206, body: 'a', asked: { Range: 'bytes=0-0,9-9' } },
        },
      ],
      'less than was asked for goes to the client as it came': [
        {
          lines: ['Range: bytes=2-7'],
          origin: part(2, 4),
          expect: {
            from: 'origin',
            status: 206,
            body: 'cde',
            fields: { 'Content-Range': 'bytes 2-4/10' },
          },
        },
      ],
      'less than the rest completes nothing: all is asked for': [
        fill(0, 4),
        {
          origin: part(5, 6),
          originAgain: { lines: [LONG, TAG], body: BODY },
          expect: { from: 'origin', body: BODY },
        },
      ],
      'less than is missing of several ranges: they are asked for as they are': [
        fill(0, 4),
        {
          lines: ['Range: bytes=0-1,3-7'],
          origin: part(5, 6),
          originAgain: { lines: [LONG, TAG], body: BODY },
          expect: { from: 'origin', status: 206 },
        },
      ],
      'an origin that sends everything instead is believed': [
        fill(0, 4),
        {
          origin: { lines: [LONG, 'ETag: "b"'], body: 'other bytes' },
          expect: { from: 'origin', status: 200, body: 'other bytes' },
        },
        { expect: { from: 'cache', body: 'other bytes' } },
      ],
      'an origin that sends everything instead: the client still gets its range': [
        fill(0, 4),
        {
          lines: ['Range: bytes=3-7'],
          origin: { lines: [LONG, 'ETag: "b"'], body: '0123456789' },
          expect: { from: 'origin', status: 206, body: '34567' },
        },
      ],
      'a rest with another tag is not joined: all is asked for': [
        fill(0, 4),
        {
          origin: part(5, 9, [LONG, 'ETag: "b"']),
          originAgain: { lines: [LONG, 'ETag: "b"'], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
      ],
      'a rest that must not be stored is not joined: all is asked for': [
        fill(0, 4),
        {
          origin: part(5, 9, ['Cache-Control: no-store', TAG]),
          originAgain: { lines: [LONG, 'ETag: "b"'], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
      ],
      "a 416 for the rest is not the client's: all is asked for": [
        fill(0, 4),
        {
          origin: { status: 416 },
          originAgain: { lines: [LONG], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
      ],
      'an error for the rest is asked about once more': [
        fill(0, 4),
        {
          origin: { status: 503 },
          originAgain: { lines: [LONG], body: 'new' },
          expect: { from: 'origin', body: 'new' },
        },
      ],
      'a weak tag completes nothing': [
        fill(0, 4, [LONG, 'ETag: W/"a"']),
        {
          origin: { lines: [LONG], body: BODY },
          expect: { from: 'origin', asked: { Range: null } },
        },
      ],
      'a stale part completes nothing': [
        fill(0, 4, ['Cache-Control: max-age=1', TAG]),
        {
          afterS: 2,
          origin: { lines: [LONG], body: BODY },
          expect: { from: 'origin', asked: { Range: null } },
        },
      ],
    }),
  ],
};
