import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CacheRequest,
  DEFAULT_SETTINGS,
  type Entry,
  FieldList,
  makeEntry,
} from '../cache/cache.ts';
import { ResponseHead } from '../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { resumeLines, resumeSkip } from './fill-resume.ts';

const HAVE = 40;

function entry(fields: readonly (readonly [string, string])[], status = 200): Entry {
  const request = new CacheRequest().read({ method: 'GET', key: 'k', fields: new FieldList([]) });
  const all = new FieldList([['cache-control', 'max-age=60'], ...fields]);
  const response = { status, fields: all, requestedMs: 0, receivedMs: 0 };
  return makeEntry(request, response, DEFAULT_SETTINGS);
}

function head(text: string): ResponseHead {
  const made = new ResponseHead(RESPONSE_HEAD_LIMITS);
  const bytes = Buffer.from(`HTTP/1.1 ${text}\r\n\r\n`);
  made.reset(0);
  assert.ok(made.scan(bytes, bytes.length));
  return made;
}

const STRONG = entry([
  ['etag', '"a"'],
  ['content-length', '100'],
]);

test('the rest is asked for only by a strong tag', () => {
  assert.equal(resumeLines(STRONG, HAVE), 'Range: bytes=40-\r\nIf-Range: "a"\r\n');
  assert.equal(resumeLines(STRONG, 0), undefined);
  assert.equal(resumeLines(entry([['etag', 'W/"a"']]), HAVE), undefined);
  assert.equal(resumeLines(entry([]), HAVE), undefined);
  assert.equal(resumeLines(entry([['etag', '"a"']], 404), HAVE), undefined);
});

const ANSWERS: readonly (readonly [is: string, text: string, skip: number | undefined])[] = [
  ['the rest', '206 P\r\nETag: "a"\r\nContent-Range: bytes 40-99/100', 0],
  ['the rest without a tag', '206 P\r\nContent-Range: bytes 40-99/100', 0],
  ['all of it', '200 OK\r\nETag: "a"\r\nContent-Length: 100', HAVE],
  ['all of another one', '200 OK\r\nETag: "b"\r\nContent-Length: 100', undefined],
  ['all without a tag', '200 OK\r\nContent-Length: 100', undefined],
  ['all of another length', '200 OK\r\nETag: "a"\r\nContent-Length: 99', undefined],
  ['the rest of another one', '206 P\r\nETag: "b"\r\nContent-Range: bytes 40-99/100', undefined],
  ['another part', '206 P\r\nETag: "a"\r\nContent-Range: bytes 41-99/100', undefined],
  ['less than the rest', '206 P\r\nETag: "a"\r\nContent-Range: bytes 40-98/100', undefined],
  ['of another length', '206 P\r\nETag: "a"\r\nContent-Range: bytes 40-98/99', undefined],
  ['several parts', '206 P\r\nContent-Type: multipart/byteranges; boundary=x', undefined],
  ['an error', '503 No\r\nContent-Length: 0', undefined],
];

for (const [is, text, skip] of ANSWERS) {
  test(`an answer to it that is ${is}`, () => {
    assert.equal(resumeSkip(STRONG, HAVE, head(text)), skip);
  });
}
