import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlainPath, readingsOf } from './path-readings.ts';

test('nearly all paths are plain', () => {
  for (const path of ['/', '/a/b.css', '/a.b/c..d', '/@x/~y/_z', '/a-b/', '/a:b', '*']) {
    assert.ok(isPlainPath(path), path);
  }
  for (const path of ['//', '/a//b', '/./a', '/a/..', '/.well-known/x', '/%61', '/a;b', '/a\\b']) {
    assert.ok(!isPlainPath(path), path);
  }
});

test('what else a path is taken for', () => {
  const cases: readonly (readonly [path: string, ...readings: string[]])[] = [
    ['/a/b', '/a/b'],
    ['/%61dmin', '/admin'],
    ['/%40a%2bb/%7Ec', '/@a+b/~c'],
    ['/x/../a', '/a'],
    ['/../../a', '/a'],
    ['/a/..', '/'],
    ['/x/./%2E/a/.', '/x/a/'],
    ['/a//b/', '/a/b/'],
    ['//a/b', '/a/b', '/b'],
    ['/\\\\a\\b', '/a/b', '/b'],
    ['/.well-known/a', '/.well-known/a'],
    ['/a%2f%5Cb\\c', '/a/b/c'],
    ['/a;y=1/b', '/a/b', '/a/b'],
    ['/a;y=%2Fz/b', '/a/z/b', '/a/b'],
    // They stay: nobody takes them for anything else, or only who decodes twice.
    ['/h%c3%A4/a%20b', '/h%C3%A4/a%20b'],
    ['/%2561', '/%2561'],
    ['/%zz/%', '/%zz/%'],
    ['/a..b/...', '/a..b/...'],
  ];
  for (const [path, ...readings] of cases) assert.deepEqual(readingsOf(path), readings, path);
});

test('where dots would lead depends on who reads what else is there', () => {
  for (const path of [
    '/%2e%2E/a',
    '/x%2f..%2Fa',
    '/x%5c..%5ca',
    '/x\\..\\a',
    '/x/..;y/a',
    '/x;/../a',
    '/x;%2f..%2fa',
    '/x;\\..\\a',
    '/a//../b',
    '/a/%2e%2e/../b',
    '/%61/../b',
    '/a;\\b',
  ]) {
    assert.equal(readingsOf(path), undefined, path);
  }
});
