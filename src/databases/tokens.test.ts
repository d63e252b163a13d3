/** Tokens of one database: what opens it, and what does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerId, type DatabaseGrant, KnownTokens, makeToken, newTokenKey } from './tokens.ts';

const NOW = 1_800_000_000_000;
const GRANT = { name: 'ci', readOnly: true, expiresAt: NOW + 1000 };

function readToken(key: Uint8Array, token: string, now: number): DatabaseGrant | undefined {
  return new KnownTokens(key).find(token, now)?.grant;
}

test('a token says what it was made for, until its time is over', () => {
  const key = newTokenKey();
  const token = makeToken(key, GRANT);
  assert.deepEqual(readToken(key, token, NOW), GRANT);
  assert.equal(readToken(key, token, NOW + 1000), undefined);
  assert.match(token, /^[\w.-]+$/, 'it can stand in a URL as it is');
  assert.ok(!callerId(token).includes(token));
});

test('a format of before is read', () => {
  const key = Buffer.alloc(32, 7);
  const golden =
    'molndb.eyJ2IjoxLCJuIjoiY2kiLCJyIjoxfQ.D-qYA2ZCCe21Zz1xqI_nLjAcPW8679u7zZ-FzEeCiAg';
  const grant = { name: 'ci', readOnly: true, expiresAt: undefined };
  assert.equal(makeToken(key, grant), golden);
  assert.deepEqual(readToken(key, golden, NOW), grant);
});

test('nothing else opens', () => {
  const key = newTokenKey();
  const token = makeToken(key, GRANT);
  const [head = '', payload = '', signature = ''] = token.split('.');
  const other = Buffer.from('{"v":1,"n":"ci"}').toString('base64url');
  for (const wrong of [
    '',
    'molndb',
    token.slice(0, -1),
    `${token}A`,
    `${head}.${other}.${signature}`,
    `x${token}`,
    `${head}.${payload}`,
    makeToken(newTokenKey(), GRANT),
    'molndb.'.padEnd(10_000, 'A'),
  ]) {
    assert.equal(readToken(key, wrong, NOW), undefined, wrong.slice(0, 80));
  }
});

test('a token that is known ends with its time all the same, and is of one key', () => {
  const key = newTokenKey();
  const token = makeToken(key, GRANT);
  const known = new KnownTokens(key);
  for (let time = 0; time < 2; time++) {
    assert.deepEqual(known.find(token, NOW), { id: callerId(token), grant: GRANT });
    assert.equal(known.find(token, NOW + 1000), undefined);
    assert.equal(known.find(makeToken(newTokenKey(), GRANT), NOW), undefined);
  }
});
