/** Age: reading it, computing it under slow and fast clocks, and sending it (RFC 9111 4.2.3, 5.1). */
import { twice, twiceTable, type CaseTable } from './case.ts';

const HOUR = 'Cache-Control: max-age=3600';

export const AGE: CaseTable = {
  theme: 'age',
  cases: [
    ...twiceTable('RFC 9111 5.1', [
      ['a hit says how old it is', [HOUR], 'reused', { fields: { Age: '2' } }],
      [
        'a hit in the same second is of age 0',
        [HOUR],
        'reused',
        { afterS: 0, fields: { Age: '0' } },
      ],
      [
        'the Age of an upstream cache is added',
        [HOUR, 'Age: 10'],
        'reused',
        { fields: { Age: '12' } },
      ],
      ['there is one Age', [HOUR, 'Age: 7'], 'reused', { fields: { Age: '9' } }],
      [
        'an Age as large as the lifetime is stale',
        [HOUR, 'Age: 3600'],
        'asked again',
        { afterS: 0 },
      ],
      ['an Age beyond the lifetime is stale', [HOUR, 'Age: 7200'], 'asked again'],
      ['an Age below the lifetime leaves the rest', [HOUR, 'Age: 3000'], 'reused'],
      [
        'of a list the first member counts',
        [HOUR, 'Age: 0, 7200'],
        'reused',
        { fields: { Age: '2' } },
      ],
      [
        'of a list the first member counts, also when it is the old one',
        [HOUR, 'Age: 7200, 0'],
        'asked again',
      ],
      ['of two lines the first counts', [HOUR, 'Age: 7200', 'Age: 0'], 'asked again'],
      ['of two lines the first counts, young', [HOUR, 'Age: 0', 'Age: 7200'], 'reused'],
      ['a negative Age is ignored', [HOUR, 'Age: -7200'], 'reused', { fields: { Age: '2' } }],
      ['an Age with a sign is ignored', [HOUR, 'Age: +7200'], 'reused', { fields: { Age: '2' } }],
      [
        'an Age with a fraction is ignored',
        [HOUR, 'Age: 7200.5'],
        'reused',
        { fields: { Age: '2' } },
      ],
      ['an Age in words is ignored', [HOUR, 'Age: old'], 'reused', { fields: { Age: '2' } }],
      ['an Age with a unit is ignored', [HOUR, 'Age: 7200s'], 'reused', { fields: { Age: '2' } }],
      ['an Age in quotes is ignored', [HOUR, 'Age: "7200"'], 'reused', { fields: { Age: '2' } }],
      ['an empty Age is ignored', [HOUR, 'Age: '], 'reused', { fields: { Age: '2' } }],
      [
        'a parameter makes an Age none',
        [HOUR, 'Age: 7200;foo=bar'],
        'reused',
        { fields: { Age: '2' } },
      ],
      ['what follows a first member that is none is not asked', [HOUR, 'Age: x, 7200'], 'reused'],
      ['an Age with leading zeros is a number', [HOUR, 'Age: 007200'], 'asked again'],
      ['an Age beyond 2^31 is very old', [HOUR, 'Age: 99999999999999'], 'asked again'],
    ]),
    ...twiceTable('RFC 9111 4.2.3', [
      ['a Date in the past is apparent age', [HOUR, 'Date: {-7200}'], 'asked again'],
      ['apparent age is told', [HOUR, 'Date: {-100}'], 'reused', { fields: { Age: '102' } }],
      [
        'the larger of Age and apparent age counts: Age',
        [HOUR, 'Date: {-10}', 'Age: 50'],
        'reused',
        { fields: { Age: '52' } },
      ],
      [
        'the larger of Age and apparent age counts: apparent',
        [HOUR, 'Date: {-50}', 'Age: 10'],
        'reused',
        { fields: { Age: '52' } },
      ],
      [
        'a Date in the future is no negative age',
        [HOUR, 'Date: {+500}'],
        'reused',
        { fields: { Age: '2' } },
      ],
      [
        'a Date of a fast clock does not lengthen max-age',
        ['Cache-Control: max-age=1', 'Date: {+500}'],
        'asked again',
      ],
      ['Age shortens Expires too', ['Date: {+0}', 'Expires: {+100}', 'Age: 100'], 'asked again'],
      [
        'Age below Expires leaves the rest',
        ['Date: {+0}', 'Expires: {+100}', 'Age: 50'],
        'reused',
        { fields: { Age: '52' } },
      ],
      [
        'the way to the origin and back counts as age',
        [HOUR, 'Age: 5'],
        'reused',
        { delayS: 3, fields: { Age: '10' } },
      ],
      [
        'a slow origin can answer what is stale on arrival',
        ['Cache-Control: max-age=2'],
        'asked again',
        { delayS: 2, afterS: 0 },
      ],
      [
        'a delay that the Date shows is not counted twice',
        [HOUR, 'Date: {-3}'],
        'reused',
        { delayS: 3, fields: { Age: '5' } },
      ],
    ]),
    twice(
      'RFC 9111 5.1',
      'the Age of a stored answer is not sent along',
      [HOUR, 'Age: 1'],
      'reused',
      {
        afterS: 1,
        fields: { Age: '2' },
      },
    ),
  ],
};
