/** Reading Cache-Control strictly: quotes, spaces, repetitions, contradictions, rubbish (RFC 9111 4.2.1, 5.2). */
import { twiceTable, type CaseTable } from './case.ts';

export const CONTROL: CaseTable = {
  theme: 'cache-control syntax',
  cases: [
    ...twiceTable('RFC 9111 5.2', [
      ['names are read in any case', ['Cache-Control: MaX-aGe=3600'], 'reused'],
      ['no-store in capitals', ['Cache-Control: max-age=3600, NO-STORE'], 'asked again'],
      ['a number may be quoted', ['Cache-Control: max-age="3600"'], 'reused'],
      ['an escaped digit in quotes is a digit', ['Cache-Control: max-age="\\3600"'], 'reused'],
      ['single quotes are no quotes', ["Cache-Control: max-age='3600'"], 'asked again'],
      [
        'a quoted directive is none',
        ['Cache-Control: extension="max-age=3600", max-age=1'],
        'asked again',
      ],
      [
        'a quoted directive is none, the other way round',
        ['Cache-Control: max-age=1, extension="max-age=3600"'],
        'asked again',
      ],
      [
        'a quoted no-store is none',
        ['Cache-Control: max-age=3600, extension="no-store, private"'],
        'reused',
      ],
      [
        'an escaped quote does not end a text',
        ['Cache-Control: extension="\\", no-store", max-age=3600'],
        'reused',
      ],
      ['empty members are nothing', ['Cache-Control: , ,max-age=3600,, '], 'reused'],
      ['tabs are white space', ['Cache-Control: \tmax-age=3600\t,\tpublic'], 'reused'],
      [
        'several lines are one list',
        ['Cache-Control: public', 'Cache-Control: max-age=3600'],
        'reused',
      ],
      [
        'no-store on the second line',
        ['Cache-Control: max-age=3600', 'Cache-Control: no-store'],
        'asked again',
      ],
      [
        'an unknown directive that begins like no-store',
        ['Cache-Control: no-store-extra, max-age=3600'],
        'reused',
      ],
      [
        'an unknown directive that ends like no-store',
        ['Cache-Control: x-no-store, max-age=3600'],
        'reused',
      ],
      [
        'a flag with a value is the flag',
        ['Cache-Control: no-store=1, max-age=3600'],
        'asked again',
      ],
    ]),
    ...twiceTable('RFC 9111 4.2.1', [
      ['a fraction is no number', ['Cache-Control: max-age=3600.0'], 'asked again'],
      ['half a second is no number', ['Cache-Control: max-age=3600.5'], 'asked again'],
      ['a negative number is none', ['Cache-Control: max-age=-1'], 'asked again'],
      ['a signed number is none', ['Cache-Control: max-age=+3600'], 'asked again'],
      ['a letter before makes it none', ['Cache-Control: max-age=a3600'], 'asked again'],
      ['a letter behind makes it none', ['Cache-Control: max-age=3600a'], 'asked again'],
      ['max-age without a value is stale', ['Cache-Control: max-age'], 'asked again'],
      ['max-age with an empty value is stale', ['Cache-Control: max-age='], 'asked again'],
      ['max-age with an empty text is stale', ['Cache-Control: max-age=""'], 'asked again'],
      ['a hexadecimal number is none', ['Cache-Control: max-age=0x10'], 'asked again'],
      ['an exponent is no number', ['Cache-Control: max-age=1e3'], 'asked again'],
      [
        'an invalid max-age is stale whatever Expires says',
        ['Cache-Control: max-age=x', 'Expires: {+60}'],
        'asked again',
      ],
      ['a space before the sign', ['Cache-Control: max-age =3600'], 'asked again'],
      ['a space behind the sign', ['Cache-Control: max-age= 3600'], 'asked again'],
      ['two equal lifetimes are one', ['Cache-Control: max-age=3600, max-age=3600'], 'reused'],
      [
        'two lifetimes, fresh and stale, are stale',
        ['Cache-Control: max-age=1800, max-age=1'],
        'asked again',
      ],
      [
        'two lifetimes, stale and fresh, are stale',
        ['Cache-Control: max-age=1, max-age=1800'],
        'asked again',
      ],
      [
        'two lifetimes on two lines are stale',
        ['Cache-Control: max-age=1800', 'Cache-Control: max-age=1'],
        'asked again',
      ],
      [
        'two different s-maxage are stale',
        ['Cache-Control: s-maxage=1800, s-maxage=900'],
        'asked again',
      ],
    ]),
    ...twiceTable('RFC 9111 5.2, malformed members', [
      [
        'a semicolon instead of a comma grants nothing',
        ['Cache-Control: max-age=3600; public'],
        'asked again',
      ],
      [
        'a semicolon before no-store forbids',
        ['Cache-Control: public; no-store, max-age=3600'],
        'asked again',
      ],
      [
        'a space instead of a comma before private forbids',
        ['Cache-Control: public private, max-age=3600'],
        'asked again',
      ],
      [
        'a text without end hides nothing that forbids',
        ['Cache-Control: max-age=3600, x="no-store'],
        'asked again',
      ],
      ['a text without end grants nothing', ['Cache-Control: x="y, max-age=3600'], 'asked again'],
      ['a member of rubbish is passed over', ['Cache-Control: @@@, max-age=3600'], 'reused'],
      ['a value of rubbish is passed over', ['Cache-Control: x=@@@, max-age=3600'], 'reused'],
      ['a value without a name is passed over', ['Cache-Control: =5, max-age=3600'], 'reused'],
    ]),
    ...twiceTable('RFC 9111 4.2.1, contradictions', [
      ['no-store wins over max-age', ['Cache-Control: max-age=3600, no-store'], 'asked again'],
      [
        'no-store wins over public',
        ['Cache-Control: public, no-store, max-age=3600'],
        'asked again',
      ],
      ['private wins over public', ['Cache-Control: public, private, max-age=3600'], 'asked again'],
      [
        'no-cache wins over max-age',
        ['Cache-Control: max-age=3600, no-cache', 'ETag: "a"'],
        'validated',
      ],
      [
        'no-cache wins over public and Expires',
        ['Cache-Control: public, no-cache', 'Expires: {+60}', 'ETag: "a"'],
        'validated',
      ],
      [
        'Cache-Control: no-cache wins over Expires',
        ['Cache-Control: no-cache', 'Expires: {+60}', 'ETag: "a"'],
        'validated',
      ],
      [
        'Cache-Control: no-store wins over Expires',
        ['Cache-Control: no-store', 'Expires: {+60}'],
        'asked again',
      ],
    ]),
    ...twiceTable('RFC 9111 5.4', [
      [
        'Pragma in an answer means nothing',
        ['Pragma: no-cache', 'Cache-Control: max-age=3600'],
        'reused',
      ],
      ['Pragma beside Expires means nothing', ['Pragma: no-cache', 'Expires: {+60}'], 'reused'],
    ]),
  ],
};
