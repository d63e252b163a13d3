/** Explicit freshness: max-age, s-maxage, Expires, and which of them counts (RFC 9111 4.2.1, 5.2.2, 5.3). */
import { twice, twiceTable, type CaseTable } from './case.ts';

const HOUR = 'Cache-Control: max-age=3600';

export const FRESHNESS: CaseTable = {
  theme: 'freshness',
  cases: [
    ...twiceTable('RFC 9111 5.2.2.1', [
      ['max-age is a lifetime', [HOUR], 'reused'],
      ['max-age has passed', ['Cache-Control: max-age=1'], 'asked again'],
      [
        'at the very end of max-age an answer is stale',
        ['Cache-Control: max-age=2'],
        'asked again',
      ],
      ['a second before its end it is fresh', ['Cache-Control: max-age=3'], 'reused'],
      ['max-age=0 is stale at once', ['Cache-Control: max-age=0'], 'asked again', { afterS: 0 }],
      ['2^31 seconds are a lifetime', ['Cache-Control: max-age=2147483648'], 'reused'],
      ['more than 2^31 seconds count as 2^31', ['Cache-Control: max-age=99999999999999'], 'reused'],
      ['leading zeros are digits', ['Cache-Control: max-age=003600'], 'reused'],
      ['max-age wins over an Expires in the past', [HOUR, 'Expires: {-60}'], 'reused'],
      [
        'max-age=0 wins over an Expires in the future',
        ['Cache-Control: max-age=0', 'Expires: {+60}'],
        'asked again',
      ],
      ['max-age wins over an invalid Expires', [HOUR, 'Expires: 0'], 'reused'],
      [
        'an unknown directive beside it changes nothing',
        ['Cache-Control: foobar, max-age=3600'],
        'reused',
      ],
      [
        'an unknown directive with a value changes nothing',
        ['Cache-Control: foo=bar, max-age=3600, x="y z"'],
        'reused',
      ],
    ]),
    ...twiceTable('RFC 9111 5.2.2.10', [
      ['s-maxage is a lifetime for a shared cache', ['Cache-Control: s-maxage=3600'], 'reused'],
      [
        's-maxage wins over a shorter max-age',
        ['Cache-Control: s-maxage=3600, max-age=1'],
        'reused',
      ],
      [
        's-maxage wins over a longer max-age',
        ['Cache-Control: max-age=3600, s-maxage=1'],
        'asked again',
      ],
      ['s-maxage=0 wins over max-age', ['Cache-Control: max-age=3600, s-maxage=0'], 'asked again'],
      [
        's-maxage wins over Expires',
        ['Cache-Control: s-maxage=1', 'Expires: {+3600}'],
        'asked again',
      ],
      [
        'an invalid s-maxage is stale whatever max-age says',
        ['Cache-Control: max-age=3600, s-maxage=x'],
        'asked again',
      ],
    ]),
    ...twiceTable('RFC 9111 5.3', [
      ['an Expires in the future is a lifetime', ['Expires: {+60}', 'Date: {+0}'], 'reused'],
      ['an Expires in the past is stale', ['Expires: {-60}', 'Date: {+0}'], 'asked again'],
      [
        'an Expires that is now is stale',
        ['Expires: {+0}', 'Date: {+0}'],
        'asked again',
        { afterS: 0 },
      ],
      ['without a Date the arrival counts', ['Expires: {+60}'], 'reused'],
      ['an Expires that has passed meanwhile', ['Expires: {+1}', 'Date: {+0}'], 'asked again'],
      ['Expires: 0 is in the past', ['Expires: 0', 'ETag: "a"'], 'validated'],
      ['two Expires are none', ['Expires: {+60}', 'Expires: {+60}'], 'asked again'],
      [
        'an Expires of a fast clock is measured by its own Date',
        ['Date: {+3600}', 'Expires: {+3601}'],
        'asked again',
      ],
      [
        'an Expires of a slow clock is measured by its own Date',
        ['Date: {-10}', 'Expires: {+60}'],
        'reused',
      ],
      [
        'an Expires before the Date of a fast clock is stale',
        ['Date: {+3600}', 'Expires: {+60}'],
        'asked again',
      ],
    ]),
    ...twiceTable('RFC 9110 5.6.7', [
      ['Expires in the form of RFC 850', ['Expires: {+60 rfc850}'], 'reused'],
      ['Expires in the form of asctime', ['Expires: {+60 asctime}'], 'reused'],
      ['a Date in the form of RFC 850', ['Date: {+0 rfc850}', 'Expires: {+60}'], 'reused'],
      ['a Date in the form of asctime', ['Date: {+0 asctime}', 'Expires: {+60 asctime}'], 'reused'],
      [
        'a two-digit year far ahead is of the last century',
        ['Expires: Sunday, 06-Nov-94 08:49:37 GMT'],
        'asked again',
      ],
    ]),
    ...twiceTable('RFC 9111 4.2', [
      [
        'dates are compared in any case of letters',
        ['Expires: {+60}'.replace('Expires', 'eXpIrEs')],
        'reused',
      ],
      ['a date in lower case is a date', ['Expires: fri, 20 nov 2054 12:00:00 gmt'], 'reused'],
      ['a date in upper case is a date', ['Expires: FRI, 20 NOV 2054 12:00:00 GMT'], 'reused'],
      [
        'another zone than GMT is no date',
        ['Expires: Fri, 20 Nov 2054 12:00:00 UTC'],
        'asked again',
      ],
      [
        'a zone of another continent is no date',
        ['Expires: Fri, 20 Nov 2054 12:00:00 AEST'],
        'asked again',
      ],
      ['an offset is no zone', ['Expires: Fri, 20 Nov 2054 12:00:00 +0000'], 'asked again'],
      ['a date without zone is none', ['Expires: Fri, 20 Nov 2054 12:00:00'], 'asked again'],
      ['a date without comma is none', ['Expires: Fri 20 Nov 2054 12:00:00 GMT'], 'asked again'],
      [
        'a date of two-digit year in the usual form is none',
        ['Expires: Fri, 20 Nov 54 12:00:00 GMT'],
        'asked again',
      ],
      [
        'a date of one-digit day in the usual form is none',
        ['Expires: Tue, 1 Dec 2054 12:00:00 GMT'],
        'asked again',
      ],
      [
        'a day that its month does not have is none',
        ['Expires: Mon, 31 Nov 2054 12:00:00 GMT'],
        'asked again',
      ],
      [
        'a time of one-digit hour is none',
        ['Expires: Fri, 20 Nov 2054 9:00:00 GMT'],
        'asked again',
      ],
      [
        'dashes in the usual form are none',
        ['Expires: Fri, 20-Nov-2054 12:00:00 GMT'],
        'asked again',
      ],
      [
        'text after a date makes it none',
        ['Expires: Fri, 20 Nov 2054 12:00:00 GMT x'],
        'asked again',
      ],
      ['a number is no date', ['Expires: 4102444800'], 'asked again'],
      ['-1 is no date', ['Expires: -1'], 'asked again'],
      ['an empty Expires is no date', ['Expires: '], 'asked again'],
    ]),
    twice('RFC 9110 6.6.1', 'an answer without Date is stored with one', [HOUR], 'reused', {
      fields: { Date: '/^Fri, 20 Nov 2026 12:00:00 GMT$|GMT$/' },
    }),
    twice(
      'RFC 9110 6.6.1',
      'a Date that is none is replaced',
      [HOUR, 'Date: yesterday'],
      'reused',
      {
        fields: { Date: '/GMT$/' },
      },
    ),
    ...twiceTable('RFC 9111 5.3', [
      ['an Expires beyond 2^31 seconds', ['Expires: Thu, 18 Aug 2050 02:01:18 GMT'], 'reused'],
      ['an Expires at the end of all dates', ['Expires: Fri, 31 Dec 9999 23:59:59 GMT'], 'reused'],
      ['an Expires before all clocks', ['Expires: Thu, 01 Jan 1970 00:00:00 GMT'], 'asked again'],
      ['an Expires of a leap second', ['Expires: Wed, 31 Dec 2053 23:59:60 GMT'], 'reused'],
      [
        'a day of the week that is wrong makes it none',
        ['Expires: Mon, 20 Nov 2054 12:00:00 GMT'],
        'asked again',
      ],
      ['two spaces are one too many', ['Expires: Fri,  20 Nov 2054 12:00:00 GMT'], 'asked again'],
    ]),
    ...twiceTable('RFC 8246 2', [
      ['immutable is no lifetime', ['Cache-Control: immutable'], 'asked again'],
      ['immutable changes nothing while it is fresh', [`${HOUR}, immutable`], 'reused'],
      [
        'immutable that is stale is validated',
        ['Cache-Control: max-age=1, immutable', 'ETag: "a"'],
        'validated',
      ],
      [
        'who asks for a validation gets one of what is immutable too',
        [`${HOUR}, immutable`, 'ETag: "a"'],
        'validated',
        { second: ['Cache-Control: max-age=0'] },
      ],
    ]),
    twice('RFC 9111 5.1', 'a stored Date is never changed', [HOUR, 'Date: {-5}'], 'reused', {
      afterS: 10,
      fields: { Age: '15' },
    }),
  ],
};
