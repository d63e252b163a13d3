/** What clients may ask of a cache (RFC 9111 5.2.1, 5.4). */
import type { CacheCase, CaseSettings, CaseTable, Expected, Line, OriginAnswer } from './case.ts';

const CONFIRMED: OriginAnswer = { status: 304, lines: ['Cache-Control: max-age=60'], body: null };
const MINUTE = 'Cache-Control: max-age=60';

interface AskOptions {
  readonly afterS?: number;
  readonly stored?: readonly Line[];
  readonly settings?: CaseSettings;
}

/** Stored with a tag for a minute, then asked for with these fields. */
function ask(
  rule: string,
  name: string,
  lines: readonly Line[],
  expect: Expected,
  options: AskOptions = {},
): CacheCase {
  const { afterS = 2, stored = [MINUTE, 'ETag: "a"'], settings } = options;
  return {
    rule,
    name,
    ...(settings === undefined ? {} : { settings }),
    steps: [
      { origin: { lines: stored, body: 'kept' }, expect: { from: 'origin' } },
      { afterS, lines, origin: CONFIRMED, expect },
    ],
  };
}

const HIT: Expected = { from: 'cache', body: 'kept' };
const CHECKED: Expected = { from: 'validated', body: 'kept' };
const NOBODY: Expected = { from: 'nobody', status: 504 };
const OLD = { afterS: 62 };
const OFF = { settings: { requestDirectives: false } };

const SYNTAX: readonly (readonly [name: string, line: string, expect: Expected])[] = [
  ['a quoted number is a number', 'max-age="0"', CHECKED],
  ['capitals mean the same', 'MAX-AGE=0', CHECKED],
  ['a negative max-age asks for a validation', 'max-age=-1', CHECKED],
  ['an empty max-age asks for a validation', 'max-age=', CHECKED],
  ['of two max-age neither is believed to be generous', 'max-age=0, max-age=3600', CHECKED],
  ['two equal max-age are one', 'max-age=30, max-age=30', HIT],
  ['a max-age in single quotes asks for a validation', "max-age='30'", CHECKED],
  ['no-cache with an argument is no-cache', 'no-cache="x"', CHECKED],
  ['no-cache behind rubbish', '@@, no-cache', CHECKED],
  ['no-cache in quotes of another is none', 'x="no-cache"', HIT],
  ['no-transform keeps nobody from the store', 'no-transform', HIT],
  ['must-revalidate of a request means nothing', 'must-revalidate', HIT],
  ['s-maxage of a request means nothing', 's-maxage=0', HIT],
  ['stale-while-revalidate of a request means nothing', 'stale-while-revalidate=60', HIT],
  ['an empty field means nothing', '', HIT],
];

export const REQUEST_DIRECTIVES: CaseTable = {
  theme: 'request directives',
  cases: [
    ...SYNTAX.map(([name, line, expect]) =>
      ask('RFC 9111 5.2, syntax', name, [`Cache-Control: ${line}`], expect),
    ),
    ask(
      'RFC 9111 5.2, syntax',
      'no-cache on a second line',
      ['Cache-Control: x', 'Cache-Control: no-cache'],
      CHECKED,
    ),
    ask('RFC 9111 5.2.1.1', 'max-age=0 asks for a validation', ['Cache-Control: max-age=0'], {
      ...CHECKED,
      fields: { 'Cache-Status': '/fwd=request; fwd-status=304/' },
    }),
    ask(
      'RFC 9111 5.2.1.1',
      'max-age=0 does so in the same second',
      ['Cache-Control: max-age=0'],
      CHECKED,
      { afterS: 0 },
    ),
    ask(
      'RFC 9111 5.2.1.1',
      'a max-age that is passed asks for one',
      ['Cache-Control: max-age=1'],
      CHECKED,
    ),
    ask(
      'RFC 9111 5.2.1.1',
      'a max-age that is just reached does not',
      ['Cache-Control: max-age=2'],
      HIT,
    ),
    ask(
      'RFC 9111 5.2.1.1',
      'a max-age beyond the age does not',
      ['Cache-Control: max-age=30'],
      HIT,
    ),
    ask(
      'RFC 9111 5.2.1.1',
      'a max-age makes nothing stale fresh',
      ['Cache-Control: max-age=300'],
      CHECKED,
      OLD,
    ),
    ask(
      'RFC 9111 5.2.1.1',
      'a max-age that is none asks for a validation',
      ['Cache-Control: max-age=x'],
      CHECKED,
    ),
    ask(
      'RFC 9111 5.2.1.3',
      'a min-fresh that is there is met',
      ['Cache-Control: min-fresh=50'],
      HIT,
    ),
    ask(
      'RFC 9111 5.2.1.3',
      'a min-fresh that is not there asks for a validation',
      ['Cache-Control: min-fresh=59'],
      CHECKED,
    ),
    ask(
      'RFC 9111 5.2.1.3',
      'a min-fresh of the rest to the second is met',
      ['Cache-Control: min-fresh=58'],
      HIT,
    ),
    ask(
      'RFC 9111 5.2.1.2',
      'max-stale takes what is stale',
      ['Cache-Control: max-stale'],
      { ...HIT, fields: { Age: '62', 'Cache-Status': '/hit; ttl=-2; detail=max-stale/' } },
      OLD,
    ),
    ask(
      'RFC 9111 5.2.1.2',
      'max-stale takes what is stale up to its limit',
      ['Cache-Control: max-stale=2'],
      HIT,
      OLD,
    ),
    ask(
      'RFC 9111 5.2.1.2',
      'max-stale takes nothing staler',
      ['Cache-Control: max-stale=1'],
      CHECKED,
      OLD,
    ),
    ask(
      'RFC 9111 5.2.1.2',
      'a max-stale that is none takes nothing',
      ['Cache-Control: max-stale=x'],
      CHECKED,
      OLD,
    ),
    ...['must-revalidate', 'proxy-revalidate', 's-maxage=60', 'no-cache'].map((directive) =>
      ask(
        'RFC 9111 4.2.4',
        `max-stale takes nothing that ${directive} forbids`,
        ['Cache-Control: max-stale'],
        CHECKED,
        { afterS: 62, stored: [`${MINUTE}, ${directive}`, 'ETag: "a"'] },
      ),
    ),
    ask(
      'RFC 9111 5.2.1.2',
      'max-stale takes nothing that nobody said to be fresh',
      ['Cache-Control: max-stale'],
      CHECKED,
      { stored: ['ETag: "a"'] },
    ),
    ask(
      'RFC 9111 5.2.1.2',
      'max-stale beside max-age takes what is stale',
      ['Cache-Control: max-age=300, max-stale=100'],
      HIT,
      OLD,
    ),
    ask(
      'RFC 9111 5.2.1.2',
      'max-age beside max-stale still asks',
      ['Cache-Control: max-age=1, max-stale'],
      CHECKED,
    ),
    ask(
      'RFC 9111 5.2.1.3',
      'min-fresh does not want stale-while-revalidate',
      ['Cache-Control: min-fresh=1'],
      CHECKED,
      { stored: ['Cache-Control: max-age=1, stale-while-revalidate=60', 'ETag: "a"'] },
    ),
    ask('RFC 9111 5.2.1.4', 'no-cache asks for a validation', ['Cache-Control: no-cache'], CHECKED),
    ask('RFC 9111 5.2.1.4', 'No-Cache in any case', ['Cache-Control: No-Cache'], CHECKED),
    ask(
      'RFC 9111 5.2.1.4',
      'no-cache fetches what cannot be validated',
      ['Cache-Control: no-cache'],
      { from: 'origin', status: 304, asked: { 'If-None-Match': null } },
      { stored: [MINUTE] },
    ),
    ask(
      'RFC 9111 5.2.1.5',
      'no-store does not keep from using what is stored',
      ['Cache-Control: no-store'],
      HIT,
    ),
    {
      rule: 'RFC 9111 5.2.1.5',
      name: 'an answer to no-store is not stored',
      steps: [
        {
          lines: ['Cache-Control: no-store'],
          origin: { lines: [MINUTE] },
          expect: { from: 'origin', fields: { 'Cache-Status': '/detail=request-no-store/' } },
        },
        { expect: { from: 'origin' } },
      ],
    },
    ask(
      'RFC 9111 5.2.1.7',
      'only-if-cached takes what is fresh',
      ['Cache-Control: only-if-cached'],
      HIT,
    ),
    ask(
      'RFC 9111 5.2.1.7',
      'only-if-cached does not ask the origin',
      ['Cache-Control: only-if-cached'],
      { ...NOBODY, fields: { 'Cache-Status': '/Moln; detail=only-if-cached/' } },
      OLD,
    ),
    ask(
      'RFC 9111 5.2.1.7',
      'only-if-cached with max-stale takes what is stale',
      ['Cache-Control: only-if-cached, max-stale'],
      HIT,
      OLD,
    ),
    ask(
      'RFC 9111 5.2.1.7',
      'only-if-cached with max-age=0 gets nothing',
      ['Cache-Control: only-if-cached, max-age=0'],
      NOBODY,
    ),
    {
      rule: 'RFC 9111 5.2.1.7',
      name: 'only-if-cached for what was never stored is 504',
      steps: [{ lines: ['Cache-Control: only-if-cached'], expect: NOBODY }],
    },
    ask('RFC 9111 5.4', 'Pragma: no-cache is no-cache', ['Pragma: no-cache'], CHECKED),
    ask(
      'RFC 9111 5.4',
      'Pragma in another case and among others',
      ['Pragma: foo, NO-CACHE'],
      CHECKED,
    ),
    ask(
      'RFC 9111 5.4',
      'Pragma means nothing beside Cache-Control',
      ['Pragma: no-cache', 'Cache-Control: max-age=300'],
      HIT,
    ),
    ask('RFC 9111 5.4', 'another Pragma means nothing', ['Pragma: no-cached'], HIT),
    ask('RFC 9111 5.2.3', 'an unknown directive means nothing', ['Cache-Control: foo=bar'], HIT),
    ask(
      'RFC 9111 5.2',
      'a malformed field still asks for what it can',
      ['Cache-Control: foo="bar, no-cache'],
      CHECKED,
    ),
    ask('RFC 9111 5.2', 'private of a request means nothing', ['Cache-Control: private'], HIT),
    ...['no-cache', 'max-age=0', 'min-fresh=99', 'only-if-cached'].map((directive) =>
      ask(
        'RFC 9111 5.2.1, advisory',
        `${directive} means nothing when clients are not heard`,
        [`Cache-Control: ${directive}`],
        HIT,
        OFF,
      ),
    ),
    ask(
      'RFC 9111 5.2.1, advisory',
      'max-stale means nothing then',
      ['Cache-Control: max-stale'],
      CHECKED,
      { ...OFF, ...OLD },
    ),
    {
      rule: 'RFC 9111 5.2.1, advisory',
      name: 'no-store means nothing then',
      settings: { requestDirectives: false },
      steps: [
        {
          lines: ['Cache-Control: no-store'],
          origin: { lines: [MINUTE] },
          expect: { from: 'origin' },
        },
        { expect: { from: 'cache' } },
      ],
    },
  ],
};
