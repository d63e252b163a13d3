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
  const cases: readonly (readonly [path: string, strict: string, loose: string])[] = [
    ['/a/b', '/a/b', '/a/b'],
    ['/%61dmin', '/admin', '/admin'],
    ['/%2e%2E/a', '/a', '/a'],
    ['/x/../a', '/a', '/a'],
    ['/x/./a/.', '/x/a/', '/x/a/'],
    ['/../../a', '/a', '/a'],
    ['//a//b/', '/a/b/', '/a/b/'],
    ['/a/..', '/', '/'],
    ['/.well-known/a', '/.well-known/a', '/.well-known/a'],
    ['/x%2f..%2Fa', '/x%2f..%2Fa', '/a'],
    ['/x%5c..%5ca', '/x%5c..%5ca', '/a'],
    ['/x\\..\\a', '/x\\..\\a', '/a'],
    ['/x/..;y/a', '/x/..;y/a', '/a'],
    ['/a;y=1/b', '/a;y=1/b', '/a/b'],
    // They stay: nobody takes them for anything else, or only who decodes twice.
    ['/h%C3%A4/a%20b', '/h%C3%A4/a%20b', '/h%C3%A4/a%20b'],
    ['/%2561', '/%2561', '/%2561'],
    ['/%zz/%', '/%zz/%', '/%zz/%'],
  ];
  for (const [path, strict, loose] of cases) {
    assert.deepEqual(readingsOf(path), [strict, loose], path);
  }
});
