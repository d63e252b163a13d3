/** Parts that are none, that nobody asked for, or that are stale; parts of variants (RFC 9110 14.4, 15.3.7; RFC 5861 3). */
import type { CaseTable } from './case.ts';
import { again, fill, LONG, part, rows, TAG } from './partial.ts';

export const ODD_PARTS: CaseTable = {
  theme: 'odd parts',
  cases: [
    ...rows('RFC 9110 14.4', {
      'a part of unknown length is not stored': [
        {
          lines: ['Range: bytes=0-4'],
          origin: { status: 206, lines: [LONG, TAG, 'Content-Range: bytes 0-4/*'], body: 'abcde' },
          expect: {
            from: 'origin',
            status: 206,
            fields: { 'Cache-Status': '/detail=not-a-part/' },
          },
        },
        {
          lines: ['Range: bytes=0-4'],
          origin: part(0, 4),
          expect: { from: 'origin', status: 206 },
        },
      ],
      'a part without Content-Range is not stored': [
        {
          lines: ['Range: bytes=0-4'],
          origin: { status: 206, lines: [LONG, TAG], body: 'abcde' },
          expect: { from: 'origin', status: 206 },
        },
        {
          lines: ['Range: bytes=0-4'],
          origin: part(0, 4),
          expect: { from: 'origin', status: 206 },
        },
      ],
      'a range beyond its own length is not stored': [
        {
          lines: ['Range: bytes=0-4'],
          origin: {
            status: 206,
            lines: [LONG, TAG, 'Content-Range: bytes 0-10/10'],
            body: 'abcde',
          },
          expect: { from: 'origin', status: 206 },
        },
        {
          lines: ['Range: bytes=0-4'],
          origin: part(0, 4),
          expect: { from: 'origin', status: 206 },
        },
      ],
      "a length that is not the range's is not stored": [
        {
          lines: ['Range: bytes=0-4'],
          origin: {
            status: 206,
            lines: [LONG, TAG, 'Content-Range: bytes 0-4/10', 'Content-Length: 4'],
            body: 'abcd',
          },
          expect: { from: 'origin', status: 206 },
        },
        {
          lines: ['Range: bytes=0-4'],
          origin: part(0, 4),
          expect: { from: 'origin', status: 206 },
        },
      ],
      'several parts in one answer are not stored': [
        {
          lines: ['Range: bytes=0-1,4-5'],
          origin: {
            status: 206,
            lines: [LONG, TAG, 'Content-Type: multipart/byteranges; boundary=x'],
            body: '--x',
          },
          expect: { from: 'origin', status: 206, body: '--x' },
        },
        {
          lines: ['Range: bytes=0-1'],
          origin: part(0, 1),
          expect: { from: 'origin', status: 206 },
        },
      ],
    }),
    ...rows('RFC 9110 14.4', {
      'a part of another unit is not stored': [
        {
          lines: ['Range: bytes=0-4'],
          origin: { status: 206, lines: [LONG, TAG, 'Content-Range: lines 0-4/10'], body: 'abcde' },
          expect: { from: 'origin', status: 206 },
        },
        { lines: ['Range: bytes=0-4'], expect: { from: 'origin' } },
      ],
      'a unit in capitals is the same unit': [
        {
          lines: ['Range: bytes=0-4'],
          origin: { status: 206, lines: [LONG, TAG, 'Content-Range: BYTES 0-4/10'], body: 'abcde' },
          expect: { from: 'origin', status: 206 },
        },
        again('0-4', 'abcde'),
      ],
      'a part that nobody asked for goes through': [
        { origin: part(0, 4), expect: { from: 'origin', status: 206, body: 'abcde' } },
        { origin: { lines: [LONG] }, expect: { from: 'origin' } },
      ],
      'a 206 with the range of a 416 is not stored': [
        {
          lines: ['Range: bytes=0-4'],
          origin: { status: 206, lines: [LONG, TAG, 'Content-Range: bytes */10'], body: 'abcde' },
          expect: { from: 'origin', status: 206 },
        },
        { lines: ['Range: bytes=0-4'], expect: { from: 'origin' } },
      ],
      'a range that ends before it starts is not stored': [
        {
          lines: ['Range: bytes=0-4'],
          origin: { status: 206, lines: [LONG, TAG, 'Content-Range: bytes 4-0/10'], body: 'abcde' },
          expect: { from: 'origin', status: 206 },
        },
        { lines: ['Range: bytes=0-4'], expect: { from: 'origin' } },
      ],
    }),
    ...rows('RFC 5861 3', {
      'a stale part is served while it is asked about': [
        fill(0, 4, ['Cache-Control: max-age=1, stale-while-revalidate=60', TAG]),
        {
          afterS: 2,
          lines: ['Range: bytes=1-3'],
          origin: { status: 304, lines: [LONG, TAG], body: null },
          expect: { from: 'cache', status: 206, body: 'bcd', background: true },
        },
        again('0-4', 'abcde'),
      ],
    }),
    ...rows('RFC 9110 15.3.7', {
      'a variant has parts of its own': [
        {
          lines: ['Range: bytes=0-4', 'Accept-Language: sv'],
          origin: part(0, 4, [LONG, TAG, 'Vary: Accept-Language']),
          expect: { from: 'origin', status: 206 },
        },
        {
          lines: ['Range: bytes=0-4', 'Accept-Language: en'],
          origin: part(0, 4, [LONG, TAG, 'Vary: Accept-Language']),
          expect: { from: 'origin', status: 206 },
        },
        {
          lines: ['Range: bytes=1-2', 'Accept-Language: sv'],
          expect: { from: 'cache', status: 206, body: 'bc' },
        },
      ],
    }),
  ],
};
