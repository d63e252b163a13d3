/** Conditional requests of clients, answered from the store (RFC 9111 4.3.2, RFC 9110 13). */
import type { CacheCase, CaseTable, Expected, Line, Step } from './case.ts';

const LONG = 'Cache-Control: max-age=60';
const AT = 'Fri, 20 Nov 2026 08:00:00 GMT';
const BEFORE = 'Fri, 20 Nov 2026 07:59:59 GMT';
const AFTER = 'Fri, 20 Nov 2026 08:00:01 GMT';
const TAGGED = [LONG, 'ETag: "a"'];
const DATED = [LONG, `Last-Modified: ${AT}`];
const BOTH = [...TAGGED, `Last-Modified: ${AT}`];

/** 304 from the store, or the stored 200. */
function condition(
  name: string,
  stored: readonly Line[],
  lines: readonly Line[],
  status: 200 | 304,
): CacheCase {
  const expect: Expected =
    status === 304 ? { from: 'cache', status, body: '' } : { from: 'cache', body: 'kept' };
  return {
    rule: 'RFC 9111 4.3.2',
    name,
    steps: [
      { origin: { lines: stored, body: 'kept' }, expect: { from: 'origin' } },
      { lines, expect },
    ],
  };
}

const fill: Step = { origin: { lines: BOTH, body: 'kept' }, expect: { from: 'origin' } };

const variants: readonly Step[] = ['sv', 'en'].map((language) => ({
  lines: [`Accept-Language: ${language}`],
  origin: { lines: [LONG, 'Vary: Accept-Language', `ETag: "${language}"`], body: language },
  expect: { from: 'origin' },
}));

export const CONDITIONAL: CaseTable = {
  theme: 'conditional requests',
  cases: [
    {
      rule: 'RFC 9111 4.3.2',
      name: 'the tag of the variant that the request selects, and of no other',
      steps: [
        ...variants,
        {
          lines: ['Accept-Language: sv', 'If-None-Match: "sv"'],
          expect: {
            from: 'cache',
            status: 304,
            body: '',
            fields: { Vary: 'Accept-Language', ETag: '"sv"' },
          },
        },
        {
          lines: ['Accept-Language: sv', 'If-None-Match: "en"'],
          expect: { from: 'cache', body: 'sv' },
        },
        {
          lines: ['Accept-Language: no', 'If-None-Match: "sv"'],
          expect: { from: 'origin' },
        },
      ],
    },
    condition('a tag that is the stored one', TAGGED, ['If-None-Match: "a"'], 304),
    condition('a tag that is another', TAGGED, ['If-None-Match: "b"'], 200),
    condition('tags are compared in their case', TAGGED, ['If-None-Match: "A"'], 200),
    condition('a weak tag of the client', TAGGED, ['If-None-Match: W/"a"'], 304),
    condition('a weak tag of the store', [LONG, 'ETag: W/"a"'], ['If-None-Match: "a"'], 304),
    condition('weak tags on both sides', [LONG, 'ETag: W/"a"'], ['If-None-Match: W/"a"'], 304),
    condition('one of a list', TAGGED, ['If-None-Match: "x", "a" , "y"'], 304),
    condition('a tag with a small w is none', TAGGED, ['If-None-Match: w/"a"'], 200),
    condition('a list with what is no tag matches nothing', TAGGED, ['If-None-Match: x, "a"'], 200),
    condition('spaces and tabs around', TAGGED, ['If-None-Match: \t"x" ,\t"a"'], 304),
    condition(
      'bytes beyond ASCII in a tag',
      [LONG, 'ETag: "\u00e5"'],
      ['If-None-Match: "\u00e5"'],
      304,
    ),
    condition('* among others is no *', TAGGED, ['If-None-Match: "x", *'], 200),
    condition('an empty tag is the empty tag', [LONG, 'ETag: ""'], ['If-None-Match: ""'], 304),
    condition('none of a list', TAGGED, ['If-None-Match: "x", "y"'], 200),
    condition(
      'one of a list over two lines',
      TAGGED,
      ['If-None-Match: "x"', 'If-None-Match: "a"'],
      304,
    ),
    condition(
      'a comma within a tag is part of it',
      [LONG, 'ETag: "x,y"'],
      ['If-None-Match: "a", "x,y"'],
      304,
    ),
    condition(
      'half of such a tag is not it',
      [LONG, 'ETag: "x,y"'],
      ['If-None-Match: "x", "y"'],
      200,
    ),
    condition('* is whatever is stored', TAGGED, ['If-None-Match: *'], 304),
    condition('* is what has no tag too', [LONG], ['If-None-Match: *'], 304),
    condition('a tag without quotes is none', TAGGED, ['If-None-Match: a'], 200),
    condition('a tag is not matched by what has none', [LONG], ['If-None-Match: "a"'], 200),
    condition('a date that is the stored one', DATED, [`If-Modified-Since: ${AT}`], 304),
    condition('a later date', DATED, [`If-Modified-Since: ${AFTER}`], 304),
    condition('an earlier date', DATED, [`If-Modified-Since: ${BEFORE}`], 200),
    condition('a date that is none', DATED, ['If-Modified-Since: yesterday'], 200),
    condition(
      'a date in an obsolete form',
      DATED,
      ['If-Modified-Since: Friday, 20-Nov-26 08:00:00 GMT'],
      304,
    ),
    condition(
      'without Last-Modified the Date stands in',
      [LONG, 'Date: {+0}'],
      ['If-Modified-Since: {+0}'],
      304,
    ),
    condition(
      'an earlier date than that Date',
      [LONG, 'Date: {+0}'],
      ['If-Modified-Since: {-1}'],
      200,
    ),
    condition(
      'If-None-Match goes before If-Modified-Since: another tag',
      BOTH,
      ['If-None-Match: "b"', `If-Modified-Since: ${AT}`],
      200,
    ),
    condition(
      'If-None-Match goes before If-Modified-Since: the tag',
      BOTH,
      ['If-None-Match: "a"', `If-Modified-Since: ${BEFORE}`],
      304,
    ),
    {
      rule: 'RFC 9110 15.4.5',
      name: 'a 304 repeats what a client needs, and does not describe the body',
      steps: [
        {
          origin: {
            lines: [
              ...BOTH,
              'Vary: Foo',
              'Content-Location: /x',
              'Expires: {+60}',
              'Content-Type: text/plain',
              'Content-Encoding: gzip',
              'Content-Language: en',
              'X-A: 1',
            ],
          },
          expect: { from: 'origin' },
        },
        {
          lines: ['If-None-Match: "a"'],
          expect: {
            from: 'cache',
            status: 304,
            fields: {
              ETag: '"a"',
              'Cache-Control': 'max-age=60',
              Vary: 'Foo',
              'Content-Location': '/x',
              Expires: '/GMT/',
              Date: '/GMT/',
              Age: '0',
              'Content-Type': null,
              'Content-Encoding': null,
              'Content-Language': null,
              'Content-Length': null,
              'Last-Modified': null,
            },
          },
        },
      ],
    },
    {
      rule: 'RFC 9110 15.4.5',
      name: 'a 304 without a tag tells the date',
      steps: [
        { origin: { lines: DATED }, expect: { from: 'origin' } },
        {
          lines: [`If-Modified-Since: ${AT}`],
          expect: { from: 'cache', status: 304, fields: { 'Last-Modified': AT } },
        },
      ],
    },
    {
      rule: 'RFC 9111 4.3.2',
      name: 'conditions are not weighed for what is no 200',
      steps: [
        {
          origin: { status: 404, lines: TAGGED, body: 'gone' },
          expect: { from: 'origin', status: 404 },
        },
        { lines: ['If-None-Match: "a"'], expect: { from: 'cache', status: 404, body: 'gone' } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.2',
      name: 'conditions are weighed after a validation',
      steps: [
        {
          origin: { lines: ['Cache-Control: max-age=1', 'ETag: "a"'] },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          lines: ['If-None-Match: "a"'],
          origin: { status: 304, lines: [LONG], body: null },
          expect: { from: 'validated', status: 304, body: '' },
        },
      ],
    },
    {
      rule: 'RFC 9111 4.3.2',
      name: 'a client with the newer copy gets a 304 though the store had an older one',
      steps: [
        {
          origin: { lines: ['Cache-Control: max-age=1', 'ETag: "a"'] },
          expect: { from: 'origin' },
        },
        {
          afterS: 2,
          lines: ['If-None-Match: "b"'],
          origin: { lines: [LONG, 'ETag: "b"'], body: 'new' },
          expect: { from: 'origin', status: 304, body: '', asked: { 'If-None-Match': '"a"' } },
        },
        { expect: { from: 'cache', body: 'new' } },
      ],
    },
    {
      rule: 'RFC 9111 4.3.1',
      name: 'conditions of a client do not keep the store from being filled',
      steps: [
        {
          lines: ['If-None-Match: "a"'],
          origin: { lines: TAGGED, body: 'kept' },
          expect: { from: 'origin', status: 304, body: '', asked: { 'If-None-Match': null } },
        },
        { expect: { from: 'cache', body: 'kept' } },
      ],
    },
    ...['If-Match: "a"', `If-Unmodified-Since: ${AT}`].map((line): CacheCase => ({
      rule: 'RFC 9111 4.3.2',
      name: `${line.slice(0, line.indexOf(':'))} is for the origin to weigh`,
      steps: [
        fill,
        {
          lines: [line],
          origin: { status: 412 },
          expect: {
            from: 'origin',
            status: 412,
            asked: { [line.slice(0, line.indexOf(':'))]: '/./' },
          },
        },
        { expect: { from: 'cache', body: 'kept' } },
      ],
    })),
  ],
};
