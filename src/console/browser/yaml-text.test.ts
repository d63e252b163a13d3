import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '../../routes/routes.ts';
import { yamlText } from './yaml-text.ts';

test('what is written reads the same', () => {
  const table: readonly Readonly<Record<string, unknown>>[] = [
    { host: 'a.example', path: '/api', upstreams: 'http://10.0.0.2:9000' },
    { host: ['a.example', '*.b.example', '*'], cache: true, limits: {} },
    {
      upstreams: [{ url: 'http://a', weight: 0 }],
      cache: { negative: '10s', heuristicShare: 0.5 },
    },
    {
      respond: { status: 200, message: 'true' },
      a: 'no',
      b: '12',
      c: '',
      d: null,
      e: '~',
      f: '1e3',
    },
    { redirect: { to: 'https://$host$uri', from: '/old/{id}/*' } },
    {
      headers: { response: { set: { 'X-A': 'a: b # c', 'X-B': ' x', 'X-C': "it's", Date: '-' } } },
    },
    { errors: { 404: { html: '<h1>Not here</h1>\n<p>Sorry</p>\n' }, '5xx': { html: 'a\n\n b' } } },
    {
      auth: {
        basic: { realm: 'Staff only', users: ['ada:(kept)', `bob:$apr1$${'x'.repeat(90)}`] },
      },
    },
    { list: Array.from({ length: 20 }, (_, index) => `http://10.0.0.${index}:9000`) },
    { text: 'tab\there', quote: '"', slash: '\\', colon: 'a:', date: '2024-01-01', more: 'a, [b]' },
  ];
  for (const data of table) assert.deepEqual(parseYaml(yamlText(data)).value, data, yamlText(data));
});

test('a key a line, short values within it', () => {
  const text = yamlText({ host: 'a.example', cache: { negative: '10s' }, app: 'blog' });
  assert.equal(text, 'host: a.example\ncache: { negative: 10s }\napp: blog');
});
