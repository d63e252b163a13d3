import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHttpDate, parseHttpDate } from './http-date.ts';

const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37);
const NOW = Date.UTC(2026, 10, 20);

test('dates are written as IMF-fixdate without fractions', () => {
  assert.equal(formatHttpDate(EXAMPLE + 999), 'Sun, 06 Nov 1994 08:49:37 GMT');
  assert.equal(formatHttpDate(0), 'Thu, 01 Jan 1970 00:00:00 GMT');
});

test('all three formats of RFC 9110 5.6.7 are read', () => {
  const table: readonly (readonly [string, number])[] = [
    ['Sun, 06 Nov 1994 08:49:37 GMT', EXAMPLE],
    ['Sunday, 06-Nov-94 08:49:37 GMT', EXAMPLE],
    ['Sun Nov  6 08:49:37 1994', EXAMPLE],
    ['Wed Nov 16 08:49:37 1994', Date.UTC(1994, 10, 16, 8, 49, 37)],
    ['Thu, 29 Feb 2024 00:00:00 GMT', Date.UTC(2024, 1, 29)],
    ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1)],
    // 76 is 50 years ahead of 2026 and not more after January, so it stays in this century.
    ['Wednesday, 01-Jan-76 00:00:00 GMT', Date.UTC(2076, 0, 1)],
    ['Saturday, 01-Jan-77 00:00:00 GMT', Date.UTC(1977, 0, 1)],
  ];
  for (const [text, expected] of table) assert.equal(parseHttpDate(text, NOW), expected, text);
});

test('anything else is refused', () => {
  const table = [
    '',
    '0',
    '-1',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 UTC',
    'Sun, 06 Nov 1994 08:49:37 +0000',
    'Mon, 06 Nov 1994 08:49:37 GMT',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 06 nov 1994 08:49:37 GMT',
    'Sun,  06 Nov 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    'Sun, 06 Nov 1994 08:60:00 GMT',
    'Wed, 30 Feb 2022 00:00:00 GMT',
    'Sun, 06 Nov 94 08:49:37 GMT',
    'Sun Nov 06 08:49:37 1994 GMT',
    '1994-11-06T08:49:37Z',
    ' Sun, 06 Nov 1994 08:49:37 GMT',
  ];
  for (const text of table) assert.equal(parseHttpDate(text, NOW), undefined, text);
});

test('what is written is read back', () => {
  for (let ms = -6e13; ms < 4e12; ms += 86_400_000 * 97 + 12_345_000) {
    assert.equal(parseHttpDate(formatHttpDate(ms), NOW), Math.floor(ms / 1000) * 1000);
  }
});
