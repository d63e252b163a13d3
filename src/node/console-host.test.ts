import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDomainsApart, consoleUrlOf } from './console-host.ts';

test('no app is served under a name that the console may be open under', () => {
  checkDomainsApart(['www.example.org', '*.example.org', 'shop.localhost'], ['home-1']);
  for (const domain of [
    '127.0.0.1',
    '10.0.0.5',
    'localhost',
    ' LocalHost ',
    'home-1',
    '*.home-1',
  ]) {
    assert.throws(() => checkDomainsApart(['a.example', domain], ['home-1']), {
      code: 'NODE_DOMAIN_RESERVED',
    });
  }
});

test("the console's address is one that answers", () => {
  const table = [
    ['127.0.0.1', 'http://127.0.0.1:7420'],
    ['127.0.0.20', 'http://127.0.0.20:7420'],
    ['0.0.0.0', 'http://127.0.0.1:7420'],
    ['::', 'http://127.0.0.1:7420'],
    ['::1', 'http://[::1]:7420'],
    ['192.168.1.5', 'https://192.168.1.5:7420'],
  ] as const;
  for (const [address, url] of table) assert.equal(consoleUrlOf({ address, port: 7420 }), url);
});
