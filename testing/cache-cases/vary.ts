/** Secondary keys: which variant answers whom, and what counts as equal (RFC 9111 4.1). */
import { twice, type CacheCase, type CaseTable, type Fate, type Line } from './case.ts';

type Row = readonly [
  name: string,
  vary: readonly Line[],
  first: readonly Line[],
  second: readonly Line[],
  fate: Fate,
];

function rows(rule: string, table: readonly Row[]): CacheCase[] {
  return table.map(([name, vary, first, second, fate]) =>
    twice(rule, name, ['Cache-Control: max-age=60', ...vary], fate, { first, second }),
  );
}

const answer = (vary: string, body: string): { lines: Line[]; body: string } => ({
  lines: ['Cache-Control: max-age=60', `Vary: ${vary}`],
  body,
});

export const VARY: CaseTable = {
  theme: 'vary',
  cases: [
    ...rows('RFC 9111 4.1', [
      ['the same value matches', ['Vary: Foo'], ['Foo: 1'], ['Foo: 1'], 'reused'],
      ['another value does not', ['Vary: Foo'], ['Foo: 1'], ['Foo: 2'], 'asked again'],
      ['an absent field does not match a value', ['Vary: Foo'], ['Foo: 1'], [], 'asked again'],
      ['a value does not match an absent field', ['Vary: Foo'], [], ['Foo: 1'], 'asked again'],
      ['absent matches absent', ['Vary: Foo'], [], [], 'reused'],
      ['an empty field is not an absent one', ['Vary: Foo'], ['Foo: '], [], 'asked again'],
      [
        'other fields do not matter',
        ['Vary: Foo'],
        ['Foo: 1', 'Bar: 1'],
        ['Foo: 1', 'Bar: 2'],
        'reused',
      ],
      ['names are compared in any case', ['Vary: fOO'], ['Foo: 1'], ['foO: 1'], 'reused'],
      ['values are compared in their case', ['Vary: Foo'], ['Foo: a'], ['Foo: A'], 'asked again'],
      [
        'two names, both equal',
        ['Vary: Foo, Bar'],
        ['Foo: 1', 'Bar: a'],
        ['Foo: 1', 'Bar: a'],
        'reused',
      ],
      [
        'two names, the first differs',
        ['Vary: Foo, Bar'],
        ['Foo: 1', 'Bar: a'],
        ['Foo: 2', 'Bar: a'],
        'asked again',
      ],
      [
        'two names, the second differs',
        ['Vary: Foo, Bar'],
        ['Foo: 1', 'Bar: a'],
        ['Foo: 1', 'Bar: b'],
        'asked again',
      ],
      ['two names, the second is absent', ['Vary: Foo, Bar'], ['Foo: 1'], ['Foo: 1'], 'reused'],
      [
        'two names, values changed over',
        ['Vary: Foo, Bar'],
        ['Foo: 1', 'Bar: 2'],
        ['Foo: 2', 'Bar: 1'],
        'asked again',
      ],
      ['one value is not a part of another', ['Vary: Foo'], ['Foo: 1'], ['Foo: 12'], 'asked again'],
      [
        'three names, the order of fields does not matter',
        ['Vary: Foo, Bar, Baz'],
        ['Foo: 1', 'Bar: 2', 'Baz: 3'],
        ['Baz: 3', 'Foo: 1', 'Bar: 2'],
        'reused',
      ],
      [
        'names on two lines',
        ['Vary: Foo', 'Vary: Bar'],
        ['Foo: 1', 'Bar: 1'],
        ['Foo: 1', 'Bar: 2'],
        'asked again',
      ],
      [
        'names on two lines, equal',
        ['Vary: Foo', 'Vary: Bar'],
        ['Foo: 1', 'Bar: 1'],
        ['Foo: 1', 'Bar: 1'],
        'reused',
      ],
      ['an empty Vary names nothing', ['Vary: '], ['Foo: 1'], ['Foo: 2'], 'reused'],
      ['a Vary of commas names nothing', ['Vary: , ,'], ['Foo: 1'], ['Foo: 2'], 'reused'],
      ['a name twice is one name', ['Vary: Foo, foo'], ['Foo: 1'], ['Foo: 1'], 'reused'],
    ]),
    ...rows('RFC 9110 12.5.5', [
      ['* never matches', ['Vary: *'], ['Foo: 1'], ['Foo: 1'], 'asked again'],
      ['* is no field name', ['Vary: *'], ['*: 1'], ['*: 1'], 'asked again'],
      ['* before a name', ['Vary: *, Foo'], ['Foo: 1'], ['Foo: 1'], 'asked again'],
      ['* behind a name', ['Vary: Foo, *'], ['Foo: 1'], ['Foo: 1'], 'asked again'],
      ['* behind an empty member', ['Vary: , *'], [], [], 'asked again'],
      ['* twice', ['Vary: *, *'], [], [], 'asked again'],
      [
        '* on the first of two lines',
        ['Vary: *', 'Vary: Foo'],
        ['Foo: 1'],
        ['Foo: 1'],
        'asked again',
      ],
      [
        '* on the second of two lines',
        ['Vary: Foo', 'Vary: *'],
        ['Foo: 1'],
        ['Foo: 1'],
        'asked again',
      ],
      ['* on the second line behind an empty one', ['Vary: ', 'Vary: *'], [], [], 'asked again'],
      [
        'what is no list of names counts as *',
        ['Vary: Foo; Bar'],
        ['Foo: 1'],
        ['Foo: 1'],
        'asked again',
      ],
    ]),
    ...rows('RFC 9111 4.1, normalisation', [
      ['spaces around commas', ['Vary: Foo'], ['Foo: 1,2'], ['Foo:  1 , 2 '], 'reused'],
      ['several lines are one list', ['Vary: Foo'], ['Foo: 1, 2'], ['Foo: 1', 'Foo: 2'], 'reused'],
      [
        'the order of an unknown list matters',
        ['Vary: Foo'],
        ['Foo: 1, 2'],
        ['Foo: 2, 1'],
        'asked again',
      ],
      [
        'spaces inside quotes matter',
        ['Vary: Foo'],
        ['Foo: "1, 2"'],
        ['Foo: "1,2"'],
        'asked again',
      ],
      ['spaces within a member matter', ['Vary: Foo'], ['Foo: a b'], ['Foo: ab'], 'asked again'],
      [
        'cookies are taken as they are',
        ['Vary: Cookie'],
        ['Cookie: a=1, 2'],
        ['Cookie: a=1,2'],
        'asked again',
      ],
      [
        'a user agent is no list',
        ['Vary: User-Agent'],
        ['User-Agent: a (x, y)'],
        ['User-Agent: a (x,y)'],
        'asked again',
      ],
      [
        'languages in another order',
        ['Vary: Accept-Language'],
        ['Accept-Language: en, de'],
        ['Accept-Language: de, en'],
        'reused',
      ],
      [
        'languages in another case',
        ['Vary: Accept-Language'],
        ['Accept-Language: en-US, de'],
        ['Accept-Language: EN-us, DE'],
        'reused',
      ],
      [
        'languages with other spaces',
        ['Vary: Accept-Language'],
        ['Accept-Language: en;q=0.5, de'],
        ['Accept-Language: de,en ; q=0.5'],
        'reused',
      ],
      [
        'a weight of 1 is the usual one',
        ['Vary: Accept-Language'],
        ['Accept-Language: en;q=1.0, de'],
        ['Accept-Language: en, de;q=1'],
        'reused',
      ],
      [
        'weights of equal value',
        ['Vary: Accept-Language'],
        ['Accept-Language: en;q=0.50'],
        ['Accept-Language: en;q=0.5'],
        'reused',
      ],
      [
        'another weight is another wish',
        ['Vary: Accept-Language'],
        ['Accept-Language: en;q=0.5, de'],
        ['Accept-Language: en, de'],
        'asked again',
      ],
      [
        'weights that change places are another wish',
        ['Vary: Accept-Language'],
        ['Accept-Language: en, de;q=0.5'],
        ['Accept-Language: de, en;q=0.5'],
        'asked again',
      ],
      [
        'more languages are another wish',
        ['Vary: Accept-Language'],
        ['Accept-Language: en'],
        ['Accept-Language: en, de'],
        'asked again',
      ],
      [
        'codings in another order',
        ['Vary: Accept-Encoding'],
        ['Accept-Encoding: gzip, br'],
        ['Accept-Encoding: br,gzip'],
        'reused',
      ],
      [
        'codings in another case',
        ['Vary: Accept-Encoding'],
        ['Accept-Encoding: GZIP'],
        ['Accept-Encoding: gzip'],
        'reused',
      ],
      [
        'x-gzip is gzip',
        ['Vary: Accept-Encoding'],
        ['Accept-Encoding: x-gzip'],
        ['Accept-Encoding: gzip'],
        'reused',
      ],
      [
        'a coding that is refused is not one that is wanted',
        ['Vary: Accept-Encoding'],
        ['Accept-Encoding: gzip;q=0'],
        ['Accept-Encoding: gzip'],
        'asked again',
      ],
      [
        'no codings at all are another wish',
        ['Vary: Accept-Encoding'],
        ['Accept-Encoding: gzip'],
        [],
        'asked again',
      ],
      [
        'media types in another order',
        ['Vary: Accept'],
        ['Accept: text/html, */*;q=0.1'],
        ['Accept: */*;q=0.1,TEXT/HTML'],
        'reused',
      ],
      [
        'parameters of media types matter',
        ['Vary: Accept'],
        ['Accept: text/html;level=1'],
        ['Accept: text/html;level=2'],
        'asked again',
      ],
      [
        'quoted parameters are taken as they are',
        ['Vary: Accept'],
        ['Accept: text/html;a="X"'],
        ['Accept: text/html;a="x"'],
        'asked again',
      ],
    ]),
    {
      rule: 'RFC 9111 4.1',
      name: 'a variant does not push out another one',
      steps: [
        { lines: ['Foo: 1'], origin: answer('Foo', 'one'), expect: { from: 'origin' } },
        { lines: ['Foo: 2'], origin: answer('Foo', 'two'), expect: { from: 'origin' } },
        { lines: ['Foo: 1'], expect: { from: 'cache', body: 'one' } },
        { lines: ['Foo: 2'], expect: { from: 'cache', body: 'two' } },
        {
          lines: ['Foo: 3'],
          expect: { from: 'origin', fields: { 'Cache-Status': '/fwd=vary-miss/' } },
        },
      ],
    },
    {
      rule: 'RFC 9111 4.1',
      name: 'of several that match, the most recent by Date is chosen',
      steps: [
        {
          lines: ['Foo: 1', 'Bar: 1'],
          origin: {
            lines: ['Cache-Control: max-age=60', 'Vary: Foo', 'Date: {-5}'],
            body: 'by foo',
          },
          expect: { from: 'origin' },
        },
        {
          lines: ['Foo: 2', 'Bar: 1'],
          origin: {
            lines: ['Cache-Control: max-age=60', 'Vary: Bar', 'Date: {+0}'],
            body: 'by bar',
          },
          expect: { from: 'origin' },
        },
        { lines: ['Foo: 1', 'Bar: 1'], expect: { from: 'cache', body: 'by bar' } },
        { lines: ['Foo: 1', 'Bar: 2'], expect: { from: 'cache', body: 'by foo' } },
      ],
    },
    {
      rule: 'RFC 9111 4.1',
      name: 'an older Date that arrives later does not win',
      steps: [
        {
          lines: ['Foo: 1', 'Bar: 1'],
          origin: { lines: ['Cache-Control: max-age=60', 'Vary: Foo', 'Date: {+0}'], body: 'new' },
          expect: { from: 'origin' },
        },
        {
          lines: ['Foo: 2', 'Bar: 1'],
          origin: { lines: ['Cache-Control: max-age=60', 'Vary: Bar', 'Date: {-30}'], body: 'old' },
          expect: { from: 'origin' },
        },
        { lines: ['Foo: 1', 'Bar: 1'], expect: { from: 'cache', body: 'new' } },
      ],
    },
    {
      rule: 'RFC 9111 4.1',
      name: 'an answer without Vary answers everybody',
      steps: [
        {
          lines: ['Foo: 1'],
          origin: { lines: ['Cache-Control: max-age=60'], body: 'all' },
          expect: { from: 'origin' },
        },
        { lines: ['Foo: 2'], expect: { from: 'cache', body: 'all' } },
      ],
    },
    {
      rule: 'RFC 9111 4.1',
      name: 'the variant of a request is renewed alone',
      steps: [
        {
          lines: ['Foo: 1'],
          origin: { lines: ['Cache-Control: max-age=2', 'Vary: Foo'], body: 'one' },
          expect: { from: 'origin' },
        },
        {
          lines: ['Foo: 2'],
          origin: { lines: ['Cache-Control: max-age=60', 'Vary: Foo'], body: 'two' },
          expect: { from: 'origin' },
        },
        {
          afterS: 3,
          lines: ['Foo: 1'],
          origin: answer('Foo', 'one again'),
          expect: { from: 'origin' },
        },
        { lines: ['Foo: 1'], expect: { from: 'cache', body: 'one again' } },
        { lines: ['Foo: 2'], expect: { from: 'cache', body: 'two' } },
      ],
    },
  ],
};
