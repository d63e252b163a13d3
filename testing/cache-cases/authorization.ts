/** Answers to requests that say who is asking (RFC 9111 3.5). */
import { twiceTable, type CaseTable } from './case.ts';

const WHO = { first: ['Authorization: Basic YTpi'], second: ['Authorization: Basic YTpi'] };
const THEN_NOBODY = { first: ['Authorization: Basic YTpi'] };
const NOBODY_FIRST = { second: ['Authorization: Basic YTpi'] };

export const AUTHORIZATION: CaseTable = {
  theme: 'authorization',
  cases: [
    ...twiceTable('RFC 9111 3.5', [
      ['an answer to somebody is not reused', ['Cache-Control: max-age=3600'], 'asked again', WHO],
      [
        'it is not reused for somebody else',
        ['Cache-Control: max-age=3600'],
        'asked again',
        THEN_NOBODY,
      ],
      ['Expires does not allow it', ['Expires: {+3600}'], 'asked again', THEN_NOBODY],
      ['public allows it', ['Cache-Control: max-age=3600, public'], 'reused', WHO],
      [
        'public allows it for others',
        ['Cache-Control: max-age=3600, public'],
        'reused',
        THEN_NOBODY,
      ],
      [
        'must-revalidate allows it',
        ['Cache-Control: max-age=3600, must-revalidate'],
        'reused',
        WHO,
      ],
      ['s-maxage allows it', ['Cache-Control: s-maxage=3600'], 'reused', WHO],
      [
        'proxy-revalidate does not allow it',
        ['Cache-Control: max-age=3600, proxy-revalidate'],
        'asked again',
        WHO,
      ],
      [
        'an s-maxage that is none does not allow it',
        ['Cache-Control: max-age=3600, s-maxage=x'],
        'asked again',
        WHO,
      ],
      [
        'public of CDN-Cache-Control allows it',
        ['CDN-Cache-Control: max-age=3600, public'],
        'reused',
        WHO,
      ],
      [
        'public of Cache-Control does not when CDN-Cache-Control decides',
        ['Cache-Control: public', 'CDN-Cache-Control: max-age=3600'],
        'asked again',
        WHO,
      ],
      ['a guess needs public too', ['Last-Modified: {-36000}'], 'asked again', WHO],
      [
        'a guess with public is one',
        ['Last-Modified: {-36000}', 'Cache-Control: public'],
        'reused',
        WHO,
      ],
      [
        'private forbids it, with public or without',
        ['Cache-Control: max-age=3600, private, public'],
        'asked again',
        WHO,
      ],
      [
        'two different users share what is public',
        ['Cache-Control: max-age=60, public'],
        'reused',
        { first: ['Authorization: a'], second: ['Authorization: b'] },
      ],
      [
        'unless it depends on who asks',
        ['Cache-Control: max-age=60, public', 'Vary: Authorization'],
        'asked again',
        { first: ['Authorization: a'], second: ['Authorization: b'] },
      ],
      [
        'an empty Authorization is one',
        ['Cache-Control: max-age=3600'],
        'asked again',
        { first: ['Authorization: '] },
      ],
    ]),
    ...twiceTable('departure from RFC 9111 3.5', [
      [
        'an answer to nobody is not given to somebody',
        ['Cache-Control: max-age=3600'],
        'asked again',
        NOBODY_FIRST,
      ],
      ['unless it is public', ['Cache-Control: max-age=3600, public'], 'reused', NOBODY_FIRST],
      ['or has s-maxage', ['Cache-Control: s-maxage=3600'], 'reused', NOBODY_FIRST],
    ]),
    {
      rule: 'RFC 9111 3.5',
      name: 'an answer that is not stored does not harm the one that is',
      steps: [
        {
          origin: { lines: ['Cache-Control: max-age=60'], body: 'all' },
          expect: { from: 'origin' },
        },
        {
          lines: ['Authorization: a'],
          origin: { lines: ['Cache-Control: max-age=60'], body: 'a' },
          expect: { from: 'origin', body: 'a' },
        },
        { expect: { from: 'cache', body: 'all' } },
      ],
    },
  ],
};
