/** CDN-Cache-Control: a dictionary of Structured Fields that decides alone (RFC 9213). */
import { twiceTable, type CaseTable } from './case.ts';

const CDN = 'CDN-Cache-Control';

export const TARGETED: CaseTable = {
  theme: 'cdn-cache-control',
  cases: [
    ...twiceTable('RFC 9213 2.2', [
      ['its max-age is a lifetime', [`${CDN}: max-age=3600`], 'reused'],
      ['its max-age=0 is stale', [`${CDN}: max-age=0`], 'asked again'],
      [
        'it wins over a shorter max-age',
        ['Cache-Control: max-age=1', `${CDN}: max-age=3600`],
        'reused',
      ],
      [
        'it wins over a longer max-age',
        ['Cache-Control: max-age=3600', `${CDN}: max-age=1`],
        'asked again',
      ],
      [
        'it wins over s-maxage',
        ['Cache-Control: s-maxage=3600', `${CDN}: max-age=1`],
        'asked again',
      ],
      ['it wins over an Expires in the past', ['Expires: {-60}', `${CDN}: max-age=3600`], 'reused'],
      [
        'it wins over an Expires in the future',
        ['Expires: {+3600}', `${CDN}: max-age=0`],
        'asked again',
      ],
      ['it wins over an invalid Expires', ['Expires: 0', `${CDN}: max-age=3600`], 'reused'],
      ['it wins over no-store', ['Cache-Control: no-store', `${CDN}: max-age=3600`], 'reused'],
      ['it wins over private', ['Cache-Control: private', `${CDN}: max-age=3600`], 'reused'],
      ['it wins over no-cache', ['Cache-Control: no-cache', `${CDN}: max-age=3600`], 'reused'],
      [
        'its no-store wins over max-age',
        ['Cache-Control: max-age=3600', `${CDN}: no-store`],
        'asked again',
      ],
      ['its no-store wins over Expires', ['Expires: {+3600}', `${CDN}: no-store`], 'asked again'],
      [
        'its private wins over max-age',
        ['Cache-Control: max-age=3600', `${CDN}: private`],
        'asked again',
      ],
      [
        'its no-cache wins over max-age',
        ['Cache-Control: max-age=3600', `${CDN}: no-cache`, 'ETag: "a"'],
        'validated',
      ],
      [
        'its no-cache without a validator is not stored',
        ['Cache-Control: max-age=3600', `${CDN}: no-cache`],
        'asked again',
      ],
      [
        'saying nothing of freshness, it hides max-age',
        ['Cache-Control: max-age=3600', `${CDN}: must-revalidate`],
        'asked again',
      ],
      [
        'saying nothing of freshness, it hides Expires',
        ['Expires: {+3600}', `${CDN}: must-revalidate`],
        'asked again',
      ],
      [
        'an unknown member beside max-age means nothing',
        [`${CDN}: foobar, max-age=3600`],
        'reused',
      ],
      ['Age counts against it', [`${CDN}: max-age=3600`, 'Age: 7200'], 'asked again'],
      ['a large number is a lifetime', [`${CDN}: max-age=99999999999`], 'reused'],
      ['s-maxage is understood in it', [`${CDN}: s-maxage=3600`], 'reused'],
      ['s-maxage wins over max-age in it', [`${CDN}: max-age=3600, s-maxage=1`], 'asked again'],
      [
        'a hit sends it on',
        [`${CDN}: max-age=3600`],
        'reused',
        { fields: { [CDN]: 'max-age=3600' } },
      ],
    ]),
    ...twiceTable('RFC 9213 2.1', [
      ['empty, it does not count', ['Cache-Control: max-age=3600', `${CDN}: `], 'reused'],
      [
        'a malformed member makes it void',
        ['Cache-Control: no-store', `${CDN}: max-age=3600, &&&&`],
        'asked again',
      ],
      [
        'a text for a number makes it void',
        ['Cache-Control: no-store', `${CDN}: max-age="3600"`],
        'asked again',
      ],
      [
        'void, it leaves Cache-Control to decide',
        ['Cache-Control: max-age=3600', `${CDN}: no-store, &`],
        'reused',
      ],
      [
        'a capital in a key makes it void',
        ['Cache-Control: no-store', `${CDN}: Max-Age=3600`],
        'asked again',
      ],
      [
        'a fraction makes it void',
        ['Cache-Control: no-store', `${CDN}: max-age=3600.5`],
        'asked again',
      ],
      [
        'a negative number makes it void',
        ['Cache-Control: no-store', `${CDN}: max-age=-1`],
        'asked again',
      ],
      [
        'a number for a flag makes it void',
        ['Cache-Control: max-age=3600', `${CDN}: no-store=1`],
        'reused',
      ],
      ['a flag that is false is not set', [`${CDN}: max-age=3600, no-store=?0`], 'reused'],
      [
        'a flag that is true is set',
        ['Cache-Control: max-age=3600', `${CDN}: max-age=3600, no-store=?1`],
        'asked again',
      ],
      ['parameters are passed over', [`${CDN}: max-age=3600;a=1;b="c", foo;d`], 'reused'],
      [
        'a space before the sign makes it void',
        ['Cache-Control: max-age=1', `${CDN}: max-age =3600`],
        'asked again',
      ],
      [
        'a space behind the sign makes it void',
        ['Cache-Control: max-age=1', `${CDN}: max-age= 3600`],
        'asked again',
      ],
      [
        'a comma at its end makes it void',
        ['Cache-Control: max-age=1', `${CDN}: max-age=3600,`],
        'asked again',
      ],
      ['of equal keys the last counts', [`${CDN}: max-age=1, max-age=3600`], 'reused'],
      [
        'several lines are one dictionary',
        ['Cache-Control: no-store', `${CDN}: foo`, `${CDN}: max-age=3600`],
        'reused',
      ],
      [
        'an inner list is no number',
        ['Cache-Control: no-store', `${CDN}: max-age=(3600)`],
        'asked again',
      ],
      [
        'an inner list of an unknown key is passed over',
        [`${CDN}: x=(1 "a" b;c), max-age=3600`],
        'reused',
      ],
      [
        'an inner list without end makes it void',
        ['Cache-Control: no-store', `${CDN}: x=(1, max-age=3600`],
        'asked again',
      ],
      [
        'a byte sequence of an unknown key is passed over',
        [`${CDN}: x=:YQ==:, max-age=3600`],
        'reused',
      ],
      [
        'private with names leaves the rest to be stored',
        [`${CDN}: max-age=3600, private="x-user"`, 'X-User: 7'],
        'reused',
        { fields: { 'X-User': null } },
      ],
    ]),
  ],
};
