import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSettings } from './commands/record-words.ts';

test('KEY=VALUE changes what it names, and values are what they look like', () => {
  const written = { host: 'a.example', cache: { negative: '10s' }, upstreams: 'http://a' };
  const table: readonly (readonly [readonly string[], object])[] = [
    [['compress=true'], { ...written, compress: true }],
    [['host=[a.example, b.example]'], { ...written, host: ['a.example', 'b.example'] }],
    [['rate.requests=100', 'rate.per=1s'], { ...written, rate: { requests: 100, per: '1s' } }],
    [['cache.setCookie=public'], { ...written, cache: { negative: '10s', setCookie: 'public' } }],
    [['cache.negative='], { host: 'a.example', upstreams: 'http://a' }],
    [['cache=true', 'upstreams='], { host: 'a.example', cache: true }],
    [
      ['upstreams=[http://a:1,http://b:2]'],
      { ...written, upstreams: ['http://a:1', 'http://b:2'] },
    ],
    [['host=*'], { ...written, host: '*' }],
    [['redirect.to=https://$host$uri'], { ...written, redirect: { to: 'https://$host$uri' } }],
    [['health={path: /up}'], { ...written, health: { path: '/up' } }],
    [
      ['headers.request.set.X-A=a: b'],
      { ...written, headers: { request: { set: { 'X-A': 'a: b' } } } },
    ],
  ];
  for (const [settings, wanted] of table) assert.deepEqual(withSettings(written, settings), wanted);
  for (const wrong of ['compress', '=1', 'a..b=1', '.=1']) {
    assert.throws(() => withSettings(written, [wrong]), { code: 'CLI_USAGE' });
  }
});
