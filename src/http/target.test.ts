import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHead } from './head.ts';
import { isHttpError } from './http-error.ts';
import { DEFAULT_HEAD_LIMITS } from './limits.ts';
import { RequestTarget } from './target.ts';

/** `host authority target path`, or the status of the refusal. */
function read(line: string, host: string | undefined = 'A.example:8080'): string {
  const field = host === '' ? '' : `Host: ${host}\r\n`;
  const bytes = Buffer.from(`${line} HTTP/1.1\r\n${field}\r\n`, 'latin1');
  const head = new RequestHead(DEFAULT_HEAD_LIMITS);
  head.reset(0);
  assert.ok(head.scan(bytes, bytes.length));
  const target = new RequestTarget();
  try {
    target.read(head);
  } catch (error) {
    if (!isHttpError(error)) throw error;
    return String(error.status);
  }
  return `${target.host} ${target.authority} ${target.target} ${target.path}`;
}

const TABLE: readonly (readonly [string, string])[] = [
  ['GET /', 'a.example A.example:8080 / /'],
  ['GET /a/b?c=/d', 'a.example A.example:8080 /a/b?c=/d /a/b'],
  ['GET //x', 'a.example A.example:8080 //x //x'],
  ['GET http://B.example/x?y', 'b.example B.example /x?y /x'],
  ['GET HTTPS://b.example:99', 'b.example b.example:99 / /'],
  ['GET http://b.example?q', 'b.example b.example /?q /'],
  ['OPTIONS http://b.example', 'b.example b.example * /'],
  ['OPTIONS *', 'a.example A.example:8080 * /'],
  ['GET *', '400'],
  ['GET x', '400'],
  ['GET ?x', '400'],
  ['GET http://user@b.example/', '400'],
  ['GET http:///x', '400'],
  ['GET http://', '400'],
  ['GET ftp://b.example/', '400'],
  ['GET http:/b.example/', '400'],
  ['CONNECT b.example:443', '501'],
  ['CONNECT /', '501'],
  ['TRACE /', '501'],
];

test('a request target', () => {
  for (const [line, wanted] of TABLE) assert.equal(read(line), wanted, line);
});

test('a bad Host is refused, even when the target names another', () => {
  for (const host of ['a/b@c', 'a b', 'a,b', 'a?b', 'a@b', '[::1', 'a:b', 'a:99999', 'a\\b', 'é']) {
    assert.equal(read('GET /', host), '400', host);
    assert.equal(read('GET http://b.example/', host), '400', host);
  }
});

test('without Host (HTTP/1.0) there is no host', () => {
  assert.equal(read('GET /x', ''), '  /x /x');
});
