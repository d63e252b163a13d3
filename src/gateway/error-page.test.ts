import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorFormat, errorResponse, type ErrorResponseOptions } from './error-page.ts';

function answer(
  status: number,
  options: ErrorResponseOptions,
): { readonly head: string; readonly body: string } {
  const text = errorResponse(status, { now: 0, ...options }).toString();
  const end = text.indexOf('\r\n\r\n');
  return { head: text.slice(0, end + 2), body: text.slice(end + 4) };
}

test('a program gets one line of text', () => {
  const { head, body } = answer(502, { id: 'e1', close: true });
  assert.match(head, /^HTTP\/1\.1 502 Bad Gateway\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n/);
  assert.match(head, /\r\nConnection: close\r\n/);
  assert.match(head, /\r\nCache-Control: no-store\r\n/);
  assert.equal(body, '502 Bad Gateway: The app broke off its answer (e1)\n');
  assert.ok(head.includes(`\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`));
});

test('a browser gets a page that loads nothing', () => {
  const { head, body } = answer(404, { id: 'e2', html: true });
  assert.match(head, /\r\nContent-Type: text\/html; charset=utf-8\r\n/);
  assert.match(head, /\r\nContent-Security-Policy: default-src 'none'/);
  assert.ok(body.includes('e2') && body.includes('404 Not Found'));
  assert.doesNotMatch(body, /https?:|src=|href=|url\(|<script/);
  assert.ok(head.includes(`\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`));
});

test('problem details for those who ask for JSON', () => {
  const { head, body } = answer(503, { id: 'e3', json: true, reason: 'Busy', retryAfterS: 1.2 });
  assert.match(head, /\r\nContent-Type: application\/problem\+json\r\n/);
  assert.match(head, /\r\nRetry-After: 2\r\n/);
  assert.deepEqual(JSON.parse(body), {
    title: 'Service Unavailable',
    status: 503,
    detail: 'Busy',
    id: 'e3',
  });
});

test('HEAD gets the length but no body', () => {
  const full = answer(404, { id: 'e4' });
  const head = answer(404, { id: 'e4', head: true });
  assert.equal(head.head, full.head);
  assert.equal(head.body, '');
});

test('nothing from outside is written unescaped', () => {
  const evil = `<b onclick="x('&')">\r\nSet-Cookie: a=b`;
  const html = answer(400, { id: evil, html: true, reason: evil });
  assert.doesNotMatch(html.body, /<b |onclick="/);
  assert.doesNotMatch(html.head, /\r\nSet-Cookie/);
  const text = answer(400, { id: evil, reason: evil });
  assert.equal(text.body.trimEnd().split(/\r|\n/).length, 1);
});

test('the format follows the Accept field', () => {
  assert.deepEqual(errorFormat('text/html,application/json;q=0.9'), { html: true, json: false });
  assert.deepEqual(errorFormat('application/problem+json'), { html: false, json: true });
  assert.deepEqual(errorFormat('*/*'), { html: false, json: false });
  assert.deepEqual(errorFormat(undefined), { html: false, json: false });
});
