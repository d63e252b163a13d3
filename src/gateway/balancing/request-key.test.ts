import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HashConfig } from './balance-config.ts';
import { cookieOf, requestKey } from './request-key.ts';

const HEAD =
  'GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Tenant-Id: no\r\nx-tenant:  acme \r\nCookie: a=1; sid=abc=; b\r\n' +
  'X-Forwarded-For: 192.0.2.7\r\n\r\n';

test('what a request is hashed by', () => {
  const table: readonly (readonly [HashConfig, string])[] = [
    [{ by: 'uri' }, '/a?b=c'],
    [{ by: 'header', name: 'X-Tenant' }, 'acme'],
    [{ by: 'header', name: 'X-None' }, ''],
    [{ by: 'cookie', name: 'sid' }, 'abc='],
    [{ by: 'cookie', name: 'b' }, ''],
    [{ by: 'client' }, '192.0.2.7'],
  ];
  for (const [config, key] of table) assert.equal(requestKey(HEAD, config), key);
  assert.equal(cookieOf('GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'sid'), undefined);
});
