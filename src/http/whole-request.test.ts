import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Look, WholeRequest } from './whole-request.ts';

const HEAD = 'POST /db/shop/v2/pipeline HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n';

function look(text: string): Look {
  return new WholeRequest(200).look(Buffer.from(text, 'latin1'), 0, text.length);
}

test('a POST of a stated length that is all there', () => {
  const text = `${HEAD}Content-Length: 3\r\n\r\nabcPOST /next`;
  const request = new WholeRequest(200);
  assert.equal(request.look(Buffer.from(text), 0, text.length), 'whole');
  assert.equal(text.slice(request.bodyStart, request.end), 'abc');
  assert.equal(request.head.target, '/db/shop/v2/pipeline');
  assert.equal(request.keepAlive, true);
  assert.equal(request.field('authorization'), 'Bearer x');
  assert.equal(request.field('cookie'), undefined);
});

test('what is not there yet is waited for, within the limit', () => {
  assert.equal(look(''), 'part');
  assert.equal(look(HEAD), 'part');
  assert.equal(look(`${HEAD}Content-Length: 3\r\n\r\nab`), 'part');
  assert.equal(look(`${HEAD}X: ${'x'.repeat(200)}`), 'other');
  assert.equal(look(`${HEAD}Content-Length: 200\r\n\r\nab`), 'other');
});

test('everything unusual is for somebody else', () => {
  assert.equal(look('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'other');
  assert.equal(look(`${HEAD}\r\n`), 'other');
  assert.equal(look(`${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`), 'other');
  assert.equal(look(`${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`), 'other');
  assert.equal(look(`${HEAD}Content-Length: 1\r\nExpect: 100-continue\r\n\r\na`), 'other');
  assert.equal(look(`${HEAD}Content-Length: 1\r\nUpgrade: h2c\r\n\r\na`), 'other');
  assert.equal(look('POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\na'), 'other');
  assert.equal(look('POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na'), 'other');
  assert.equal(look('no HTTP at all\r\n\r\n'), 'other');
});

test('a field that is there twice is said to be', () => {
  const text = `${HEAD}authorization: Bearer y\r\nContent-Length: 0\r\n\r\n`;
  const request = new WholeRequest(200);
  assert.equal(request.look(Buffer.from(text), 0, text.length), 'whole');
  assert.equal(request.field('authorization'), null);
});

test('other methods for whoever asks for them, without a length where there is no body', () => {
  const asked = (text: string): Look =>
    new WholeRequest(200, new Set(['GET', 'PUT'])).look(Buffer.from(text), 0, text.length);
  assert.equal(asked('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'whole');
  assert.equal(asked('GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n'), 'part');
  assert.equal(asked('PUT / HTTP/1.1\r\nHost: a\r\n\r\n'), 'other');
  assert.equal(asked('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na'), 'whole');
  assert.equal(asked('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n'), 'other');
});

test('a long body for whoever takes it as it comes', () => {
  const request = new WholeRequest(200, new Set(['PUT']), { takesLong: true });
  const asked = (fields: string, body: string): Look => {
    const text = `PUT / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;
    return request.look(Buffer.from(text), 0, text.length);
  };
  assert.equal(asked('Content-Length: 1000\r\n', 'ab'), 'long');
  assert.equal(request.end - request.bodyStart, 1000);
  assert.equal(request.expectsContinue, false);
  assert.equal(asked('Content-Length: 3\r\nExpect: 100-continue\r\n', ''), 'long');
  assert.equal(request.expectsContinue, true);
  assert.equal(asked('Content-Length: 3\r\n', 'ab'), 'part');
  assert.equal(asked('Content-Length: 3\r\n', 'abc'), 'whole');
  assert.equal(asked('Transfer-Encoding: chunked\r\n', ''), 'other');
  assert.equal(asked('Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n', ''), 'other');
});
