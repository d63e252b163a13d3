import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseEncoding, parseAcceptEncoding } from './accept-encoding.ts';

test('the client weighs, then the order of the server decides', () => {
  const table: readonly (readonly [string | undefined, string | undefined])[] = [
    [undefined, 'identity'],
    ['', 'identity'],
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['gzip, br', 'br'],
    ['gzip, deflate, br, zstd', 'br'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0, *', 'zstd'],
    ['*', 'br'],
    ['*;q=0', undefined],
    ['*;q=0, identity', 'identity'],
    ['identity;q=0', undefined],
    ['identity;q=0, gzip;q=0.1', 'gzip'],
    ['identity, gzip;q=0.5', 'identity'],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['gzip;q=2', 'identity'],
    ['gzip;q=abc, br', 'br'],
    ['gzip ; q = 0.1', 'gzip'],
    ['compress', 'identity'],
    ['gz ip, br', 'br'],
  ];
  for (const [value, expected] of table) {
    assert.equal(chooseEncoding(value, ['br', 'zstd', 'gzip']), expected, String(value));
  }
});

test('nothing but identity is on offer', () => {
  assert.equal(chooseEncoding('gzip', []), 'identity');
  assert.equal(chooseEncoding('gzip, identity;q=0', []), undefined);
});

test('weights are read strictly and the list is bounded', () => {
  assert.deepEqual(
    [...parseAcceptEncoding('a;q=0.333, b;q=0.3333, c;Q=1.000')],
    [
      ['a', 0.333],
      ['c', 1],
    ],
  );
  assert.equal(parseAcceptEncoding('a1,a2,'.repeat(1000) + 'b').has('b'), false);
});
