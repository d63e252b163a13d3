import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { OPERATIONS } from './operations/operations.ts';
import { createRouter } from './router.ts';

const route = createRouter(OPERATIONS);

function outcome(method: string, path: string): unknown {
  try {
    const { operation, params } = route(method, path);
    return [operation.id, ...params.values()];
  } catch (error) {
    if (!isMolnError(error)) throw error;
    return [error.code, error.details?.['allowed']];
  }
}

test('paths lead to their operation, with decoded parameters', () => {
  assert.deepEqual(outcome('GET', '/api/apps/my-app'), ['showApp', 'my-app']);
  assert.deepEqual(outcome('HEAD', '/api/apps/my-app'), ['showApp', 'my-app']);
  assert.deepEqual(outcome('PATCH', '/api/apps/a%20b/env'), ['changeEnv', 'a b']);
  assert.deepEqual(outcome('DELETE', '/api/tokens/t1'), ['revokeToken', 't1']);
});

test('what only looks like a path is none', () => {
  const paths = [
    '/api/apps/',
    '/api/apps//env',
    '/api/apps/a/env/',
    '/api/apps/a/env/x',
    '/api/apps/..',
    '/api/apps/%2E%2E',
    '/api/apps/a%2Fenv',
    '/api/apps/a%5Cb',
    '/api/apps/a%00',
    '/api/apps/%E0%A4%A',
    `/api/apps/${'x'.repeat(129)}`,
    '/API/apps',
  ];
  for (const path of paths) {
    assert.deepEqual(outcome('GET', path), ['API_NOT_FOUND', undefined], path);
  }
});

test('a wrong method names the right ones', () => {
  assert.deepEqual(outcome('POST', '/api/apps/a'), [
    'API_METHOD_NOT_ALLOWED',
    ['GET', 'HEAD', 'DELETE'],
  ]);
  assert.deepEqual(outcome('GET', '/api/apps/a/run'), ['API_METHOD_NOT_ALLOWED', ['POST']]);
  assert.deepEqual(outcome('HEAD', '/api/live'), ['API_METHOD_NOT_ALLOWED', ['GET']]);
});
