import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeRoutes } from './merge-routes.ts';

const target = { kind: 'respond', status: 503, message: '' } as const;

test('of two routes for one place the record has it, then the older app', () => {
  const merged = mergeRoutes(
    [{ id: 'extra', hosts: ['a.test'], path: '/', target }],
    [
      { id: 'app/old', hosts: ['old.localhost', 'a.test', 'b.test'], target },
      { id: 'app/new', hosts: ['new.localhost', 'b.test'], target },
      { id: 'app/thief', hosts: ['a.test'], target },
    ],
  );
  assert.deepEqual(
    merged.routes.map(({ id, hosts, path }) => [id, path, ...hosts]),
    [
      ['extra', '/', 'a.test'],
      ['app/old', '/', 'old.localhost', 'b.test'],
      ['app/new', '/', 'new.localhost'],
    ],
  );
  assert.deepEqual(merged.refused, [
    'a.test/ of app/old',
    'b.test/ of app/new',
    'a.test/ of app/thief',
  ]);
});

test('one host may have several routes at different paths', () => {
  const { routes, refused } = mergeRoutes(
    [
      { id: 'api', hosts: ['old.localhost'], path: '/api', target },
      { id: 'docs', hosts: ['old.localhost'], path: '/docs', target },
    ],
    [{ id: 'app/old', hosts: ['old.localhost'], target }],
  );
  assert.equal(routes.length, 3);
  assert.deepEqual(refused, []);
});
