import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answersTo, hostName, isSameOrigin, sessionCookie, setSessionCookie } from './origin.ts';

test('a host header is a name or an address, with or without a port', () => {
  const rows = [
    ['Example.COM:80', 'example.com'],
    ['example.com.', 'example.com'],
    ['[::1]:7420', '[::1]'],
    ['127.0.0.1', '127.0.0.1'],
    ['a:b:c', undefined],
    ['user@host', undefined],
    ['host/path', undefined],
    ['', undefined],
    [undefined, undefined],
  ] as const;
  for (const [header, name] of rows) assert.equal(hostName(header), name, header);
});

test('this node answers to localhost, to addresses and to its own names', () => {
  const names = ['moln.example'];
  for (const host of ['localhost:1', '10.0.0.1', '[2001:db8::1]:7420', 'Moln.Example:7420']) {
    assert.equal(answersTo(host, names), true, host);
  }
  for (const host of ['example', 'x.moln.example', '10.0.0.1.example', '', '1.2.3']) {
    assert.equal(answersTo(host, names), false, host);
  }
  assert.equal(answersTo(undefined, names), false);
});

test('same origin needs scheme, host and port, and both headers to agree', () => {
  const host = 'localhost:7420';
  const rows = [
    ['http://localhost:7420', undefined, true],
    ['http://localhost:7420', 'same-origin', true],
    [undefined, 'same-origin', true],
    [undefined, undefined, false],
    ['https://localhost:7420', undefined, false],
    ['http://localhost', undefined, false],
    ['http://localhost:7420', 'cross-site', false],
    ['null', 'same-origin', true],
    ['null', undefined, false],
    ['null', 'cross-site', false],
    ['http://evil.example', 'same-origin', false],
  ] as const;
  for (const [origin, secFetchSite, same] of rows) {
    const facts = { origin, secFetchSite, host, encrypted: false };
    assert.equal(isSameOrigin(facts), same, JSON.stringify(facts));
  }
});

test('the session is found among other cookies, unless there are two', () => {
  assert.equal(sessionCookie('a=b; moln_session=abc-1; c=d'), 'abc-1');
  assert.equal(sessionCookie('xmoln_session=abc'), undefined);
  assert.equal(sessionCookie('moln_session=a; moln_session=b'), undefined);
  assert.equal(sessionCookie('moln_session='), undefined);
  assert.equal(sessionCookie('moln_session=a b'), undefined);
  assert.equal(sessionCookie(undefined), undefined);
});

test('a session cookie is never readable by scripts nor sent by other sites', () => {
  const cookie = setSessionCookie('x', { maxAgeMs: 61_500, encrypted: true });
  assert.equal(cookie, 'moln_session=x; Path=/; Max-Age=61; HttpOnly; SameSite=Strict; Secure');
});
