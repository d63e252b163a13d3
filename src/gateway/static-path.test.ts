import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStaticPath } from './static-path.ts';

/** Segments joined by `|`, with `/` behind when a folder is meant; undefined when hidden. */
function parse(path: string): string | undefined {
  const found = parseStaticPath(path);
  return found === undefined ? undefined : found.segments.join('|') + (found.folder ? '/' : '');
}

const TABLE: readonly (readonly [string, string | undefined])[] = [
  ['/', '/'],
  ['/a', 'a'],
  ['/a/', 'a/'],
  ['/a/b.c', 'a|b.c'],
  ['/a%20b', 'a b'],
  ['/%C3%BC', 'ü'],
  ['/%252e', '%2e'],
  ['/a..b', 'a..b'],
  ['/.well-known/x', '.well-known|x'],
  ['/a/.well-known', undefined],
  ['/.well-known-x', undefined],
  ['', undefined],
  ['a', undefined],
  ['//', undefined],
  ['//a', undefined],
  ['/a//b', undefined],
  ['/.', undefined],
  ['/..', undefined],
  ['/a/../b', undefined],
  ['/%2e', undefined],
  ['/%2e%2E/a', undefined],
  ['/.a', undefined],
  ['/%2ea', undefined],
  ['/a%2fb', undefined],
  ['/a%5Cb', undefined],
  ['/a\\b', undefined],
  ['/a%00', undefined],
  ['/a%0a', undefined],
  ['/a%7f', undefined],
  ['/%', undefined],
  ['/%g0', undefined],
  ['/%ff', undefined],
  ['/%c0%ae', undefined],
];

test('paths to names, by table', () => {
  for (const [path, wanted] of TABLE) assert.equal(parse(path), wanted, path);
});
