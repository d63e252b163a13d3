/** HEAD: answered from a stored GET, and what its own answer says about that (RFC 9111 4, 4.3.5). */
import type { CacheCase, CaseTable, Line } from './case.ts';

const LONG = 'Cache-Control: max-age=60';

/** GET, then a HEAD that the client wants asked at the origin, then GET. */
function afterHead(
  name: string,
  stored: readonly Line[],
  head: readonly Line[],
  then: CacheCase['steps'][number],
): CacheCase {
  return {
    rule: 'RFC 9111 4.3.5',
    name,
    steps: [
      { origin: { lines: stored, body: 'kept' }, expect: { from: 'origin' } },
      {
        method: 'HEAD',
        lines: ['Cache-Control: no-cache'],
        origin: { lines: head, body: null },
        expect: { from: 'origin', body: '' },
      },
      then,
    ],
  };
}

const CONFIRMED = { status: 304, lines: [LONG], body: null } as const;

export const HEAD: CaseTable = {
  theme: 'head',
  cases: [
    {
      rule: 'RFC 9111 4',
      name: 'a HEAD is answered from a stored GET, without the body',
      steps: [
        {
          origin: { lines: [LONG, 'Content-Type: text/plain'], body: 'abcd' },
          expect: { from: 'origin' },
        },
        {
          method: 'HEAD',
          expect: {
            from: 'cache',
            body: '',
            fields: { 'Content-Length': '4', 'Content-Type': 'text/plain' },
          },
        },
      ],
    },
    {
      rule: 'RFC 9110 9.3.2',
      name: 'the answer to a HEAD does not answer a GET',
      steps: [
        {
          method: 'HEAD',
          origin: { lines: [LONG], body: null },
          expect: { from: 'origin', body: '' },
        },
        { expect: { from: 'origin' } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.1',
      name: 'a stale answer is validated by HEAD',
      steps: [
        {
          origin: { lines: ['Cache-Control: max-age=1', 'ETag: "a"'], body: 'kept' },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          method: 'HEAD',
          origin: { status: 304, lines: [LONG, 'ETag: "a"'], body: null },
          expect: { from: 'validated', body: '', asked: { 'If-None-Match': '"a"' } },
        },
        { expect: { from: 'cache', body: 'kept' } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.2',
      name: 'conditions of a HEAD are answered',
      steps: [
        { origin: { lines: [LONG, 'ETag: "a"'] }, expect: { from: 'origin' } },
        {
          method: 'HEAD',
          lines: ['If-None-Match: "a"'],
          expect: { from: 'cache', status: 304, body: '' },
        },
      ],
    },
    {
      rule: 'RFC 9110 14.2',
      name: 'a Range of a HEAD means nothing',
      steps: [
        { origin: { lines: [LONG], body: 'abcd' }, expect: { from: 'origin' } },
        {
          method: 'HEAD',
          lines: ['Range: bytes=0-1'],
          expect: { from: 'cache', status: 200, body: '', fields: { 'Content-Length': '4' } },
        },
      ],
    },
    afterHead(
      'the same tag and length freshen',
      [LONG, 'ETag: "a"', 'X-A: 1'],
      ['Cache-Control: max-age=70', 'ETag: "a"', 'Content-Length: 4', 'X-A: 2'],
      {
        afterS: 65,
        expect: { from: 'cache', body: 'kept', fields: { 'X-A': '2', Age: '65' } },
      },
    ),
    afterHead(
      'the same date and length freshen',
      [LONG, 'Last-Modified: Fri, 20 Nov 2026 08:00:00 GMT', 'X-A: 1'],
      [LONG, 'Last-Modified: Fri, 20 Nov 2026 08:00:00 GMT', 'Content-Length: 4', 'X-A: 2'],
      {
        expect: { from: 'cache', body: 'kept', fields: { 'X-A': '2' } },
      },
    ),
    afterHead('another tag makes it stale', [LONG, 'ETag: "a"'], [LONG, 'ETag: "b"'], {
      origin: CONFIRMED,
      expect: { from: 'validated' },
    }),
    afterHead(
      'another date makes it stale',
      [LONG, 'ETag: "a"', 'Last-Modified: Fri, 20 Nov 2026 08:00:00 GMT'],
      [LONG, 'Last-Modified: Fri, 20 Nov 2026 09:00:00 GMT'],
      { origin: CONFIRMED, expect: { from: 'validated' } },
    ),
    afterHead(
      'another length makes it stale',
      [LONG, 'ETag: "a"'],
      [LONG, 'ETag: "a"', 'Content-Length: 5'],
      { origin: CONFIRMED, expect: { from: 'validated' } },
    ),
    afterHead(
      'without validators it changes nothing',
      [LONG, 'ETag: "a"', 'X-A: 1'],
      [LONG, 'X-A: 2'],
      { expect: { from: 'cache', fields: { 'X-A': '1' } } },
    ),
    afterHead(
      'no-store in it ends the stored answer',
      [LONG, 'ETag: "a"'],
      ['Cache-Control: no-store', 'ETag: "a"'],
      { expect: { from: 'origin' } },
    ),
    {
      rule: 'RFC 9111 4.3.5',
      name: 'an error to a HEAD changes nothing',
      steps: [
        { origin: { lines: [LONG, 'ETag: "a"'] }, expect: { from: 'origin' } },
        {
          method: 'HEAD',
          lines: ['Cache-Control: no-cache'],
          origin: { status: 404, lines: ['ETag: "b"'], body: null },
          expect: { from: 'origin', status: 404, body: '' },
        },
        { expect: { from: 'cache' } },
      ],
    },
  ],
};
