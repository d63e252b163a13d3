import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDictionary, type DictionaryValue } from './dictionary.ts';

test('dictionaries of RFC 9651 3.2', () => {
  const table: readonly (readonly [string, Readonly<Record<string, DictionaryValue>>])[] = [
    ['', {}],
    ['   ', {}],
    ['a', { a: true }],
    ['a=1', { a: 1 }],
    ['a=-1.5', { a: -1.5 }],
    ['a="x, \\"y\\" \\\\"', { a: 'x, "y" \\' }],
    ['a=token/1', { a: 'token/1' }],
    ['a=?1, b=?0', { a: true, b: false }],
    ['a=:aGk=:, b=@1659578233', { a: undefined, b: undefined }],
    ['a=(1 2;x "b" ), b=()', { a: undefined, b: undefined }],
    ['a;x;y=2;z="3", b=2;q', { a: true, b: 2 }],
    ['a=1 \t,\t b=2', { a: 1, b: 2 }],
    ['a=1, b=2, a=3', { b: 2, a: 3 }],
    ['*a.b_c-9=1', { '*a.b_c-9': 1 }],
  ];
  for (const [text, wanted] of table) {
    assert.deepEqual(Object.fromEntries(parseDictionary(text) ?? [['malformed', 0]]), wanted, text);
  }
});

test('one mistake makes it void', () => {
  const table = [
    ',a',
    'a,',
    'a,,b',
    'a b',
    'A',
    '1a',
    'a=',
    'a= 1',
    'a =1',
    'a=1.',
    'a=1.2345',
    'a=1234567890123456',
    'a="x',
    'a="x\\y"',
    'a="\u00e9"',
    'a=?2',
    'a=:x',
    'a=(1',
    'a=(1,2)',
    'a=("x""y")',
    'a;',
    'a;X',
    'a;x=',
    'a=1;x= 2',
    '&',
    'a=&',
    'a=--1',
    'a=1a',
  ];
  for (const text of table) assert.equal(parseDictionary(text), undefined, text);
});

test('a field of very many members is not read', () => {
  const members = (count: number): string =>
    Array.from({ length: count }, (_, index) => `a${index}`).join();
  assert.equal(parseDictionary(members(64))?.size, 64);
  assert.equal(parseDictionary(members(65)), undefined);
});
