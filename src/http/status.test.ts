import assert from 'node:assert/strict';
import { STATUS_CODES } from 'node:http';
import { test } from 'node:test';
import { reasonPhrase, statusLine } from './status.ts';

test('every code that Node knows has a phrase, except those without a meaning today', () => {
  for (const code of Object.keys(STATUS_CODES).map(Number)) {
    if (code === 418 || code === 509 || code === 510) continue;
    assert.notEqual(reasonPhrase(code), '', String(code));
  }
});

test('status lines', () => {
  assert.equal(statusLine(404), 'HTTP/1.1 404 Not Found');
  assert.equal(statusLine(299), 'HTTP/1.1 299 ');
});
