import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCompressible, mediaTypeOf } from './media-type.ts';

test('content types by extension', () => {
  const table: readonly (readonly [string, string])[] = [
    ['index.html', 'text/html; charset=utf-8'],
    ['/a/b.c/APP.JS', 'text/javascript; charset=utf-8'],
    ['a.tar.gz', 'application/gzip'],
    ['logo.svg', 'image/svg+xml'],
    ['data.json', 'application/json'],
    ['font.woff2', 'font/woff2'],
    ['/dir.html/file', 'application/octet-stream'],
    ['.html', 'application/octet-stream'],
    ['file.', 'application/octet-stream'],
    ['file.constructor', 'application/octet-stream'],
    ['', 'application/octet-stream'],
  ];
  for (const [path, type] of table) assert.equal(mediaTypeOf(path), type, path);
});

test('text, JSON and XML are worth compressing, packed formats are not', () => {
  for (const type of ['text/html; charset=utf-8', 'application/ld+json', 'image/svg+xml']) {
    assert.equal(isCompressible(type), true, type);
  }
  for (const type of ['image/png', 'application/zip', 'font/woff2', 'application/octet-stream']) {
    assert.equal(isCompressible(type), false, type);
  }
});
