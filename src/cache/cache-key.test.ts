import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheKey, relatedKey, type QueryRule } from './cache-key.ts';

function key(target: string, query?: QueryRule, authority = 'a.test'): string {
  return cacheKey({
    space: 's',
    scheme: 'http',
    authority,
    target,
    ...(query === undefined ? {} : { query }),
  });
}

test('equal origins are equal text, others are not', () => {
  const plain = key('/x');
  assert.equal(plain, 's http://a.test/x');
  assert.equal(key('/x', 'whole', 'A.TEST'), plain);
  assert.equal(key('/x', 'whole', 'a.test:80'), plain);
  assert.notEqual(key('/x', 'whole', 'a.test:443'), plain);
  assert.notEqual(key('/x', 'whole', 'a.test:8080'), plain);
  const secure = { space: 's', scheme: 'https', target: '/x' } as const;
  assert.equal(cacheKey({ ...secure, authority: 'a.test:443' }), 's https://a.test/x');
  assert.equal(cacheKey({ ...secure, authority: '[::1]:443' }), 's https://[::1]/x');
  assert.equal(cacheKey({ ...secure, authority: 'a.test:80' }), 's https://a.test:80/x');
});

test('spaces keep apart what must not answer for each other', () => {
  const one = { scheme: 'http', authority: 'a.test', target: '/x' } as const;
  assert.notEqual(cacheKey({ ...one, space: '1' }), cacheKey({ ...one, space: '2' }));
});

test('rules about queries', () => {
  const sorted: QueryRule = { without: ['utm_source', 'gclid'] };
  const table: readonly (readonly [string, QueryRule, string])[] = [
    ['/x?b=1&a=2', 'whole', '/x?b=1&a=2'],
    ['/x?', 'whole', '/x?'],
    ['/x?b=1', 'none', '/x'],
    ['/x?', 'none', '/x'],
    ['/x', 'none', '/x'],
    ['/x?b=1&a=2', sorted, '/x?a=2&b=1'],
    ['/x?id=2&id=1&a', sorted, '/x?a&id=2&id=1'],
    ['/x?utm_source=y&a=2&gclid', sorted, '/x?a=2'],
    ['/x?utm_source=y', sorted, '/x'],
    ['/x?utm_source_2=y', sorted, '/x?utm_source_2=y'],
    ['/x?&&a=1&', sorted, '/x?a=1'],
    ['/x', sorted, '/x'],
  ];
  for (const [target, rule, wanted] of table) {
    assert.equal(key(target, rule), `s http://a.test${wanted}`, target);
  }
});

test('references are seen from the URI of the key, on its origin only', () => {
  const own = key('/d/x?q');
  const table: readonly (readonly [string, string | undefined])[] = [
    ['/y', 's http://a.test/y'],
    ['y', 's http://a.test/d/y'],
    ['../y?z#f', 's http://a.test/y?z'],
    ['', 's http://a.test/d/x?q'],
    ['http://A.test:80/y', 's http://a.test/y'],
    ['//a.test/y', 's http://a.test/y'],
    ['https://a.test/y', undefined],
    ['http://b.test/y', undefined],
    ['http://a.test:81/y', undefined],
    ['http://[', undefined],
    ['mailto:a@a.test', undefined],
  ];
  for (const [reference, wanted] of table)
    assert.equal(relatedKey(own, reference), wanted, reference);
  assert.equal(relatedKey(own, '/y?b&a', 'none'), 's http://a.test/y');
});
