import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHttpError } from '../http/http-error.ts';
import { isPlainPath } from '../http/path-readings.ts';
import type { RouteConfig } from './config.ts';
import { DEFAULT_GATEWAY_LIMITS } from './limits.ts';
import { pathTroubles, routeFor } from './path-check.ts';
import { RouteTable } from './route-table.ts';

/** The id of the route that a request for just that path gets to, beside a route for all the rest. */
function reached(path: string): string | undefined {
  const target = { kind: 'respond', status: 200, message: 'ok' } as const;
  const routes: RouteConfig[] = [{ id: 'r', hosts: ['*'], path, target }];
  if (path !== '/') routes.push({ id: 'rest', hosts: ['*'], path: '/', target });
  const config = { version: 1, listeners: [], routes, limits: DEFAULT_GATEWAY_LIMITS } as const;
  const table = RouteTable.build(config, undefined);
  try {
    return routeFor(table, { host: 'a', path, isPlain: isPlainPath(path) })?.id;
  } catch (error) {
    if (isHttpError(error)) return error.code;
    throw error;
  }
}

test('routes that no request gets to are named, and no others', () => {
  const troubles = (path: string): string => pathTroubles([{ id: 'r', path }]).join();
  const good = [
    '/',
    '/a',
    '/a/',
    '/a/b',
    '/a%20b',
    '/a%C3%A4/',
    '/.well-known',
    '/a.b',
    '/..a',
    '/%61',
    '/a%c3%a4',
  ];
  for (const path of good) assert.deepEqual([troubles(path), reached(path)], ['', 'r'], path);
  assert.equal(
    troubles('/x//y/'),
    'No request gets to route "r": its path "/x//y/" is one that some take for "/x/y"',
  );
  assert.equal(
    troubles('/a/*'),
    'Only a "*" as it is written leads to route "r": its path "/a/*" is compared letter by letter, and "/a" leads to all below it',
  );
  const lost = ['/x//y/', '/a%2Fb', '/a;b', '/a/./b', '/a\\b', '/a/../b', '/%2e%2e/b'];
  for (const path of lost) {
    assert.match(troubles(path), /^No request gets to route "r"/, path);
    assert.equal(reached(path), 'HTTP_AMBIGUOUS_PATH', path);
  }
});
