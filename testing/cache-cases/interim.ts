/** Interim answers (RFC 9110 15.2): they go through, and nothing of them is stored (RFC 9111 3). */
import type { CacheCase, CaseTable } from './case.ts';

const HINTS = '103 Early Hints\r\nLink: </a.css>\r\nCache-Control: max-age=3600\r\nX-Early: 1';
const LONG = 'Cache-Control: max-age=60';

function before(name: string, interim: readonly string[], steps: CacheCase['steps']): CacheCase {
  const [first, ...rest] = steps;
  if (first === undefined || typeof first.origin !== 'object')
    throw new Error('A case has no step');
  const origin = { ...first.origin, interim };
  const expect = { ...first.expect, interim };
  return { rule: 'RFC 9110 15.2', name, steps: [{ ...first, origin, expect }, ...rest] };
}

export const INTERIM: CaseTable = {
  theme: 'interim answers',
  cases: [
    before(
      'one goes through, and a hit has none',
      [HINTS],
      [
        { origin: { lines: [LONG] }, expect: { from: 'origin', fields: { 'X-Early': null } } },
        { expect: { from: 'cache', fields: { 'X-Early': null, Link: null } } },
      ],
    ),
    before(
      'several go through',
      ['102 Processing', HINTS],
      [{ origin: { lines: [LONG] }, expect: { from: 'origin' } }, { expect: { from: 'cache' } }],
    ),
    before(
      "what it says of caching is not the answer's",
      [HINTS],
      [{ origin: { lines: [] }, expect: { from: 'origin' } }, { expect: { from: 'origin' } }],
    ),
    before(
      'what is not stored has them too',
      [HINTS],
      [{ origin: { lines: ['Cache-Control: no-store'] }, expect: { from: 'origin' } }],
    ),
    {
      rule: 'RFC 9110 15.2',
      name: 'a validation has them too, and stores nothing of them',
      steps: [
        {
          origin: { lines: ['Cache-Control: max-age=1', 'ETag: "a"'] },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          origin: { status: 304, lines: [LONG], body: null, interim: [HINTS] },
          expect: { from: 'validated', fields: { 'X-Early': null }, interim: [HINTS] },
        },
        { expect: { from: 'cache', fields: { 'X-Early': null, Link: null } } },
      ],
    },
  ],
};
